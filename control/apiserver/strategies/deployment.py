"""Deployments: defaults of the rollout, the selector that never changes, generations."""

from __future__ import annotations

from collections.abc import Iterable

from control.apiserver import field, notation
from control.apiserver.advice import podspec as advice
from control.apiserver.defaults import podspec as defaults
from control.apiserver.strategies import strategy
from control.apiserver.validation import numbers, workloads
from fairlead.api.fields import sets
from fairlead.api.pb import apps_v1_pb2 as appsv1

REVISION_HISTORY = 10
PROGRESS_SECONDS = 600
STRATEGIES = ("Recreate", "RollingUpdate")
QUARTER = "25%"
COUNTS = (
    "observedGeneration",
    "replicas",
    "updatedReplicas",
    "readyReplicas",
    "availableReplicas",
    "unavailableReplicas",
    "collisionCount",
)
STATUS_RESETS = sets.of("spec", "metadata.labels")


class DeploymentStrategy(strategy.SpecStrategy[appsv1.Deployment]):
    """The rules of Deployments."""

    message = appsv1.Deployment

    def default(self, obj: appsv1.Deployment) -> None:
        """Fill in replicas, rollout and the template's defaults."""
        spec = obj.spec
        if not spec.HasField("replicas"):
            spec.replicas = 1
        if not spec.strategy.type:
            spec.strategy.type = "RollingUpdate"
        if spec.strategy.type == "RollingUpdate":
            for part in ("maxUnavailable", "maxSurge"):
                if not spec.strategy.rollingUpdate.HasField(part):
                    getattr(spec.strategy.rollingUpdate, part).type = numbers.STRING
                    getattr(spec.strategy.rollingUpdate, part).strVal = QUARTER
        if not spec.HasField("revisionHistoryLimit"):
            spec.revisionHistoryLimit = REVISION_HISTORY
        if not spec.HasField("progressDeadlineSeconds"):
            spec.progressDeadlineSeconds = PROGRESS_SECONDS
        defaults.fill(spec.template.spec)

    def reset_fields(self, subresource: str) -> sets.FieldSet:
        """Return the fields that a write cannot change."""
        return STATUS_RESETS if subresource == "status" else super().reset_fields(subresource)

    def prepare_for_update(self, obj: appsv1.Deployment, old: appsv1.Deployment) -> None:
        """Keep the status; count the generation if the spec or its annotations changed."""
        super().prepare_for_update(obj, old)
        if obj.metadata.generation == old.metadata.generation and _annotations(obj) != _annotations(old):
            obj.metadata.generation += 1

    def prepare_for_status_update(self, obj: appsv1.Deployment, old: appsv1.Deployment) -> None:
        """Keep spec and labels."""
        strategy.keep_all_but_status(obj, old)
        strategy.keep_labels(obj, old)

    def advise(self, obj: appsv1.Deployment, old: appsv1.Deployment | None) -> Iterable[str]:
        """Warn of what is odd in a template that is new or has changed, and of its name."""
        return advice.workload(obj, old)

    def validate(self, obj: appsv1.Deployment) -> field.Faults:
        """Judge a Deployment."""
        spec = obj.spec
        faults = numbers.not_negative("spec.replicas", spec.replicas)
        faults += workloads.selector_and_template(spec)
        faults += _rollout(spec.strategy)
        faults += numbers.not_negative("spec.minReadySeconds", spec.minReadySeconds)
        faults += numbers.not_negative("spec.revisionHistoryLimit", spec.revisionHistoryLimit)
        faults += numbers.not_negative("spec.progressDeadlineSeconds", spec.progressDeadlineSeconds)
        if spec.progressDeadlineSeconds <= spec.minReadySeconds:
            text = "must be greater than minReadySeconds"
            faults.append(field.invalid("spec.progressDeadlineSeconds", spec.progressDeadlineSeconds, text))
        return faults

    def validate_update(self, obj: appsv1.Deployment, old: appsv1.Deployment) -> field.Faults:
        """Judge a changed Deployment: its selector stays."""
        return self.validate(obj) + workloads.same_selector(obj.spec, old.spec)

    def validate_status_update(self, obj: appsv1.Deployment, old: appsv1.Deployment) -> field.Faults:
        """Judge a new status: counts that fit together."""
        faults = workloads.replica_counts(obj.status, COUNTS, COUNTS[2:5])
        return faults + workloads.not_decremented(obj.status, old.status)


def _annotations(obj: appsv1.Deployment) -> dict[str, str]:
    return dict(obj.metadata.annotations)


def _rollout(value: appsv1.DeploymentStrategy) -> field.Faults:
    path = "spec.strategy"
    if value.type not in STRATEGIES:
        shown = workloads.shown_strategy("DeploymentStrategy", "RollingUpdateDeployment", value)
        return [field.unsupported(path, shown, STRATEGIES)]
    if value.type == "Recreate":
        if value.HasField("rollingUpdate"):
            text = "may not be specified when strategy `type` is 'Recreate'"
            return [field.forbidden(f"{path}.rollingUpdate", text)]
        return []
    rolling = value.rollingUpdate
    at = f"{path}.rollingUpdate"
    faults = numbers.int_or_percent(f"{at}.maxUnavailable", rolling.maxUnavailable)
    faults += numbers.int_or_percent(f"{at}.maxSurge", rolling.maxSurge)
    if numbers.is_zero(rolling.maxUnavailable) and numbers.is_zero(rolling.maxSurge):
        text = "may not be 0 when `maxSurge` is 0"
        faults.append(field.invalid(f"{at}.maxUnavailable", notation.int_or_string(rolling.maxUnavailable), text))
    return faults + numbers.over_hundred_percent(f"{at}.maxUnavailable", rolling.maxUnavailable)
