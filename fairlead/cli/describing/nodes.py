"""Descriptions of nodes: what they have, what runs on them and what that has asked for."""

from __future__ import annotations

from collections.abc import Sequence

from fairlead.api import codec, pods, quantity
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.cli.describing.lines import Lines, conditions, fields, head, line, listed, resources, table, time_text

RESOURCES = ("cpu", "memory", "nvidia.com/gpu")


def node(obj: corev1.Node, bound: Sequence[corev1.Pod]) -> Lines:
    """Yield the lines of a node, given the pods that are bound to it."""
    yield from head(obj)
    yield line("CreationTimestamp", time_text(obj.metadata.creationTimestamp))
    taints = [f"{t.key}{'=' + t.value if t.value else ''}:{t.effect}" for t in obj.spec.taints]
    yield from listed("Taints", taints)
    yield line("Unschedulable", str(obj.spec.unschedulable).lower())
    yield from conditions(obj.status.conditions)
    yield "Addresses:"
    for address in obj.status.addresses:
        yield line(address.type, address.address, 1)
    yield from resources("Capacity", obj.status.capacity, 0)
    yield from resources("Allocatable", obj.status.allocatable, 0)
    yield "System Info:"
    yield from fields(codec.to_json(obj.status.nodeInfo), 1)
    yield line("PodCIDR", obj.spec.podCIDR)
    yield line("PodCIDRs", ",".join(obj.spec.podCIDRs))
    live = [pod for pod in bound if not pods.is_finished(pod)]
    yield f"Non-terminated Pods: ({len(live)} in total)"
    if live:
        rows = [
            (
                pod.metadata.namespace,
                pod.metadata.name,
                str(_asked(pod, "cpu", "requests")),
                str(_asked(pod, "memory", "requests")),
            )
            for pod in live
        ]
        yield from table(("Namespace", "Name", "CPU Requests", "Memory Requests"), rows)
    yield "Allocated resources:"
    yield from table(("Resource", "Requests", "Limits"), [_total(obj, live, name) for name in RESOURCES])


def _asked(pod: corev1.Pod, resource: str, side: str) -> quantity.Quantity:
    """Return what a pod's containers ask for together."""
    total = quantity.ZERO
    for container in pod.spec.containers:
        amounts = getattr(container.resources, side)
        if resource in amounts:
            total += quantity.of(amounts[resource])
    return total


def _total(node: corev1.Node, live: Sequence[corev1.Pod], resource: str) -> tuple[str, str, str]:
    """Return a resource's line: what all pods ask for, and its share of what the node has."""
    has = quantity.amounts(node.status.allocatable).get(resource, quantity.ZERO)
    cells = []
    for side in ("requests", "limits"):
        total = quantity.ZERO
        for pod in live:
            total += _asked(pod, resource, side)
        cells.append(f"{total} ({total.nanos * 100 // has.nanos}%)" if has else str(total))
    return resource, cells[0], cells[1]
