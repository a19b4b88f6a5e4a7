"""What wakes one task that waits, where there are thousands of them."""

from __future__ import annotations

import asyncio


class Bell:
    """An event for one waiter, in a tenth of the memory that asyncio.Event takes."""

    __slots__ = ("_rung", "_waiter")

    def __init__(self) -> None:
        self._rung = False
        self._waiter: asyncio.Future[None] | None = None

    def set(self) -> None:
        """Let who waits, or comes to wait, go on."""
        self._rung = True
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def clear(self) -> None:
        """Let who comes from now on wait."""
        self._rung = False

    async def wait(self) -> None:
        """Wait until it has been set; one task at a time."""
        if self._rung:
            return
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None
