"""Rules on the addresses of endpoints: neither unspecified, loopback nor link-local. Pure."""

from __future__ import annotations

import ipaddress

from control.apiserver import field

LINK_LOCAL_MULTICAST = (ipaddress.ip_network("224.0.0.0/24"), ipaddress.ip_network("ff02::/16"))


def not_special(path: str, address: str) -> field.Faults:
    """Judge an address that traffic is to be sent to."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return [field.invalid(path, address, "must be a valid IP address")]
    if parsed.is_unspecified:
        return [field.invalid(path, address, f"may not be unspecified ({address})")]
    if parsed.is_loopback:
        return [field.invalid(path, address, "may not be in the loopback range (127.0.0.0/8, ::1/128)")]
    if parsed.is_link_local:
        return [field.invalid(path, address, "may not be in the link-local range (169.254.0.0/16, fe80::/10)")]
    if any(parsed in network for network in LINK_LOCAL_MULTICAST):
        text = "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)"
        return [field.invalid(path, address, text)]
    return []
