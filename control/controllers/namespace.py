"""The namespace controller: deletes all that a namespace holds, then lets it go.

A namespace that is being deleted keeps its finalizer `kubernetes` until nothing is left in it; its conditions say
what is. Pods go first: what shields them, such as NetworkPolicies, stays until they have ended (KEP-5080).
"""

from __future__ import annotations

import collections
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from google.protobuf.message import Message

from control.controllers import customkinds, framework
from fairlead.api import conditions, errors, objects, scheme, times
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import meta_v1_pb2 as metav1

FINALIZER = "kubernetes"
# Looks again this soon while content is left; the end of a pod is noticed at once.
AGAIN_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Remains:
    """What is left of a namespace: objects by resource, finalizers by name, errors met."""

    counts: Mapping[str, int]
    finalizers: Mapping[str, int]
    failures: Sequence[str] = ()


def set_conditions(namespace: corev1.Namespace, remains: Remains, now: float) -> bool:
    """Write what is left into a namespace's conditions; returns whether that changed anything."""
    stamp = times.from_seconds(now)
    verdicts = [
        ("NamespaceDeletionDiscoveryFailure", False, "ResourcesDiscovered", "All resources successfully discovered"),
        (
            "NamespaceDeletionGroupVersionParsingFailure",
            False,
            "ParsedGroupVersions",
            "All legacy kube types successfully parsed",
        ),
        _content_failure(remains),
        _content_remaining(remains),
        _finalizers_remaining(remains),
    ]
    changed = False
    for kind, holds, reason, message in verdicts:
        status = conditions.TRUE if holds else conditions.FALSE
        changed |= conditions.set_condition(
            namespace.status.conditions, kind, status, stamp, reason=reason, message=message
        )
    return changed


_Verdict = tuple[str, bool, str, str]


def _content_failure(remains: Remains) -> _Verdict:
    kind = "NamespaceDeletionContentFailure"
    if remains.failures:
        listed = ", ".join(sorted(remains.failures))
        return kind, True, "ContentDeletionFailed", f"Failed to delete all resource types, {len(remains.failures)} " \
            f"remaining: {listed}"  # fmt: skip
    text = "All content successfully deleted, may be waiting on finalization"
    return kind, False, "ContentDeleted", text


def _content_remaining(remains: Remains) -> _Verdict:
    kind = "NamespaceContentRemaining"
    if not remains.counts:
        return kind, False, "ContentRemoved", "All content successfully removed"
    listed = ", ".join(f"{name} has {count} resource instances" for name, count in sorted(remains.counts.items()))
    return kind, True, "SomeResourcesRemain", f"Some resources are remaining: {listed}"


def _finalizers_remaining(remains: Remains) -> _Verdict:
    kind = "NamespaceFinalizersRemaining"
    if not remains.finalizers:
        return kind, False, "ContentHasNoFinalizers", "All content-preserving finalizers finished"
    listed = ", ".join(f"{name} in {count} resource instances" for name, count in sorted(remains.finalizers.items()))
    return kind, True, "SomeFinalizersRemain", f"Some content in the namespace has finalizers remaining: {listed}"


class NamespaceController(framework.Controller):
    """Empties and finalizes namespaces that are being deleted."""

    name = "namespace-controller"
    workers = 4

    def __init__(self, context: framework.Context, kinds: scheme.Scheme = scheme.DEFAULT) -> None:
        super().__init__(context)
        self._kinds = customkinds.CustomKinds(context.informers, kinds)
        self._namespaces = context.informers.of(corev1.Namespace)
        self._pods = context.informers.of(corev1.Pod)
        self._namespaces.add_handler(self._namespace_changed)
        self._pods.add_handler(self._pod_changed)

    def keys(self) -> Iterable[str]:
        return [each.metadata.name for each in self._namespaces.list() if _is_terminating(each)]

    def _namespace_changed(self, change: str, old: corev1.Namespace | None, new: corev1.Namespace | None) -> None:
        if new is not None and _is_terminating(new) and (old is None or not _is_terminating(old)):
            self.enqueue(new.metadata.name)

    def _pod_changed(self, change: str, old: corev1.Pod | None, new: corev1.Pod | None) -> None:
        if new is not None or old is None or not self._running:
            return
        namespace = self._namespaces.get(old.metadata.namespace)
        if namespace is not None and _is_terminating(namespace):
            self.enqueue(namespace.metadata.name)

    async def reconcile(self, key: str) -> framework.Result:
        try:
            namespace = await self.client.get(corev1.Namespace, key)
        except errors.NotFound:
            return framework.nothing("gone")
        if not _is_terminating(namespace) or FINALIZER not in namespace.spec.finalizers:
            return framework.nothing("is not to be emptied")
        remains = await self._empty(key)
        fresh = objects.copy(namespace)
        if set_conditions(fresh, remains, self.clock.now()):
            fresh = objects.copy(await self.client.update(fresh, subresource="status"))
        if remains.counts or remains.failures:
            left = sum(remains.counts.values())
            return framework.Result(f"emptied but for {left} objects", again_seconds=AGAIN_SECONDS)
        fresh.spec.finalizers.remove(FINALIZER)
        await self.client.update(fresh, subresource="finalize")
        return framework.Result("emptied and finalized")

    async def _empty(self, namespace: str) -> Remains:
        counts: dict[str, int] = {}
        finalizers: collections.Counter[str] = collections.Counter()
        failures: list[str] = []
        for kind in sorted(self._kinds.scheme, key=lambda kind: kind.message is not corev1.Pod):
            if not kind.namespaced:
                continue
            try:
                left = await self._delete_all(objects.class_of(kind), namespace)
            except (errors.NotFound, errors.MethodNotAllowed):
                continue
            except errors.ApiError as error:
                failures.append(f"{kind.group_resource}: {error}")
                continue
            if left:
                counts[f"{kind.resource}.{kind.group}"] = len(left)
            for obj in left:
                finalizers.update(cast(Any, obj).metadata.finalizers)
            if left and kind.message is corev1.Pod:
                break
        return Remains(counts, finalizers, failures)

    async def _delete_all(self, kind: type[Message], namespace: str) -> Sequence[Message]:
        """Delete a namespace's objects of a kind; returns those that are still there."""
        page = await self.client.list(kind, namespace)
        if not page.items:
            return []
        if any(not cast(Any, obj).metadata.HasField("deletionTimestamp") for obj in page.items):
            # Jobs and ReplicationControllers would else leave their pods to be emptied one by one
            background = metav1.DeleteOptions(propagationPolicy="Background")
            await self.client.delete_collection(kind, namespace, options=background)
            page = await self.client.list(kind, namespace)
        return page.items


def _is_terminating(namespace: corev1.Namespace) -> bool:
    return namespace.metadata.HasField("deletionTimestamp")
