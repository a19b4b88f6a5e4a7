"""Which routes to other nodes' pods the kernel should have: a pure choice."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from node.network.interface import NetworkConfig


@dataclass(frozen=True, slots=True)
class Route:
    """Packets for `destination` go to the node at `gateway`; without one they are refused here."""

    destination: str
    gateway: str = ""


def wanted(config: NetworkConfig) -> frozenset[Route]:
    """Return a route to each peer's pods by its address of the same family.

    The node's own ranges are unreachable but for the pods that it has, whose routes are more specific: a packet to
    a pod that is gone gets an answer at once and never leaves by the default route.
    """
    found = {Route(str(ipaddress.ip_network(cidr))) for cidr in config.pod_cidrs}
    own = {str(ipaddress.ip_network(cidr)) for cidr in config.pod_cidrs}
    for peer in config.peers:
        for cidr in peer.pod_cidrs:
            network = ipaddress.ip_network(cidr)
            via = (one for one in peer.addresses if ipaddress.ip_address(one).version == network.version)
            gateway = next(via, "")
            if gateway and gateway not in config.node_addresses and str(network) not in own:
                found.add(Route(str(network), gateway))
    return frozenset(found)
