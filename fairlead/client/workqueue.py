"""The queue of keys that a loop has to look at.

A key waits once however often it is added; while one worker holds it, no other gets it, and an addition
meanwhile makes it wait again when the worker is done. Keys that fail come back after a pause that doubles.
Bounded by the number of distinct keys. One event loop only.
"""

from __future__ import annotations

import asyncio
import collections
from collections.abc import Hashable
from typing import Generic, TypeVar

from fairlead import clock as clocks

K = TypeVar("K", bound=Hashable)

# Kubernetes' default for controllers.
FIRST_RETRY_SECONDS = 0.005
LONGEST_RETRY_SECONDS = 1000.0
_MOST_DOUBLINGS = 18


class Queue(Generic[K]):
    """Distinct keys in the order they were added; `get` and `done` bracket the work on one."""

    def __init__(
        self,
        *,
        clock: clocks.Clock = clocks.SYSTEM,
        first_retry_seconds: float = FIRST_RETRY_SECONDS,
        longest_retry_seconds: float = LONGEST_RETRY_SECONDS,
    ) -> None:
        self._clock = clock
        self._first = first_retry_seconds
        self._longest = longest_retry_seconds
        self._ready: collections.deque[K] = collections.deque()
        self._wanted: set[K] = set()
        self._working: set[K] = set()
        self._later: dict[K, tuple[float, clocks.Timer]] = {}
        self._failures: dict[K, int] = {}
        self._getters: collections.deque[asyncio.Future[None]] = collections.deque()

    def __len__(self) -> int:
        """Return how many keys are ready to be taken."""
        return len(self._ready)

    @property
    def idle(self) -> bool:
        """Whether no key is ready or being worked on; keys that wait for their time do not count."""
        return not self._wanted and not self._working

    def add(self, key: K) -> None:
        """Make a key ready."""
        if key in self._wanted:
            return
        self._wanted.add(key)
        if key not in self._working:
            self._ready.append(key)
            self._wake()

    def add_after(self, key: K, seconds: float) -> None:
        """Make a key ready after a while; of several times the earliest counts."""
        if seconds <= 0:
            self.add(key)
            return
        deadline = self._clock.monotonic() + seconds
        if key in self._later:
            earlier, timer = self._later[key]
            if earlier <= deadline:
                return
            timer.cancel()
        self._later[key] = (deadline, self._clock.call_later(seconds, lambda: self._due(key)))

    def retry(self, key: K) -> float:
        """Make a key that failed ready after its pause, which doubles each time; returns the pause in seconds."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        pause = min(self._first * float(1 << min(failures, _MOST_DOUBLINGS)), self._longest)
        self.add_after(key, pause)
        return pause

    def forget(self, key: K) -> None:
        """Note that the work on a key succeeded: its next failure is its first."""
        self._failures.pop(key, None)

    def failures(self, key: K) -> int:
        """Return how often in a row the work on a key has failed."""
        return self._failures.get(key, 0)

    async def get(self) -> K:
        """Take the next key, waiting for one; `done` must follow."""
        while not self._ready:
            getter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._getters.append(getter)
            try:
                await getter
            except asyncio.CancelledError:
                if getter.done() and not getter.cancelled():
                    # woken and cancelled at once: pass the turn on
                    self._wake()
                raise
        key = self._ready.popleft()
        self._wanted.discard(key)
        self._working.add(key)
        return key

    def done(self, key: K) -> None:
        """Give a key back; it waits again if it was added meanwhile."""
        self._working.discard(key)
        if key in self._wanted:
            self._ready.append(key)
            self._wake()

    def clear(self) -> None:
        """Forget all that waits: a loop that lost its lease starts from nothing."""
        for _, timer in self._later.values():
            timer.cancel()
        self._later.clear()
        self._ready.clear()
        self._wanted.clear()
        self._failures.clear()

    def _due(self, key: K) -> None:
        del self._later[key]
        self.add(key)

    def _wake(self) -> None:
        while self._getters:
            getter = self._getters.popleft()
            if not getter.done():
                getter.set_result(None)
                return
