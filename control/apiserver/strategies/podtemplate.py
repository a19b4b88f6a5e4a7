"""PodTemplates: a template that nothing acts on, judged as those of workloads are."""

from __future__ import annotations

from collections.abc import Iterable

from control.apiserver import field
from control.apiserver.advice import podspec as advice
from control.apiserver.defaults import podspec as defaults
from control.apiserver.strategies import strategy
from control.apiserver.validation import podspec
from fairlead.api.pb import core_v1_pb2 as corev1


class PodTemplateStrategy(strategy.Strategy[corev1.PodTemplate]):
    """The rules of PodTemplates."""

    message = corev1.PodTemplate

    def default(self, obj: corev1.PodTemplate) -> None:
        """Fill in the template's defaults."""
        defaults.fill(obj.template.spec)

    def prepare_for_create(self, obj: corev1.PodTemplate) -> None:
        """Start at generation 1."""
        obj.metadata.generation = 1

    def prepare_for_update(self, obj: corev1.PodTemplate, old: corev1.PodTemplate) -> None:
        """Count the generation if the template changed."""
        obj.metadata.generation = old.metadata.generation + (not strategy.same(obj.template, old.template))

    def advise(self, obj: corev1.PodTemplate, old: corev1.PodTemplate | None) -> Iterable[str]:
        """Warn of what is odd in the template."""
        return advice.template(obj.template, "template")

    def validate(self, obj: corev1.PodTemplate) -> field.Faults:
        """Judge the template."""
        return podspec.validate_template(obj.template, "template")
