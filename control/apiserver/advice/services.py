"""What is to be said of a Service: parts that its type ignores, addresses that are written oddly. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from control.apiserver.field import shown
from fairlead.api.pb import core_v1_pb2 as corev1

TOPOLOGY_HINTS = "service.kubernetes.io/topology-aware-hints"
TOPOLOGY_MODE = "service.kubernetes.io/topology-mode"
LOOPS = "which may cause controller apply-loops"


def service(obj: corev1.Service) -> Iterator[str]:
    """Iterate over what is to be said of a Service."""
    spec = obj.spec
    if TOPOLOGY_HINTS in obj.metadata.annotations:
        yield f"annotation {TOPOLOGY_HINTS} is deprecated, please use {TOPOLOGY_MODE} instead"
    if spec.clusterIP and spec.clusterIP != "None":
        for index, address in enumerate(spec.clusterIPs):
            yield from _address(address, f"spec.clusterIPs[{index}]")
    if spec.type == "ClusterIP" and spec.clusterIP == "None":
        if spec.loadBalancerIP:
            yield "spec.loadBalancerIP is ignored for headless services"
        if spec.externalIPs:
            yield "spec.externalIPs is ignored for headless services"
        if spec.sessionAffinity != "None":
            yield "spec.SessionAffinity is ignored for headless services"
    for index, address in enumerate(spec.externalIPs):
        yield from _address(address, f"spec.externalIPs[{index}]")
    if spec.loadBalancerIP:
        yield from _address(spec.loadBalancerIP, "spec.loadBalancerIP")
    for index, network in enumerate(spec.loadBalancerSourceRanges):
        yield from _network(network, f"spec.loadBalancerSourceRanges[{index}]")
    if spec.type == "ExternalName" and spec.externalIPs:
        yield 'spec.externalIPs is ignored when spec.type is "ExternalName"'
    if spec.type != "ExternalName" and spec.externalName:
        yield 'spec.externalName is ignored when spec.type is not "ExternalName"'


def _address(text: str, path: str) -> Iterator[str]:
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return
    if found.version == 6 and str(found) != text:
        yield f"{path}: IPv6 address {shown(text)} is not in RFC 5952 canonical format ({shown(str(found))}), {LOOPS}"


def _network(text: str, path: str) -> Iterator[str]:
    try:
        found = ipaddress.ip_interface(text.strip())
    except ValueError:
        return
    if found.version == 6 and str(found) != text:
        yield f"{path}: IPv6 prefix {shown(text)} is not in RFC 5952 canonical format ({shown(str(found))}), {LOOPS}"
