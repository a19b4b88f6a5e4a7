"""PersistentVolumes: storage that is there to be claimed; where it lies never changes."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from control.apiserver import field
from control.apiserver.advice import volumes as advice
from control.apiserver.defaults import podspec, sources
from control.apiserver.strategies import strategy
from control.apiserver.validation import persistentvolumes
from fairlead.api.pb import core_v1_pb2 as corev1


class PersistentVolumeStrategy(strategy.Strategy[corev1.PersistentVolume]):
    """The rules of PersistentVolumes; `now` stamps the changes of their phase."""

    message = corev1.PersistentVolume

    def __init__(self, now: Callable[[], float]) -> None:
        super().__init__()
        self._now = now

    def default(self, obj: corev1.PersistentVolume) -> None:
        """Fill in the phase, the policy and the mode."""
        spec = obj.spec
        self.default_status(obj)
        spec.persistentVolumeReclaimPolicy = spec.persistentVolumeReclaimPolicy or "Retain"
        if not spec.HasField("volumeMode"):
            spec.volumeMode = "Filesystem"
        sources.fill(spec.persistentVolumeSource)
        podspec.canonical(spec.capacity)

    def default_status(self, obj: corev1.PersistentVolume) -> None:
        """Fill in the phase."""
        obj.status.phase = obj.status.phase or "Pending"

    def prepare_for_create(self, obj: corev1.PersistentVolume) -> None:
        """Start as Pending."""
        strategy.drop_status(obj)
        obj.status.phase = "Pending"
        obj.status.lastPhaseTransitionTime.seconds = int(self._now())

    def prepare_for_update(self, obj: corev1.PersistentVolume, old: corev1.PersistentVolume) -> None:
        """Keep the status."""
        strategy.keep_status(obj, old)

    def prepare_for_status_update(self, obj: corev1.PersistentVolume, old: corev1.PersistentVolume) -> None:
        """Keep the spec, and stamp a change of the phase that the writer has not stamped."""
        super().prepare_for_status_update(obj, old)
        stamp, before = obj.status.lastPhaseTransitionTime, old.status.lastPhaseTransitionTime
        if obj.status.phase == old.status.phase:
            if not obj.status.HasField("lastPhaseTransitionTime") and old.status.HasField("lastPhaseTransitionTime"):
                stamp.CopyFrom(before)
        elif not obj.status.HasField("lastPhaseTransitionTime") or stamp == before:
            stamp.seconds = int(self._now())

    def advise(self, obj: corev1.PersistentVolume, old: corev1.PersistentVolume | None) -> Iterable[str]:
        """Warn of what is deprecated."""
        return advice.persistent(obj)

    def validate(self, obj: corev1.PersistentVolume) -> field.Faults:
        """Judge a volume."""
        return persistentvolumes.validate(obj.spec, "spec", obj.metadata.name)

    def validate_update(self, obj: corev1.PersistentVolume, old: corev1.PersistentVolume) -> field.Faults:
        """Judge what changes: never the source or the mode, the nodes once."""
        return self.validate(obj) + persistentvolumes.validate_update(obj.spec, old.spec)
