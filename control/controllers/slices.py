"""Which EndpointSlices a Service should have, and the fewest writes that lead there.

Endpoints with the same ports share slices of up to a hundred. Slices that are right stay untouched; changed ones
are filled before new ones are made, and surplus ones are reused. Pure: the EndpointSlice controller writes. Slices
that mirror Endpoints (mirroring.py) are made of the same parts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from control.controllers import ownership
from fairlead.api import intstr, objects, pods
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import discovery_v1_pb2 as discoveryv1

SERVICE_NAME = "kubernetes.io/service-name"
MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
MANAGER = "endpointslice-controller.k8s.io"
HEADLESS = "service.kubernetes.io/headless"
ZONE = "topology.kubernetes.io/zone"
MAX_ENDPOINTS = 100
IPV4 = "IPv4"

# A slice's ports as they are compared: (name, protocol, port, application protocol).
Ports = tuple[tuple[str, str, int, str], ...]
ZoneOf = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Plan:
    """Slices to create, to update, to delete."""

    create: Sequence[discoveryv1.EndpointSlice] = ()
    update: Sequence[discoveryv1.EndpointSlice] = ()
    delete: Sequence[discoveryv1.EndpointSlice] = ()


@dataclass(slots=True)
class Changes:
    """A plan that grows."""

    create: list[discoveryv1.EndpointSlice] = field(default_factory=list)
    update: list[discoveryv1.EndpointSlice] = field(default_factory=list)
    delete: list[discoveryv1.EndpointSlice] = field(default_factory=list)

    def plan(self) -> Plan:
        """Return the plan, in which surplus slices become new ones: one write instead of two."""
        for surplus in list(self.delete):
            fitting = [fresh for fresh in self.create if fresh.addressType == surplus.addressType]
            if not fitting:
                continue
            fresh = fitting[-1]
            self.create.remove(fresh)
            self.delete.remove(surplus)
            labels, annotations = dict(fresh.metadata.labels), dict(fresh.metadata.annotations)
            fresh.metadata.CopyFrom(surplus.metadata)
            label(fresh, labels)
            fresh.metadata.annotations.update(annotations)
            self.update.append(fresh)
        return Plan(self.create, self.update, self.delete)


def belongs(pod: corev1.Pod) -> bool:
    """Whether a pod that matches becomes an endpoint: it has an address and has not finished."""
    return bool(pod.status.podIP) and not pods.is_finished(pod)


def endpoint(pod: corev1.Pod, service: corev1.Service, zone_of: ZoneOf) -> discoveryv1.Endpoint:
    """Return the endpoint of a pod."""
    serving, terminating = pods.is_ready(pod), pods.is_terminating(pod)
    found = discoveryv1.Endpoint(addresses=[pod.status.podIP])
    conditions = found.conditions
    conditions.ready = service.spec.publishNotReadyAddresses or (serving and not terminating)
    conditions.serving, conditions.terminating = serving, terminating
    if pod.spec.nodeName:
        found.nodeName = pod.spec.nodeName
        zone = zone_of(pod.spec.nodeName)
        if zone:
            found.zone = zone
    if pod.spec.hostname and pod.spec.subdomain == service.metadata.name:
        found.hostname = pod.spec.hostname
    found.targetRef.kind = "Pod"
    found.targetRef.namespace, found.targetRef.name = pod.metadata.namespace, pod.metadata.name
    found.targetRef.uid = pod.metadata.uid
    return found


def ports_for(pod: corev1.Pod, service: corev1.Service) -> Ports:
    """Return the Service's ports as this pod offers them; a named port that it lacks is left out."""
    found = []
    for port in service.spec.ports:
        number = target_port(pod, port)
        if number:
            found.append((port.name, port.protocol or "TCP", number, port.appProtocol))
    return tuple(sorted(found))


def target_port(pod: corev1.Pod, port: corev1.ServicePort) -> int:
    """Return the number of a Service port's target in a pod; 0 where the pod has no port of that name."""
    target = port.targetPort
    if target.type != intstr.STRING:
        return target.intVal or port.port
    sidecars = [each for each in pod.spec.initContainers if each.restartPolicy == "Always"]
    for container in [*pod.spec.containers, *sidecars]:
        for offered in container.ports:
            if offered.name == target.strVal and (offered.protocol or "TCP") == (port.protocol or "TCP"):
                return offered.containerPort
    return 0


def decide(
    service: corev1.Service,
    matching: Iterable[corev1.Pod],
    existing: Sequence[discoveryv1.EndpointSlice],
    zone_of: ZoneOf,
) -> Plan:
    """Compare the pods that a Service selects with its slices."""
    wanted: dict[Ports, dict[str, discoveryv1.Endpoint]] = {}
    for pod in matching:
        if belongs(pod):
            group = wanted.setdefault(ports_for(pod, service), {})
            group[pod.metadata.uid] = endpoint(pod, service, zone_of)
    by_ports: dict[Ports, list[discoveryv1.EndpointSlice]] = {}
    changes = Changes()
    for each in existing:
        if each.addressType != IPV4:
            changes.delete.append(each)
        else:
            by_ports.setdefault(ports_of(each), []).append(each)
    for ports, group in wanted.items():
        _fill(service, ports, group, by_ports.pop(ports, []), changes)
    changes.delete += [each for several in by_ports.values() for each in several]
    if not wanted:
        _keep_placeholder(service, changes)
    return changes.plan()


def _fill(
    service: corev1.Service,
    ports: Ports,
    group: Mapping[str, discoveryv1.Endpoint],
    existing: Sequence[discoveryv1.EndpointSlice],
    changes: Changes,
) -> None:
    """Bring the slices of one set of ports to the endpoints of `group`, which are keyed by the pods' uids."""
    left = dict(group)
    changed: list[discoveryv1.EndpointSlice] = []
    unchanged: list[discoveryv1.EndpointSlice] = []
    for each in existing:
        fresh, differs = _revised(service, each, left)
        if not fresh.endpoints:
            changes.delete.append(each)
        else:
            (changed if differs else unchanged).append(fresh)
    more = list(left.values())
    changed.sort(key=lambda each: -len(each.endpoints))
    for each in changed:
        room = MAX_ENDPOINTS - len(each.endpoints)
        each.endpoints.extend(more[:room])
        del more[:room]
    fitting = [each for each in unchanged if len(each.endpoints) + len(more) <= MAX_ENDPOINTS]
    if more and fitting:
        fullest = objects.copy(max(fitting, key=lambda each: len(each.endpoints)))
        fullest.endpoints.extend(more)
        changed.append(fullest)
        more = []
    changes.update += changed
    while more:
        changes.create.append(_new_slice(service, ports, more[:MAX_ENDPOINTS]))
        del more[:MAX_ENDPOINTS]


def _revised(
    service: corev1.Service, each: discoveryv1.EndpointSlice, left: dict[str, discoveryv1.Endpoint]
) -> tuple[discoveryv1.EndpointSlice, bool]:
    """Return a slice with its endpoints brought up to date, and whether it differs; takes them out of `left`."""
    kept = []
    differs = False
    for known in each.endpoints:
        wanted = left.pop(known.targetRef.uid, None)
        if wanted is None:
            differs = True
            continue
        differs = differs or wanted != known
        kept.append(wanted)
    labels = labels_for(service)
    differs = differs or dict(each.metadata.labels) != labels
    if not differs:
        return each, False
    fresh = objects.copy(each)
    del fresh.endpoints[:]
    fresh.endpoints.extend(kept)
    label(fresh, labels)
    return fresh, True


def _new_slice(
    service: corev1.Service, ports: Ports, endpoints: Sequence[discoveryv1.Endpoint]
) -> discoveryv1.EndpointSlice:
    fresh = discoveryv1.EndpointSlice(addressType=IPV4, endpoints=endpoints)
    fresh.metadata.namespace = service.metadata.namespace
    fresh.metadata.generateName = f"{service.metadata.name}-"
    fresh.metadata.ownerReferences.append(ownership.reference_to(service))
    fresh.metadata.labels.update(labels_for(service))
    set_ports(fresh, ports)
    return fresh


def set_ports(target: discoveryv1.EndpointSlice, ports: Ports) -> None:
    """Give a slice its ports."""
    del target.ports[:]
    for name, protocol, number, application in ports:
        port = target.ports.add(name=name, protocol=protocol, port=number)
        if application:
            port.appProtocol = application


def ports_of(each: discoveryv1.EndpointSlice) -> Ports:
    """Return a slice's ports."""
    return sorted_ports(each.ports)


def sorted_ports(ports: Iterable[discoveryv1.EndpointPort | corev1.EndpointPort]) -> Ports:
    """Return the ports of a slice, or of a subset of Endpoints, as they are compared."""
    return tuple(sorted((port.name, port.protocol or "TCP", port.port, port.appProtocol) for port in ports))


def labels_for(service: corev1.Service) -> dict[str, str]:
    """Return the labels of a Service's slices: its own, and those by which the slices are found."""
    labels = {name: value for name, value in service.metadata.labels.items() if name not in (HEADLESS, SERVICE_NAME)}
    if service.spec.clusterIP in ("None", ""):
        labels[HEADLESS] = ""
    return labels | {SERVICE_NAME: service.metadata.name, MANAGED_BY: MANAGER}


def label(target: discoveryv1.EndpointSlice, labels: Mapping[str, str]) -> None:
    """Give a slice these labels and no others."""
    target.metadata.labels.clear()
    target.metadata.labels.update(labels)


def _keep_placeholder(service: corev1.Service, changes: Changes) -> None:
    """A Service without endpoints has one slice without any, so that proxies know it was looked at."""
    labels = labels_for(service)
    for index, each in enumerate(changes.delete):
        if each.addressType != IPV4:
            continue
        changes.delete.pop(index)
        if each.endpoints or each.ports or dict(each.metadata.labels) != labels:
            fresh = objects.copy(each)
            del fresh.endpoints[:]
            del fresh.ports[:]
            label(fresh, labels)
            changes.update.append(fresh)
        return
    changes.create.append(_new_slice(service, (), ()))
