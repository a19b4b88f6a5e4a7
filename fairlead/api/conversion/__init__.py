"""Conversion between the versions of a kind: to the hub, which alone is stored and judged, and from it.

The API server calls both around a request for a row of the scheme that has a `hub`. Pure: each returns a fresh
message, or its argument itself where there is nothing to convert. Lossless where Kubernetes is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import Message

from fairlead.api import objects, scheme, selectors
from fairlead.api.conversion import autoscaling, betas, events, renaming
from fairlead.api.pb import autoscaling_v1_pb2 as autoscalingv1
from fairlead.api.pb import autoscaling_v2_pb2 as autoscalingv2
from fairlead.api.pb import autoscaling_v2beta2_pb2 as autoscalingv2beta2
from fairlead.api.pb import batch_v1_pb2 as batchv1
from fairlead.api.pb import batch_v1beta1_pb2 as batchv1beta1
from fairlead.api.pb import discovery_v1beta1_pb2 as discoveryv1beta1
from fairlead.api.pb import events_v1_pb2 as eventsv1
from fairlead.api.pb import policy_v1_pb2 as policyv1
from fairlead.api.pb import policy_v1beta1_pb2 as policyv1beta1


@dataclass(frozen=True, slots=True)
class Pair:
    """A version's two ways; `fields` are its names of what field selectors compare, and the hub's."""

    to_hub: Callable[[Any], Message]
    from_hub: Callable[[Any], Message]
    fields: Mapping[str, str]


def _pair(
    version: type[Message],
    to_hub: Callable[[Any], Message],
    from_hub: Callable[[Any], Message],
    fields: Mapping[str, str] | None = None,
) -> tuple[str, Pair]:
    return version.DESCRIPTOR.full_name, Pair(to_hub, from_hub, fields or {})


def _same_wire(version: type[Message], hub: type[Message]) -> tuple[str, Pair]:
    """Return the pair of two messages whose fields have the same names, numbers and types."""
    return _pair(version, lambda obj: renaming.rewired(obj, hub), lambda obj: renaming.rewired(obj, version))


_PAIRS: dict[str, Pair] = dict(
    (
        _pair(autoscalingv1.HorizontalPodAutoscaler, autoscaling.to_hub, autoscaling.from_hub),
        _same_wire(autoscalingv2beta2.HorizontalPodAutoscaler, autoscalingv2.HorizontalPodAutoscaler),
        _pair(eventsv1.Event, events.to_hub, events.from_hub, events.FIELDS),
        _same_wire(batchv1beta1.CronJob, batchv1.CronJob),
        _pair(policyv1beta1.PodDisruptionBudget, betas.budget_to_hub, betas.budget_from_hub),
        _same_wire(policyv1beta1.Eviction, policyv1.Eviction),
        _pair(discoveryv1beta1.EndpointSlice, betas.slice_to_hub, betas.slice_from_hub),
    )
)


def to_hub(obj: Any) -> Any:
    """Return an object, or the body of a subresource, as its hub version."""
    if isinstance(obj, objects.Unstructured):
        return obj
    pair = _PAIRS.get(obj.DESCRIPTOR.full_name)
    return obj if pair is None else pair.to_hub(obj)


def from_hub(obj: Any, kind: scheme.Kind) -> Any:
    """Return a hub's object as `kind` has it; the object itself where `kind` is the hub."""
    if not kind.hub or kind.message is None or isinstance(obj, objects.Unstructured):
        return obj
    return _PAIRS[kind.message.DESCRIPTOR.full_name].from_hub(obj)


def fields_to_hub(fields: str, kind: scheme.Kind) -> str:
    """Return a field selector with the hub's names of its fields; one that cannot be read stays as it is."""
    if not kind.hub or kind.message is None or not fields:
        return fields
    names = _PAIRS[kind.message.DESCRIPTOR.full_name].fields
    try:
        wanted = selectors.parse_fields(fields).requirements
    except selectors.SelectorError:
        return fields
    renamed = [selectors.FieldRequirement(names.get(one.field, one.field), one.operator, one.value) for one in wanted]
    return str(selectors.FieldSelector(tuple(renamed)))
