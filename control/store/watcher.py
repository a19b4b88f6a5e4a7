"""One reader's view of one kind's changes: a bounded queue between the cache and a loop or session."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from control.store.entry import Batch, Change
from fairlead import slices
from fairlead.api import errors


@dataclass(frozen=True, slots=True)
class Limits:
    """How far a reader may fall behind, and how often it hears of progress without changes (0: never)."""

    changes: int = 20_000
    progress_seconds: float = 0.05


USUAL = Limits()


class Watcher:
    """An async iterator of batches.

    It ends with errors.Expired where the reader falls behind by more changes than its limit: list again. Who
    made it calls `close`, or leaves `async with` on it.
    """

    def __init__(
        self,
        prefix: str,
        after: int,
        *,
        published: Callable[[], int],
        detach: Callable[[Watcher], None],
        turns: slices.Turns,
        limits: Limits = USUAL,
    ) -> None:
        self._prefix = prefix
        self._reached = after
        self._published = published
        self._detach = detach
        self._turns = turns
        self._limits = limits
        self._now = asyncio.get_running_loop().time
        self._quiet_until = 0.0
        self._buffer: list[Change] = []
        self._failure: errors.ApiError | None = None
        self._waiting: asyncio.Future[None] | None = None
        self._to_wake = False

    def offer(self, changes: Sequence[Change]) -> None:
        """Take what the cache has just applied; called by the cache only, before it publishes the revision."""
        if changes[0].revision <= self._reached:
            changes = [change for change in changes if change.revision > self._reached]
        if self._prefix:
            changes = [change for change in changes if change.entry.key.startswith(self._prefix)]
        if not changes:
            return
        self._buffer.extend(changes)
        if len(self._buffer) > self._limits.changes:
            self.fail(errors.Expired("too old resource version: the watcher fell behind"))
        self._wake()

    def fail(self, error: errors.ApiError) -> None:
        """End the watch with an error; what the reader has not taken is dropped."""
        self._failure = error
        self._buffer.clear()
        self._detach(self)
        self._wake()

    @property
    def progress_seconds(self) -> float:
        """The shortest time between two batches without changes; infinite where none is wanted."""
        return self._limits.progress_seconds or math.inf

    @property
    def lagging(self) -> bool:
        """Whether the cache is ahead of what this reader has been told, and the reader wants to know."""
        return bool(self._limits.progress_seconds) and self._published() > self._reached

    def tick(self, now: float) -> float:
        """Wake a reader that is to hear of progress; returns the seconds until it is, infinite if there is none."""
        if not self.lagging or self._buffer:
            return math.inf
        wait = self._quiet_until - now
        if wait <= 0:
            self._wake()
            return math.inf
        return wait

    def close(self) -> None:
        """End the watch; a reader that waits gets StopAsyncIteration."""
        self._detach(self)
        self._failure = self._failure or _Closed("the watch is closed")
        self._wake()

    async def __aenter__(self) -> Watcher:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    def __aiter__(self) -> Watcher:
        return self

    async def __anext__(self) -> Batch:
        """Return what has changed since the last batch, waiting for it; one reader at a time."""
        while True:
            if self._failure is not None:
                if isinstance(self._failure, _Closed):
                    raise StopAsyncIteration
                raise self._failure
            if self._buffer or (self.lagging and self._now() >= self._quiet_until):
                return self._take()
            self._waiting = asyncio.get_running_loop().create_future()
            try:
                await self._waiting
            finally:
                self._waiting = None

    def _take(self) -> Batch:
        changes, self._buffer = self._buffer, []
        # all that is published has been offered, so nothing up to that revision is missing
        self._reached = max(self._reached, self._published())
        self._quiet_until = self._now() + self._limits.progress_seconds
        return Batch(changes, self._reached)

    def _wake(self) -> None:
        """Let a reader that waits go on, in its turn: a thousand may hear of one change."""
        if self._waiting is not None and not self._waiting.done() and not self._to_wake:
            self._to_wake = True
            self._turns.call(self._woken)

    def _woken(self) -> None:
        self._to_wake = False
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)


class _Closed(errors.ApiError):
    """The reader's own end of a watch."""
