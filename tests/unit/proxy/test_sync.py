"""When the proxy writes, what, and what it does where that fails."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import dataclasses
from collections.abc import AsyncIterator, Callable

import pytest

from fairlead import clock as clocks
from node.proxy import iptables, rules, saved, sync
from tests.unit.proxy.kernel import MemoryKernel
from tests.unit.proxy.objects import CONFIG, endpoint, endpoint_slice, service

WEB = service("web", "10.96.0.10")
WEB_SLICE = endpoint_slice("web", [endpoint("10.128.1.5"), endpoint("10.128.2.5")])


class Rig:
    """A proxy, what it runs on, and what it told."""

    def __init__(self) -> None:
        self.kernel = MemoryKernel()
        self.clock = clocks.FakeClock()
        self.told: list[str] = []
        self.proxy = sync.Proxy(
            CONFIG,
            self.kernel,
            self.clock,
            on_fault=self.told.append,
            on_recovered=lambda: self.told.append("recovered"),
        )

    async def settle(self, probe: Callable[[], bool]) -> None:
        """Let the proxy's task run until the probe holds."""
        for _ in range(1000):
            if probe():
                return
            await asyncio.sleep(0)
        raise AssertionError(f"still not so after {len(self.kernel.texts)} writes, told {self.told}")

    async def quiet(self) -> int:
        """Let the proxy's task run until it only waits; return the number of writes so far."""
        for _ in range(100):
            await asyncio.sleep(0)
        return len(self.kernel.texts)


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    """A rig whose proxy runs."""
    rig = Rig()
    task = asyncio.create_task(rig.proxy.run())
    yield rig
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def test_nothing_is_written_before_everything_is_known(rig: Rig) -> None:
    """A restarted agent leaves the old rules alone until the first complete assignment."""
    rig.proxy.put_service(WEB)

    assert await rig.quiet() == 0


async def test_first_change_is_written_at_once_and_a_burst_in_one_sync(rig: Rig) -> None:
    """Changes that come while the pause after a sync lasts are written together at its end."""
    rig.proxy.replace_all([WEB], [WEB_SLICE])
    await rig.proxy.wait_until_synced()

    for number in range(20):
        rig.proxy.put_service(service(f"s{number}", f"10.96.1.{number + 1}"))
        assert await rig.quiet() == 1
    rig.clock.advance(sync.MIN_PERIOD_SECONDS)

    await rig.settle(lambda: len(rig.kernel.texts) == 2)
    assert await rig.quiet() == 2
    assert rig.kernel.texts[1].count("has no endpoints") == 20


async def test_update_without_meaning_writes_nothing(rig: Rig) -> None:
    """An annotation on a Service or a new revision of a slice is no reason to write."""
    rig.proxy.replace_all([WEB], [WEB_SLICE])
    await rig.proxy.wait_until_synced()

    changed = type(WEB)()
    changed.CopyFrom(WEB)
    changed.metadata.annotations["owner"] = "somebody"
    rig.proxy.put_service(changed)
    rig.clock.advance(1)

    assert await rig.quiet() == 1


async def test_fault_is_told_once_and_retried_until_it_ends(rig: Rig) -> None:
    """A failing restore is tried again with growing pauses, told once, and its end too."""
    rig.kernel.broken = "iptables-restore exited with 4: resource problem"
    rig.proxy.replace_all([WEB], [WEB_SLICE])
    await rig.settle(lambda: bool(rig.told))
    await rig.quiet()

    rig.clock.advance(sync.FIRST_RETRY_SECONDS)
    await rig.quiet()
    rig.kernel.broken = ""
    rig.clock.advance(sync.FIRST_RETRY_SECONDS)
    assert await rig.quiet() == 0
    rig.clock.advance(sync.FIRST_RETRY_SECONDS)
    await rig.proxy.wait_until_synced()

    assert rig.told == ["iptables-restore exited with 4: resource problem", "recovered"]


@pytest.mark.parametrize("chain", ["", "FORWARD"])
async def test_flushed_rules_are_back_after_the_audit(rig: Rig, chain: str) -> None:
    """Somebody's `iptables -F` is mended within the audit's period, without any change of a Service."""
    rig.proxy.replace_all([WEB], [WEB_SLICE])
    await rig.proxy.wait_until_synced()
    want = copy.deepcopy(rig.kernel.tables)
    await rig.quiet()

    if chain:
        rig.kernel.tables["filter"][chain].clear()
    else:
        rig.kernel.flush()
    rig.clock.advance(sync.AUDIT_SECONDS)

    await rig.settle(lambda: len(rig.kernel.texts) == 2)
    got = {name: sorted(rules_of) for name, rules_of in rig.kernel.tables["filter"].items()}
    assert got == {name: sorted(rules_of) for name, rules_of in want["filter"].items()}


async def test_configuration_change_rewrites_rules(rig: Rig) -> None:
    """Pods' addresses that the Welcome brings later reach every rule."""
    rig.proxy.replace_all([WEB], [WEB_SLICE])
    await rig.proxy.wait_until_synced()

    rig.proxy.configure(dataclasses.replace(CONFIG, cluster_cidr="10.64.0.0/12"))
    rig.clock.advance(1)

    await rig.settle(lambda: len(rig.kernel.texts) == 2)
    assert "! -s 10.64.0.0/12" in rig.kernel.texts[1]
    assert CONFIG.cluster_cidr not in rig.kernel.texts[1]


async def test_partial_sync_names_only_what_changed() -> None:
    """One endpoint that is replaced among many Services writes its Service's chain and its own."""
    rig = Rig()
    services = [service(f"s{number}", f"10.96.1.{number + 1}") for number in range(50)]
    slices = [endpoint_slice(f"s{number}", [endpoint(f"10.128.1.{number + 1}")]) for number in range(50)]
    rig.proxy.replace_all(services, slices)
    await rig.proxy.sync()

    rig.proxy.put_slice(endpoint_slice("s7", [endpoint("10.128.9.9")]))
    outcome = await rig.proxy.sync()

    assert outcome == "wrote 2 chains, removed 1"
    assert "KUBE-SERVICES" not in rig.kernel.texts[-1]


async def test_second_agent_finds_jumps_and_stale_chains() -> None:
    """A restarted agent adds no jump twice and removes chains of Services that went meanwhile."""
    rig = Rig()
    rig.proxy.replace_all([WEB], [WEB_SLICE])
    await rig.proxy.sync()

    again = sync.Proxy(CONFIG, rig.kernel, rig.clock)
    again.replace_all([], [])
    await again.sync()

    assert "-I " not in rig.kernel.texts[-1]
    left = [chain for chain in rig.kernel.tables["nat"] if chain.startswith(rules.OWN_PREFIXES)]
    assert left == []


async def test_second_agent_writes_only_what_differs() -> None:
    """A restarted agent leaves chains alone that are as wanted; one that somebody emptied is filled again."""
    rig = Rig()
    others = [service(f"s{number}", f"10.96.1.{number + 1}") for number in range(20)]
    rig.proxy.replace_all([WEB, *others], [WEB_SLICE])
    await rig.proxy.sync()
    want = copy.deepcopy(rig.kernel.tables)
    (chain,) = {
        name for name, lines in want["nat"].items() if any("--to-destination 10.128.1.5:" in one for one in lines)
    }
    rig.kernel.tables["nat"][chain].clear()

    again = sync.Proxy(CONFIG, rig.kernel, rig.clock)
    again.replace_all([WEB, *others], [WEB_SLICE])
    outcome = await again.sync()
    at_last = await again.audit()

    assert outcome.startswith("wrote 1 of all ")
    assert at_last == "rules are there"
    assert rig.kernel.tables == want
    assert rig.kernel.texts[-1].count(" - [0:0]") == 1


@pytest.mark.parametrize(
    ("ours", "iptables"),
    [
        (
            '-A KUBE-SVC-A -m comment --comment "a/b:http cluster IP" -m tcp -p tcp -d 10.96.0.1 --dport 80 '
            "! -s 10.128.0.0/11 -j KUBE-MARK-MASQ",
            "-A KUBE-SVC-A ! -s 10.128.0.0/11 -d 10.96.0.1/32 -p tcp -m comment "
            '--comment "a/b:http cluster IP" -m tcp --dport 80 -j KUBE-MARK-MASQ',
        ),
        (
            "-A KUBE-SVC-A -m statistic --mode random --probability 0.3333333333 -j KUBE-SEP-B",
            "-A KUBE-SVC-A -m statistic --mode random --probability 0.33333333349 -j KUBE-SEP-B",
        ),
        ("-A KUBE-MARK-MASQ -j MARK --or-mark 0x4000", "-A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000"),
        ("-A KUBE-POSTROUTING -j MARK --xor-mark 0x4000", "-A KUBE-POSTROUTING -j MARK --set-xmark 0x4000/0x0"),
        (
            "-A KUBE-SEP-A -m comment --comment a/b -s 10.128.0.1 -j KUBE-MARK-MASQ",
            '-A KUBE-SEP-A -s 10.128.0.1/32 -m comment --comment "a/b" -j KUBE-MARK-MASQ',
        ),
    ],
)
def test_a_rule_means_the_same_in_the_words_of_iptables_save(ours: str, iptables: str) -> None:
    """Both of the programs' flavours write so."""
    assert saved.meaning(ours) == saved.meaning(iptables)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("-A A -s 10.0.0.1 -d 10.0.0.2 -j B", "-A A -d 10.0.0.1 -s 10.0.0.2 -j B"),
        ("-A A ! -s 10.0.0.1 -d 10.0.0.2 -j B", "-A A -s 10.0.0.1 ! -d 10.0.0.2 -j B"),
        ("-A A -p tcp --dport 80 -j B", "-A A -p udp --dport 80 -j B"),
        ("-A A -s 10.0.0.0/24 -j B", "-A A -s 10.0.0.0 -j B"),
        ("-A A --mode random --probability 0.5 -j B", "-A A --mode random --probability 0.25 -j B"),
        ('-A A --comment "x ! -s" -s 10.0.0.1 -j B', "-A A --comment x ! -s 10.0.0.1 -j B"),
        ("-A A -s 10.0.0.1 -j B", "-A A -j B"),
    ],
)
def test_rules_that_say_otherwise_mean_otherwise(one: str, other: str) -> None:
    """Whose address, which is negated, and what stands in a comment's quotes."""
    assert saved.meaning(one) != saved.meaning(other)


async def test_udp_flows_are_forgotten_when_endpoints_change() -> None:
    """A change of a UDP Service names its destinations and what they lead to now; TCP needs none."""
    rig = Rig()
    dns = service("dns", "10.96.0.53", [("dns", 53, 30053)], protocol="UDP")
    before = endpoint_slice("dns", [endpoint("10.128.1.5")], [("dns", 5353)], protocol="UDP")
    after = endpoint_slice("dns", [endpoint("10.128.2.5")], [("dns", 5353)], protocol="UDP")
    rig.proxy.replace_all([WEB, dns], [WEB_SLICE, before])
    await rig.proxy.sync()

    rig.proxy.put_slice(after)
    await rig.proxy.sync()
    rig.proxy.remove_service("shop", "dns")
    await rig.proxy.sync()

    targets = frozenset({("10.128.2.5", 5353)})
    assert rig.kernel.forgotten[1:] == [
        {("10.96.0.53", 53): targets, ("", 30053): targets},
        {("10.96.0.53", 53): frozenset(), ("", 30053): frozenset()},
    ]


async def test_unanswered_connections_to_endpoints_that_are_gone_are_forgotten() -> None:
    """Only those that a Service no longer leads to are named; a Service that goes names all of its own."""
    rig = Rig()
    web = service("web", "10.96.0.80", [("http", 80, 0)])
    both = endpoint_slice("web", [endpoint("10.128.1.5"), endpoint("10.128.2.5")], [("http", 8080)])
    one = endpoint_slice("web", [endpoint("10.128.2.5")], [("http", 8080)])
    rig.proxy.replace_all([web], [both])
    await rig.proxy.sync()

    rig.proxy.put_slice(one)
    await rig.proxy.sync()
    rig.proxy.remove_service("shop", "web")
    await rig.proxy.sync()

    assert rig.kernel.gone == [["10.128.1.5"], ["10.128.2.5"]]


def test_stale_flows_are_those_whose_answers_come_from_elsewhere() -> None:
    """Flows to a known destination stay if an endpoint answers; others are not touched."""
    wanted = {("10.96.0.53", 53): frozenset({("10.128.2.5", 5353)}), ("", 30053): frozenset()}
    good = iptables.Flow(("10.96.0.53", 53), ("10.128.2.5", 5353))
    gone = iptables.Flow(("10.96.0.53", 53), ("10.128.1.5", 5353))
    unanswered = iptables.Flow(("10.96.0.53", 53), ("10.96.0.53", 53))
    by_node_port = iptables.Flow(("192.168.56.11", 30053), ("10.128.1.5", 5353))
    through = iptables.Flow(("192.168.56.99", 30053), ("192.168.56.99", 30053))

    got = iptables.stale([good, gone, unanswered, by_node_port, through], wanted, ["192.168.56.11"])

    assert got == [gone, unanswered, by_node_port]


@pytest.mark.parametrize(
    ("written", "want"),
    [
        ({"nft": "", "legacy": ""}, ""),
        ({"nft": "-A A -j B\n", "legacy": ""}, "nft"),
        ({"nft": "-A A -j B\n", "legacy": "-A A -j B\n-A A -j C\n"}, "legacy"),
        ({"nft": "-A A -j B\n", "legacy": ":KUBE-IPTABLES-HINT - [0:0]\n"}, "legacy"),
        ({"nft": ":KUBE-KUBELET-CANARY - [0:0]\n", "legacy": "-A A -j B\n"}, "nft"),
    ],
)
def test_flavour_is_the_one_in_use(written: dict[str, str], want: str) -> None:
    """The kubelet's hint decides, then the number of rules; a tie leaves the machine's default."""
    assert iptables.choose_flavour(written) == want


@pytest.mark.parametrize(
    ("situation", "now", "want"),
    [
        (sync.Situation(), 0.0, (sync.Step.WAIT, None)),
        (sync.Situation(ready=True, dirty=True), 0.0, (sync.Step.SYNC, None)),
        (sync.Situation(ready=True, dirty=True, last_sync=9.95), 10.0, (sync.Step.WAIT, 0.05)),
        (sync.Situation(ready=True, last_sync=9.95), 10.0, (sync.Step.WAIT, 20.0)),
        (sync.Situation(ready=True, last_sync=1.0), 30.0, (sync.Step.AUDIT, None)),
        (sync.Situation(ready=True, failures=3, last_sync=10.0), 11.0, (sync.Step.WAIT, 1.0)),
        (sync.Situation(ready=True, failures=99, last_sync=10.0), 11.0, (sync.Step.WAIT, 29.0)),
    ],
)
def test_next_step(situation: sync.Situation, now: float, want: object) -> None:
    """Waits for everything, writes at once, then gathers; backs off after failures; audits when idle."""
    step, seconds = sync.decide(situation, now)

    assert (step, seconds if seconds is None else round(seconds, 6)) == want
