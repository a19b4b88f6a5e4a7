"""ReplicaSets: replicas, the selector that never changes, generations."""

from __future__ import annotations

from control.apiserver import field
from control.apiserver.defaults import podspec as defaults
from control.apiserver.strategies import deployment, strategy
from control.apiserver.validation import meta, numbers
from fairlead.api.pb import apps_v1_pb2 as appsv1


class ReplicaSetStrategy(strategy.Strategy[appsv1.ReplicaSet]):
    """The rules of ReplicaSets."""

    message = appsv1.ReplicaSet

    def default(self, obj: appsv1.ReplicaSet) -> None:
        """Fill in replicas and the template's defaults."""
        if not obj.spec.HasField("replicas"):
            obj.spec.replicas = 1
        defaults.fill(obj.spec.template.spec)

    def prepare_for_create(self, obj: appsv1.ReplicaSet) -> None:
        """Start at generation 1 without status."""
        strategy.drop_status(obj)
        obj.metadata.generation = 1

    def prepare_for_update(self, obj: appsv1.ReplicaSet, old: appsv1.ReplicaSet) -> None:
        """Keep the status; count the generation."""
        strategy.keep_status(obj, old)
        strategy.count_generation(obj, old)

    def validate(self, obj: appsv1.ReplicaSet) -> field.Faults:
        """Judge a ReplicaSet."""
        spec = obj.spec
        faults = numbers.not_negative("spec.replicas", spec.replicas)
        faults += numbers.not_negative("spec.minReadySeconds", spec.minReadySeconds)
        faults += deployment.workload_selector(spec.selector, spec.template, has_selector=spec.HasField("selector"))
        return faults

    def validate_update(self, obj: appsv1.ReplicaSet, old: appsv1.ReplicaSet) -> field.Faults:
        """Judge a changed ReplicaSet: its selector stays."""
        faults = self.validate(obj)
        if not strategy.same(obj.spec.selector, old.spec.selector):
            faults += meta.immutable("spec.selector", deployment.selector_text(obj.spec.selector), True)
        return faults

    def validate_status_update(self, obj: appsv1.ReplicaSet, old: appsv1.ReplicaSet) -> field.Faults:
        """Judge a new status: counts that fit together."""
        status = obj.status
        faults: field.Faults = []
        counts = ("replicas", "fullyLabeledReplicas", "readyReplicas", "availableReplicas", "observedGeneration")
        for name in counts:
            faults += numbers.not_negative(f"status.{name}", getattr(status, name))
        for name in ("fullyLabeledReplicas", "readyReplicas", "availableReplicas"):
            if getattr(status, name) > status.replicas:
                text = "cannot be greater than status.replicas"
                faults.append(field.invalid(f"status.{name}", getattr(status, name), text))
        if status.availableReplicas > status.readyReplicas:
            text = "cannot be greater than readyReplicas"
            faults.append(field.invalid("status.availableReplicas", status.availableReplicas, text))
        return faults
