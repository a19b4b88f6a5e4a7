"""Rules on Services. Pure."""

from __future__ import annotations

import ipaddress

from control.apiserver import field
from control.apiserver.validation import containers, meta, names, numbers
from fairlead.api.pb import core_v1_pb2 as corev1

TYPES = frozenset({"ClusterIP", "ExternalName", "LoadBalancer", "NodePort"})
AFFINITIES = frozenset({"ClientIP", "None"})
POLICIES = frozenset({"Cluster", "Local"})
HEADLESS = "None"
MAX_STICKY_SECONDS = 86400


def validate(obj: corev1.Service) -> field.Faults:
    """Judge a Service whose defaults are filled in."""
    spec = obj.spec
    faults: field.Faults = []
    if spec.type not in TYPES:
        faults.append(field.unsupported("spec.type", spec.type, TYPES) if spec.type else field.required("spec.type"))
    if not spec.ports and spec.clusterIP != HEADLESS and spec.type != "ExternalName":
        faults.append(field.required("spec.ports"))
    if spec.type == "LoadBalancer" and spec.clusterIP == HEADLESS:
        faults.append(_addresses(obj, "may not be set to 'None' for LoadBalancer services"))
    if spec.type == "NodePort" and spec.clusterIP == HEADLESS:
        faults.append(_addresses(obj, "may not be set to 'None' for NodePort services"))
    if spec.type == "ExternalName":
        faults += _external_name(obj)
    faults += _ports(obj)
    faults += meta.labels(spec.selector, "spec.selector")
    if spec.sessionAffinity not in AFFINITIES:
        faults.append(field.unsupported("spec.sessionAffinity", spec.sessionAffinity, AFFINITIES))
    seconds = spec.sessionAffinityConfig.clientIP.timeoutSeconds
    if spec.sessionAffinity == "ClientIP" and not 0 < seconds <= MAX_STICKY_SECONDS:
        text = f"must be greater than 0 and less than {MAX_STICKY_SECONDS}"
        faults.append(field.invalid("spec.sessionAffinityConfig.clientIP.timeoutSeconds", seconds, text))
    faults += _cluster_ips(obj)
    for index, address in enumerate(spec.externalIPs):
        faults += field.invalids(f"spec.externalIPs[{index}]", address, names.ip(address))
    return faults + _traffic(obj)


def _addresses(obj: corev1.Service, text: str) -> field.Cause:
    listed = ", ".join(f'"{address}"' for address in obj.spec.clusterIPs)
    return field.Cause("FieldValueInvalid", f"Invalid value: []string{{{listed}}}: {text}", "spec.clusterIPs[0]")


def _external_name(obj: corev1.Service) -> field.Faults:
    faults: field.Faults = []
    if obj.spec.clusterIP:
        faults.append(field.forbidden("spec.clusterIPs", "may not be set when the service type is ExternalName"))
    if not obj.spec.externalName:
        faults.append(field.required("spec.externalName"))
    else:
        name = obj.spec.externalName.rstrip(".")
        faults += field.invalids("spec.externalName", obj.spec.externalName, names.subdomain(name))
    return faults


def _ports(obj: corev1.Service) -> field.Faults:
    faults: field.Faults = []
    seen_names: set[str] = set()
    seen: set[tuple[str, int]] = set()
    several = len(obj.spec.ports) > 1
    for index, port in enumerate(obj.spec.ports):
        at = f"spec.ports[{index}]"
        if several and not port.name:
            faults.append(field.required(f"{at}.name"))
        elif port.name:
            faults += field.invalids(f"{at}.name", port.name, names.label(port.name))
            if port.name in seen_names:
                faults.append(field.duplicate(f"{at}.name", port.name))
            seen_names.add(port.name)
        faults += field.invalids(f"{at}.port", port.port, names.port(port.port))
        if port.protocol not in containers.PROTOCOLS:
            faults.append(field.unsupported(f"{at}.protocol", port.protocol, containers.PROTOCOLS))
        faults += numbers.port_or_name(f"{at}.targetPort", port.targetPort)
        if obj.spec.type in ("ClusterIP", "ExternalName") and port.nodePort:
            text = f"may not be used when `type` is '{obj.spec.type}'"
            faults.append(field.forbidden(f"{at}.nodePort", text))
        if (port.protocol, port.port) in seen:
            shown = f'{{"port":{port.port},"protocol":"{port.protocol}"}}'
            faults.append(field.Cause("FieldValueDuplicate", f"Duplicate value: {shown}", at))
        seen.add((port.protocol, port.port))
    return faults


def _cluster_ips(obj: corev1.Service) -> field.Faults:
    spec = obj.spec
    faults: field.Faults = []
    if spec.type == "ExternalName":
        return faults
    if spec.clusterIPs and spec.clusterIPs[0] != spec.clusterIP:
        faults.append(_addresses(obj, "first value must match `clusterIP`"))
    if len(spec.clusterIPs) > 1:
        text = "may only hold one value: the cluster has one address family"
        faults.append(_addresses(obj, text))
    if spec.clusterIP and spec.clusterIP != HEADLESS:
        found = field.invalids("spec.clusterIPs[0]", spec.clusterIP, names.ip(spec.clusterIP))
        if not found and ipaddress.ip_address(spec.clusterIP).version != 4:
            found.append(field.invalid("spec.ipFamilies[0]", "IPv6", "not configured on this cluster"))
        faults += found
    for index, family in enumerate(spec.ipFamilies):
        if family not in ("IPv4", "IPv6"):
            faults.append(field.unsupported(f"spec.ipFamilies[{index}]", family, ("IPv4", "IPv6")))
        elif family == "IPv6":
            faults.append(field.invalid(f"spec.ipFamilies[{index}]", family, "not configured on this cluster"))
    if spec.ipFamilyPolicy == "RequireDualStack":
        text = "this cluster is not configured for dual-stack services"
        faults.append(field.invalid("spec.ipFamilyPolicy", spec.ipFamilyPolicy, text))
    return faults


def _traffic(obj: corev1.Service) -> field.Faults:
    spec = obj.spec
    faults: field.Faults = []
    external = spec.type in ("NodePort", "LoadBalancer")
    if spec.externalTrafficPolicy:
        if not external and not spec.externalIPs:
            text = "may only be set for externally-accessible services"
            faults.append(field.invalid("spec.externalTrafficPolicy", spec.externalTrafficPolicy, text))
        elif spec.externalTrafficPolicy not in POLICIES:
            faults.append(field.unsupported("spec.externalTrafficPolicy", spec.externalTrafficPolicy, POLICIES))
    if spec.HasField("internalTrafficPolicy") and spec.internalTrafficPolicy not in POLICIES:
        faults.append(field.unsupported("spec.internalTrafficPolicy", spec.internalTrafficPolicy, POLICIES))
    if spec.type != "LoadBalancer":
        if spec.HasField("loadBalancerClass"):
            text = "may only be used when `type` is 'LoadBalancer'"
            faults.append(field.forbidden("spec.loadBalancerClass", text))
        if spec.loadBalancerSourceRanges:
            text = "may only be used when `type` is 'LoadBalancer'"
            faults.append(field.forbidden("spec.LoadBalancerSourceRanges", text))
    return faults


def validate_update(obj: corev1.Service, old: corev1.Service) -> field.Faults:
    """Judge what changes: an address stays while the Service has one."""
    if "ExternalName" in (obj.spec.type, old.spec.type):
        return []
    if old.spec.clusterIP and obj.spec.clusterIP != old.spec.clusterIP:
        return [_addresses(obj, "may not change once set")]
    return []
