"""etcd leases for objects that expire, such as Events: one lease serves many objects.

The registry of such a kind asks for the current one with each write.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from control.store import interface

REUSE_SECONDS = 60.0


class Leases:
    """The lease that objects of one kind are written under; a new one is granted every minute."""

    def __init__(self, store: interface.Store, ttl_seconds: int, now: Callable[[], float]) -> None:
        self._store = store
        self._ttl_seconds = ttl_seconds
        self._now = now
        self._lease = 0
        self._until = 0.0
        self._granting = asyncio.Lock()

    async def current(self) -> int:
        """Return a lease that lasts at least the kind's time and at most a minute longer."""
        async with self._granting:
            now = self._now()
            if now >= self._until:
                self._lease = await self._store.grant(self._ttl_seconds + int(REUSE_SECONDS))
                self._until = now + REUSE_SECONDS
            return self._lease
