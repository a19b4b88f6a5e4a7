"""The columns of metrics.k8s.io's kinds, as metrics-server names them. Pure."""

from __future__ import annotations

import datetime
import functools
from collections.abc import Mapping

from google.protobuf.message import Message

from fairlead.api import quantity, times
from fairlead.api.columns import layout
from fairlead.api.pb import metrics_v1beta1_pb2 as metricsv1beta1

AMOUNTS = ("cpu", "memory")
NOTHING: quantity.Amounts = {}


def _node(node: metricsv1beta1.NodeMetrics, now: datetime.datetime) -> layout.Row:
    return _cells(node, quantity.amounts(node.usage))


def _pod(pod: metricsv1beta1.PodMetrics, now: datetime.datetime) -> layout.Row:
    """Return what a pod's containers use in all."""
    each = (quantity.amounts(container.usage) for container in pod.containers)
    return _cells(pod, functools.reduce(quantity.add, each, NOTHING))


def _cells(
    measured: metricsv1beta1.NodeMetrics | metricsv1beta1.PodMetrics, used: Mapping[str, quantity.Quantity]
) -> layout.Row:
    amounts = [str(used[name]) if name in used else "0" for name in AMOUNTS]
    return (measured.metadata.name, *amounts, times.format_duration(measured.window.duration))


_LAYOUT = f"Name|{'|'.join(AMOUNTS)}|Window"
LAYOUTS: Mapping[type[Message], layout.Layout] = {
    metricsv1beta1.NodeMetrics: layout.layout(_LAYOUT, _node),
    metricsv1beta1.PodMetrics: layout.layout(_LAYOUT, _pod),
}
