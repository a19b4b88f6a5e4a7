"""Links, addresses and routes over netlink. Synchronous: the network's one thread calls it.

A pod is attached by a pair of virtual Ethernet devices and routed, not bridged: the node has a route to each pod's
single address, the pod a default route to a gateway address that is the same everywhere. Both ends know each other's
hardware address beforehand, so that nothing is ever asked on the wire.
"""

from __future__ import annotations

import hashlib
import ipaddress
import pathlib
from collections.abc import Iterable, Sequence
from typing import Any

import pyroute2
from pyroute2.netlink import exceptions as netlink_errors

from node.network import namespaces
from node.network.interface import POD_INTERFACE, NetworkFault
from node.network.routes import Route

# Marks the routes that are ours (rtnetlink's `proto`); no routing daemon uses this number.
PROTOCOL = 76
GATEWAYS = {4: "169.254.1.1", 6: "fe80::1"}
_LINK_PREFIX = "fl"
_UNREACHABLE = 7
_MAIN_TABLE = 254
_FAMILIES = {4: 2, 6: 10}  # AF_INET, AF_INET6
_PERMANENT = 0x80
_NO_DEVICE = 19
_NO_DETECTION = 0x02
# Reached on the link itself (rtnetlink's RT_SCOPE_LINK).
_ON_LINK = 253


def link_name(uid: str) -> str:
    """Return the name of the node's end of a pod's link; at most 15 characters, as the kernel wants."""
    return _LINK_PREFIX + hashlib.sha256(uid.encode()).hexdigest()[:12]


def hardware_address(uid: str, end: str) -> str:
    """Return the locally administered hardware address of one end."""
    digest = hashlib.sha256(f"{uid}/{end}".encode()).digest()
    return ":".join(f"{byte:02x}" for byte in (0x0A, 0x58, *digest[:4]))


def attach(uid: str, net: pathlib.Path, addresses: Sequence[str], node_addresses: Sequence[str]) -> None:
    """Connect a pod's network namespace to the node and give it its addresses."""
    name = link_name(uid)
    near, far = hardware_address(uid, "node"), hardware_address(uid, "pod")
    with pyroute2.IPRoute() as ip, net.open() as file:
        _delete_link(ip, name)
        peer = {"ifname": POD_INTERFACE, "address": far, "net_ns_fd": file.fileno()}
        mtu = _uplink_mtu(ip, node_addresses)
        ip.link("add", ifname=name, kind="veth", address=near, mtu=mtu, peer=peer)
        index = _index(ip, name)
        ip.link("set", index=index, state="up")
        namespaces.within(net, lambda: _configure_inside(addresses, near, mtu))
        for address in addresses:
            version = ipaddress.ip_address(address).version
            ip.neigh("replace", dst=address, lladdr=far, ifindex=index, state=_PERMANENT)
            source = next((one for one in node_addresses if ipaddress.ip_address(one).version == version), None)
            route: dict[str, Any] = {"dst": _single(address), "oif": index, "proto": PROTOCOL, "scope": _ON_LINK}
            if source is not None and _has_address(ip, source):
                route["prefsrc"] = source
            ip.route("replace", **route)


def loopback_up() -> None:
    """Bring up the loopback of the calling thread's network namespace."""
    with pyroute2.IPRoute() as ip:
        ip.link("set", index=_index(ip, "lo"), state="up")


def detach(uid: str) -> None:
    """Remove a pod's link; its routes and neighbours go with it."""
    delete_link(link_name(uid))


def delete_link(name: str) -> None:
    """Remove a link by its name."""
    with pyroute2.IPRoute() as ip:
        _delete_link(ip, name)


def links() -> set[str]:
    """Return the names of the pods' links on the node."""
    with pyroute2.IPRoute() as ip:
        names = {str(link.get("ifname")) for link in ip.get_links(kind="veth")}
    return {name for name in names if name.startswith(_LINK_PREFIX) and len(name) == len(link_name(""))}


def sync_routes(wanted: Iterable[Route]) -> None:
    """Make the routes to other nodes exactly these; pods' own are left alone."""
    desired = set(wanted)
    failures = []
    with pyroute2.IPRoute() as ip:
        present = set(_our_routes(ip))
        for route in present - desired:
            ip.route("del", **_arguments(route))
        for route in desired - present:
            try:
                ip.route("replace", **_arguments(route))
            except netlink_errors.NetlinkError as error:
                failures.append(f"route to {route.destination} by {route.gateway}: {error.args[-1]}")
    if failures:
        raise NetworkFault("; ".join(failures))


def _configure_inside(addresses: Sequence[str], gateway_hardware: str, mtu: int) -> None:
    with pyroute2.IPRoute() as ip:
        index = _index(ip, POD_INTERFACE)
        ip.link("set", index=index, mtu=mtu, state="up")
        for address in addresses:
            version = ipaddress.ip_address(address).version
            gateway = GATEWAYS[version]
            # IFA_F_NODAD: no duplicate address detection, so that an IPv6 address is usable at once.
            flags = {"flags": _NO_DETECTION} if version == 6 else {}
            ip.addr("add", index=index, address=address, prefixlen=32 if version == 4 else 128, **flags)
            ip.neigh("replace", dst=gateway, lladdr=gateway_hardware, ifindex=index, state=_PERMANENT)
            ip.route("replace", dst=_single(gateway), oif=index, scope=_ON_LINK)
            everywhere = "0.0.0.0/0" if version == 4 else "::/0"
            ip.route("replace", dst=everywhere, gateway=gateway, oif=index)


def _our_routes(ip: Any) -> Iterable[Route]:
    for family in _FAMILIES.values():
        for found in ip.get_routes(family=family, proto=PROTOCOL, table=_MAIN_TABLE):
            unreachable = found["type"] == _UNREACHABLE
            gateway = found.get("gateway")
            if gateway or unreachable:
                yield Route(f"{found.get('dst')}/{found['dst_len']}", "" if unreachable else str(gateway))


def _arguments(route: Route) -> dict[str, Any]:
    arguments: dict[str, Any] = {"dst": route.destination, "proto": PROTOCOL}
    if route.gateway:
        return arguments | {"gateway": route.gateway}
    return arguments | {"type": "unreachable"}


def _uplink_mtu(ip: Any, node_addresses: Sequence[str]) -> int:
    for address in node_addresses:
        for found in ip.get_addr(address=address):
            link = next(iter(ip.get_links(found["index"])), None)
            # The loopback's is larger than what any wire carries.
            if link is not None and link.get("ifname") != "lo":
                return int(link.get("mtu"))
    return 1500


def _has_address(ip: Any, address: str) -> bool:
    return any(True for _ in ip.get_addr(address=address))


def _index(ip: Any, name: str) -> int:
    found = ip.link_lookup(ifname=name)
    if not found:
        raise NetworkFault(f"there is no network device {name}")
    return int(found[0])


def _delete_link(ip: Any, name: str) -> None:
    for index in ip.link_lookup(ifname=name):
        try:
            ip.link("del", index=index)
        except netlink_errors.NetlinkError as error:
            if error.code != _NO_DEVICE:
                raise


def _single(address: str) -> str:
    return str(ipaddress.ip_network(address))
