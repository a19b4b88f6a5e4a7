"""Typed reads of the watch cache for plugins, of kinds that may not be served.

What is returned is the cache's own: never to be changed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, TypeVar, cast

from google.protobuf.message import Message

from control.store import cache as caches
from fairlead.api import scheme

M = TypeVar("M", bound=Message)


class Lookup(Generic[M]):
    """The objects of one kind; nothing where the scheme has no row for it."""

    def __init__(self, cache: caches.Cache, message: type[M]) -> None:
        self._cache = cache
        try:
            self.kind: scheme.Kind | None = scheme.DEFAULT.of(message)
        except scheme.UnknownKind:
            self.kind = None

    def get(self, name: str, namespace: str = "") -> M | None:
        """Return an object as the cache has it, or None."""
        entry = self._cache.get(self.kind, namespace, name) if self.kind is not None else None
        return cast(M, entry.object) if entry is not None else None

    async def find(self, name: str, namespace: str = "") -> M | None:
        """Return an object, asking etcd before it is given up."""
        found = self.get(name, namespace)
        if found is None and self.kind is not None:
            await self._cache.fresh()
            found = self.get(name, namespace)
        return found

    def all(self, namespace: str = "") -> Iterator[M]:
        """Iterate over a collection in key order, of one namespace if given."""
        if self.kind is not None:
            for entry in self._cache.list(self.kind, namespace):
                yield cast(M, entry.object)
