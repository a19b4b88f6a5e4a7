"""What only the kernel's network does: addresses that answer, rules, routes, recovery."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import pathlib
import socket
import subprocess

import pytest

from node.network import interface, namespaces, netlink
from tests.contract.network import conftest
from tests.contract.network.test_network import OTHER, WEB


def _run(command: str) -> str:
    return subprocess.run(command.split(), check=True, capture_output=True, text=True).stdout


def _caller(server: socket.socket) -> str:
    connection, address = server.accept()
    connection.close()
    return str(address[0])


def _listen(net: str, address: str, port: int) -> socket.socket:
    return namespaces.within(pathlib.Path(net), lambda: socket.create_server((address, port)))


async def test_two_pods_and_the_node_reach_each_other(pins: pathlib.Path) -> None:
    """Each sees the other's true address."""
    network = netlink.NetlinkNetwork(conftest.CONFIG, str(pins))
    await network.configure(conftest.CONFIG)
    web, other = await network.create(WEB), await network.create(OTHER)
    with _listen(web.net, "0.0.0.0", 80) as server:
        server.settimeout(5)

        def call() -> None:
            socket.create_connection((web.addresses[0], 80), timeout=5).close()

        await asyncio.to_thread(namespaces.within, pathlib.Path(other.net), call)
        from_pod = _caller(server)
        await asyncio.to_thread(call)
        from_node = _caller(server)
        reader, writer = await network.connect(WEB.uid, 80)
        writer.close()
        assert reader is not None
    await network.close()
    assert (from_pod, from_node) == (other.addresses[0], conftest.CONFIG.node_addresses[0])


async def test_a_connection_is_to_the_loopback_or_to_the_address(pins: pathlib.Path) -> None:
    """A port-forward reaches what listens on the first alone, a proxy what listens on the second, never the other."""
    network = netlink.NetlinkNetwork(conftest.CONFIG, str(pins))
    await network.configure(conftest.CONFIG)
    web = await network.create(WEB)
    address = web.addresses[0]
    with _listen(web.net, "127.0.0.1", 81), _listen(web.net, address, 82):
        for port, to_address in ((81, False), (82, True)):
            _, writer = await network.connect(WEB.uid, port, to_address=to_address)
            writer.close()
        with pytest.raises(interface.NetworkFault, match=f"dial tcp {address}:81: connect: connection refused"):
            await network.connect(WEB.uid, 81, to_address=True)
        with pytest.raises(interface.NetworkFault, match="failed to connect to localhost:82 .*connection refused"):
            await network.connect(WEB.uid, 82)
    await network.close()


async def test_another_agent_finds_what_exists(pins: pathlib.Path) -> None:
    """The pins outlive the program, and so do address and identity."""
    first = netlink.NetlinkNetwork(conftest.CONFIG, str(pins))
    await first.configure(conftest.CONFIG)
    sandbox = await first.create(WEB)
    await first.close()

    second = netlink.NetlinkNetwork(conftest.CONFIG, str(pins))
    await second.configure(conftest.CONFIG)
    found = await second.sandboxes()
    fresh = await second.create(OTHER)
    await second.close()

    assert found == [sandbox]
    assert fresh.addresses != sandbox.addresses


async def test_half_made_sandboxes_are_swept(pins: pathlib.Path) -> None:
    """An agent that was killed in between leaves pins without a record, and links."""
    network = netlink.NetlinkNetwork(conftest.CONFIG, str(pins))
    await network.configure(conftest.CONFIG)
    sandbox = await network.create(WEB)
    (pathlib.Path(sandbox.net).parent / "sandbox.json").unlink()
    await network.close()

    again = netlink.NetlinkNetwork(conftest.CONFIG, str(pins))
    await again.configure(conftest.CONFIG)
    assert await again.sandboxes() == []
    await again.close()
    assert _run(f"ls {pins}") == ""
    assert "\nfl" not in _run("ip -br link")


async def test_host_name_and_sysctls_are_the_pods(pins: pathlib.Path) -> None:
    """The node keeps its own."""
    wanted = (("net.ipv4.ip_local_port_range", "20000 30000"), ("kernel.shm_rmid_forced", "1"))
    spec = dataclasses.replace(WEB, sysctls=wanted)
    network = netlink.NetlinkNetwork(conftest.CONFIG, str(pins))
    sandbox = await network.create(spec)
    inside = f"nsenter --net={sandbox.net} --uts={sandbox.uts} --ipc={sandbox.ipc}"
    assert _run(f"{inside} hostname") == "web-1\n"
    assert _run(f"{inside} cat /proc/sys/net/ipv4/ip_local_port_range").split() == ["20000", "30000"]
    assert _run(f"{inside} cat /proc/sys/kernel/shm_rmid_forced") == "1\n"
    assert _run("cat /proc/sys/kernel/shm_rmid_forced") == "0\n"
    assert _run("hostname") != "web-1\n"
    await network.close()


async def test_routes_follow_the_other_nodes(pins: pathlib.Path) -> None:
    """A node that left has no route any more; one that came has."""
    network = netlink.NetlinkNetwork(conftest.CONFIG, str(pins))
    two = interface.Peer("node-2", ("192.0.2.2",), ("10.128.4.0/24",))
    three = interface.Peer("node-3", ("192.0.2.3",), ("10.128.5.0/24",))
    await network.configure(dataclasses.replace(conftest.CONFIG, peers=(two,)))
    await network.configure(dataclasses.replace(conftest.CONFIG, peers=(three,)))
    await network.create(WEB)
    await network.configure(dataclasses.replace(conftest.CONFIG, peers=(three,)))
    got = sorted(line.strip() for line in _run("ip route show proto 76").splitlines())
    await network.close()
    link = got[0].split(" dev ")[1].split()[0]
    assert got == [
        f"10.128.3.2 dev {link} scope link src 192.0.2.1",
        "10.128.5.0/24 via 192.0.2.3 dev uplink",
        "unreachable 10.128.3.0/24",
    ]


async def test_a_peer_that_cannot_be_reached_is_said(pins: pathlib.Path) -> None:
    """The routes that can be set are set; the fault names the other."""
    network = netlink.NetlinkNetwork(conftest.CONFIG, str(pins))
    far = interface.Peer("node-9", ("203.0.113.9",), ("10.128.9.0/24",))
    near = interface.Peer("node-2", ("192.0.2.2",), ("10.128.4.0/24",))
    with pytest.raises(interface.NetworkFault, match=r"route to 10.128.9.0/24 by 203.0.113.9: "):
        await network.configure(dataclasses.replace(conftest.CONFIG, peers=(far, near)))
    await network.close()
    assert "10.128.4.0/24 via 192.0.2.2" in _run("ip route show proto 76")


async def test_rules_are_set_once(pins: pathlib.Path) -> None:
    """Configuring again, also by another agent, adds nothing."""
    for _ in range(2):
        network = netlink.NetlinkNetwork(conftest.CONFIG, str(pins))
        await network.configure(conftest.CONFIG)
        await network.close()
    saved = _run("iptables-save -t nat")
    assert saved.count("-A POSTROUTING -j FAIRLEAD-POSTROUTING") == 1
    assert saved.count("-A FAIRLEAD-POSTROUTING -s 10.128.3.0/24 -j MASQUERADE") == 1


async def test_a_host_port_leads_to_the_pod(pins: pathlib.Path) -> None:
    """From the node and from the pod itself, until it is gone."""
    network = netlink.NetlinkNetwork(conftest.CONFIG, str(pins))
    await network.configure(conftest.CONFIG)
    sandbox = await network.create(dataclasses.replace(WEB, host_ports=(interface.HostPort("TCP", 8080, 80),)))
    with _listen(sandbox.net, "0.0.0.0", 80):
        reach = socket.create_connection((conftest.CONFIG.node_addresses[0], 8080), timeout=5)
        reach.close()
        node = (conftest.CONFIG.node_addresses[0], 8080)
        namespaces.within(pathlib.Path(sandbox.net), lambda: socket.create_connection(node, timeout=5).close())
    await network.remove(WEB.uid)
    await network.close()
    assert "--dport 8080" not in _run("iptables-save -t nat")


async def test_routes_do_not_wait_for_a_broken_firewall(pins: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failing iptables-restore is a fault that is said; the routes are there."""
    broken = pins.parent / "bin"
    broken.mkdir()
    for name in ("iptables", "iptables-restore"):
        (broken / name).write_text("#!/bin/sh\necho no such table >&2; exit 3\n")
        (broken / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{broken}:{os.environ['PATH']}")
    network = netlink.NetlinkNetwork(conftest.CONFIG, str(pins))
    near = interface.Peer("node-2", ("192.0.2.2",), ("10.128.4.0/24",))
    with pytest.raises(interface.NetworkFault, match="iptables-restore: no such table"):
        await network.configure(dataclasses.replace(conftest.CONFIG, peers=(near,)))
    await network.close()
    assert "10.128.4.0/24 via 192.0.2.2" in _run("ip route show proto 76")
