"""Quorum reads of the store's revision, each shared by all who ask for one before it begins."""

from __future__ import annotations

import asyncio

from control.store import interface


class Reads:
    """At most one read under way and one that waits for its end."""

    def __init__(self, store: interface.Store) -> None:
        self._store = store
        self._next: asyncio.Task[int] | None = None
        self._running: asyncio.Task[int] | None = None

    def next(self) -> asyncio.Task[int]:
        """Return the read that begins next: one under way may have begun before the caller's question."""
        if self._next is None:
            self._next = asyncio.create_task(self._read(self._running), name="store-quorum-read")
            # whoever asked may have given up meanwhile, and a failure is then nobody's
            self._next.add_done_callback(lambda task: task.cancelled() or task.exception())
        return self._next

    async def _read(self, before: asyncio.Task[int] | None) -> int:
        if before is not None:
            await asyncio.wait([before])
        self._running, self._next = self._next, None
        return await self._store.revision()
