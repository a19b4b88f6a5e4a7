"""Rules on Services, apart from those on their addresses. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from control.apiserver import field
from control.apiserver.validation import addresses, containers, meta, names, numbers, serviceaddresses
from fairlead.api.pb import core_v1_pb2 as corev1

TYPES = frozenset({"ClusterIP", "ExternalName", "LoadBalancer", "NodePort"})
WITH_ADDRESS = TYPES - {"ExternalName"}
EXTERNAL = frozenset({"NodePort", "LoadBalancer"})
AFFINITIES = frozenset({"ClientIP", "None"})
POLICIES = frozenset({"Cluster", "Local"})
DISTRIBUTIONS = frozenset({"PreferClose"})
IP_MODES = frozenset({"Proxy", "VIP"})
MAX_STICKY_SECONDS = 86400
TOPOLOGY_HINTS = "service.kubernetes.io/topology-aware-hints"
TOPOLOGY_MODE = "service.kubernetes.io/topology-mode"
SOURCE_RANGES = "service.beta.kubernetes.io/load-balancer-source-ranges"
BALANCED_ONLY = "may only be used when `type` is 'LoadBalancer'"


def is_reachable_from_outside(spec: corev1.ServiceSpec) -> bool:
    """Say whether a Service takes traffic from outside the cluster."""
    return spec.type in EXTERNAL or (spec.type == "ClusterIP" and bool(spec.externalIPs))


def needs_node_ports(spec: corev1.ServiceSpec) -> bool:
    """Say whether a Service's ports are open on each node."""
    if spec.type == "LoadBalancer":
        return spec.allocateLoadBalancerNodePorts or not spec.HasField("allocateLoadBalancerNodePorts")
    return spec.type == "NodePort"


def needs_health_check(spec: corev1.ServiceSpec) -> bool:
    """Say whether nodes tell a balancer whether they have endpoints."""
    return spec.type == "LoadBalancer" and spec.externalTrafficPolicy == "Local"


def validate(obj: corev1.Service, old: corev1.Service | None = None) -> field.Faults:
    """Judge a Service whose defaults are filled in: first its addresses, where it is refused for nothing else."""
    before = old.spec if old is not None else None
    faults = serviceaddresses.related(obj.spec) or serviceaddresses.served(obj.spec, before)
    if faults:
        return faults
    if before is not None:
        faults += serviceaddresses.changed(obj.spec, before)
        faults += _changed_balancing(obj.spec, before)
    return faults + _values(obj)


def _changed_balancing(spec: corev1.ServiceSpec, before: corev1.ServiceSpec) -> field.Faults:
    faults: field.Faults = []
    path = "spec.loadBalancerClass"
    if spec.type == before.type == "LoadBalancer" and _class(spec) != _class(before):
        faults.append(field.invalid(path, _class(spec), "may not change once set"))
    faults += _balancer_class(spec, path)
    both = needs_health_check(spec) and needs_health_check(before)
    if both and spec.healthCheckNodePort != before.healthCheckNodePort:
        faults.append(field.forbidden("spec.healthCheckNodePort", meta.IMMUTABLE))
    return faults


def _class(spec: corev1.ServiceSpec) -> str | None:
    return spec.loadBalancerClass if spec.HasField("loadBalancerClass") else None


def _balancer_class(spec: corev1.ServiceSpec, path: str) -> field.Faults:
    if not spec.HasField("loadBalancerClass"):
        return []
    if spec.type != "LoadBalancer":
        return [field.forbidden(path, BALANCED_ONLY)]
    return field.invalids(path, spec.loadBalancerClass, names.qualified(spec.loadBalancerClass))


def _values(obj: corev1.Service) -> field.Faults:
    spec, notes = obj.spec, obj.metadata.annotations
    faults: field.Faults = []
    if TOPOLOGY_MODE in notes and notes.get(TOPOLOGY_HINTS, notes[TOPOLOGY_MODE]) != notes[TOPOLOGY_MODE]:
        text = f"must match annotations[{TOPOLOGY_HINTS}] when both are specified"
        faults.append(field.invalid(f"metadata.annotations[{TOPOLOGY_MODE}]", notes[TOPOLOGY_MODE], text))
    headless = serviceaddresses.is_headless(spec)
    if not spec.ports and not headless and spec.type != "ExternalName":
        faults.append(field.required("spec.ports"))
    if spec.type in EXTERNAL and headless:
        text = f"may not be set to 'None' for {spec.type} services"
        faults.append(field.invalid("spec.clusterIPs[0]", spec.clusterIPs[0], text))
    if spec.type == "ExternalName":
        faults += _external_name(spec)
    again = field.repeats(port.name for port in spec.ports)
    for index, port in enumerate(spec.ports):
        faults += _port(spec, port, index, is_repeated=index in again)
    faults += meta.labels(spec.selector, "spec.selector")
    faults += _affinity(spec)
    for index, address in enumerate(spec.externalIPs):
        path = f"spec.externalIPs[{index}]"
        faults += field.invalids(path, address, names.ip(address)) or addresses.not_special(path, address)
    faults += _of_set("spec.type", spec.type, TYPES)
    faults += _node_ports(spec)
    faults += _source_ranges(obj)
    if spec.type != "LoadBalancer" and spec.HasField("allocateLoadBalancerNodePorts"):
        faults.append(field.forbidden("spec.allocateLoadBalancerNodePorts", BALANCED_ONLY))
    faults += _balancer_class(spec, "spec.loadBalancerClass")
    return faults + _traffic(spec)


def _of_set(path: str, value: str, supported: frozenset[str]) -> field.Faults:
    if not value:
        return [field.required(path)]
    return [] if value in supported else [field.unsupported(path, value, supported)]


def _external_name(spec: corev1.ServiceSpec) -> field.Faults:
    text = "may not be set for ExternalName services"
    given = (("clusterIPs", spec.clusterIPs), ("ipFamilies", spec.ipFamilies))
    faults = [field.forbidden(f"spec.{name}", text) for name, values in given if values]
    if spec.HasField("ipFamilyPolicy"):
        faults.append(field.forbidden("spec.ipFamilyPolicy", text))
    name = spec.externalName.removesuffix(".")
    if not name:
        return [*faults, field.required("spec.externalName")]
    return faults + field.invalids("spec.externalName", name, names.subdomain(name))


def _port(spec: corev1.ServiceSpec, port: corev1.ServicePort, index: int, *, is_repeated: bool) -> field.Faults:
    at = f"spec.ports[{index}]"
    faults: field.Faults = []
    if port.name:
        faults += field.invalids(f"{at}.name", port.name, names.label(port.name))
        if is_repeated:
            faults.append(field.duplicate(f"{at}.name", port.name))
    elif len(spec.ports) > 1:
        faults.append(field.required(f"{at}.name"))
    faults += field.invalids(f"{at}.port", port.port, names.port(port.port))
    faults += _of_set(f"{at}.protocol", port.protocol, containers.PROTOCOLS)
    faults += numbers.port_or_name(f"{at}.targetPort", port.targetPort)
    if port.HasField("appProtocol"):
        faults += field.invalids(f"{at}.appProtocol", port.appProtocol, names.qualified(port.appProtocol))
    return faults


def _affinity(spec: corev1.ServiceSpec) -> field.Faults:
    faults = _of_set("spec.sessionAffinity", spec.sessionAffinity, AFFINITIES)
    path = "spec.sessionAffinityConfig"
    if spec.sessionAffinity == "None" and spec.HasField("sessionAffinityConfig"):
        faults.append(field.forbidden(path, "must not be set when session affinity is None"))
    seconds = spec.sessionAffinityConfig.clientIP.timeoutSeconds
    if spec.sessionAffinity == "ClientIP" and not 0 < seconds <= MAX_STICKY_SECONDS:
        text = f"must be greater than 0 and less than {MAX_STICKY_SECONDS}"
        faults.append(field.invalid(f"{path}.clientIP.timeoutSeconds", seconds, text))
    return faults


def _node_ports(spec: corev1.ServiceSpec) -> Iterator[field.Cause]:
    """Judge ports on nodes, and that none is given twice."""
    if spec.type == "ClusterIP":
        for index, port in enumerate(spec.ports):
            if port.nodePort:
                yield field.forbidden(f"spec.ports[{index}].nodePort", "may not be used when `type` is 'ClusterIP'")
    on_nodes = [(port.protocol, port.nodePort) for port in spec.ports]
    for index in sorted(field.repeats(on_nodes)):
        if number := on_nodes[index][1]:
            yield field.duplicate(f"spec.ports[{index}].nodePort", number)
    known = [(port.protocol, port.port) for port in spec.ports]
    for index in sorted(field.repeats(known)):
        protocol, number = known[index]
        shown = field.Raw(
            f'core.ServicePort{{Name:"", Protocol:{field.quoted(protocol)}, AppProtocol:(*string)(nil),'
            f' Port:{number}, TargetPort:intstr.IntOrString{{Type:0, IntVal:0, StrVal:""}}, NodePort:0}}'
        )
        yield field.duplicate(f"spec.ports[{index}]", shown)


def _source_ranges(obj: corev1.Service) -> Iterator[field.Cause]:
    """Judge the networks that may reach a balancer, in the field or, where that is empty, in the annotation."""
    notes = obj.metadata.annotations
    if obj.spec.loadBalancerSourceRanges:
        path, listed = "spec.LoadBalancerSourceRanges", list(obj.spec.loadBalancerSourceRanges)
        paths = [f"{path}[{index}]" for index in range(len(listed))]
    elif SOURCE_RANGES in notes:
        path, text = f"metadata.annotations[{SOURCE_RANGES}]", notes[SOURCE_RANGES].strip()
        listed = text.split(",") if text else []
        paths = [path] * len(listed)
    else:
        return
    if obj.spec.type != "LoadBalancer":
        yield field.forbidden(path, BALANCED_ONLY)
    for at, value in zip(paths, map(str.strip, listed), strict=True):
        yield from field.invalids(at, value, names.cidr(value))


def _traffic(spec: corev1.ServiceSpec) -> field.Faults:
    faults: field.Faults = []
    path = "spec.externalTrafficPolicy"
    if is_reachable_from_outside(spec):
        faults += _of_set(path, spec.externalTrafficPolicy, POLICIES)
    elif spec.externalTrafficPolicy:
        text = "may only be set for externally-accessible services"
        faults.append(field.invalid(path, spec.externalTrafficPolicy, text))
    path, number = "spec.healthCheckNodePort", spec.healthCheckNodePort
    if not needs_health_check(spec):
        if number:
            text = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"
            faults.append(field.invalid(path, number, text))
    elif number:  # where there is none, allocation gives one
        faults += field.invalids(path, number, names.port(number))
    path = "spec.internalTrafficPolicy"
    if spec.HasField("internalTrafficPolicy"):
        if spec.internalTrafficPolicy not in POLICIES:
            faults.append(field.unsupported(path, spec.internalTrafficPolicy, POLICIES))
    elif spec.type in WITH_ADDRESS:
        faults.append(field.required(path))
    if spec.HasField("trafficDistribution") and spec.trafficDistribution not in DISTRIBUTIONS:
        faults.append(field.unsupported("spec.trafficDistribution", spec.trafficDistribution, DISTRIBUTIONS))
    return faults


def status(obj: corev1.Service) -> field.Faults:
    """Judge a Service's status: the addresses of its balancer."""
    path = "status.loadBalancer.ingress"
    faults: field.Faults = []
    if obj.spec.type != "LoadBalancer" and obj.status.loadBalancer.ingress:
        return [field.forbidden(path, "may only be used when `spec.type` is 'LoadBalancer'")]
    for index, one in enumerate(obj.status.loadBalancer.ingress):
        faults += _ingress(one, f"{path}[{index}]")
    return faults


def _ingress(one: corev1.LoadBalancerIngress, path: str) -> field.Faults:
    faults = field.invalids(f"{path}.ip", one.ip, names.ip(one.ip)) if one.ip else []
    if not one.HasField("ipMode"):
        if one.ip:
            faults.append(field.required(f"{path}.ipMode", "must be specified when `ip` is set"))
    elif not one.ip:
        faults.append(field.forbidden(f"{path}.ipMode", "may not be specified when `ip` is not set"))
    elif one.ipMode not in IP_MODES:
        faults.append(field.unsupported(f"{path}.ipMode", one.ipMode, IP_MODES))
    if one.hostname:
        faults += field.invalids(f"{path}.hostname", one.hostname, names.subdomain(one.hostname))
        if _is_address(one.hostname):
            faults.append(field.invalid(f"{path}.hostname", one.hostname, "must be a DNS name, not an IP address"))
    return faults


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
