"""Endpoints: the addresses behind a Service in their older form; ports have protocols, several ports have names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from control.apiserver import field
from control.apiserver.strategies import strategy
from control.apiserver.validation import addresses, containers, names
from fairlead.api.pb import core_v1_pb2 as corev1

Key = tuple[str, str]  # an address: its IP, and the uid of what it leads to


class EndpointsStrategy(strategy.Strategy[corev1.Endpoints]):
    """The rules of Endpoints."""

    message = corev1.Endpoints
    created_by_update = True

    def default(self, obj: corev1.Endpoints) -> None:
        """Fill in the ports' protocols."""
        for subset in obj.subsets:
            for port in subset.ports:
                port.protocol = port.protocol or "TCP"

    def canonicalize(self, obj: corev1.Endpoints) -> None:
        """Give each port once, with all its addresses, and put ports that have the same addresses together."""
        packed = list(_repacked(obj.subsets))
        del obj.subsets[:]
        obj.subsets.extend(packed)

    def validate(self, obj: corev1.Endpoints) -> field.Faults:
        """Judge addresses and ports."""
        faults: field.Faults = []
        for index, subset in enumerate(obj.subsets):
            at = f"subsets[{index}]"
            if not subset.addresses and not subset.notReadyAddresses:
                faults.append(field.required(at, "must specify `addresses` or `notReadyAddresses`"))
            for part in ("addresses", "notReadyAddresses"):
                for place, address in enumerate(getattr(subset, part)):
                    faults += _address(address, f"{at}.{part}[{place}]")
            for place, port in enumerate(subset.ports):
                faults += _port(port, f"{at}.ports[{place}]", named=len(subset.ports) > 1)
        return faults


def _repacked(subsets: Iterable[corev1.EndpointSubset]) -> Iterator[corev1.EndpointSubset]:
    """Iterate over subsets in order: an address is one by its IP and target, and not ready if it is so anywhere."""
    known: dict[Key, corev1.EndpointAddress] = {}
    ports: dict[bytes, corev1.EndpointPort | None] = {}
    offered: dict[bytes, dict[Key, bool]] = {}
    for subset in subsets:
        states = [(each, True) for each in subset.addresses] + [(each, False) for each in subset.notReadyAddresses]
        for port in subset.ports or [None]:
            name = port.SerializeToString(deterministic=True) if port is not None else b""
            ports[name] = port
            hosts = offered.setdefault(name, {})
            for address, ready in states:
                key = (address.ip, address.targetRef.uid)
                known.setdefault(key, address)
                hosts[key] = ready and hosts.get(key, True)
    together: dict[tuple[tuple[Key, bool], ...], list[corev1.EndpointPort]] = {}
    for name, hosts in offered.items():
        port = ports[name]
        together.setdefault(tuple(sorted(hosts.items())), []).extend([port] if port is not None else [])
    for hosts_of_all, shared in sorted(together.items(), key=lambda one: one[0]):
        shared.sort(key=lambda port: (port.name, port.protocol, port.port, port.appProtocol))
        yield corev1.EndpointSubset(
            addresses=[known[key] for key, ready in hosts_of_all if ready],
            notReadyAddresses=[known[key] for key, ready in hosts_of_all if not ready],
            ports=shared,
        )


def _address(address: corev1.EndpointAddress, path: str) -> field.Faults:
    faults = field.invalids(f"{path}.ip", address.ip, names.ip(address.ip))
    if address.hostname:
        faults += field.invalids(f"{path}.hostname", address.hostname, names.label(address.hostname))
    if address.HasField("nodeName"):
        faults += field.invalids(f"{path}.nodeName", address.nodeName, names.subdomain(address.nodeName))
    return faults + addresses.not_special(f"{path}.ip", address.ip)


def _port(port: corev1.EndpointPort, path: str, *, named: bool) -> field.Faults:
    faults: field.Faults = []
    if port.name:
        faults += field.invalids(f"{path}.name", port.name, names.label(port.name))
    elif named:
        faults.append(field.required(f"{path}.name"))
    faults += field.invalids(f"{path}.port", port.port, names.port(port.port))
    if not port.protocol:
        faults.append(field.required(f"{path}.protocol"))
    elif port.protocol not in containers.PROTOCOLS:
        faults.append(field.unsupported(f"{path}.protocol", port.protocol, containers.PROTOCOLS))
    if port.HasField("appProtocol"):
        faults += field.invalids(f"{path}.appProtocol", port.appProtocol, names.qualified(port.appProtocol))
    return faults
