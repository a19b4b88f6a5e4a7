"""What authentication and authorisation ask the watch cache: objects by name, and the pods of a node."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar, cast

from google.protobuf.message import Message

from control.apiserver import reading
from control.store import cache as caches
from fairlead.api import scheme
from fairlead.api.pb import core_v1_pb2 as corev1

M = TypeVar("M", bound=Message)


class CachedObjects:
    """Objects as the cache has them, each the cache's own message or None."""

    def __init__(self, cache: caches.Cache) -> None:
        self._cache = cache
        self._pods = scheme.DEFAULT.of(corev1.Pod)
        cache.index(self._pods, reading.PODS_BY_NODE, _node_of)

    async def fresh(self) -> None:
        """Wait until what follows shows all that was written before."""
        await self._cache.fresh()

    def find(self, kind: type[M], namespace: str, name: str) -> M | None:
        """Return an object, or None."""
        entry = self._cache.get(scheme.DEFAULT.of(kind), namespace, name)
        return cast(M, entry.object) if entry is not None else None

    def pod(self, namespace: str, name: str) -> corev1.Pod | None:
        """Return a pod, or None."""
        return self.find(corev1.Pod, namespace, name)

    def pods_on(self, node: str, namespace: str) -> Iterable[corev1.Pod]:
        """Return the pods of a namespace that are bound to a node."""
        for entry in self._cache.find(self._pods, reading.PODS_BY_NODE, node):
            if entry.object.metadata.namespace == namespace:
                yield cast(corev1.Pod, entry.object)

    def volume(self, name: str) -> corev1.PersistentVolume | None:
        """Return a persistent volume, or None."""
        return self.find(corev1.PersistentVolume, "", name)


def _node_of(pod: Any) -> Iterable[str]:
    return (pod.spec.nodeName,) if pod.spec.nodeName else ()
