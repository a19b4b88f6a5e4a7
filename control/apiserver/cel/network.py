"""Functions on URLs, addresses and networks. Source: Kubernetes' documentation, "CEL in Kubernetes". Pure."""

from __future__ import annotations

import ipaddress
import urllib.parse

from control.apiserver.cel import functions

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Interface | ipaddress.IPv6Interface
Url = urllib.parse.SplitResult


def url(text: str) -> Url:
    """Return an absolute URI or an absolute path."""
    try:
        parsed = urllib.parse.urlsplit(text)
        _ = parsed.port
    except ValueError:
        raise ValueError(f"URL parse error during conversion from string: {text}") from None
    if not (parsed.scheme or text.startswith("/")) or any(ord(each) <= 0x20 or ord(each) == 0x7F for each in text):
        raise ValueError(f'URL parse error during conversion from string: parse "{text}": invalid URI for request')
    return parsed


def is_url(text: str) -> bool:
    """Say whether a text is a URL."""
    return _works(url, text)


def host(parsed: Url) -> str:
    """Return host and port, as they are written."""
    return parsed.netloc.rpartition("@")[2]


def hostname(parsed: Url) -> str:
    """Return the host without port and brackets."""
    name, bracket, _ = host(parsed).removeprefix("[").partition("]")
    return name if bracket else host(parsed).partition(":")[0]


def port(parsed: Url) -> str:
    """Return the port's digits; the empty text for none."""
    return host(parsed).rpartition("]")[2].rpartition(":")[2] if ":" in host(parsed).rpartition("]")[2] else ""


def query(parsed: Url) -> dict[str, list[str]]:
    """Return the query's values by their keys."""
    return urllib.parse.parse_qs(parsed.query, keep_blank_values=True)


def ip(text: str | Network) -> Address:
    """Return the address that a text writes, or that a network names."""
    if isinstance(text, ipaddress.IPv4Interface | ipaddress.IPv6Interface):
        return text.ip
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise ValueError(f"IP Address {_quoted(text)} parse error during conversion from string") from None
    if "%" in text:
        raise ValueError(f"IP address {_quoted(text)} with zone value is not allowed")
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        raise ValueError(f"IPv4-mapped IPv6 address {_quoted(text)} is not allowed")
    return address


def is_ip(text: str) -> bool:
    """Say whether a text is an address."""
    return _works(ip, text)


def is_canonical(text: str) -> bool:
    """Say whether an address is written as programs write it."""
    return str(ip(text)) == text


def cidr(text: str) -> Network:
    """Return the network that a text writes; bits behind the prefix stay."""
    address, slash, length = text.partition("/")
    plain = length.isascii() and length.isdigit() and str(int(length)) == length
    try:
        if not slash or not plain:
            raise ValueError(text)
        return ipaddress.ip_interface(f"{ip(address)}/{length}")
    except ValueError:
        raise ValueError(f"network address parse error during conversion from string: {_quoted(text)}") from None


def is_cidr(text: str) -> bool:
    """Say whether a text is a network."""
    return _works(cidr, text)


def contains_ip(network: Network, address: str | Address) -> bool:
    """Say whether an address lies in a network."""
    return (ip(address) if isinstance(address, str) else address) in network.network


def contains_cidr(network: Network, other: str | Network) -> bool:
    """Say whether a network lies in another."""
    inner = (cidr(other) if isinstance(other, str) else other).network
    outer = network.network
    if isinstance(outer, ipaddress.IPv4Network) and isinstance(inner, ipaddress.IPv4Network):
        return inner.subnet_of(outer)
    if isinstance(outer, ipaddress.IPv6Network) and isinstance(inner, ipaddress.IPv6Network):
        return inner.subnet_of(outer)
    return False


def masked(network: Network) -> Network:
    """Return a network without the bits behind its prefix."""
    return ipaddress.ip_interface(str(network.network))


def _global_unicast(address: Address) -> bool:
    limited = isinstance(address, ipaddress.IPv4Address) and address == ipaddress.IPv4Address("255.255.255.255")
    return not (
        limited or address.is_unspecified or address.is_loopback or address.is_multicast or address.is_link_local
    )


def _link_local_multicast(address: Address) -> bool:
    if isinstance(address, ipaddress.IPv4Address):
        return address in ipaddress.IPv4Network("224.0.0.0/24")
    return address.is_multicast and address.packed[1] & 0x0F == 2


def _quoted(text: str) -> str:
    return f'"{text}"'


def _works(parse: object, text: str) -> bool:
    try:
        parse(text)  # type: ignore[operator]
    except ValueError:
        return False
    return True


FUNCTIONS = (
    functions.function("url", url, "(string) url"),
    functions.function("isURL", is_url, "(string) bool"),
    functions.function("getScheme", lambda parsed: parsed.scheme, "url.() string"),
    functions.function("getHost", host, "url.() string"),
    functions.function("getHostname", hostname, "url.() string"),
    functions.function("getPort", port, "url.() string"),
    functions.function("getEscapedPath", lambda parsed: parsed.path, "url.() string"),
    functions.function("getQuery", query, "url.() map"),
    functions.function("ip", ip, "(string) ip", "cidr.() ip"),
    functions.function("isIP", is_ip, "(string) bool"),
    functions.function("ip.isCanonical", is_canonical, "(string) bool"),
    functions.function("family", lambda address: address.version, "ip.() int"),
    functions.function("isUnspecified", lambda address: address.is_unspecified, "ip.() bool"),
    functions.function("isLoopback", lambda address: address.is_loopback, "ip.() bool"),
    functions.function("isLinkLocalMulticast", _link_local_multicast, "ip.() bool"),
    functions.function("isLinkLocalUnicast", lambda address: address.is_link_local, "ip.() bool"),
    functions.function("isGlobalUnicast", _global_unicast, "ip.() bool"),
    functions.function("cidr", cidr, "(string) cidr"),
    functions.function("isCIDR", is_cidr, "(string) bool"),
    functions.function("containsIP", contains_ip, "cidr.(string) bool", "cidr.(ip) bool"),
    functions.function("containsCIDR", contains_cidr, "cidr.(string) bool", "cidr.(cidr) bool"),
    functions.function("masked", masked, "cidr.() cidr"),
    functions.function("prefixLength", lambda network: network.network.prefixlen, "cidr.() int"),
)
