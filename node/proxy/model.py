"""What the proxy needs to know of Services and EndpointSlices, as plain values.

Called by the ledger for every object that arrives; calls nothing. The values compare by content, so that an
object whose update changes nothing of interest (an annotation, a resourceVersion) costs no sync.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import discovery_v1_pb2 as discoveryv1

SERVICE_NAME_LABEL = "kubernetes.io/service-name"
PROXY_NAME_LABEL = "service.kubernetes.io/service-proxy-name"
HEADLESS_LABEL = "service.kubernetes.io/headless"
SOURCE_RANGES_ANNOTATION = "service.beta.kubernetes.io/load-balancer-source-ranges"
ZONE_LABEL = "topology.kubernetes.io/zone"

AFFINITY_SECONDS = 10800
"""Kubernetes' default for sessionAffinityConfig.clientIP.timeoutSeconds."""


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """An object's namespace and name."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class Config:
    """What the rules depend on besides Services: the node and the cluster's addresses."""

    node_name: str
    # Pods' addresses: traffic to a Service from elsewhere is masqueraded. None: nothing is known of pods'
    # addresses, and only hairpin and external traffic is.
    cluster_cidr: str | None = None
    # The node's own addresses, for load balancers that admit only some sources.
    node_addresses: tuple[str, ...] = ()
    # The node's zone, for endpoints with topology hints.
    zone: str = ""
    # 4 or 6: one rule set serves one family.
    family: int = 4
    masquerade_all: bool = False
    # Node ports answer on 127.0.0.1 too (needs the sysctl route_localnet, which the applier sets).
    localhost_node_ports: bool = True
    # The kernel accepts out-of-window TCP packets, so that INVALID ones need not be dropped.
    conntrack_be_liberal: bool = False


@dataclass(frozen=True, slots=True)
class ServicePort:
    """One port of one Service, with what its rules depend on."""

    service: Key
    name: str
    protocol: str
    cluster_ip: str
    port: int
    node_port: int = 0
    external_ips: tuple[str, ...] = ()
    load_balancer_ips: tuple[str, ...] = ()
    source_ranges: tuple[str, ...] = ()
    health_check_node_port: int = 0
    affinity_seconds: int = 0
    internal_local: bool = False
    external_local: bool = False

    @property
    def title(self) -> str:
        """Return `namespace/name:port`, as it stands in comments and is hashed into chain names."""
        return f"{self.service}:{self.name}" if self.name else str(self.service)

    @property
    def externally_accessible(self) -> bool:
        """Tell whether anything but the cluster IP leads to the Service."""
        return bool(self.node_port or self.load_balancer_ips or self.external_ips)

    @property
    def uses_cluster_endpoints(self) -> bool:
        """Tell whether some traffic may go to every node's endpoints.

        External traffic with policy Local counts: a node's own and its pods' is short-circuited to all.
        """
        return not self.internal_local or self.externally_accessible

    @property
    def uses_local_endpoints(self) -> bool:
        """Tell whether some traffic must stay on the node."""
        return self.internal_local or (self.external_local and self.externally_accessible)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One address and port behind a Service's port."""

    address: str
    port: int
    ready: bool = True
    serving: bool = True
    terminating: bool = False
    local: bool = False
    zones: tuple[str, ...] = ()

    def __str__(self) -> str:
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Slice:
    """One EndpointSlice: its Service, and its endpoints by port name and protocol."""

    service: Key
    endpoints: tuple[tuple[tuple[str, str], tuple[Endpoint, ...]], ...] = ()


@dataclass(frozen=True, slots=True)
class Reachable:
    """The endpoints that a Service's port leads to from this node."""

    cluster: tuple[Endpoint, ...] = ()
    local: tuple[Endpoint, ...] = ()
    # Those that some chain names: what cluster and local have together.
    all: tuple[Endpoint, ...] = ()
    # There is a usable endpoint somewhere, perhaps not where the policies look for it.
    any: bool = False


def key_of(message: corev1.Service | discoveryv1.EndpointSlice) -> Key:
    """Return an object's namespace and name."""
    return Key(message.metadata.namespace, message.metadata.name)


def service_ports(service: corev1.Service, config: Config) -> tuple[ServicePort, ...]:
    """Return the ports of a Service that want rules; none for headless and external-name ones.

    See https://kubernetes.io/docs/reference/networking/virtual-ips/.
    """
    spec = service.spec
    addresses = _of_family(spec.clusterIPs or [spec.clusterIP], config.family)
    if spec.type == "ExternalName" or not addresses or PROXY_NAME_LABEL in service.metadata.labels:
        return ()
    affinity = 0
    if spec.sessionAffinity == "ClientIP":
        client = spec.sessionAffinityConfig.clientIP
        affinity = client.timeoutSeconds if client.HasField("timeoutSeconds") else AFFINITY_SECONDS
    balancers = [
        ingress.ip
        for ingress in service.status.loadBalancer.ingress
        if spec.type == "LoadBalancer" and ingress.ip and ingress.ipMode in ("", "VIP")
    ]
    external_local = spec.externalTrafficPolicy == "Local"
    return tuple(
        ServicePort(
            service=key_of(service),
            name=port.name,
            protocol=port.protocol.lower() or "tcp",
            cluster_ip=addresses[0],
            port=port.port,
            node_port=port.nodePort if spec.type in ("NodePort", "LoadBalancer") else 0,
            external_ips=_of_family(spec.externalIPs, config.family),
            load_balancer_ips=_of_family(balancers, config.family),
            source_ranges=_source_ranges(service, config.family),
            health_check_node_port=spec.healthCheckNodePort if external_local else 0,
            affinity_seconds=affinity,
            internal_local=spec.internalTrafficPolicy == "Local",
            external_local=external_local,
        )
        for port in spec.ports
    )


def slice_endpoints(message: discoveryv1.EndpointSlice, config: Config) -> Slice | None:
    """Return an EndpointSlice's endpoints; None where it belongs to no Service, or to another family.

    A condition that is not set counts as Kubernetes documents it: ready and serving, not terminating.
    """
    labels = message.metadata.labels
    name = labels.get(SERVICE_NAME_LABEL, "")
    if not name or HEADLESS_LABEL in labels or message.addressType != f"IPv{config.family}":
        return None
    ports = tuple(
        (
            (port.name, port.protocol.lower() or "tcp"),
            tuple(_endpoint(endpoint, port.port, config) for endpoint in message.endpoints if endpoint.addresses),
        )
        for port in message.ports
        if port.port
    )
    return Slice(Key(message.metadata.namespace, name), ports)


def merge(slices: Iterable[Slice]) -> dict[tuple[str, str], tuple[Endpoint, ...]]:
    """Return the endpoints of a Service's slices by port name and protocol, each address and port once.

    An endpoint moves between slices in two writes; while both name it, one that is ready wins, whatever their order.
    """
    found: dict[tuple[str, str], dict[str, Endpoint]] = {}
    for one in slices:
        for port, endpoints in one.endpoints:
            known = found.setdefault(port, {})
            for endpoint in endpoints:
                name = str(endpoint)
                if name not in known or _fitness(endpoint) > _fitness(known[name]):
                    known[name] = endpoint
    return {port: tuple(known[name] for name in sorted(known)) for port, known in found.items()}


def _fitness(one: Endpoint) -> tuple[bool, bool, bool, bool, tuple[str, ...]]:
    """Return what the better of two descriptions of an endpoint is larger by."""
    return one.ready, one.serving, not one.terminating, one.local, one.zones


def reachable(port: ServicePort, endpoints: Sequence[Endpoint], zone: str) -> Reachable:
    """Choose the endpoints that a port's traffic policies allow.

    Ready ones; where there is none, those that terminate and still serve (KEP-1669). Hints of zones are
    honoured if every ready endpoint has one and one names this node's zone.
    """
    cluster: tuple[Endpoint, ...] = ()
    if port.uses_cluster_endpoints:
        hinted = _hints_usable(endpoints, zone)
        ready = tuple(one for one in endpoints if one.ready)
        cluster = tuple(one for one in ready if not hinted or zone in one.zones) or _last_resort(endpoints)
    if not port.uses_local_endpoints:
        return Reachable(cluster=cluster, all=cluster, any=bool(cluster))
    here = [one for one in endpoints if one.local]
    local = tuple(one for one in here if one.ready) or _last_resort(here)
    union = set(cluster) | set(local)
    return Reachable(
        cluster=cluster,
        local=local,
        all=tuple(one for one in endpoints if one in union),
        any=any(one.ready or (one.serving and one.terminating) for one in endpoints),
    )


def _last_resort(endpoints: Iterable[Endpoint]) -> tuple[Endpoint, ...]:
    return tuple(one for one in endpoints if one.serving and one.terminating)


def _hints_usable(endpoints: Sequence[Endpoint], zone: str) -> bool:
    ready = [one for one in endpoints if one.ready]
    return bool(zone) and all(one.zones for one in ready) and any(zone in one.zones for one in ready)


def _endpoint(message: discoveryv1.Endpoint, port: int, config: Config) -> Endpoint:
    conditions = message.conditions
    return Endpoint(
        address=message.addresses[0],
        port=port,
        ready=conditions.ready if conditions.HasField("ready") else True,
        serving=conditions.serving if conditions.HasField("serving") else True,
        terminating=conditions.terminating,
        local=message.nodeName == config.node_name,
        zones=tuple(zone.name for zone in message.hints.forZones),
    )


def _of_family(addresses: Iterable[str], family: int) -> tuple[str, ...]:
    """Return the addresses of a family, in order and once; text that is no address is left out."""
    return tuple(dict.fromkeys(address for address in addresses if _family(address) == family))


def _family(address: str) -> int:
    try:
        return ipaddress.ip_network(address, strict=False).version
    except ValueError:
        return 0


def _source_ranges(service: corev1.Service, family: int) -> tuple[str, ...]:
    ranges: Iterable[str] = service.spec.loadBalancerSourceRanges
    if not ranges:
        text = service.metadata.annotations.get(SOURCE_RANGES_ANNOTATION, "")
        ranges = [part for part in text.split(",") if part]
    cleaned = (text.strip() for text in ranges)
    return _of_family(cleaned, family)
