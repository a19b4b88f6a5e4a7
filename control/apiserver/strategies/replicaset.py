"""ReplicaSets: replicas, the selector that never changes, generations."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from control.apiserver import field
from control.apiserver.advice import podspec as advice
from control.apiserver.defaults import podspec as defaults
from control.apiserver.strategies import strategy
from control.apiserver.validation import numbers, workloads
from fairlead.api.pb import apps_v1_pb2 as appsv1

PARTS = ("fullyLabeledReplicas", "readyReplicas", "availableReplicas")


class ReplicaSetStrategy(strategy.SpecStrategy[appsv1.ReplicaSet]):
    """The rules of ReplicaSets."""

    message = appsv1.ReplicaSet
    selectable: ClassVar = {"status.replicas": lambda replicaset: str(replicaset.status.replicas)}

    def default(self, obj: appsv1.ReplicaSet) -> None:
        """Fill in replicas and the template's defaults."""
        if not obj.spec.HasField("replicas"):
            obj.spec.replicas = 1
        defaults.fill(obj.spec.template.spec)

    def advise(self, obj: appsv1.ReplicaSet, old: appsv1.ReplicaSet | None) -> Iterable[str]:
        """Warn of what is odd in a template that is new or has changed, and of its name."""
        return advice.workload(obj, old)

    def validate(self, obj: appsv1.ReplicaSet) -> field.Faults:
        """Judge a ReplicaSet."""
        spec = obj.spec
        faults = numbers.not_negative("spec.replicas", spec.replicas)
        faults += numbers.not_negative("spec.minReadySeconds", spec.minReadySeconds)
        return faults + workloads.selector_and_template(spec)

    def validate_update(self, obj: appsv1.ReplicaSet, old: appsv1.ReplicaSet) -> field.Faults:
        """Judge a changed ReplicaSet: its selector stays."""
        return self.validate(obj) + workloads.same_selector(obj.spec, old.spec)

    def validate_status_update(self, obj: appsv1.ReplicaSet, old: appsv1.ReplicaSet) -> field.Faults:
        """Judge a new status: counts that fit together."""
        return workloads.replica_counts(obj.status, ("replicas", *PARTS, "observedGeneration"), PARTS)
