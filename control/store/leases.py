"""etcd leases shared by keys that end at about the same time: Events, mostly.

A lease costs etcd more than a key does, so keys that are written within a minute share one, which ends up to that
minute later than asked for. Kubernetes does the same.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from control.store import interface

SHARED_SECONDS = 60.0
MAX_KEYS = 1_000  # ending a lease deletes its keys in one go


class LeasePool:
    """Hands out leases by how long they last."""

    def __init__(self, store: interface.Store, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._clock = clock
        self._current: dict[int, tuple[int, float, int]] = {}
        self._lock = asyncio.Lock()

    async def lease(self, seconds: int) -> int:
        """Return a lease that lasts at least so long, for one key."""
        async with self._lock:
            now = self._clock()
            lease, until, keys = self._current.get(seconds, (0, 0.0, 0))
            if now >= until or keys >= MAX_KEYS:
                lease, until, keys = await self._store.grant(seconds + int(SHARED_SECONDS)), now + SHARED_SECONDS, 0
            self._current[seconds] = (lease, until, keys + 1)
            return lease
