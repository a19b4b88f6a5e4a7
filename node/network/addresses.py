"""Which address a pod gets: a pure choice from the node's pod CIDRs and what is in use."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Sequence

from node.network import interface


def choose(pod_cidrs: Sequence[str], used: Collection[str], last: str = "") -> tuple[str, ...]:
    """Return one free address of each family, in the order of the CIDRs.

    The search starts after `last`, so that an address rests before another pod gets it. The network's own
    address, the first (a node's, by custom) and an IPv4 range's last are never given.
    """
    if not pod_cidrs:
        raise interface.NotConfigured("the node has no pod CIDR yet")
    found: dict[int, str] = {}
    for cidr in pod_cidrs:
        network = ipaddress.ip_network(cidr)
        if network.version in found:
            continue
        address = _free(network, used, last)
        if address:
            found[network.version] = address
    wanted = {ipaddress.ip_network(cidr).version for cidr in pod_cidrs}
    if missing := wanted - set(found):
        raise interface.NetworkFault(f"no free IPv{min(missing)} address is left in {', '.join(pod_cidrs)}")
    return tuple(found.values())


def _free(network: ipaddress.IPv4Network | ipaddress.IPv6Network, used: Collection[str], last: str) -> str:
    first = int(network.network_address) + 2
    end = int(network.broadcast_address) - (1 if network.version == 4 else 0)
    count = end - first + 1
    start = first
    if last and ipaddress.ip_address(last) in network and first <= int(ipaddress.ip_address(last)) <= end:
        start = int(ipaddress.ip_address(last)) + 1
    # One more candidate than addresses in use is enough to find a free one.
    for step in range(min(count, len(used) + 1)):
        address = str(type(network.network_address)(first + (start - first + step) % count))
        if address not in used:
            return address
    return ""
