"""Rules on HorizontalPodAutoscalers: bounds, the target, what is measured, how fast replicas may change. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from control.apiserver import field
from control.apiserver.validation import names, numbers
from fairlead.api import names as naming
from fairlead.api import quantity
from fairlead.api.pb import autoscaling_v2_pb2 as autoscalingv2

MAX_WINDOW_SECONDS = 3600
MAX_PERIOD_SECONDS = 1800
SELECTIONS = frozenset({"Disabled", "Max", "Min"})
POLICIES = frozenset({"Percent", "Pods"})
TARGETS = ("Utilization", "Value", "AverageValue")
SOURCES = {  # in the order in which they are looked at: only the first that is there is judged
    "Object": "object",
    "External": "external",
    "Pods": "pods",
    "Resource": "resource",
    "ContainerResource": "containerResource",
}


def validate(spec: autoscalingv2.HorizontalPodAutoscalerSpec, path: str) -> field.Faults:
    """Judge an autoscaler's spec."""
    faults: field.Faults = []
    if spec.HasField("minReplicas") and spec.minReplicas < 1:
        faults.append(field.invalid(f"{path}.minReplicas", spec.minReplicas, "must be greater than or equal to 1"))
    if spec.maxReplicas < 1:
        faults.append(field.invalid(f"{path}.maxReplicas", spec.maxReplicas, "must be greater than 0"))
    if spec.HasField("minReplicas") and spec.maxReplicas < spec.minReplicas:
        text = "must be greater than or equal to `minReplicas`"
        faults.append(field.invalid(f"{path}.maxReplicas", spec.maxReplicas, text))
    faults += _reference(spec.scaleTargetRef, f"{path}.scaleTargetRef")
    for index, metric in enumerate(spec.metrics):
        faults += _metric(metric, f"{path}.metrics[{index}]")
    to_zero = spec.HasField("minReplicas") and spec.minReplicas == 0
    if to_zero and not any(metric.type in ("Object", "External") for metric in spec.metrics):
        text = "must specify at least one Object or External metric to support scaling to zero replicas"
        faults.append(field.forbidden(f"{path}.metrics", text))
    for part in ("scaleUp", "scaleDown"):
        if spec.behavior.HasField(part):
            faults += _rules(getattr(spec.behavior, part), f"{path}.behavior.{part}")
    return faults


def _reference(reference: autoscalingv2.CrossVersionObjectReference, path: str) -> field.Faults:
    faults: field.Faults = []
    for part in ("kind", "name"):
        value = getattr(reference, part)
        if not value:
            faults.append(field.required(f"{path}.{part}"))
        else:
            faults += field.invalids(f"{path}.{part}", value, naming.path_segment(value))
    return faults


def _rules(rules: autoscalingv2.HPAScalingRules, path: str) -> field.Faults:
    faults: field.Faults = []
    window = rules.stabilizationWindowSeconds
    at = f"{path}.stabilizationWindowSeconds"
    if window < 0:
        faults.append(field.invalid(at, window, "must be greater than or equal to zero"))
    if window > MAX_WINDOW_SECONDS:
        faults.append(field.invalid(at, window, f"must be less than or equal to {MAX_WINDOW_SECONDS}"))
    if rules.HasField("selectPolicy") and rules.selectPolicy not in SELECTIONS:
        faults.append(field.unsupported(f"{path}.selectPolicy", rules.selectPolicy, SELECTIONS))
    if not rules.policies:
        faults.append(field.required(f"{path}.policies", "must specify at least one Policy"))
    for index, policy in enumerate(rules.policies):
        at = f"{path}.policies[{index}]"
        if policy.type not in POLICIES:
            faults.append(field.unsupported(f"{at}.type", policy.type, POLICIES))
        if policy.value <= 0:
            faults.append(field.invalid(f"{at}.value", policy.value, "must be greater than zero"))
        if policy.periodSeconds <= 0:
            faults.append(field.invalid(f"{at}.periodSeconds", policy.periodSeconds, "must be greater than zero"))
        if policy.periodSeconds > MAX_PERIOD_SECONDS:
            text = f"must be less than or equal to {MAX_PERIOD_SECONDS}"
            faults.append(field.invalid(f"{at}.periodSeconds", policy.periodSeconds, text))
    return faults


def _metric(metric: autoscalingv2.MetricSpec, path: str) -> field.Faults:
    faults: field.Faults = []
    if not metric.type:
        faults.append(field.required(f"{path}.type", "must specify a metric source type"))
    if metric.type not in SOURCES:
        faults.append(field.unsupported(f"{path}.type", metric.type, SOURCES))
    given = [name for name in SOURCES.values() if metric.HasField(name)]
    if given:
        faults += _SOURCES[given[0]](getattr(metric, given[0]), f"{path}.{given[0]}")
    expected = SOURCES.get(metric.type, "")
    if not expected:
        faults.append(field.unsupported(f"{path}.type", metric.type, SOURCES))  # a second time, as in Kubernetes
    elif expected not in given:
        text = "must populate information for the given metric source"
        faults.append(field.required(f"{path}.{expected}", text))
    if len(given) != 1:
        text = "must populate the given metric source only"
        faults += [field.forbidden(f"{path}.{name}", text) for name in given if name != expected]
    return faults


def _identifier(metric: autoscalingv2.MetricIdentifier, path: str) -> field.Faults:
    if not metric.name:
        return [field.required(f"{path}.name", "must specify a metric name")]
    return field.invalids(f"{path}.name", metric.name, naming.path_segment(metric.name))


def _target(target: autoscalingv2.MetricTarget, path: str) -> field.Faults:
    faults: field.Faults = []
    if not target.type:
        faults.append(field.required(f"{path}.type", "must specify a metric target type"))
    if target.type not in TARGETS:
        text = "must be either Utilization, Value, or AverageValue"
        faults.append(field.invalid(f"{path}.type", target.type, text))
    for part in ("value", "averageValue"):
        if target.HasField(part) and not _positive(getattr(target, part)):
            faults.append(field.invalid(f"{path}.{part}", getattr(target, part).string, "must be positive"))
    if target.HasField("averageUtilization") and target.averageUtilization < 1:
        at = f"{path}.averageUtilization"
        faults.append(field.invalid(at, target.averageUtilization, "must be greater than 0"))
    return faults


def _positive(amount: quantity.Stringed) -> bool:
    try:
        return quantity.of(amount).nanos > 0
    except quantity.QuantityError:
        return False


def _object(source: autoscalingv2.ObjectMetricSource, path: str) -> field.Faults:
    faults = _reference(source.describedObject, f"{path}.describedObject")
    faults += _identifier(source.metric, f"{path}.metric") + _target(source.target, f"{path}.target")
    if not source.target.HasField("value") and not source.target.HasField("averageValue"):
        text = "must set either a target value or averageValue"
        faults.append(field.required(f"{path}.target.averageValue", text))
    return faults


def _external(source: autoscalingv2.ExternalMetricSource, path: str) -> field.Faults:
    faults = _identifier(source.metric, f"{path}.metric") + _target(source.target, f"{path}.target")
    value, average = source.target.HasField("value"), source.target.HasField("averageValue")
    if not value and not average:
        text = "must set either a target value for metric or a per-pod target"
        faults.append(field.required(f"{path}.target.averageValue", text))
    if value and average:
        text = "may not set both a target value for metric and a per-pod target"
        faults.append(field.forbidden(f"{path}.target.value", text))
    return faults


def _pods(source: autoscalingv2.PodsMetricSource, path: str) -> field.Faults:
    faults = _identifier(source.metric, f"{path}.metric") + _target(source.target, f"{path}.target")
    if not source.target.HasField("averageValue"):
        faults.append(field.required(f"{path}.target.averageValue", "must specify a positive target averageValue"))
    return faults


def _resource(source: autoscalingv2.ResourceMetricSource, path: str) -> field.Faults:
    faults = [] if source.name else [field.required(f"{path}.name", "must specify a resource name")]
    return faults + _usage(source.target, f"{path}.target")


def _container_resource(source: autoscalingv2.ContainerResourceMetricSource, path: str) -> field.Faults:
    if source.name:
        faults = numbers.container_resource_name(f"{path}.name", source.name)
    else:
        faults = [field.required(f"{path}.name", "must specify a resource name")]
    if source.container:
        faults += field.invalids(f"{path}.container", source.container, names.label(source.container))
    else:
        faults.append(field.required(f"{path}.container", "must specify a container"))
    return faults + _usage(source.target, f"{path}.target")


def _usage(target: autoscalingv2.MetricTarget, path: str) -> field.Faults:
    """Judge how much of a resource is aimed at: an amount or a share of what was requested."""
    faults = _target(target, path)
    average, share = target.HasField("averageValue"), target.HasField("averageUtilization")
    if not average and not share:
        text = "must set either a target raw value or a target utilization"
        faults.append(field.required(f"{path}.averageUtilization", text))
    if average and share:
        text = "may not set both a target raw value and a target utilization"
        faults.append(field.forbidden(f"{path}.averageValue", text))
    return faults


_SOURCES: Mapping[str, Callable[[Any, str], field.Faults]] = {
    "object": _object,
    "pods": _pods,
    "resource": _resource,
    "containerResource": _container_resource,
    "external": _external,
}
