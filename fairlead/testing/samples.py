"""Sample objects for tests and benchmarks: nodes and pods with what scheduling and controllers look at."""

from __future__ import annotations

from collections.abc import Mapping

from fairlead.api import conditions, times
from fairlead.api.pb import core_v1_pb2 as corev1

CONDITION_TIME = 1_700_000_000.0


def node(
    name: str, *, labels: Mapping[str, str] | None = None, ready: str = conditions.TRUE, **resources: str
) -> corev1.Node:
    """Return a node; `resources` are allocatable amounts, `_` for `-` in their names, `gpu` for nvidia.com/gpu."""
    fresh = corev1.Node()
    fresh.metadata.name = name
    fresh.metadata.labels.update({"kubernetes.io/hostname": name, **(labels or {})})
    for resource, amount in ({"cpu": "4", "memory": "8Gi", "pods": "110"} | resources).items():
        known = "nvidia.com/gpu" if resource == "gpu" else resource.replace("_", "-")
        fresh.status.capacity[known].string = amount
        fresh.status.allocatable[known].string = amount
    stamp = times.from_seconds(CONDITION_TIME)
    conditions.set_condition(fresh.status.conditions, "Ready", ready, stamp, reason="KubeletReady")
    return fresh


def pod(
    name: str,
    *,
    namespace: str = "default",
    node_name: str = "",
    owner: str = "",
    labels: Mapping[str, str] | None = None,
    image: str = "web:1",
    **requests: str,
) -> corev1.Pod:
    """Return a pod of one container; `requests` as in `node`; `owner` names the ReplicaSet that controls it."""
    fresh = corev1.Pod()
    fresh.metadata.name, fresh.metadata.namespace, fresh.metadata.uid = name, namespace, f"uid-{name}"
    fresh.metadata.labels.update(labels or {})
    if owner:
        fresh.metadata.ownerReferences.add(
            apiVersion="apps/v1", kind="ReplicaSet", name=owner, uid=f"uid-{owner}", controller=True
        )
    fresh.spec.nodeName = node_name
    container = fresh.spec.containers.add(name="main", image=image)
    for resource, amount in requests.items():
        known = "nvidia.com/gpu" if resource == "gpu" else resource.replace("_", "-")
        container.resources.requests[known].string = amount
    return fresh
