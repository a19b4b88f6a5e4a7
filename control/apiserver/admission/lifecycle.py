"""NamespaceLifecycle: nothing is created in a namespace that is not there or is going away."""

from __future__ import annotations

import time

from control.apiserver.admission import plugin
from control.store import cache as caches
from fairlead.api import errors, scheme
from fairlead.api.pb import core_v1_pb2 as corev1

LOOK_AGAIN_SECONDS = 30.0  # as Kubernetes; a cache that lags more serves nothing anyway
IMMORTAL = frozenset({"default", "kube-system", "kube-public"})


class NamespaceLifecycle(plugin.Plugin):
    """Judges creations by their namespace, and keeps Kubernetes' own namespaces from being deleted."""

    def __init__(self, cache: caches.Cache) -> None:
        self._cache = cache
        self._kind = scheme.DEFAULT.of(corev1.Namespace)
        self._deleted: dict[str, float] = {}

    async def validate(self, request: plugin.Request) -> None:
        """Refuse to delete Kubernetes' own namespaces."""
        if request.kind is self._kind and request.operation == "DELETE":
            self._note_deletion(request)

    async def admit(self, request: plugin.Request) -> None:
        """Refuse by the namespace's state, before anything else is judged.

        The cache is asked, and etcd before a refusal for what is missing.
        """
        kind = request.kind
        if request.operation != "CREATE" or not kind.namespaced or kind is self._kind:
            return
        found = self._cache.get(self._kind, "", request.namespace)
        if found is None or self._deleted.get(request.namespace, 0.0) > time.monotonic():
            await self._cache.fresh()
            found = self._cache.get(self._kind, "", request.namespace)
        if found is None:
            raise errors.not_found("", "namespaces", request.namespace)
        namespace = found.object
        assert isinstance(namespace, corev1.Namespace)
        if namespace.status.phase == "Terminating" or namespace.metadata.HasField("deletionTimestamp"):
            text = f"unable to create new content in namespace {request.namespace} because it is being terminated"
            error = errors.forbidden(kind.group, kind.resource, request.name, text)
            cause = errors.Cause(
                "NamespaceTerminating", f"namespace {request.namespace} is being terminated", "metadata.namespace"
            )
            raise errors.Forbidden(error.message, group=error.group, kind=error.kind, name=error.name, causes=[cause])

    def _note_deletion(self, request: plugin.Request) -> None:
        """Remember a namespace that this process deletes: for a while its cache may not show it yet."""
        if request.name in IMMORTAL:
            why = "this namespace may not be deleted"
            raise errors.forbidden(request.kind.group, request.kind.resource, request.name, why)
        now = time.monotonic()
        self._deleted = {name: until for name, until in self._deleted.items() if until > now}
        self._deleted[request.name] = now + LOOK_AGAIN_SECONDS
