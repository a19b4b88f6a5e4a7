"""Scales: what the `scale` subresource shows of an object and changes in it. Pure."""

from __future__ import annotations

from typing import Any

from fairlead.api import selectors
from fairlead.api.pb import autoscaling_v1_pb2 as autoscalingv1
from fairlead.api.pb import meta_v1_pb2 as metav1

UNSET = -(2**31)  # Kubernetes' sign for replicas that an object does not have yet


def of_workload(obj: Any) -> autoscalingv1.Scale:
    """Return the Scale of a workload."""
    scale = described(obj)
    scale.spec.replicas = obj.spec.replicas
    scale.status.replicas = obj.status.replicas
    chosen = obj.spec.selector
    found = selectors.of_message(chosen) if isinstance(chosen, metav1.LabelSelector) else selectors.of_labels(chosen)
    scale.status.selector = str(found)
    return scale


def described(obj: Any) -> autoscalingv1.Scale:
    """Return a Scale that has nothing but an object's metadata."""
    scale = autoscalingv1.Scale()
    meta = scale.metadata
    meta.name, meta.namespace, meta.uid = obj.metadata.name, obj.metadata.namespace, obj.metadata.uid
    meta.resourceVersion = obj.metadata.resourceVersion
    meta.creationTimestamp.CopyFrom(obj.metadata.creationTimestamp)
    return scale
