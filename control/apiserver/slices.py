"""Loops over many objects that let others run: no slice longer than a few milliseconds."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable
from typing import TypeVar

T = TypeVar("T")

SLICE_SECONDS = 0.005
LOOK_EVERY = 32  # objects between two looks at the clock


async def sliced(items: Iterable[T]) -> AsyncIterator[T]:
    """Iterate, giving way to other tasks whenever a slice has passed. What is iterated must not change meanwhile."""
    until = time.monotonic() + SLICE_SECONDS
    for index, item in enumerate(items):
        yield item
        if index % LOOK_EVERY == 0 and time.monotonic() >= until:
            await asyncio.sleep(0)
            until = time.monotonic() + SLICE_SECONDS
