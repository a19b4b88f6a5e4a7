"""Types of Kubernetes' own that expressions make and hand on: quantities, addresses, questions on access. Pure."""

from __future__ import annotations

import ipaddress
import urllib.parse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from control.apiserver.cel import authorizing, network, quantities
from fairlead.api import quantity


@dataclass(frozen=True, slots=True)
class Opaque:
    """A type of Kubernetes' own: what `type(x)` calls it, its values in Python, and how one is written as a text."""

    full_name: str
    kinds: tuple[type, ...]
    write: Callable[[Any], str]
    read: Callable[[str], Any]


def _check(kind: type[authorizing.Check] | type[authorizing.Decision]) -> Opaque:
    return Opaque(f"kubernetes.authorization.{kind.__name__}", (kind,), kind.write, kind.read)


_ADDRESSES = (ipaddress.IPv4Address, ipaddress.IPv6Address)
_NETWORKS = (ipaddress.IPv4Interface, ipaddress.IPv6Interface)
# By the names that signatures use; a network is an address to Python, so that it comes first.
TYPES: Mapping[str, Opaque] = {
    "cidr": Opaque("net.CIDR", _NETWORKS, str, ipaddress.ip_interface),
    "ip": Opaque("net.IP", _ADDRESSES, str, ipaddress.ip_address),
    "quantity": Opaque("kubernetes.Quantity", (quantity.Quantity,), quantities.nanos_of, quantities.of_nanos),
    "url": Opaque("kubernetes.URL", (network.Url,), network.Url.geturl, urllib.parse.urlsplit),
    "authorizer": _check(authorizing.Authorizer),
    "pathcheck": _check(authorizing.PathCheck),
    "groupcheck": _check(authorizing.GroupCheck),
    "resourcecheck": _check(authorizing.ResourceCheck),
    "decision": _check(authorizing.Decision),
}
REQUEST_RESOURCE = "requestResource"  # what an authorizer has, besides functions: the check of the request itself
