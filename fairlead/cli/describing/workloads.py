"""Descriptions of Deployments, ReplicaSets and Services, with what belongs to them."""

from __future__ import annotations

from collections.abc import Sequence

from fairlead.api import codec, columns
from fairlead.api.pb import apps_v1_pb2 as appsv1
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import discovery_v1_pb2 as discoveryv1
from fairlead.cli.describing import pods
from fairlead.cli.describing.lines import INDENT, NONE, Lines, conditions, head, line, mapping, owner, time_text

ADDRESSES_SHOWN = 10


def deployment(obj: appsv1.Deployment, replica_sets: Sequence[appsv1.ReplicaSet]) -> Lines:
    """Yield the lines of a Deployment, given the ReplicaSets that it controls."""
    yield from head(obj)
    yield line("CreationTimestamp", time_text(obj.metadata.creationTimestamp))
    yield line("Selector", columns.selector_text(obj.spec.selector))
    status = obj.status
    yield line(
        "Replicas",
        f"{obj.spec.replicas} desired | {status.updatedReplicas} updated | {status.replicas} total | "
        f"{status.availableReplicas} available | {status.unavailableReplicas} unavailable",
    )
    yield line("StrategyType", obj.spec.strategy.type)
    yield line("MinReadySeconds", obj.spec.minReadySeconds)
    if obj.spec.strategy.HasField("rollingUpdate"):
        rolling = codec.to_json(obj.spec.strategy.rollingUpdate)
        shown = f"{rolling.get('maxUnavailable')} max unavailable, {rolling.get('maxSurge')} max surge"
        yield line("RollingUpdateStrategy", shown)
    if obj.spec.paused:
        yield line("Paused", "true")
    yield from template(obj.spec.template)
    yield from conditions(status.conditions)
    yield "ReplicaSets:" if replica_sets else line("ReplicaSets", NONE)
    for each in replica_sets:
        yield line(each.metadata.name, f"{each.status.replicas}/{each.spec.replicas} replicas created", 1)


def replica_set(obj: appsv1.ReplicaSet, owned: Sequence[corev1.Pod]) -> Lines:
    """Yield the lines of a ReplicaSet, given the pods that it controls."""
    yield from head(obj)
    yield from owner(obj)
    yield line("Selector", columns.selector_text(obj.spec.selector))
    yield line("Replicas", f"{obj.status.replicas} current / {obj.spec.replicas} desired")
    phases = [pod.status.phase for pod in owned]
    counts = [f"{phases.count(phase)} {phase}" for phase in ("Running", "Pending", "Succeeded", "Failed")]
    yield line("Pods Status", " / ".join(counts))
    yield from template(obj.spec.template)
    yield from conditions(obj.status.conditions)


def template(obj: corev1.PodTemplateSpec) -> Lines:
    """Yield the lines of a pod template."""
    yield "Pod Template:"
    yield from mapping("Labels", obj.metadata.labels, 1)
    if obj.metadata.annotations:
        yield from mapping("Annotations", obj.metadata.annotations, 1)
    for label, containers in (("Init Containers", obj.spec.initContainers), ("Containers", obj.spec.containers)):
        if containers:
            yield f"{INDENT}{label}:"
        for each in containers:
            yield from pods.container(each, None, 2)
    yield from pods.volumes(obj.spec, 1)


def service(obj: corev1.Service, slices: Sequence[discoveryv1.EndpointSlice]) -> Lines:
    """Yield the lines of a Service, given its EndpointSlices."""
    yield from head(obj)
    yield from mapping("Selector", obj.spec.selector)
    yield line("Type", obj.spec.type)
    yield line("IP", obj.spec.clusterIP or NONE)
    for port in obj.spec.ports:
        name = port.name or "<unset>"
        yield line("Port", f"{name}  {port.port}/{port.protocol}")
        yield line("TargetPort", f"{codec.to_json(port).get('targetPort', port.port)}/{port.protocol}")
        if port.nodePort:
            yield line("NodePort", f"{name}  {port.nodePort}/{port.protocol}")
        yield line("Endpoints", _endpoints(slices, port.name))
    yield line("Session Affinity", obj.spec.sessionAffinity)
    if obj.spec.externalTrafficPolicy:
        yield line("External Traffic", obj.spec.externalTrafficPolicy)


def _endpoints(slices: Sequence[discoveryv1.EndpointSlice], port_name: str) -> str:
    """Return `address:port` of the ready endpoints of a port."""
    found = sorted(
        f"{address}:{port.port}"
        for each in slices
        for port in each.ports
        if port.name == port_name
        for endpoint in each.endpoints
        if endpoint.conditions.ready or not endpoint.conditions.HasField("ready")
        for address in endpoint.addresses
    )
    more = len(found) - ADDRESSES_SHOWN
    text = ",".join(found[:ADDRESSES_SHOWN]) or NONE
    return f"{text} + {more} more..." if more > 0 else text
