"""PersistentVolumeClaims: what storage is asked for; once asked, only the size may grow."""

from __future__ import annotations

from collections.abc import Iterable

from control.apiserver import field
from control.apiserver.advice import volumes as advice
from control.apiserver.strategies import strategy
from control.apiserver.validation import claims
from fairlead.api.pb import core_v1_pb2 as corev1

# What a dataSource may name, as (apiGroup, kind); a dataSourceRef may name anything.
SOURCES = frozenset({("", "PersistentVolumeClaim"), ("snapshot.storage.k8s.io", "VolumeSnapshot")})


class PersistentVolumeClaimStrategy(strategy.Strategy[corev1.PersistentVolumeClaim]):
    """The rules of PersistentVolumeClaims."""

    message = corev1.PersistentVolumeClaim

    def default(self, obj: corev1.PersistentVolumeClaim) -> None:
        """Fill in the mode and the phase."""
        fill(obj)

    def default_status(self, obj: corev1.PersistentVolumeClaim) -> None:
        """Fill in the phase."""
        obj.status.phase = obj.status.phase or "Pending"

    def prepare_for_create(self, obj: corev1.PersistentVolumeClaim) -> None:
        """Start as Pending."""
        strategy.drop_status(obj)
        obj.status.phase = "Pending"
        _settle_sources(obj.spec)

    def prepare_for_update(self, obj: corev1.PersistentVolumeClaim, old: corev1.PersistentVolumeClaim) -> None:
        """Keep the status, and let both ways to name a source say the same."""
        strategy.keep_status(obj, old)
        _settle_sources(obj.spec)

    def advise(self, obj: corev1.PersistentVolumeClaim, old: corev1.PersistentVolumeClaim | None) -> Iterable[str]:
        """Warn of amounts in pieces."""
        return advice.claim(obj.spec, "spec")

    def validate(self, obj: corev1.PersistentVolumeClaim) -> field.Faults:
        """Judge a claim."""
        return claims.validate(obj.spec, "spec")

    def validate_update(self, obj: corev1.PersistentVolumeClaim, old: corev1.PersistentVolumeClaim) -> field.Faults:
        """Judge what changes: a bound claim may grow."""
        return claims.validate(obj.spec, "spec") + claims.validate_update(obj, old)

    def validate_status_update(
        self, obj: corev1.PersistentVolumeClaim, old: corev1.PersistentVolumeClaim
    ) -> field.Faults:
        """Judge a new status."""
        return claims.validate_status(obj)


def fill(claim: corev1.PersistentVolumeClaim) -> None:
    """Fill in what a claim, or a StatefulSet's template of one, leaves out."""
    if not claim.spec.HasField("volumeMode"):
        claim.spec.volumeMode = "Filesystem"
    claim.status.phase = claim.status.phase or "Pending"


def _settle_sources(spec: corev1.PersistentVolumeClaimSpec) -> None:
    """Drop a dataSource of a kind that it may not name, and let dataSource and dataSourceRef say the same."""
    source, reference = spec.dataSource, spec.dataSourceRef
    if spec.HasField("dataSource") and (source.apiGroup, source.kind) not in SOURCES:
        spec.ClearField("dataSource")
    if spec.HasField("dataSource") and not spec.HasField("dataSourceRef"):
        reference.kind, reference.name = source.kind, source.name
        if source.HasField("apiGroup"):
            reference.apiGroup = source.apiGroup
    elif spec.HasField("dataSourceRef") and not spec.HasField("dataSource") and not reference.namespace:
        source.kind, source.name = reference.kind, reference.name
        if reference.HasField("apiGroup"):
            source.apiGroup = reference.apiGroup
