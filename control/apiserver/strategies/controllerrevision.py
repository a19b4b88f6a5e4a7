"""ControllerRevisions: snapshots of a workload's template; what they hold never changes."""

from __future__ import annotations

from control.apiserver import field, notation
from control.apiserver.strategies import strategy
from control.apiserver.validation import meta, numbers
from fairlead.api.pb import apps_v1_pb2 as appsv1


class ControllerRevisionStrategy(strategy.Strategy[appsv1.ControllerRevision]):
    """The rules of ControllerRevisions."""

    message = appsv1.ControllerRevision

    def validate(self, obj: appsv1.ControllerRevision) -> field.Faults:
        """Judge that there is data and a number."""
        faults = [] if obj.data.raw else [field.required("data", "data is mandatory")]
        return faults + numbers.not_negative("revision", obj.revision)

    def validate_update(self, obj: appsv1.ControllerRevision, old: appsv1.ControllerRevision) -> field.Faults:
        """Judge a changed revision: its data stays."""
        faults = self.validate(obj)
        return faults + meta.immutable("data", notation.struct(obj.data), obj.data.raw != old.data.raw)
