"""The proxy on the kernel's own packet filter, in network namespaces, with real connections."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from collections.abc import Callable, Coroutine, Iterator

import pytest

from fairlead import clock as clocks
from node.proxy import interface, iptables, ledger, rules, saved, sync, text
from tests.integration.proxy.network import (
    NODE_ADDRESS,
    OUTSIDER_ADDRESS,
    PODS,
    PORT,
    Network,
)
from tests.unit.proxy import kernel
from tests.unit.proxy.objects import CONFIG, endpoint, endpoint_slice, service

VIP = "10.96.0.10"
NODE_PORT = 30080
WEB = service("web", VIP, [("http", 80, NODE_PORT)])
WEB_SLICE = endpoint_slice("web", [endpoint(address, "node-1") for address in PODS.values()])
FLAVOURS = [flavour for flavour in ("nft", "legacy") if shutil.which(f"iptables-{flavour}-restore")]

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")


class Node:
    """A proxy in the node's namespace; the test's thread steps in for each call."""

    def __init__(self, network: Network, flavour: str) -> None:
        self.network = network
        self.flavour = flavour
        self.kernel = iptables.Iptables(flavour=flavour)
        self.proxy = sync.Proxy(CONFIG, self.kernel, clocks.SystemClock())

    def do(self, call: Callable[[], Coroutine[None, None, str]]) -> str:
        """Run a coroutine in the node's namespace."""
        with self.network.inside("node"):
            return asyncio.run(call())

    def sync(self) -> str:
        """Write what changed; it must succeed."""
        outcome = self.do(self.proxy.sync)
        assert not outcome.startswith("failed"), outcome
        return outcome

    def saved(self) -> list[str]:
        """Return the tables' lines, without counters and comments."""
        lines = self.do(self.kernel.save).splitlines()
        return [line.split(" [")[0] for line in lines if not line.startswith("#")]


@pytest.fixture(params=FLAVOURS)
def node(request: pytest.FixtureRequest) -> Iterator[Node]:
    """A node with a proxy, three serving pods and an outsider."""
    network = Network()
    try:
        yield Node(network, request.param)
    finally:
        network.close()


def test_every_way_in_reaches_all_three_pods(node: Node) -> None:
    """Cluster IP from the node and from a pod, node port from outside, from the node and by loopback."""
    node.proxy.replace_all([WEB], [WEB_SLICE])
    node.sync()
    ask = node.network.ask_until

    from_node = ask("node", VIP, 80, 3)
    from_pod = ask("pod-1", VIP, 80, 3)
    from_outside = ask("outsider", NODE_ADDRESS, NODE_PORT, 3)
    own = ask("node", NODE_ADDRESS, NODE_PORT, 3)
    loopback = ask("node", "127.0.0.1", NODE_PORT, 3)

    everybody = set(PODS.values())
    for seen in (from_node, from_pod, from_outside, own, loopback):
        assert set(seen) == everybody
    assert from_pod[PODS["pod-2"]] == PODS["pod-1"]
    assert from_pod[PODS["pod-1"]] != PODS["pod-1"]
    assert OUTSIDER_ADDRESS not in from_outside.values()


def test_curl_fails_at_once_without_endpoints(node: Node) -> None:
    """A Service without endpoints refuses the connection: curl says so (7), it does not wait (28)."""
    node.proxy.replace_all([WEB], [])
    node.sync()

    for place, url in (("node", f"http://{VIP}/"), ("pod-1", f"http://{VIP}/")):
        with pytest.raises(AssertionError, match=": 7: "):
            node.network.run(place, "curl", "-s", "-m", "5", url)


def test_change_of_endpoints_is_followed(node: Node) -> None:
    """After a partial sync only the endpoints that are left answer."""
    node.proxy.replace_all([WEB], [WEB_SLICE])
    node.sync()

    node.proxy.put_slice(endpoint_slice("web", [endpoint(PODS["pod-3"], "node-1")]))
    assert node.sync() == "wrote 1 chains, removed 2"

    servers = {node.network.ask("pod-1", VIP, 80)[0] for _ in range(10)}
    assert servers == {PODS["pod-3"]}


def test_full_sync_twice_leaves_the_same_rules(node: Node) -> None:
    """A second agent's first sync finds every chain as it wants it, in either flavour's words, and adds no jump."""
    node.proxy.replace_all([WEB], [WEB_SLICE])
    node.sync()
    before = node.saved()

    node.proxy = sync.Proxy(CONFIG, node.kernel, clocks.SystemClock())
    node.proxy.replace_all([WEB], [WEB_SLICE])
    outcome = node.sync()

    assert outcome.startswith("wrote 0 of all ")
    assert sorted(node.saved()) == sorted(before)


def test_cleanup_leaves_what_others_wrote(node: Node) -> None:
    """After cleanup there is neither chain nor rule of ours, and every other one."""
    tool = f"iptables-{node.flavour}"
    node.network.run("node", tool, "-A", "INPUT", "-p", "icmp", "-j", "ACCEPT")
    node.network.run("node", tool, "-t", "nat", "-N", "SOMEBODY")
    before = node.saved()
    node.proxy.replace_all([WEB], [WEB_SLICE])
    node.sync()

    node.do(node.proxy.cleanup)

    assert sorted(node.saved()) == sorted(before)


@pytest.mark.parametrize("flush", ["-F", "-F PREROUTING", "-F KUBE-PROXY-CANARY"])
def test_flush_is_noticed_and_mended(node: Node, flush: str) -> None:
    """The audit finds somebody's flush of nat, whole or in part, and the next sync mends it."""
    node.proxy.replace_all([WEB], [WEB_SLICE])
    node.sync()
    before = node.saved()

    assert node.do(node.proxy.audit) == "rules are there"
    tool = f"iptables-{node.flavour}"
    node.network.run("node", tool, "-t", "nat", *flush.split())

    assert node.do(node.proxy.audit) == "rules are gone from nat: writing all"
    node.sync()
    assert sorted(node.saved()) == sorted(before)


def test_udp_client_follows_to_the_new_endpoint(node: Node) -> None:
    """A client that keeps sending from one port is led on when its endpoint is replaced."""
    dns = service("dns", "10.96.0.53", [("dns", 53, 0)], protocol="UDP")
    for pod in ("pod-1", "pod-2"):
        node.network.serve(pod, "udp")

    def lead_to(pod: str) -> None:
        ports = [("dns", PORT)]
        node.proxy.put_slice(endpoint_slice("dns", [endpoint(PODS[pod])], ports, protocol="UDP"))
        node.sync()

    node.proxy.replace_all([dns], [])
    lead_to("pod-1")
    client = node.network.udp_client("pod-3", "10.96.0.53", 53)
    first = _ask_udp(client)
    lead_to("pod-2")
    second = _ask_udp(client)

    assert [first, second] == [PODS["pod-1"], PODS["pod-2"]]


def test_refused_text_is_a_fault_with_the_programs_words(node: Node) -> None:
    """A line that iptables-restore does not understand becomes an error that names it."""
    bad = "*nat\n-A NOWHERE -j ACCEPT\nCOMMIT\n"

    async def restore() -> str:
        await node.kernel.restore(bad)
        return "accepted"

    with pytest.raises(interface.KernelError, match=f"^iptables-{node.flavour}-restore exited with"):
        node.do(restore)


@pytest.mark.parametrize("section_lines", [0, 10])
def test_memory_kernel_does_what_the_real_one_does(node: Node, section_lines: int) -> None:
    """The same texts leave the same chains with the same number of rules."""
    first = ledger.build([WEB], [WEB_SLICE], CONFIG)
    second = ledger.build([service("web", VIP)], [endpoint_slice("web", [endpoint("10.128.9.9")])], CONFIG)
    tables = kernel.empty_tables()
    for wanted in (first, second):
        found = saved.parse(node.do(node.kernel.save))
        body = text.full(wanted, found, section_lines=section_lines)
        tables = kernel.apply(tables, body)

        async def restore(body: str = body) -> str:
            await node.kernel.restore(body)
            return ""

        node.do(restore)

        assert _counts(node.do(node.kernel.save)) == {
            (table, chain): len(rules_of) for table, chains in tables.items() for chain, rules_of in chains.items()
        }


def test_rules_in_the_other_flavour_decide(node: Node) -> None:
    """A proxy that is told no flavour takes the one whose tables have rules."""
    node.network.run("node", f"iptables-{node.flavour}", "-A", "INPUT", "-p", "icmp", "-j", "ACCEPT")
    node.kernel = iptables.Iptables()
    node.proxy = sync.Proxy(CONFIG, node.kernel, clocks.SystemClock())

    node.proxy.replace_all([WEB], [WEB_SLICE])
    node.sync()

    listed = node.network.run("node", f"iptables-{node.flavour}-save", "-t", "nat")
    assert rules.CANARY in listed


def _ask_udp(client: subprocess.Popen[str]) -> str:
    assert client.stdin is not None
    assert client.stdout is not None
    client.stdin.write("?\n")
    return client.stdout.readline().strip()


def _counts(saved: str) -> dict[tuple[str, str], int]:
    """Return the number of rules of each chain that a namespace's tables have, as iptables-save lists them."""
    counts: dict[tuple[str, str], int] = {}
    table = ""
    for line in saved.splitlines():
        if line.startswith("*"):
            table = line[1:]
        elif line.startswith(":"):
            counts[table, line[1:].split()[0]] = 0
        elif line.startswith("-A"):
            counts[table, line.split()[1]] += 1
    return counts
