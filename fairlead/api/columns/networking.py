"""The columns of what leads to pods, Services excepted: Ingresses, policies, endpoints. Pure."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping, Sequence

from google.protobuf.message import Message

from fairlead.api.columns import layout
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import discovery_v1_pb2 as discoveryv1
from fairlead.api.pb import networking_v1_pb2 as networkingv1


def _ingress(ingress: networkingv1.Ingress, now: datetime.datetime) -> layout.Row:
    points = {point.ip or point.hostname for point in ingress.status.loadBalancer.ingress}
    return (
        ingress.metadata.name,
        ingress.spec.ingressClassName if ingress.spec.HasField("ingressClassName") else layout.NONE,
        _hosts(ingress.spec.rules),
        ",".join(sorted(points - {""})),
        "80, 443" if ingress.spec.tls else "80",
        layout.created(ingress, now),
    )


def _hosts(rules: Sequence[networkingv1.IngressRule]) -> str:
    """Return the first hosts; rules without one count only among those that follow, as Kubernetes counts them."""
    listed: list[str] = []
    for rule in rules:
        if len(listed) == layout.LIST_MAX:
            return f"{','.join(listed)} + {len(rules) - layout.LIST_MAX} more..."
        listed += [rule.host] if rule.host else []
    return ",".join(listed) or "*"


def _ingress_class(obj: networkingv1.IngressClass, now: datetime.datetime) -> layout.Row:
    parameters = layout.NONE
    if obj.spec.HasField("parameters"):
        found = obj.spec.parameters
        group = f".{found.aPIGroup}" if found.HasField("aPIGroup") else ""
        parameters = f"{found.kind}{group}/{found.name}"
    return obj.metadata.name, obj.spec.controller, parameters, layout.created(obj, now)


def _network_policy(policy: networkingv1.NetworkPolicy, now: datetime.datetime) -> layout.Row:
    return policy.metadata.name, layout.selector_text(policy.spec.podSelector), layout.created(policy, now)


def _endpointslice(piece: discoveryv1.EndpointSlice, now: datetime.datetime) -> layout.Row:
    ports = [_port(port) for port in piece.ports]
    addresses = [address for endpoint in piece.endpoints for address in endpoint.addresses]
    return (
        piece.metadata.name,
        piece.addressType,
        layout.more(ports, nothing=layout.UNSET),
        layout.more(addresses, nothing=layout.UNSET),
        layout.created(piece, now),
    )


def _port(port: discoveryv1.EndpointPort) -> str:
    """Return a port's number, else its name, which by default is empty."""
    if port.HasField("port"):
        return str(port.port)
    return port.name if port.HasField("name") else "*"


def _endpoints(endpoints: corev1.Endpoints, now: datetime.datetime) -> layout.Row:
    shown = layout.more(list(_addresses(endpoints))) if endpoints.subsets else layout.NONE
    return endpoints.metadata.name, shown, layout.created(endpoints, now)


def _addresses(endpoints: corev1.Endpoints) -> Iterator[str]:
    for subset in endpoints.subsets:
        for port in subset.ports:
            for address in subset.addresses:
                yield f"[{address.ip}]:{port.port}" if ":" in address.ip else f"{address.ip}:{port.port}"
        if not subset.ports:
            yield from (address.ip for address in subset.addresses)


LAYOUTS: Mapping[type[Message], layout.Layout] = {
    networkingv1.Ingress: layout.layout("Name|Class|Hosts|Address|Ports|Age", _ingress),
    networkingv1.IngressClass: layout.layout("Name|Controller|Parameters|Age", _ingress_class),
    networkingv1.NetworkPolicy: layout.layout("Name|Pod-Selector|Age", _network_policy),
    discoveryv1.EndpointSlice: layout.layout("Name|AddressType|Ports|Endpoints|Age", _endpointslice),
    corev1.Endpoints: layout.layout("Name|Endpoints|Age", _endpoints),
}
