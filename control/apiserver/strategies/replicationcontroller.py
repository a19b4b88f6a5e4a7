"""ReplicationControllers: ReplicaSets as they were at first, with a map as selector that the template can give."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from control.apiserver import field, notation
from control.apiserver.advice import podspec as advice
from control.apiserver.defaults import podspec as defaults
from control.apiserver.strategies import strategy
from control.apiserver.validation import numbers, podspec, workloads
from fairlead.api import selectors as matching
from fairlead.api.pb import core_v1_pb2 as corev1


class ReplicationControllerStrategy(strategy.SpecStrategy[corev1.ReplicationController]):
    """The rules of ReplicationControllers."""

    message = corev1.ReplicationController
    selectable: ClassVar = {"status.replicas": lambda controller: str(controller.status.replicas)}
    orphans_by_default = True

    def default(self, obj: corev1.ReplicationController) -> None:
        """Fill in replicas, selector and labels from the template, and the template's defaults."""
        spec = obj.spec
        labels = spec.template.metadata.labels
        if labels:
            if not spec.selector:
                spec.selector.update(labels)
            if not obj.metadata.labels:
                obj.metadata.labels.update(labels)
        if not spec.HasField("replicas"):
            spec.replicas = 1
        if spec.HasField("template"):
            defaults.fill(spec.template.spec)

    def advise(self, obj: corev1.ReplicationController, old: corev1.ReplicationController | None) -> Iterable[str]:
        """Warn of what is odd in a template that is new or has changed, and of its name."""
        return advice.workload(obj, old)

    def validate(self, obj: corev1.ReplicationController) -> field.Faults:
        """Judge a ReplicationController."""
        spec = obj.spec
        faults = numbers.not_negative("spec.minReadySeconds", spec.minReadySeconds)
        if not spec.selector:
            faults.append(field.required("spec.selector"))
        faults += numbers.not_negative("spec.replicas", spec.replicas)
        if not spec.HasField("template"):
            return [*faults, field.required("spec.template")]
        if spec.selector and not matching.of_labels(spec.selector).matches(spec.template.metadata.labels):
            shown = notation.labels(spec.template.metadata.labels)
            faults.append(field.invalid("spec.template.metadata.labels", shown, workloads.MISMATCH))
        faults += podspec.validate_template(spec.template, "spec.template")
        return faults + workloads.runs_for_ever(spec.template, "ReplicationController")

    def validate_status_update(
        self, obj: corev1.ReplicationController, old: corev1.ReplicationController
    ) -> field.Faults:
        """Judge a new status: counts that fit together."""
        parts = ("fullyLabeledReplicas", "readyReplicas", "availableReplicas")
        return workloads.replica_counts(obj.status, ("replicas", *parts, "observedGeneration"), parts)
