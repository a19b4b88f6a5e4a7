"""Waiting for a condition in tests, on the loop's own turns."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


async def settle(turns: int = 50) -> None:
    """Let every task that can run do so."""
    for _ in range(turns):
        await asyncio.sleep(0)


async def until(probe: Callable[[], str], turns: int = 2000) -> None:
    """Wait until `probe` returns no reason why not yet; fail with the last reason."""
    why = probe()
    for _ in range(turns):
        if not why:
            return
        await asyncio.sleep(0)
        why = probe()
    raise AssertionError(why)
