"""Two controllers that hold claims and volumes while they are used, by the finalizers that admission gives them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from typing import Any, ClassVar

from google.protobuf.message import Message

from control.controllers import framework
from fairlead.api import errors, objects, pods
from fairlead.api.pb import core_v1_pb2 as corev1

CLAIM_FINALIZER = "kubernetes.io/pvc-protection"
VOLUME_FINALIZER = "kubernetes.io/pv-protection"
BY_CLAIM = "claim"


def claims_of(pod: corev1.Pod) -> list[str]:
    """Return the claims that a pod names, as namespace/name, also those made for it."""
    meta = pod.metadata
    found = []
    for volume in pod.spec.volumes:
        if volume.volumeSource.HasField("persistentVolumeClaim"):
            found.append(f"{meta.namespace}/{volume.volumeSource.persistentVolumeClaim.claimName}")
        elif volume.volumeSource.HasField("ephemeral"):
            found.append(f"{meta.namespace}/{meta.name}-{volume.name}")
    return found


class _Protection(framework.Controller):
    """Takes a finalizer away from what is being deleted and no longer used."""

    kind: ClassVar[type[Message]]
    finalizer: ClassVar[str]
    workers = 1

    def __init__(self, context: framework.Context) -> None:
        super().__init__(context)
        self._followed = context.informers.of(self.kind)
        self._followed.add_handler(self._protected_changed)

    def keys(self) -> Iterable[str]:
        """Return what is being deleted and still held."""
        return [objects.key_of(each) for each in self._followed.list() if self._is_held(each)]  # type: ignore[arg-type]

    def _protected_changed(self, change: str, old: Any | None, new: Any | None) -> None:
        if new is not None and self._is_held(new):
            self.enqueue(objects.key_of(new))

    def _is_held(self, obj: Any) -> bool:
        return obj.metadata.HasField("deletionTimestamp") and self.finalizer in obj.metadata.finalizers

    def _in_use(self, key: str, obj: Any) -> str:
        """Return by what the object is used, "" where it is not."""
        raise NotImplementedError

    async def reconcile(self, key: str) -> framework.Result:
        obj: Any = self._followed.get_key(key)
        if obj is None or not self._is_held(obj):
            return framework.nothing("not held")
        user = self._in_use(key, obj)
        if user:
            return framework.nothing(f"used by {user}")
        fresh = objects.copy(obj)
        fresh.metadata.finalizers.remove(self.finalizer)
        with contextlib.suppress(errors.NotFound):
            await self.client.update(fresh)
        return framework.Result("let it go")


class ClaimProtection(_Protection):
    """Holds claims that a pod on a node uses."""

    name = "pvc-protection-controller"
    kind = corev1.PersistentVolumeClaim
    finalizer = CLAIM_FINALIZER

    def __init__(self, context: framework.Context) -> None:
        super().__init__(context)
        self._pods = context.informers.of(corev1.Pod)
        self._pods.add_index(BY_CLAIM, claims_of)
        self._pods.add_handler(self._pod_changed)

    def _pod_changed(self, change: str, old: corev1.Pod | None, new: corev1.Pod | None) -> None:
        if old is not None and (new is None or pods.is_finished(new)):
            for key in claims_of(old):
                self.enqueue(key)

    def _in_use(self, key: str, obj: Any) -> str:
        for pod in self._pods.by_index(BY_CLAIM, key):
            if pod.spec.nodeName and not pods.is_finished(pod):
                return f"pod {pod.metadata.name}"
        return ""


class VolumeProtection(_Protection):
    """Holds volumes that are bound to a claim."""

    name = "pv-protection-controller"
    kind = corev1.PersistentVolume
    finalizer = VOLUME_FINALIZER

    def _in_use(self, key: str, obj: Any) -> str:
        return f"claim {obj.spec.claimRef.name}" if obj.status.phase == "Bound" else ""
