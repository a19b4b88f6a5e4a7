"""DaemonSets: defaults of the rollout, a selector that never changes, generations."""

from __future__ import annotations

from collections.abc import Iterable

from control.apiserver import field, notation
from control.apiserver.advice import podspec as advice
from control.apiserver.defaults import podspec as defaults
from control.apiserver.strategies import strategy
from control.apiserver.validation import numbers, podspec, selectors, workloads
from fairlead.api import intstr
from fairlead.api.pb import apps_v1_pb2 as appsv1

REVISION_HISTORY = 10
COUNTS = (
    "currentNumberScheduled",
    "numberMisscheduled",
    "desiredNumberScheduled",
    "numberReady",
    "observedGeneration",
    "updatedNumberScheduled",
    "numberAvailable",
    "numberUnavailable",
    "collisionCount",
)


class DaemonSetStrategy(strategy.SpecStrategy[appsv1.DaemonSet]):
    """The rules of DaemonSets."""

    message = appsv1.DaemonSet

    def default(self, obj: appsv1.DaemonSet) -> None:
        """Fill in the rollout and the template's defaults."""
        spec = obj.spec
        spec.updateStrategy.type = spec.updateStrategy.type or "RollingUpdate"
        if spec.updateStrategy.type == "RollingUpdate":
            rolling = spec.updateStrategy.rollingUpdate
            if not rolling.HasField("maxUnavailable"):
                rolling.maxUnavailable.CopyFrom(intstr.of(1))
            if not rolling.HasField("maxSurge"):
                rolling.maxSurge.CopyFrom(intstr.of(0))
                rolling.maxSurge.SetInParent()
        if not spec.HasField("revisionHistoryLimit"):
            spec.revisionHistoryLimit = REVISION_HISTORY
        defaults.fill(spec.template.spec)

    def advise(self, obj: appsv1.DaemonSet, old: appsv1.DaemonSet | None) -> Iterable[str]:
        """Warn of what is odd in a template that is new or has changed."""
        if old is None or obj.metadata.generation != old.metadata.generation:
            yield from advice.template(obj.spec.template, "spec.template")

    def validate(self, obj: appsv1.DaemonSet) -> field.Faults:
        """Judge a DaemonSet."""
        spec = obj.spec
        faults = selectors.validate(spec.selector, "spec.selector")
        if not faults:
            faults = workloads.mismatch(spec)  # so a missing selector is told of, as in Kubernetes
        faults += workloads.selects_some(spec, "daemonset")
        faults += podspec.validate_template(spec.template, "spec.template")
        faults += workloads.runs_for_ever(spec.template, "DaemonSet")
        faults += numbers.not_negative("spec.minReadySeconds", spec.minReadySeconds)
        faults += _rollout(spec.updateStrategy)
        return faults + numbers.not_negative("spec.revisionHistoryLimit", spec.revisionHistoryLimit)

    def validate_update(self, obj: appsv1.DaemonSet, old: appsv1.DaemonSet) -> field.Faults:
        """Judge a changed DaemonSet: its selector stays."""
        return self.validate(obj) + workloads.same_selector(obj.spec, old.spec)

    def validate_status_update(self, obj: appsv1.DaemonSet, old: appsv1.DaemonSet) -> field.Faults:
        """Judge a new status: no count is negative."""
        return workloads.counts(obj.status, COUNTS) + workloads.not_decremented(obj.status, old.status)


def _rollout(value: appsv1.DaemonSetUpdateStrategy) -> field.Faults:
    path = "spec.updateStrategy"
    if value.type == "OnDelete":
        return []
    if value.type != "RollingUpdate":
        shown = workloads.shown_strategy("DaemonSetUpdateStrategy", "RollingUpdateDaemonSet", value)
        return [field.unsupported(path, shown, ("RollingUpdate", "OnDelete"))]
    rolling = value.rollingUpdate
    faults: field.Faults = []
    for part in ("maxUnavailable", "maxSurge"):
        faults += numbers.int_or_percent(f"{path}.rollingUpdate.{part}", getattr(rolling, part))
    for part in ("maxUnavailable", "maxSurge"):
        faults += numbers.over_hundred_percent(f"{path}.rollingUpdate.{part}", getattr(rolling, part))
    unavailable, surge = not numbers.is_zero(rolling.maxUnavailable), not numbers.is_zero(rolling.maxSurge)
    if unavailable and surge:
        shown = notation.int_or_string(rolling.maxSurge)
        text = "may not be set when maxUnavailable is non-zero"
        faults.append(field.invalid(f"{path}.rollingUpdate.maxSurge", shown, text))
    if not unavailable and not surge:
        faults.append(field.required(f"{path}.rollingUpdate.maxUnavailable", "cannot be 0 when maxSurge is 0"))
    return faults
