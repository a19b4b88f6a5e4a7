"""How a decided write gets to the store: encoded, with what its hooks add, in one transaction on a known revision.

The part of a registry that knows the store; what is written, and whether it may be, stands in `registry`.
"""

from __future__ import annotations

from typing import Any

from control.apiserver import deletion, reading
from control.apiserver import hooks as hooking
from control.apiserver import views as viewing
from control.apiserver.strategies import strategy as strategies
from control.store import cache as caches
from control.store import interface, leases
from control.store.entry import Entry
from control.store.interface import Put, Refused, Remove
from fairlead.api import codec, errors, objects

WRITE_ATTEMPTS = 64
MAX_OBJECT_BYTES = 1536 * 1024  # etcd refuses larger requests


class Writer(reading.Reader):
    """Writes objects of one kind."""

    def __init__(
        self,
        strategy: strategies.Strategy[Any],
        store: interface.Store,
        cache: caches.Cache,
        views: viewing.Views,
        hooks: hooking.Hooks | None,
    ) -> None:
        super().__init__(strategy, store, cache, views)
        self._hooks = hooks or hooking.Hooks()
        self._allocates = hooks is not None
        self._leases = leases.LeasePool(store) if strategy.ttl_seconds else None

    async def _dry_created(self, obj: Any) -> Entry:
        """Return what a dry run would have stored."""
        key = self.kind.key(obj.metadata.namespace, obj.metadata.name)
        async with self._hooks.turn():
            await self._hooks.before_write(obj, None, hooking.Companions())
        item, _ = await self._store.get(key)
        if item is not None:
            raise errors.already_exists(self.kind.group, self.kind.resource, obj.metadata.name)
        entry = Entry(key, self.kind, obj, 0)
        obj.metadata.resourceVersion = ""
        return entry

    async def _insert(self, obj: Any) -> Entry:
        """Store a new object that has been judged."""
        key = self.kind.key(obj.metadata.namespace, obj.metadata.name)
        for _ in range(WRITE_ATTEMPTS):
            companions = hooking.Companions()
            complete = objects.copy(obj) if self._allocates else obj
            await self._hooks.before_write(complete, None, companions)
            put = Put(key, await self._encode(complete), expected=0, lease=await self._lease())
            outcome = await self._commit(put, companions)
            if not isinstance(outcome, Refused):
                return Entry(key, self.kind, complete, outcome.revision)
            if outcome.current[0] is not None:
                raise errors.already_exists(self.kind.group, self.kind.resource, obj.metadata.name)
        raise self._too_contended("create", obj.metadata.name)

    async def _commit(self, write: interface.Write, companions: hooking.Companions) -> interface.Committed | Refused:
        """Commit a write with its companions, and let the hooks know how it went."""
        try:
            outcome = await self._store.commit(write, *companions.writes)
        except errors.ApiError:
            self._hooks.unknown()
            raise
        if isinstance(outcome, Refused):
            self._hooks.refused(companions, outcome.current[1:])
        else:
            self._hooks.committed(outcome.revision)
        return outcome

    async def _replace(self, entry: Entry, obj: Any, companions: hooking.Companions) -> Entry | Refused:
        """Store a changed object, or remove it if that was all that it was waiting for."""
        if deletion.is_over(self.strategy, obj):
            outcome = await self._erase(entry)
        else:
            put = Put(entry.key, await self._encode(obj), expected=entry.revision, lease=await self._lease())
            outcome = await self._commit(put, companions)
        return outcome if isinstance(outcome, Refused) else Entry(entry.key, self.kind, obj, outcome.revision)

    async def _delete(self, entry: Entry, decided: deletion.Remove | deletion.Mark) -> Entry | Refused:
        """Remove an object, or mark it as one that is to go."""
        if isinstance(decided, deletion.Mark):
            return await self._replace(entry, decided.obj, hooking.Companions())
        outcome = await self._erase(entry)
        if isinstance(outcome, Refused):
            return outcome
        return Entry(entry.key, self.kind, objects.copy(entry.object), outcome.revision)

    async def _erase(self, entry: Entry) -> interface.Committed | Refused:
        companions = hooking.Companions()
        await self._hooks.before_removal(entry.object, companions)
        return await self._commit(Remove(entry.key, entry.revision), companions)

    async def _cached(self, namespace: str, name: str) -> Entry | None:
        """Return what the cache has: good enough to decide on, because the write is refused if it is old."""
        entry = self._cache.get(self.kind, namespace, name)
        return await self.presented(entry) if entry is not None else None

    async def _stored(self, namespace: str, name: str) -> Entry:
        item, _ = await self._store.get(self.kind.key(namespace, name))
        if item is None:
            raise self.not_found(name)
        return await self.presented(self.decode(item))

    async def _newer(self, entry: Entry) -> Entry:
        """Return what etcd has of an object, for a decision that a stale cache may have misled."""
        metadata = entry.object.metadata
        newer = await self._stored(metadata.namespace, metadata.name)
        return entry if newer.revision == entry.revision else newer

    async def _encode(self, obj: Any) -> bytes:
        """Return an object as it is stored: without the revision, which etcd itself counts."""
        obj.metadata.resourceVersion = ""
        data = codec.encode_stored(await self.views.stored(obj))
        if len(data) > MAX_OBJECT_BYTES:
            text = f"etcdserver: request is too large: {len(data)} bytes, at most {MAX_OBJECT_BYTES}"
            raise errors.RequestEntityTooLarge(text, group=self.kind.group, kind=self.kind.resource)
        return data

    async def _lease(self) -> int:
        return await self._leases.lease(self.strategy.ttl_seconds) if self._leases is not None else 0

    def _too_contended(self, verb: str, name: str) -> errors.ApiError:
        text = f'{self.kind.group_resource} "{name}" changes too fast to {verb} it'
        return errors.TooManyRequests(text, retry_after_seconds=1)


def own(entry: Entry) -> Entry:
    """Return an entry that belongs to the caller, as every answer to a write does."""
    return Entry(entry.key, entry.kind, objects.copy(entry.object), entry.revision)
