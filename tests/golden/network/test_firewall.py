"""The network's chains, compared whole."""

from __future__ import annotations

import pathlib

import pytest

from node.network import firewall, interface

HERE = pathlib.Path(__file__).parent
CONFIG = interface.NetworkConfig(
    node_addresses=("192.0.2.1", "2001:db8::1"),
    pod_cidrs=("10.128.3.0/24", "fd00:3::/64"),
    cluster_cidrs=("10.128.0.0/11", "fd00::/16"),
    service_cidrs=("10.96.0.0/12",),
)
PORTS = [
    (interface.HostPort("TCP", 8080, 80), "10.128.3.2"),
    (interface.HostPort("UDP", 53, 53, "192.0.2.1"), "10.128.3.2"),
    (interface.HostPort("TCP", 8080, 80), "fd00:3::2"),
]


@pytest.mark.parametrize("version", [4, 6])
def test_chains(version: int) -> None:
    """Each family has its own text."""
    want = (HERE / f"firewall-{version}.txt").read_text()
    assert firewall.text(CONFIG, PORTS, version) == want


def test_without_cluster_ranges_pods_own_count() -> None:
    """Before Welcome has come, the node masquerades what leaves its own range."""
    config = interface.NetworkConfig(node_addresses=("192.0.2.1",), pod_cidrs=("10.128.3.0/24",))
    assert "-A FAIRLEAD-POSTROUTING -d 10.128.3.0/24 -j RETURN" in firewall.text(config, [])
