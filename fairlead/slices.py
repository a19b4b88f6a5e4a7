"""Loops over many objects, and many tasks with something to do, that let others run: slices of a few milliseconds."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from typing import TypeVar

T = TypeVar("T")

# One loop keeps others waiting for a slice; all that go on at once, for about twice the longest together.
FIRST_SECONDS, SHORTEST_SECONDS, LONGEST_SECONDS = 0.001, 0.0002, 0.005
PASS_SECONDS = 0.01
LOOK_EVERY = 8  # objects between two looks at the clock


async def sliced(items: Iterable[T]) -> AsyncIterator[T]:
    """Iterate, giving way to other tasks whenever a slice has passed. What is iterated must not change meanwhile."""
    began, length = time.monotonic(), FIRST_SECONDS
    for index, item in enumerate(items):
        yield item
        if index % LOOK_EVERY == 0 and time.monotonic() - began >= length:
            await asyncio.sleep(0)
            began, before = time.monotonic(), began
            length = next_length(length, began - before)


def next_length(length: float, passed: float) -> float:
    """Return how long the next slice is to be, by the time from the last one's begin until its task ran again.

    Others that loop at once make that long: all then take shorter slices.
    """
    return min(max(length * PASS_SECONDS / passed, SHORTEST_SECONDS), LONGEST_SECONDS) if passed else length


class Turns:
    """Turns of many tasks that wake at once: so many in each pass of the event loop, then others run.

    The loop runs all that is ready before it looks at anything else; a thousand watches that hear of one change would
    hold it for as long as a thousand answers take.
    """

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        self._left = at_once
        self._waiting: deque[Callable[[], None]] = deque()
        self._armed = False

    async def turn(self) -> None:
        """Return at once, or in a later pass of the loop where this one has had enough."""
        place = asyncio.get_running_loop().create_future()

        def take() -> None:
            if not place.done():  # else its task was cancelled
                place.set_result(None)

        self.call(take)
        if not place.done():
            await place

    def call(self, wake: Callable[[], None]) -> None:
        """Call something that wakes a task: at once, or in a later pass."""
        self._arm()
        if self._left and not self._waiting:
            self._left -= 1
            wake()
        else:
            self._waiting.append(wake)

    def _arm(self) -> None:
        if not self._armed:
            self._armed = True
            asyncio.get_running_loop().call_soon(self._next_pass)

    def _next_pass(self) -> None:
        self._armed = False
        self._left = self._at_once
        while self._waiting and self._left:
            self._left -= 1
            self._waiting.popleft()()
        if self._waiting:
            self._arm()
