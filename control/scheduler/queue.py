"""The pods that wait to be scheduled: ready ones by priority, those that back off, those that nothing helps yet.

The scheduler pops the most urgent pod; a pod that no node can carry comes back when an event happens that may help
it, after a pause that grows with its attempts. Source: Kubernetes' documentation, "Scheduling Framework".
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from dataclasses import dataclass

from control.scheduler import pods as podinfos
from control.scheduler.framework import Event
from fairlead import clock as clocks

FIRST_BACKOFF_SECONDS = 1.0
LONGEST_BACKOFF_SECONDS = 10.0
# Against a hint that is missing: a pod never waits longer without another look.
FLUSH_SECONDS = 300.0

NOTHING = Event(0)


@dataclass(slots=True, eq=False)
class Waiting:
    """A pod in the queue: how often it was tried, and what may help it."""

    info: podinfos.PodInfo
    attempts: int = 0
    wakes: Event = NOTHING
    timer: clocks.Timer | None = None


class Queue:
    """Pods by uid, each in one state."""

    def __init__(self, *, clock: clocks.Clock = clocks.SYSTEM) -> None:
        self._clock = clock
        self._order = itertools.count()
        self._ready: list[tuple[int, int, Waiting]] = []
        self._active: dict[str, Waiting] = {}
        self._backing_off: dict[str, Waiting] = {}
        self._unschedulable: dict[str, Waiting] = {}
        self._due: dict[str, float] = {}
        self._filled = asyncio.Event()

    def __len__(self) -> int:
        return len(self._active) + len(self._backing_off) + len(self._unschedulable)

    @property
    def counts(self) -> tuple[int, int, int]:
        """Return how many pods are ready, back off, and are unschedulable."""
        return len(self._active), len(self._backing_off), len(self._unschedulable)

    def add(self, info: podinfos.PodInfo) -> None:
        """Add a pod, or take in what changed of one: a changed pod is ready at once."""
        known = self._take(info.uid)
        attempts = known.attempts if known is not None else 0
        self._activate(Waiting(info, attempts))

    def remove(self, uid: str) -> None:
        """Forget a pod."""
        self._take(uid)

    def pop_ready(self) -> Waiting | None:
        """Take the most urgent pod that is ready, None where there is none; counts as an attempt."""
        while self._ready:
            waiting = heapq.heappop(self._ready)[2]
            if self._active.get(waiting.info.uid) is waiting:
                del self._active[waiting.info.uid]
                waiting.attempts += 1
                return waiting
        self._filled.clear()
        return None

    async def wait(self) -> None:
        """Wait until a pod may be ready."""
        await self._filled.wait()

    def retry(self, waiting: Waiting) -> None:
        """Put a pod back whose attempt failed by accident; it comes back after its pause."""
        self._back_off(waiting, self._pause(waiting))

    def park(self, waiting: Waiting, wakes: Event) -> None:
        """Put a pod back that no node can carry; it comes back when one of these events happens."""
        waiting.wakes = wakes
        uid = waiting.info.uid
        self._due[uid] = self._clock.monotonic() + self._pause(waiting)
        self._unschedulable[uid] = waiting
        waiting.timer = self._clock.call_later(FLUSH_SECONDS, lambda: self._wake(uid))

    def happened(self, event: Event) -> None:
        """Wake the pods that an event may help; each waits for the rest of its pause."""
        for uid in [uid for uid, waiting in self._unschedulable.items() if waiting.wakes & event]:
            self._wake(uid)

    def close(self) -> None:
        """Forget every pod and timer."""
        for uid in [*self._active, *self._backing_off, *self._unschedulable]:
            self._take(uid)

    def _wake(self, uid: str) -> None:
        due = self._due.get(uid, 0.0)
        waiting = self._take(uid)
        if waiting is None:
            return
        left = due - self._clock.monotonic()
        if left > 0:
            self._back_off(waiting, left)
        else:
            self._activate(waiting)

    def _activate(self, waiting: Waiting) -> None:
        self._active[waiting.info.uid] = waiting
        heapq.heappush(self._ready, (-waiting.info.priority, next(self._order), waiting))
        self._filled.set()

    def _back_off(self, waiting: Waiting, seconds: float) -> None:
        uid = waiting.info.uid
        self._backing_off[uid] = waiting
        waiting.timer = self._clock.call_later(seconds, lambda: self._ready_again(uid))

    def _ready_again(self, uid: str) -> None:
        waiting = self._take(uid)
        if waiting is not None:
            self._activate(waiting)

    def _pause(self, waiting: Waiting) -> float:
        doublings = min(max(waiting.attempts - 1, 0), 10)
        return min(FIRST_BACKOFF_SECONDS * float(1 << doublings), LONGEST_BACKOFF_SECONDS)

    def _take(self, uid: str) -> Waiting | None:
        self._due.pop(uid, None)
        waiting = self._active.pop(uid, None)
        if waiting is None:
            waiting = self._backing_off.pop(uid, None) or self._unschedulable.pop(uid, None)
        if waiting is not None and waiting.timer is not None:
            waiting.timer.cancel()
            waiting.timer = None
        return waiting
