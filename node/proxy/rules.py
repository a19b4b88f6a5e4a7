"""Services as iptables rules, in kube-proxy's chains and words.

Called by the ledger; calls only the model. Pure: the same port, endpoints and node give the same lines, and a
rule's text never depends on another Service, so that a sync need name only what changed. A shared chain
(KUBE-SERVICES and its like) is the sum of every port's contributions. Chain names, hashes, marks and comments
are kube-proxy's, because people and tools look for them.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from node.proxy import model

MASQUERADE_MARK = "0x4000"
FILTER = "filter"
NAT = "nat"
TABLES = (FILTER, NAT)

CANARY = "KUBE-PROXY-CANARY"
WATCHED_JUMPS = ((FILTER, "FORWARD", "KUBE-SERVICES"), (NAT, "PREROUTING", "KUBE-SERVICES"))
"""Jumps that go where a firewall's program writes the built-in chains anew."""

OWN_PREFIXES = ("KUBE-SVC-", "KUBE-SVL-", "KUBE-EXT-", "KUBE-FW-", "KUBE-SEP-")
"""Chains of one port or endpoint; no other program makes chains of these names."""

Chain = tuple[str, str]
"""A table and a chain's name."""

Lines = tuple[str, ...]

SERVICES: Chain = (NAT, "KUBE-SERVICES")
NODE_PORTS: Chain = (NAT, "KUBE-NODEPORTS")
FILTER_SERVICES: Chain = (FILTER, "KUBE-SERVICES")
FILTER_EXTERNAL: Chain = (FILTER, "KUBE-EXTERNAL-SERVICES")
FILTER_NODE_PORTS: Chain = (FILTER, "KUBE-NODEPORTS")
FILTER_FIREWALL: Chain = (FILTER, "KUBE-PROXY-FIREWALL")
SHARED: tuple[Chain, ...] = (
    FILTER_SERVICES,
    FILTER_EXTERNAL,
    FILTER_NODE_PORTS,
    FILTER_FIREWALL,
    SERVICES,
    NODE_PORTS,
)

_NEW = "-m conntrack --ctstate NEW "
_FIREWALL_COMMENT = '-m comment --comment "kubernetes load balancer firewall"'
_PORTALS_COMMENT = '-m comment --comment "kubernetes service portals"'
_EXTERNAL_COMMENT = '-m comment --comment "kubernetes externally-visible service portals"'

JUMPS: tuple[tuple[str, str, str, str], ...] = (
    (FILTER, "INPUT", "KUBE-EXTERNAL-SERVICES", _NEW + _EXTERNAL_COMMENT),
    (FILTER, "FORWARD", "KUBE-EXTERNAL-SERVICES", _NEW + _EXTERNAL_COMMENT),
    (FILTER, "INPUT", "KUBE-NODEPORTS", '-m comment --comment "kubernetes health check service ports"'),
    (FILTER, "FORWARD", "KUBE-SERVICES", _NEW + _PORTALS_COMMENT),
    (FILTER, "OUTPUT", "KUBE-SERVICES", _NEW + _PORTALS_COMMENT),
    (FILTER, "FORWARD", "KUBE-FORWARD", '-m comment --comment "kubernetes forwarding rules"'),
    (FILTER, "INPUT", "KUBE-PROXY-FIREWALL", _NEW + _FIREWALL_COMMENT),
    (FILTER, "OUTPUT", "KUBE-PROXY-FIREWALL", _NEW + _FIREWALL_COMMENT),
    (FILTER, "FORWARD", "KUBE-PROXY-FIREWALL", _NEW + _FIREWALL_COMMENT),
    (FILTER, "INPUT", "KUBE-FIREWALL", ""),
    (FILTER, "OUTPUT", "KUBE-FIREWALL", ""),
    (NAT, "OUTPUT", "KUBE-SERVICES", _PORTALS_COMMENT),
    (NAT, "PREROUTING", "KUBE-SERVICES", _PORTALS_COMMENT),
    (NAT, "POSTROUTING", "KUBE-POSTROUTING", '-m comment --comment "kubernetes postrouting rules"'),
)
"""Table, built-in chain, own chain, match: each is put before what the built-in chain has already."""


@dataclass(frozen=True, slots=True)
class PortRules:
    """One port's rules: the chains that are its own, and its lines in the shared ones."""

    chains: Mapping[Chain, Lines] = field(default_factory=dict)
    shared: Mapping[Chain, Lines] = field(default_factory=dict)
    # UDP only: the addresses (or, with an empty one, the node port) that lead to these `address:port`.
    flows: Mapping[tuple[str, int], frozenset[tuple[str, int]]] = field(default_factory=dict)
    # TCP only: the addresses of its endpoints.
    targets: frozenset[str] = frozenset()


EMPTY = PortRules()


def _hash(*parts: str) -> str:
    digest = hashlib.sha256("".join(parts).encode()).digest()
    return base64.b32encode(digest)[:16].decode()


@functools.lru_cache(maxsize=4096)
def port_hash(title: str, protocol: str) -> str:
    """Return the 16 letters that name a port's chains."""
    return _hash(title, protocol)


@functools.lru_cache(maxsize=32768)
def endpoint_chain(title: str, protocol: str, endpoint: str) -> str:
    """Return the name of an endpoint's chain."""
    return "KUBE-SEP-" + _hash(title, protocol, endpoint)


def base_chains(config: model.Config) -> dict[Chain, Lines]:
    """Return the chains that are there whatever the Services."""
    mark = f"{MASQUERADE_MARK}/{MASQUERADE_MARK}"
    forward = [
        "-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP",
        f'-A KUBE-FORWARD -m comment --comment "kubernetes forwarding rules" -m mark --mark {mark} -j ACCEPT',
        '-A KUBE-FORWARD -m comment --comment "kubernetes forwarding conntrack rule" '
        "-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
    ]
    if config.conntrack_be_liberal:
        del forward[0]
    firewall: Lines = ()
    if config.localhost_node_ports and config.family == 4:
        # route_localnet opens the loopback network to neighbours (CVE-2020-8558): this closes it again.
        firewall = (
            '-A KUBE-FIREWALL -m comment --comment "block incoming localnet connections" '
            "-d 127.0.0.0/8 ! -s 127.0.0.0/8 "
            "-m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j DROP",
        )
    # kube-proxy's canary is empty, and outlives a flush that empties every chain; a rule does not.
    canary = f'-A {CANARY} -m comment --comment "gone where somebody flushed this table"'
    return {
        (FILTER, "KUBE-FIREWALL"): firewall,
        (FILTER, "KUBE-FORWARD"): tuple(forward),
        (NAT, "KUBE-MARK-MASQ"): (f"-A KUBE-MARK-MASQ -j MARK --or-mark {MASQUERADE_MARK}",),
        (NAT, "KUBE-POSTROUTING"): (
            f"-A KUBE-POSTROUTING -m mark ! --mark {mark} -j RETURN",
            # The mark is taken off so that a packet that passes here again is not masqueraded again.
            f"-A KUBE-POSTROUTING -j MARK --xor-mark {MASQUERADE_MARK}",
            '-A KUBE-POSTROUTING -m comment --comment "kubernetes service traffic requiring SNAT" '
            "-j MASQUERADE --random-fully",
        ),
        (FILTER, CANARY): (canary,),
        (NAT, CANARY): (canary,),
    }


def services_tail(config: model.Config) -> str:
    """Return the line that must stand last in nat's KUBE-SERVICES: on to the node ports."""
    keep_out = ""
    if config.family == 6:
        keep_out = "! -d ::1/128 "
    elif not config.localhost_node_ports:
        keep_out = "! -d 127.0.0.0/8 "
    return (
        '-A KUBE-SERVICES -m comment --comment "kubernetes service nodeports; NOTE: this must be the last '
        f'rule in this chain" -m addrtype --dst-type LOCAL {keep_out}-j KUBE-NODEPORTS'
    )


def port_rules(port: model.ServicePort, endpoints: Iterable[model.Endpoint], config: model.Config) -> PortRules:
    """Return the rules of one port of one Service."""
    return _Writer(port, model.reachable(port, tuple(endpoints), config.zone), config).write()


class _Writer:
    """One port's lines on their way to PortRules."""

    def __init__(self, port: model.ServicePort, found: model.Reachable, config: model.Config) -> None:
        self._port = port
        self._found = found
        self._config = config
        self._title = port.title
        self._match = f"-m {port.protocol} -p {port.protocol}"
        self._chains: dict[Chain, list[str]] = {}
        self._shared: dict[Chain, list[str]] = {}
        name = port_hash(port.title, port.protocol)
        self._cluster = f"KUBE-SVC-{name}"
        self._local = f"KUBE-SVL-{name}"
        self._external = f"KUBE-EXT-{name}"
        self._firewall = f"KUBE-FW-{name}"
        self._has_internal = found.any and not (port.internal_local and not found.local)
        self._has_external = found.any and not (port.external_local and not found.local)
        self._walled = bool(found.any and port.load_balancer_ips and port.source_ranges)

    def write(self) -> PortRules:
        """Write everything, in kube-proxy's order."""
        self._write_portals()
        self._write_refusals()
        if self._has_internal:
            self._write_internal()
        if self._found.any and self._port.externally_accessible:
            self._write_external()
        if self._walled:
            self._write_firewall()
        if self._found.cluster and self._port.uses_cluster_endpoints:
            self._write_choice(self._cluster, self._found.cluster)
        if self._found.local and self._port.uses_local_endpoints:
            self._write_choice(self._local, self._found.local)
        for endpoint in self._found.all:
            self._write_endpoint(endpoint)
        return PortRules(
            {chain: tuple(lines) for chain, lines in self._chains.items()},
            {chain: tuple(lines) for chain, lines in self._shared.items()},
            self._flows(),
            frozenset(one.address for one in self._found.all if self._port.protocol == "tcp"),
        )

    def _own(self, chain: str, text: str) -> None:
        self._chains.setdefault((NAT, chain), []).append(f"-A {chain} {text}")

    def _add(self, chain: Chain, comment: str, text: str) -> None:
        if " " in comment:
            comment = f'"{comment}"'
        line = f"-A {chain[1]} -m comment --comment {comment} {text}"
        self._shared.setdefault(chain, []).append(line)

    def _to(self, address: str) -> str:
        return f"{self._match} -d {address} --dport {self._port.port}"

    def _write_portals(self) -> None:
        """Lead each address and node port to the chains of the port."""
        port, title = self._port, self._title
        if self._has_internal:
            target = self._local if port.internal_local else self._cluster
            self._add(SERVICES, f"{title} cluster IP", f"{self._to(port.cluster_ip)} -j {target}")
        if not self._found.any:
            return
        for address in port.external_ips:
            self._add(SERVICES, f"{title} external IP", f"{self._to(address)} -j {self._external}")
        for address in port.load_balancer_ips:
            target = self._firewall if self._walled else self._external
            self._add(SERVICES, f"{title} loadbalancer IP", f"{self._to(address)} -j {target}")
            if self._walled:
                self._add(
                    FILTER_FIREWALL,
                    f"{title} traffic not accepted by {self._firewall}",
                    f"{self._to(address)} -j DROP",
                )
        if port.node_port:
            self._add(NODE_PORTS, title, f"{self._match} --dport {port.node_port} -j {self._external}")

    def _write_refusals(self) -> None:
        """Refuse what has no endpoints at all; drop what has none that its policy allows."""
        port = self._port
        target, comment = "REJECT", f"{self._title} has no endpoints"
        if self._found.any:
            target, comment = "DROP", f"{self._title} has no local endpoints"
        if not self._has_internal:
            self._add(FILTER_SERVICES, comment, f"{self._to(port.cluster_ip)} -j {target}")
        if not self._has_external:
            for address in (*port.external_ips, *port.load_balancer_ips):
                self._add(FILTER_EXTERNAL, comment, f"{self._to(address)} -j {target}")
            if port.node_port:
                self._add(
                    FILTER_EXTERNAL,
                    comment,
                    f"-m addrtype --dst-type LOCAL {self._match} --dport {port.node_port} -j {target}",
                )
        if port.health_check_node_port:
            self._add(
                FILTER_NODE_PORTS,
                f"{self._title} health check node port",
                f"-m tcp -p tcp --dport {port.health_check_node_port} -j ACCEPT",
            )

    def _write_internal(self) -> None:
        """Masquerade what comes to the cluster IP from outside the pods' network: it may leave the node."""
        chain = self._local if self._port.internal_local else self._cluster
        comment = f'-m comment --comment "{self._title} cluster IP"'
        to = self._to(self._port.cluster_ip)
        if self._config.masquerade_all:
            self._own(chain, f"{comment} {to} -j KUBE-MARK-MASQ")
        elif self._config.cluster_cidr:
            self._own(chain, f"{comment} {to} ! -s {self._config.cluster_cidr} -j KUBE-MARK-MASQ")

    def _write_external(self) -> None:
        """Masquerade external traffic unless the policy keeps it on the node, then pass it on."""
        chain, what = self._external, f"{self._title} external destinations"
        if not self._port.external_local:
            self._own(chain, f'-m comment --comment "masquerade traffic for {what}" -j KUBE-MARK-MASQ')
        else:
            if self._config.cluster_cidr:
                # As if it had gone out to the load balancer and come back: no policy applies.
                self._own(
                    chain,
                    f'-m comment --comment "pod traffic for {what}" -s {self._config.cluster_cidr} '
                    f"-j {self._cluster}",
                )
            source = "-m addrtype --src-type LOCAL"
            comment = f'-m comment --comment "masquerade LOCAL traffic for {what}"'
            self._own(chain, f"{comment} {source} -j KUBE-MARK-MASQ")
            comment = f'-m comment --comment "route LOCAL traffic for {what}"'
            self._own(chain, f"{comment} {source} -j {self._cluster}")
        if self._has_external:
            self._own(chain, f"-j {self._local if self._port.external_local else self._cluster}")

    def _write_firewall(self) -> None:
        """Admit the load balancer's source ranges; the rest falls through to KUBE-PROXY-FIREWALL."""
        sources = list(self._port.source_ranges)
        if _any_within(self._config.node_addresses, sources):
            # A balancer's address that is the node's own comes back with itself as the source.
            sources += self._port.load_balancer_ips
        comment = f'-m comment --comment "{self._title} loadbalancer IP"'
        for source in sources:
            self._own(self._firewall, f"{comment} -s {source} -j {self._external}")
        comment = f"other traffic to {self._title} will be dropped by KUBE-PROXY-FIREWALL"
        self._own(self._firewall, f'-m comment --comment "{comment}"')

    def _write_choice(self, chain: str, endpoints: tuple[model.Endpoint, ...]) -> None:
        """Choose an endpoint for a new connection: its client's last one, else any with equal chance."""
        port = self._port
        named = [(str(one), endpoint_chain(self._title, port.protocol, str(one))) for one in endpoints]
        for name, target in named if port.affinity_seconds else ():
            self._own(
                chain,
                f'-m comment --comment "{self._title} -> {name}" -m recent --name {target} '
                f"--rcheck --seconds {port.affinity_seconds} --reap -j {target}",
            )
        for index, (name, target) in enumerate(named):
            chance, left = "", len(named) - index
            if left > 1:
                chance = f"-m statistic --mode random --probability {1 / left:0.10f} "
            self._own(chain, f'-m comment --comment "{self._title} -> {name}" {chance}-j {target}')

    def _write_endpoint(self, endpoint: model.Endpoint) -> None:
        chain = endpoint_chain(self._title, self._port.protocol, str(endpoint))
        comment = f"-m comment --comment {self._title}"
        # A pod that reaches itself through its Service must see another source than itself.
        self._own(chain, f"{comment} -s {endpoint.address} -j KUBE-MARK-MASQ")
        remember = f"-m recent --name {chain} --set " if self._port.affinity_seconds else ""
        self._own(chain, f"{comment} {remember}{self._match} -j DNAT --to-destination {endpoint}")

    def _flows(self) -> dict[tuple[str, int], frozenset[tuple[str, int]]]:
        port = self._port
        if port.protocol != "udp":
            return {}
        targets = frozenset((one.address, one.port) for one in self._found.all)
        addresses = (port.cluster_ip, *port.external_ips, *port.load_balancer_ips)
        flows = {(address, port.port): targets for address in addresses}
        if port.node_port:
            flows["", port.node_port] = targets
        return flows


def _any_within(addresses: Iterable[str], ranges: Iterable[str]) -> bool:
    networks = [ipaddress.ip_network(text, strict=False) for text in ranges]
    return any(ipaddress.ip_address(address) in network for address in addresses for network in networks)
