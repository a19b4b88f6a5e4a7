"""ResourceQuotas: how much a namespace may use; its scopes never change."""

from __future__ import annotations

from control.apiserver import field, notation
from control.apiserver.defaults import podspec
from control.apiserver.strategies import strategy
from control.apiserver.validation import limits, meta
from fairlead.api.pb import core_v1_pb2 as corev1


class ResourceQuotaStrategy(strategy.Strategy[corev1.ResourceQuota]):
    """The rules of ResourceQuotas."""

    message = corev1.ResourceQuota

    def default(self, obj: corev1.ResourceQuota) -> None:
        """Write amounts in their canonical form."""
        podspec.canonical(obj.spec.hard)

    def prepare_for_create(self, obj: corev1.ResourceQuota) -> None:
        """Start without status."""
        strategy.drop_status(obj)

    def prepare_for_update(self, obj: corev1.ResourceQuota, old: corev1.ResourceQuota) -> None:
        """Keep the status."""
        strategy.keep_status(obj, old)

    def validate(self, obj: corev1.ResourceQuota) -> field.Faults:
        """Judge amounts and scopes."""
        return limits.quota(obj.spec, "spec")

    def validate_update(self, obj: corev1.ResourceQuota, old: corev1.ResourceQuota) -> field.Faults:
        """Judge a changed quota: its scopes stay."""
        changed = set(obj.spec.scopes) != set(old.spec.scopes)
        shown = notation.typed_strings("core.ResourceQuotaScope", obj.spec.scopes)
        return self.validate(obj) + meta.immutable("spec.scopes", shown, changed)

    def validate_status_update(self, obj: corev1.ResourceQuota, old: corev1.ResourceQuota) -> field.Faults:
        """Judge a new status: resources that a quota may name, in amounts."""
        faults = limits.quota_amounts(obj.status.hard, "status.hard")
        return faults + limits.quota_amounts(obj.status.used, "status.used")
