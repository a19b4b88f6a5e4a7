"""The rules of fairlead.api.names, remembered: what is wrong with a name, key, value, port or address.

The same few labels and names are judged over and over, thousands of times a second; an answer is a tuple that is
shared. Pure.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable

from fairlead import memo
from fairlead.api import names

ANNOTATIONS_BYTES = names.ANNOTATIONS_MAX_BYTES

Found = tuple[str, ...]

REMEMBERED = 1024  # of each rule; a pod's own name is seldom judged again
LONGEST_REMEMBERED = 320  # longer than any good one


def _remembered(rule: Callable[[str], list[str]]) -> Callable[[str], Found]:
    return memo.remembered(REMEMBERED, longest=LONGEST_REMEMBERED)(lambda value: tuple(rule(value)))


label = _remembered(names.dns_label)
subdomain = _remembered(names.dns_subdomain)
label_1035 = _remembered(names.dns_1035_label)
qualified = _remembered(names.qualified_name)
label_value = _remembered(names.label_value)
config_key = _remembered(names.config_key)
env_name = _remembered(names.env_var)
segment = _remembered(names.path_segment)
http_path = _remembered(names.http_path)
port_name = _remembered(names.port_name)
percent = _remembered(names.percent)
header = _remembered(names.header_name)
as_prefix = names.generated_base
in_range = names.in_range


def port(value: int) -> Found:
    """Judge a port's number."""
    return () if 0 < value < 65536 else tuple(names.port_number(value))


def cidr(value: str) -> Found:
    """Judge an IPv4 or IPv6 network."""
    try:
        address, slash, length = value.partition("/")
        if slash and length.isascii() and length.isdigit() and not ip(address):
            ipaddress.ip_network(value, strict=False)
            return ()
    except ValueError:
        pass
    return ("must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)",)


def ip(value: str) -> Found:
    """Judge an IPv4 or IPv6 address; one with a zone is none."""
    try:
        if "%" not in value:
            ipaddress.ip_address(value)
            return ()
    except ValueError:
        pass
    return ("must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)",)
