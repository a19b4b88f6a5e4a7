"""Leases: who leads, for how long."""

from __future__ import annotations

from control.apiserver import field
from control.apiserver.strategies import strategy
from fairlead.api.pb import coordination_v1_pb2 as coordinationv1


class LeaseStrategy(strategy.Strategy[coordinationv1.Lease]):
    """The rules of Leases. A renewal must say what it has seen: two leaders must not overwrite each other."""

    message = coordinationv1.Lease
    allow_unconditional_update = False
    created_by_update = True

    def prepare_for_create(self, obj: coordinationv1.Lease) -> None:
        """Leave out what is alpha."""
        _drop_alpha(obj)

    def prepare_for_update(self, obj: coordinationv1.Lease, old: coordinationv1.Lease) -> None:
        """Leave out what is alpha."""
        _drop_alpha(obj)

    def validate(self, obj: coordinationv1.Lease) -> field.Faults:
        """Judge a Lease."""
        spec = obj.spec
        faults: field.Faults = []
        if spec.HasField("leaseDurationSeconds") and spec.leaseDurationSeconds <= 0:
            faults.append(
                field.invalid("spec.leaseDurationSeconds", spec.leaseDurationSeconds, "must be greater than 0")
            )
        if spec.HasField("leaseTransitions") and spec.leaseTransitions < 0:
            text = "must be greater than or equal to 0"
            faults.append(field.invalid("spec.leaseTransitions", spec.leaseTransitions, text))
        return faults  # an empty holderIdentity is a released lease


def _drop_alpha(obj: coordinationv1.Lease) -> None:
    """Forget what coordinated leader election asks for."""
    if obj.spec.HasField("strategy") or obj.spec.HasField("preferredHolder"):
        obj.spec.ClearField("strategy")
        obj.spec.ClearField("preferredHolder")
