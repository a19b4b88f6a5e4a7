"""HorizontalPodAutoscalers: v1 knows the processor's utilisation and keeps the rest of v2 in annotations. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import orjson
from google.protobuf.message import Message

from fairlead.api.codec import convert
from fairlead.api.codec import errors as codecerrors
from fairlead.api.conversion import renaming
from fairlead.api.pb import autoscaling_v1_pb2 as autoscalingv1
from fairlead.api.pb import autoscaling_v2_pb2 as autoscalingv2

METRICS = "autoscaling.alpha.kubernetes.io/metrics"
BEHAVIOR = "autoscaling.alpha.kubernetes.io/behavior"
CONDITIONS = "autoscaling.alpha.kubernetes.io/conditions"
CURRENT_METRICS = "autoscaling.alpha.kubernetes.io/current-metrics"
CPU = "cpu"
TARGET, CURRENT = "target", "current"
_NOTHING = frozenset({"", "0"})

M = TypeVar("M", bound=Message)
H = TypeVar("H", bound=Any)


def to_hub(obj: autoscalingv1.HorizontalPodAutoscaler) -> autoscalingv2.HorizontalPodAutoscaler:
    """Return an autoscaler as v2 has it; the annotations become what they stand for."""
    hub = autoscalingv2.HorizontalPodAutoscaler()
    if obj.HasField("metadata"):
        hub.metadata.CopyFrom(obj.metadata)
    notes = {key: hub.metadata.annotations.pop(key, None) for key in (METRICS, BEHAVIOR, CURRENT_METRICS, CONDITIONS)}
    if obj.HasField("spec"):
        _spec_to_hub(obj.spec, hub.spec, _listed(notes[METRICS], autoscalingv1.MetricSpec))
    behavior = _behavior(notes[BEHAVIOR])
    if behavior is not None:
        hub.spec.behavior.CopyFrom(behavior)
    if obj.HasField("status"):
        _status_to_hub(obj.status, hub.status)
    current = _listed(notes[CURRENT_METRICS], autoscalingv1.MetricStatus)
    if current:
        del hub.status.currentMetrics[:]
        hub.status.currentMetrics.extend(
            _metric_to_hub(one, autoscalingv2.MetricStatus(), CURRENT) for one in current
        )
    for condition in _listed(notes[CONDITIONS], autoscalingv1.HorizontalPodAutoscalerCondition):
        hub.status.conditions.append(renaming.rewired(condition, autoscalingv2.HorizontalPodAutoscalerCondition))
    return hub


def from_hub(obj: autoscalingv2.HorizontalPodAutoscaler) -> autoscalingv1.HorizontalPodAutoscaler:
    """Return an autoscaler as v1 has it; what v1 has no field for goes into annotations."""
    made = autoscalingv1.HorizontalPodAutoscaler()
    if obj.HasField("metadata"):
        made.metadata.CopyFrom(obj.metadata)
    notes = made.metadata.annotations
    if obj.HasField("spec"):
        _spec_from_hub(obj.spec, made.spec)
    others = [
        _metric_from_hub(one, autoscalingv1.MetricSpec(), TARGET)
        for one in obj.spec.metrics
        if not _is_utilisation(one)
    ]
    if others:
        notes[METRICS] = _text([convert.to_json(one) for one in others])
    if obj.HasField("status"):
        _status_from_hub(obj.status, made.status)
    if obj.status.currentMetrics:
        current = [
            convert.to_json(_metric_from_hub(one, autoscalingv1.MetricStatus(), CURRENT))
            for one in obj.status.currentMetrics
        ]
        notes[CURRENT_METRICS] = _text(current)
    if obj.status.conditions:
        conditions = [
            renaming.rewired(one, autoscalingv1.HorizontalPodAutoscalerCondition) for one in obj.status.conditions
        ]
        notes[CONDITIONS] = _text([convert.to_json(one) for one in conditions])
    if obj.spec.HasField("behavior"):
        notes[BEHAVIOR] = _text(_behavior_json(obj.spec.behavior))
    return made


def _spec_to_hub(
    spec: autoscalingv1.HorizontalPodAutoscalerSpec,
    hub: autoscalingv2.HorizontalPodAutoscalerSpec,
    others: Sequence[autoscalingv1.MetricSpec],
) -> None:
    hub.SetInParent()
    hub.maxReplicas = spec.maxReplicas
    renaming.carry(spec, "scaleTargetRef", hub)
    renaming.carry(spec, "minReplicas", hub)
    hub.metrics.extend(_targeted(_metric_to_hub(one, autoscalingv2.MetricSpec(), TARGET)) for one in others)
    if spec.HasField("targetCPUUtilizationPercentage"):
        metric = hub.metrics.add(type="Resource")
        metric.resource.name = CPU
        metric.resource.target.type = "Utilization"
        metric.resource.target.averageUtilization = spec.targetCPUUtilizationPercentage


def _spec_from_hub(
    spec: autoscalingv2.HorizontalPodAutoscalerSpec, made: autoscalingv1.HorizontalPodAutoscalerSpec
) -> None:
    made.SetInParent()
    made.maxReplicas = spec.maxReplicas
    renaming.carry(spec, "scaleTargetRef", made)
    renaming.carry(spec, "minReplicas", made)
    found = next((one for one in spec.metrics if _is_utilisation(one)), None)
    if found is not None:
        made.targetCPUUtilizationPercentage = found.resource.target.averageUtilization


def _status_to_hub(
    status: autoscalingv1.HorizontalPodAutoscalerStatus, hub: autoscalingv2.HorizontalPodAutoscalerStatus
) -> None:
    hub.SetInParent()
    hub.currentReplicas, hub.desiredReplicas = status.currentReplicas, status.desiredReplicas
    renaming.carry(status, "observedGeneration", hub)
    renaming.carry(status, "lastScaleTime", hub)
    if status.HasField("currentCPUUtilizationPercentage"):
        metric = hub.currentMetrics.add(type="Resource")
        metric.resource.name = CPU
        metric.resource.current.averageUtilization = status.currentCPUUtilizationPercentage


def _status_from_hub(
    status: autoscalingv2.HorizontalPodAutoscalerStatus, made: autoscalingv1.HorizontalPodAutoscalerStatus
) -> None:
    made.SetInParent()
    made.currentReplicas, made.desiredReplicas = status.currentReplicas, status.desiredReplicas
    renaming.carry(status, "observedGeneration", made)
    renaming.carry(status, "lastScaleTime", made)
    for one in status.currentMetrics:
        if one.type == "Resource" and one.resource.name == CPU:
            renaming.carry(one.resource.current, "averageUtilization", made, "currentCPUUtilizationPercentage")


def _is_utilisation(metric: autoscalingv2.MetricSpec) -> bool:
    """Say whether v1 has a field for the metric."""
    resource = metric.resource
    return metric.type == "Resource" and resource.name == CPU and resource.target.HasField("averageUtilization")


def _metric_to_hub(one: Any, hub: H, part: str) -> H:
    """Fill a v2 metric, or a metric's status, from v1's; `part` is `target` of the one, `current` of the other."""
    hub.type = one.type
    if one.HasField("object"):
        renaming.carry(one.object, "target", hub.object, "describedObject")
        _identified(one.object, "selector", hub.object.metric)
        amount = getattr(hub.object, part)
        per_pod = renaming.carry(one.object, "averageValue", amount)
        _carry_amount(one.object, f"{part}Value", amount, "value", always=not per_pod)
    if one.HasField("pods"):
        _identified(one.pods, "selector", hub.pods.metric)
        renaming.carry(one.pods, f"{part}AverageValue", getattr(hub.pods, part), "averageValue")
    for name in ("resource", "containerResource"):
        if one.HasField(name):
            source, target = getattr(one, name), getattr(hub, name)
            target.name = source.name
            if name == "containerResource":
                target.container = source.container
            amount = getattr(target, part)
            relative = renaming.carry(source, f"{part}AverageUtilization", amount, "averageUtilization")
            _carry_amount(source, f"{part}AverageValue", amount, "averageValue", always=not relative)
    if one.HasField("external"):
        _identified(one.external, "metricSelector", hub.external.metric)
        amount = getattr(hub.external, part)
        per_pod = renaming.carry(one.external, f"{part}AverageValue", amount, "averageValue")
        _carry_amount(one.external, f"{part}Value", amount, "value", always=not per_pod)
    return hub


def _targeted(hub: autoscalingv2.MetricSpec) -> autoscalingv2.MetricSpec:
    """Set the type of a v2 metric's target, which v1 does not have, from what the target names."""
    for name in ("object", "pods", "resource", "containerResource", "external"):
        if hub.HasField(name):
            target = getattr(hub, name).target
            if target.HasField("averageUtilization"):
                target.type = "Utilization"
            else:
                target.type = "Value" if target.HasField("value") else "AverageValue"
    return hub


def _metric_from_hub(hub: Any, made: H, part: str) -> H:
    """Fill a v1 metric, or a metric's status, from v2's."""
    made.type = hub.type
    if hub.HasField("object"):
        amount = getattr(hub.object, part)
        renaming.carry(hub.object, "describedObject", made.object, "target")
        _named(hub.object.metric, made.object, "selector")
        renaming.carry(amount, "value", made.object, f"{part}Value")
        renaming.carry(amount, "averageValue", made.object)
    if hub.HasField("pods"):
        _named(hub.pods.metric, made.pods, "selector")
        renaming.carry(getattr(hub.pods, part), "averageValue", made.pods, f"{part}AverageValue")
    for name in ("resource", "containerResource"):
        if hub.HasField(name):
            source, target = getattr(hub, name), getattr(made, name)
            target.name = source.name
            if name == "containerResource":
                target.container = source.container
            amount = getattr(source, part)
            renaming.carry(amount, "averageUtilization", target, f"{part}AverageUtilization")
            renaming.carry(amount, "averageValue", target, f"{part}AverageValue")
    if hub.HasField("external"):
        amount = getattr(hub.external, part)
        _named(hub.external.metric, made.external, "metricSelector")
        renaming.carry(amount, "value", made.external, f"{part}Value")
        renaming.carry(amount, "averageValue", made.external, f"{part}AverageValue")
    return made


def _carry_amount(source: Any, name: str, target: Any, other: str, *, always: bool) -> None:
    """Copy an amount that v1 cannot leave out: a zero beside another amount stands for none."""
    if always or getattr(source, name).string not in _NOTHING:
        renaming.carry(source, name, target, other)


def _identified(source: Any, selector: str, hub: Any) -> None:
    """Set a v2 metric's name and selector from a v1 source's."""
    hub.name = source.metricName
    renaming.carry(source, selector, hub, "selector")


def _named(metric: Any, target: Any, selector: str) -> None:
    """Set a v1 source's metric name and selector from a v2 metric."""
    target.metricName = metric.name
    renaming.carry(metric, "selector", target, selector)


def _text(value: Any) -> str:
    return orjson.dumps(value).decode()


def _listed(text: str | None, message: type[M]) -> list[M]:
    """Return the messages of an annotation; none where it cannot be read, as in Kubernetes."""
    if text is None:
        return []
    try:
        return [convert.from_json(one, message, strict=False) for one in orjson.loads(text)]
    except (orjson.JSONDecodeError, codecerrors.DecodeError, TypeError):
        return []


def _behavior_json(behavior: autoscalingv2.HorizontalPodAutoscalerBehavior) -> dict[str, Any]:
    """Return the JSON of a behaviour as Go writes its internal type: capital letters, nulls."""
    found: dict[str, Any] = {}
    for key, name in (("ScaleUp", "scaleUp"), ("ScaleDown", "scaleDown")):
        rules = getattr(behavior, name)
        found[key] = _rules_json(rules) if behavior.HasField(name) else None
    return found


def _rules_json(rules: autoscalingv2.HPAScalingRules) -> dict[str, Any]:
    policies = [{"Type": one.type, "Value": one.value, "PeriodSeconds": one.periodSeconds} for one in rules.policies]
    window = rules.stabilizationWindowSeconds if rules.HasField("stabilizationWindowSeconds") else None
    select = rules.selectPolicy if rules.HasField("selectPolicy") else None
    return {"StabilizationWindowSeconds": window, "SelectPolicy": select, "Policies": policies or None}


def _behavior(text: str | None) -> autoscalingv2.HorizontalPodAutoscalerBehavior | None:
    if text is None:
        return None
    try:
        data = _uncapitalised(orjson.loads(text))
        return convert.from_json(data, autoscalingv2.HorizontalPodAutoscalerBehavior, strict=False)
    except (orjson.JSONDecodeError, codecerrors.DecodeError, TypeError, AttributeError):
        return None


def _uncapitalised(value: Any) -> Any:
    if isinstance(value, dict):
        return {key[:1].lower() + key[1:]: _uncapitalised(one) for key, one in value.items()}
    return [_uncapitalised(one) for one in value] if isinstance(value, list) else value
