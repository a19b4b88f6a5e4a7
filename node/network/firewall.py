"""The network's own iptables chains, as text for `iptables-restore --noflush`. Pure; golden files hold it.

FAIRLEAD-POSTROUTING masquerades what pods send out of the cluster and what the other end could not answer otherwise,
FAIRLEAD-FORWARD lets pods' packets pass where the policy drops, FAIRLEAD-HOSTPORTS leads ports of the node to pods.
Services are node/proxy's, in chains of its own.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

from node.network.interface import HostPort, NetworkConfig

POSTROUTING = "FAIRLEAD-POSTROUTING"
FORWARD = "FAIRLEAD-FORWARD"
HOSTPORTS = "FAIRLEAD-HOSTPORTS"
_LOCAL = "-m addrtype --dst-type LOCAL"


@dataclass(frozen=True, slots=True)
class Jump:
    """A rule of a built-in chain that must be there once; `first` puts it before all others."""

    table: str
    chain: str
    rule: str
    first: bool = False


JUMPS = (
    Jump("nat", "POSTROUTING", f"-j {POSTROUTING}"),
    Jump("nat", "PREROUTING", f"{_LOCAL} -j {HOSTPORTS}"),
    Jump("nat", "OUTPUT", f"{_LOCAL} -j {HOSTPORTS}"),
    Jump("filter", "FORWARD", f"-j {FORWARD}", first=True),
)


def text(config: NetworkConfig, host_ports: Sequence[tuple[HostPort, str]], version: int = 4) -> str:
    """Return the chains of one address family; `host_ports` are ports with the address of their pod."""
    pods = _family(config.pod_cidrs, version)
    inside = _family((*config.cluster_cidrs, *config.service_cidrs), version) or pods
    lines = ["*nat", f":{POSTROUTING} - [0:0]", f":{HOSTPORTS} - [0:0]"]
    ours = [(port, address) for port, address in host_ports if ipaddress.ip_address(address).version == version]
    for address in dict.fromkeys(address for _, address in ours):
        # Through a port of the node: from its own loopback, and from the pod to itself.
        sources = ("127.0.0.0/8", address) if version == 4 else (address,)
        lines += [f"-A {POSTROUTING} -s {source} -d {address} -j MASQUERADE" for source in sources]
    lines += [f"-A {POSTROUTING} -d {cidr} -j RETURN" for cidr in inside]
    lines += [f"-A {POSTROUTING} -s {cidr} -j MASQUERADE --random-fully" for cidr in pods]
    lines += [_forwarded(port, address, version) for port, address in ours]
    lines += ["COMMIT", "*filter", f":{FORWARD} - [0:0]"]
    for cidr in pods:
        lines += [f"-A {FORWARD} -s {cidr} -j ACCEPT", f"-A {FORWARD} -d {cidr} -j ACCEPT"]
    return "\n".join([*lines, "COMMIT", ""])


def _forwarded(port: HostPort, address: str, version: int) -> str:
    protocol = port.protocol.lower()
    only = f"-d {port.address} " if port.address not in ("", "0.0.0.0", "::") else ""
    target = f"{address}:{port.container_port}" if version == 4 else f"[{address}]:{port.container_port}"
    return f"-A {HOSTPORTS} {only}-p {protocol} -m {protocol} --dport {port.port} -j DNAT --to-destination {target}"


def _family(cidrs: Sequence[str], version: int) -> list[str]:
    seen = dict.fromkeys(str(ipaddress.ip_network(cidr)) for cidr in cidrs)
    return [cidr for cidr in seen if ipaddress.ip_network(cidr).version == version]
