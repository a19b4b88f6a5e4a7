"""A pod as the scheduler sees it: what it asks for, and the shape that it shares with its like.

Pods of one template have the same `Shape`, by identity, so that what was found out about nodes for one serves the
next. Pure.
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import Iterable
from dataclasses import dataclass, field

from fairlead.api import objects, quantity
from fairlead.api import requests as sums
from fairlead.api.pb import core_v1_pb2 as corev1

CPU, MEMORY, EPHEMERAL, PODS = "cpu", "memory", "ephemeral-storage", "pods"
# What a container that asks for nothing counts as when nodes are compared, as in Kubernetes.
DEFAULT_MILLI_CPU = 100
DEFAULT_MEMORY_BYTES = 200 * 1024 * 1024
SCHEDULER_NAME = "default-scheduler"

# Amounts by resource: thousandths of CPU, else whole units.
Requests = dict[str, int]
HostPort = tuple[str, str, int]


@dataclass(frozen=True, eq=False, slots=True, weakref_slot=True)
class Shape:
    """All of a pod that decides which nodes suit it; equal shapes are one object."""

    requests: tuple[tuple[str, int], ...]
    counted: tuple[int, int]
    node_name: str
    node_selector: tuple[tuple[str, str], ...]
    affinity: corev1.NodeAffinity | None
    tolerations: tuple[corev1.Toleration, ...]
    host_ports: tuple[HostPort, ...]


@dataclass(frozen=True, slots=True)
class PodInfo:
    """A pod, its key, its shape, the group whose pods are spread over nodes, and whether it keeps others away."""

    pod: corev1.Pod = field(repr=False, compare=False)
    key: str
    uid: str
    priority: int
    shape: Shape = field(repr=False, compare=False)
    group: str
    repels: bool = False


_SHAPES: weakref.WeakValueDictionary[tuple[object, ...], Shape] = weakref.WeakValueDictionary()


def info(pod: corev1.Pod) -> PodInfo:
    """Return what the scheduler needs of a pod."""
    meta, spec = pod.metadata, pod.spec
    owner = objects.controller_of(pod)
    return PodInfo(
        pod=pod,
        key=f"{meta.namespace}/{meta.name}",
        uid=meta.uid,
        priority=spec.priority,
        shape=shape_of(spec),
        group=owner.uid if owner is not None else "",
        repels=spec.HasField("affinity")
        and bool(spec.affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution),
    )


def shape_of(spec: corev1.PodSpec) -> Shape:
    """Return the shape of a pod's spec, the known one if there is an equal."""
    affinity = spec.affinity.nodeAffinity if spec.HasField("affinity") else None
    resources = [each.resources.SerializeToString(deterministic=True) for each in spec.containers]
    initial = [
        (each.restartPolicy, each.resources.SerializeToString(deterministic=True)) for each in spec.initContainers
    ]
    key = (
        tuple(resources),
        tuple(initial),
        spec.nodeName,
        tuple(sorted(spec.nodeSelector.items())) if spec.nodeSelector else (),
        affinity.SerializeToString(deterministic=True) if affinity is not None else b"",
        tuple(each.SerializeToString() for each in spec.tolerations),
        tuple(_host_ports(spec)),
        tuple(sorted((name, amount.string) for name, amount in spec.overhead.items())) if spec.overhead else (),
        spec.resources.SerializeToString(deterministic=True) if spec.HasField("resources") else b"",
    )
    known = _SHAPES.get(key)
    if known is None:
        known = _SHAPES[key] = _new_shape(spec, affinity)
    return known


def _new_shape(spec: corev1.PodSpec, affinity: corev1.NodeAffinity | None) -> Shape:
    return Shape(
        requests=tuple(sorted(requests_of(spec).items())),
        counted=counted(spec),
        # a pod that names its node is not scheduled; its shape is that of what runs there
        node_name=spec.nodeName,
        node_selector=tuple(sorted(spec.nodeSelector.items())),
        affinity=objects.copy(affinity) if affinity is not None else None,
        tolerations=tuple(_toleration(each.SerializeToString()) for each in spec.tolerations),
        host_ports=tuple(_host_ports(spec)),
    )


def requests_of(spec: corev1.PodSpec) -> Requests:
    """Return what a pod takes of a node, itself included."""
    found = {name: _units(name, amount) for name, amount in sums.requests(spec).items()}
    return {name: amount for name, amount in found.items() if amount} | {PODS: 1}


def counted(spec: corev1.PodSpec) -> tuple[int, int]:
    """Return CPU and memory by which nodes are compared: containers that ask for nothing count as something."""
    cpu = memory = 0
    for container in spec.containers:
        wanted = container.resources.requests
        cpu += units(CPU, wanted[CPU].string) if CPU in wanted else DEFAULT_MILLI_CPU
        memory += units(MEMORY, wanted[MEMORY].string) if MEMORY in wanted else DEFAULT_MEMORY_BYTES
    total = requests_of(spec)
    return max(cpu, total.get(CPU, 0)), max(memory, total.get(MEMORY, 0))


def units(name: str, text: str) -> int:
    """Return an amount of a resource: thousandths of CPU, whole units of all else."""
    return _units(name, quantity.parse(text) if text else quantity.ZERO)


def _units(name: str, amount: quantity.Quantity) -> int:
    return amount.milli_value() if name == CPU else amount.value()


@functools.lru_cache(maxsize=1024)
def _toleration(serialized: bytes) -> corev1.Toleration:
    return corev1.Toleration.FromString(serialized)


def _host_ports(spec: corev1.PodSpec) -> Iterable[HostPort]:
    for container in spec.containers:
        for port in container.ports:
            if port.hostPort:
                yield (port.hostIP or "0.0.0.0", port.protocol or "TCP", port.hostPort)
