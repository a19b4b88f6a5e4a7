"""Deployments: defaults of the rollout, the selector that never changes, generations."""

from __future__ import annotations

from control.apiserver import field
from control.apiserver.defaults import podspec as defaults
from control.apiserver.strategies import strategy
from control.apiserver.validation import meta, numbers, podspec, selectors
from fairlead.api import selectors as matching
from fairlead.api.pb import apps_v1_pb2 as appsv1
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import intstr_pb2
from fairlead.api.pb import meta_v1_pb2 as metav1

REVISION_HISTORY = 10
PROGRESS_SECONDS = 600
STRATEGIES = frozenset({"Recreate", "RollingUpdate"})
QUARTER = "25%"


class DeploymentStrategy(strategy.Strategy[appsv1.Deployment]):
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

    def prepare_for_create(self, obj: appsv1.Deployment) -> None:
        """Start at generation 1 without status."""
        strategy.drop_status(obj)
        obj.metadata.generation = 1

    def prepare_for_update(self, obj: appsv1.Deployment, old: appsv1.Deployment) -> None:
        """Keep the status; count the generation if the spec or its annotations changed."""
        strategy.keep_status(obj, old)
        strategy.count_generation(obj, old)
        if obj.metadata.generation == old.metadata.generation and _annotations(obj) != _annotations(old):
            obj.metadata.generation += 1

    def prepare_for_status_update(self, obj: appsv1.Deployment, old: appsv1.Deployment) -> None:
        """Keep spec and labels."""
        strategy.keep_all_but_status(obj, old)
        strategy.keep_labels(obj, old)

    def validate(self, obj: appsv1.Deployment) -> field.Faults:
        """Judge a Deployment."""
        spec = obj.spec
        faults = numbers.not_negative("spec.replicas", spec.replicas)
        faults += workload_selector(spec.selector, spec.template, has_selector=spec.HasField("selector"))
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
        faults = self.validate(obj)
        if not strategy.same(obj.spec.selector, old.spec.selector):
            faults += meta.immutable("spec.selector", selector_text(obj.spec.selector), True)
        return faults

    def validate_status_update(self, obj: appsv1.Deployment, old: appsv1.Deployment) -> field.Faults:
        """Judge a new status: counts that fit together."""
        status = obj.status
        faults: field.Faults = []
        for name in ("observedGeneration", "replicas", "updatedReplicas", "readyReplicas", "availableReplicas",
                     "unavailableReplicas"):  # fmt: skip
            faults += numbers.not_negative(f"status.{name}", getattr(status, name))
        for name in ("updatedReplicas", "readyReplicas", "availableReplicas"):
            if getattr(status, name) > status.replicas:
                text = "cannot be greater than status.replicas"
                faults.append(field.invalid(f"status.{name}", getattr(status, name), text))
        if status.availableReplicas > status.readyReplicas:
            text = "cannot be greater than readyReplicas"
            faults.append(field.invalid("status.availableReplicas", status.availableReplicas, text))
        return faults


def _annotations(obj: appsv1.Deployment) -> dict[str, str]:
    return dict(obj.metadata.annotations)


def _rollout(value: appsv1.DeploymentStrategy) -> field.Faults:
    path = "spec.strategy"
    if value.type not in STRATEGIES:
        return [field.unsupported(f"{path}.type", value.type, STRATEGIES)]
    if value.type == "Recreate":
        if value.HasField("rollingUpdate"):
            text = "may not be specified when strategy `type` is 'Recreate'"
            return [field.forbidden(f"{path}.rollingUpdate", text)]
        return []
    rolling = value.rollingUpdate
    at = f"{path}.rollingUpdate"
    faults = numbers.int_or_percent(f"{at}.maxUnavailable", rolling.maxUnavailable)
    faults += numbers.int_or_percent(f"{at}.maxSurge", rolling.maxSurge)
    faults += numbers.over_hundred_percent(f"{at}.maxUnavailable", rolling.maxUnavailable)
    if not faults and numbers.is_zero(rolling.maxUnavailable) and numbers.is_zero(rolling.maxSurge):
        text = "may not be 0 when `maxSurge` is 0"
        faults.append(field.invalid(f"{at}.maxUnavailable", int_or_string(rolling.maxUnavailable), text))
    return faults


def int_or_string(value: intstr_pb2.IntOrString) -> int | str:
    """Return what an IntOrString holds."""
    return value.strVal if value.type == numbers.STRING else value.intVal


def workload_selector(
    selector: metav1.LabelSelector, template: corev1.PodTemplateSpec, *, has_selector: bool
) -> field.Faults:
    """Judge the selector and the template of a kind that makes pods: the template's labels must be selected."""
    faults: field.Faults = []
    if not has_selector:
        faults.append(field.required("spec.selector"))
    else:
        faults += selectors.validate(selector, "spec.selector")
        if selectors.is_empty(selector):
            text = "empty selector is invalid for deployment"
            faults.append(field.invalid("spec.selector", selector_text(selector), text))
    if not faults and not matching.of_message(selector).matches(template.metadata.labels):
        labels = field.shown_map(template.metadata.labels)
        text = f"Invalid value: {labels}: `selector` does not match template `labels`"
        faults.append(field.Cause("FieldValueInvalid", text, "spec.template.metadata.labels"))
    faults += podspec.validate_template(template, "spec.template")
    if template.spec.restartPolicy not in ("", "Always"):
        faults.append(field.unsupported("spec.template.spec.restartPolicy", template.spec.restartPolicy, ("Always",)))
    if template.spec.HasField("activeDeadlineSeconds"):
        text = "activeDeadlineSeconds in ReplicaSet is not Supported"
        faults.append(field.forbidden("spec.template.spec.activeDeadlineSeconds", text))
    return faults


def selector_text(selector: metav1.LabelSelector) -> str:
    """Return a selector as an error shows it."""
    return str(matching.of_message(selector)) if not selectors.validate(selector, "") else ""
