"""EndpointSlices: addresses of one type, ports with protocols, generations."""

from __future__ import annotations

import ipaddress

from control.apiserver import field
from control.apiserver.strategies import strategy
from control.apiserver.validation import addresses, containers, meta, names
from fairlead.api.pb import discovery_v1_pb2 as discoveryv1

ADDRESS_TYPES = frozenset({"FQDN", "IPv4", "IPv6"})
MAX_ENDPOINTS = 1000
MAX_ADDRESSES = 100
MAX_PORTS = 20000
MAX_TOPOLOGY = 16
MAX_ZONES = 8


class EndpointSliceStrategy(strategy.Strategy[discoveryv1.EndpointSlice]):
    """The rules of EndpointSlices."""

    message = discoveryv1.EndpointSlice

    def default(self, obj: discoveryv1.EndpointSlice) -> None:
        """Fill in the ports' names and protocols."""
        for port in obj.ports:
            if not port.HasField("name"):
                port.name = ""
            if not port.HasField("protocol"):
                port.protocol = "TCP"

    def prepare_for_create(self, obj: discoveryv1.EndpointSlice) -> None:
        """Start at generation 1."""
        obj.metadata.generation = 1

    def prepare_for_update(self, obj: discoveryv1.EndpointSlice, old: discoveryv1.EndpointSlice) -> None:
        """Count the generation if endpoints, ports or labels changed."""
        obj.metadata.generation = old.metadata.generation
        changed = list(obj.endpoints) != list(old.endpoints) or list(obj.ports) != list(old.ports)
        if changed or dict(obj.metadata.labels) != dict(old.metadata.labels):
            obj.metadata.generation += 1

    def validate(self, obj: discoveryv1.EndpointSlice) -> field.Faults:
        """Judge an EndpointSlice."""
        faults: field.Faults = []
        if not obj.addressType:
            faults.append(field.required("addressType"))
        elif obj.addressType not in ADDRESS_TYPES:
            faults.append(field.unsupported("addressType", obj.addressType, ADDRESS_TYPES))
        if len(obj.endpoints) > MAX_ENDPOINTS:
            faults.append(field.too_many("endpoints", len(obj.endpoints), MAX_ENDPOINTS))
        else:
            for index, endpoint in enumerate(obj.endpoints):
                faults += _endpoint(endpoint, obj.addressType, f"endpoints[{index}]")
        return faults + _ports(obj)

    def validate_update(self, obj: discoveryv1.EndpointSlice, old: discoveryv1.EndpointSlice) -> field.Faults:
        """Judge a changed EndpointSlice: its address type stays."""
        faults = self.validate(obj)
        return faults + meta.immutable("addressType", obj.addressType, obj.addressType != old.addressType)


def _endpoint(endpoint: discoveryv1.Endpoint, address_type: str, path: str) -> field.Faults:
    faults: field.Faults = []
    if not endpoint.addresses:
        faults.append(field.required(f"{path}.addresses", "must contain at least 1 address"))
    elif len(endpoint.addresses) > MAX_ADDRESSES:
        faults.append(field.too_many(f"{path}.addresses", len(endpoint.addresses), MAX_ADDRESSES))
    for index, address in enumerate(endpoint.addresses):
        at = f"{path}.addresses[{index}]"
        if address_type == "FQDN":
            faults += _full_name(address, at)
        elif address_type in ADDRESS_TYPES:
            faults += _ip(address, address_type, at)
    if endpoint.HasField("nodeName"):
        faults += field.invalids(f"{path}.nodeName", endpoint.nodeName, names.subdomain(endpoint.nodeName))
    topology, at = endpoint.deprecatedTopology, f"{path}.deprecatedTopology"
    if len(topology) > MAX_TOPOLOGY:
        faults.append(field.too_many(at, len(topology), MAX_TOPOLOGY))
    faults += meta.labels(topology, at)
    if endpoint.HasField("hostname"):
        faults += field.invalids(f"{path}.hostname", endpoint.hostname, names.label(endpoint.hostname))
    return faults + _hints(endpoint.hints, f"{path}.hints.forZones")


def _hints(hints: discoveryv1.EndpointHints, path: str) -> field.Faults:
    """Judge the zones that an endpoint is meant for."""
    if len(hints.forZones) > MAX_ZONES:
        return [field.too_many(path, len(hints.forZones), MAX_ZONES)]
    faults: field.Faults = []
    seen: set[str] = set()
    for index, zone in enumerate(hints.forZones):
        if zone.name in seen:
            faults.append(field.duplicate(f"{path}[{index}].name", zone.name))
        seen.add(zone.name)
        faults += field.invalids(f"{path}[{index}].name", zone.name, names.label_value(zone.name))
    return faults


def _full_name(name: str, path: str) -> field.Faults:
    """Judge a domain's full name."""
    if not name:
        return [field.required(path)]
    name = name.removesuffix(".")
    if found := names.subdomain(name):
        return [field.invalid(path, name, ",".join(found))]
    if "." not in name:
        return [field.invalid(path, name, "should be a domain with at least two segments separated by dots")]
    bad = next((label for label in name.split(".") if names.label(label)), None)
    return [] if bad is None else [field.invalid(path, bad, ",".join(names.label(bad)))]


def _ip(address: str, address_type: str, path: str) -> field.Faults:
    of_type = field.invalid(path, address, f"must be a valid {address_type} address")
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return [of_type, field.invalid(path, address, "must be a valid IP address")]
    right = parsed.version == (4 if address_type == "IPv4" else 6)
    return ([] if right else [of_type]) + addresses.not_special(path, address)


def _ports(obj: discoveryv1.EndpointSlice) -> field.Faults:
    faults: field.Faults = []
    if len(obj.ports) > MAX_PORTS:
        return [field.too_many("ports", len(obj.ports), MAX_PORTS)]
    seen: set[str] = set()
    for index, port in enumerate(obj.ports):
        at = f"ports[{index}]"
        if port.name:
            faults += field.invalids(f"{at}.name", port.name, names.label(port.name))
        if port.name in seen:
            faults.append(field.duplicate(f"{at}.name", port.name))
        seen.add(port.name)
        if port.protocol not in containers.PROTOCOLS:
            faults.append(field.unsupported(f"{at}.protocol", port.protocol, containers.PROTOCOLS))
        if port.HasField("appProtocol"):
            faults += field.invalids(f"{at}.appProtocol", port.appProtocol, names.qualified(port.appProtocol))
        if port.HasField("port"):  # which Kubernetes does not judge
            faults += field.invalids(f"{at}.port", port.port, names.port(port.port))
    return faults
