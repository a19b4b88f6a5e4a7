"""Typed reads of the watch cache for plugins, of kinds that may not be served.

What is returned is the cache's own: never to be changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Generic, TypeVar, cast

from google.protobuf.message import Message

from control.apiserver.admission import plugin
from control.store import cache as caches
from fairlead.api import scheme
from fairlead.api.pb import core_v1_pb2 as corev1

M = TypeVar("M", bound=Message)
Labels = Mapping[str, str]


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


async def namespace_of(
    request: plugin.Request, namespaces: Lookup[corev1.Namespace]
) -> tuple[corev1.Namespace | None, Labels | None]:
    """Return a request's namespace and the labels that namespace selectors look at, None for what lies in none.

    A namespace is judged by its own labels; what comes through a subresource of it does not choose who judges.
    """
    own = request.obj if request.operation != "DELETE" and not request.subresource else request.old
    if isinstance(own, corev1.Namespace):
        return None, own.metadata.labels
    if not request.namespace:
        return None, None
    found = await namespaces.find(request.namespace)
    return found, found.metadata.labels if found is not None else {}
