"""NamespaceLifecycle: nothing is created in a namespace that is not there or is going away."""

from __future__ import annotations

from control.apiserver.admission import plugin
from control.store import cache as caches
from fairlead.api import errors, scheme
from fairlead.api.pb import core_v1_pb2 as corev1

IMMORTAL = frozenset({"default", "kube-system", "kube-public"})


class NamespaceLifecycle(plugin.Plugin):
    """Judges creations by their namespace, and keeps Kubernetes' own namespaces from being deleted."""

    def __init__(self, cache: caches.Cache) -> None:
        self._cache = cache
        self._kind = scheme.DEFAULT.of(corev1.Namespace)

    async def validate(self, request: plugin.Request) -> None:
        """Refuse by the namespace's state; the cache is asked, and etcd before a refusal for what is missing."""
        kind = request.kind
        if kind is self._kind:
            if request.operation == "DELETE" and request.name in IMMORTAL:
                why = "this namespace may not be deleted"
                raise errors.forbidden(kind.group, kind.resource, request.name, why)
            return
        if request.operation != "CREATE" or not kind.namespaced:
            return
        found = self._cache.get(self._kind, "", request.namespace)
        if found is None:
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
