"""Services and EndpointSlices for the proxy's tests, short to write."""

from __future__ import annotations

from collections.abc import Sequence

from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import discovery_v1_pb2 as discoveryv1
from node.proxy import model

CONFIG = model.Config(
    node_name="node-1", cluster_cidr="10.128.0.0/11", node_addresses=("192.168.56.11",), zone="east"
)


def service(
    name: str,
    cluster_ip: str,
    ports: Sequence[tuple[str, int, int]] = (("http", 80, 0),),
    *,
    protocol: str = "TCP",
    **spec: object,
) -> corev1.Service:
    """Return a Service in namespace `shop`; a port is (name, port, node port)."""
    message = corev1.Service(spec=corev1.ServiceSpec(**{"clusterIP": cluster_ip, "type": "ClusterIP", **spec}))
    message.metadata.namespace, message.metadata.name = "shop", name
    if cluster_ip:
        message.spec.clusterIPs.append(cluster_ip)
    for port_name, port, node_port in ports:
        message.spec.ports.add(name=port_name, port=port, nodePort=node_port, protocol=protocol)
        if node_port and message.spec.type == "ClusterIP":
            message.spec.type = "NodePort"
    return message


def balanced(message: corev1.Service, *addresses: str) -> corev1.Service:
    """Return the Service with load-balancer addresses."""
    message.spec.type = "LoadBalancer"
    for address in addresses:
        message.status.loadBalancer.ingress.add(ip=address)
    return message


def endpoint(
    address: str,
    node: str = "node-2",
    *,
    ready: bool | None = True,
    serving: bool | None = None,
    terminating: bool | None = None,
    zones: Sequence[str] = (),
) -> discoveryv1.Endpoint:
    """Return an endpoint on a node."""
    conditions = discoveryv1.EndpointConditions(ready=ready, serving=serving, terminating=terminating)
    message = discoveryv1.Endpoint(addresses=[address], nodeName=node, conditions=conditions)
    for zone in zones:
        message.hints.forZones.add(name=zone)
    return message


def leaving(address: str, node: str = "node-2") -> discoveryv1.Endpoint:
    """Return an endpoint that terminates and still serves."""
    return endpoint(address, node, ready=False, serving=True, terminating=True)


def endpoint_slice(
    service_name: str,
    endpoints: Sequence[discoveryv1.Endpoint],
    ports: Sequence[tuple[str, int]] = (("http", 8080),),
    *,
    protocol: str = "TCP",
    suffix: str = "a",
) -> discoveryv1.EndpointSlice:
    """Return an EndpointSlice of a Service in namespace `shop`; a port is (name, port)."""
    message = discoveryv1.EndpointSlice(addressType="IPv4", endpoints=endpoints)
    message.metadata.namespace, message.metadata.name = "shop", f"{service_name}-{suffix}"
    message.metadata.labels[model.SERVICE_NAME_LABEL] = service_name
    for name, port in ports:
        message.ports.add(name=name, port=port, protocol=protocol)
    return message
