"""What holds for any Services and endpoints, and for any way to them."""

from __future__ import annotations

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead import clock as clocks
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import discovery_v1_pb2 as discoveryv1
from node.proxy import ledger, model, rules, saved, sync, text
from tests.unit.proxy import kernel
from tests.unit.proxy.objects import CONFIG, balanced, endpoint, endpoint_slice, service

NAMES = ("alpha", "beta", "gamma")
PORTS = (("http", 80), ("https", 443))

endpoints = st.builds(
    endpoint,
    st.sampled_from([f"10.128.{node}.{number}" for node in (1, 2) for number in (5, 6)]),
    st.sampled_from(["node-1", "node-2"]),
    ready=st.sampled_from([None, True, False]),
    serving=st.sampled_from([None, True, False]),
    terminating=st.sampled_from([None, True]),
    zones=st.sampled_from([(), ("east",), ("west",)]),
)
slices = st.builds(
    endpoint_slice,
    st.sampled_from(NAMES),
    st.lists(endpoints, max_size=4),
    st.lists(st.sampled_from([("http", 8080), ("https", 8443)]), max_size=2, unique=True),
    protocol=st.sampled_from(["TCP", "UDP"]),
    suffix=st.sampled_from(["a", "b"]),
)


@st.composite
def services(draw: st.DrawFn) -> corev1.Service:
    """Return a Service of any shape that the API would admit."""
    index = draw(st.integers(0, len(NAMES) - 1))
    node_ports = draw(st.booleans())
    ports = [
        (name, port, 30000 + 10 * index + number if node_ports else 0)
        for number, (name, port) in enumerate(draw(st.lists(st.sampled_from(PORTS), unique=True)))
    ]
    policies = st.sampled_from(["Cluster", "Local"])
    message = service(
        NAMES[index],
        f"10.96.0.{index + 1}",
        ports,
        protocol=draw(st.sampled_from(["TCP", "UDP"])),
        internalTrafficPolicy=draw(policies),
        externalTrafficPolicy=draw(policies),
        externalIPs=draw(st.sampled_from([[], [f"198.51.100.{index + 1}"]])),
        sessionAffinity=draw(st.sampled_from(["None", "ClientIP"])),
        loadBalancerSourceRanges=draw(st.sampled_from([[], ["203.0.113.0/24"]])),
    )
    if draw(st.booleans()):
        balanced(message, f"203.0.113.{index + 1}")
    return message


changes = st.one_of(
    services(),
    slices,
    st.tuples(st.just("service"), st.sampled_from(NAMES)),
    st.tuples(st.just("slice"), st.sampled_from([f"{name}-{suffix}" for name in NAMES for suffix in "ab"])),
)
Change = corev1.Service | discoveryv1.EndpointSlice | tuple[str, str]


@given(st.lists(services(), max_size=3), st.lists(slices, max_size=4), st.sampled_from([0, 7, 40]))
def test_every_part_refers_only_to_chains_that_exist(
    some: list[corev1.Service], of_them: list[discoveryv1.EndpointSlice], section_lines: int
) -> None:
    """The packet filter accepts the text, in parts of any size."""
    wanted = ledger.build(some, of_them, CONFIG)

    got = kernel.apply(kernel.empty_tables(), text.full(wanted, saved.Found(), section_lines=section_lines))

    assert {(table, name) for table in got for name in got[table] if name.startswith("KUBE-")} == set(wanted)


class Driver:
    """A proxy on a memory kernel, told of changes one by one, with its own list of what should be."""

    def __init__(self) -> None:
        self.kernel = kernel.MemoryKernel()
        self.proxy = sync.Proxy(CONFIG, self.kernel, clocks.FakeClock())
        self.objects: dict[tuple[str, str], corev1.Service | discoveryv1.EndpointSlice] = {}

    def change(self, change: Change) -> None:
        """Put or remove one object."""
        match change:
            case corev1.Service():
                self.objects["service", change.metadata.name] = change
                self.proxy.put_service(change)
            case discoveryv1.EndpointSlice():
                self.objects["slice", change.metadata.name] = change
                self.proxy.put_slice(change)
            case ("service", name):
                self.objects.pop(("service", name), None)
                self.proxy.remove_service("shop", name)
            case (_, name):
                self.objects.pop(("slice", name), None)
                self.proxy.remove_slice("shop", name)

    def wanted(self) -> kernel.Tables:
        """Return the tables that a first sync of the same objects makes."""
        values = self.objects.values()
        chains = ledger.build(
            [one for one in values if isinstance(one, corev1.Service)],
            [one for one in values if isinstance(one, discoveryv1.EndpointSlice)],
            CONFIG,
        )
        return kernel.apply(kernel.empty_tables(), text.full(chains, saved.Found()))


@settings(max_examples=150)
@given(st.lists(st.one_of(changes, st.sampled_from(["sync", "fail", "flush"])), max_size=25))
def test_partial_syncs_lead_to_what_a_full_one_makes(steps: list[Change | str]) -> None:
    """Whatever the changes, the order, the syncs between them, failures and flushes."""

    async def drive() -> Driver:
        driver = Driver()
        driver.proxy.replace_all([], [])
        for step in steps:
            if step == "sync":
                await driver.proxy.sync()
            elif step == "fail":
                driver.kernel.broken = "out of memory"
                await driver.proxy.sync()
                driver.kernel.broken = ""
            elif step == "flush":
                driver.kernel.flush()
                await driver.proxy.audit()
            else:
                assert not isinstance(step, str)
                driver.change(step)
        outcome = await driver.proxy.sync()
        assert not outcome.startswith("failed")
        return driver

    driver = asyncio.run(drive())

    assert driver.kernel.tables == driver.wanted()


@given(st.lists(services(), max_size=3), st.lists(slices, max_size=4))
def test_order_of_objects_does_not_matter(
    some: list[corev1.Service], of_them: list[discoveryv1.EndpointSlice]
) -> None:
    """The last object of a name counts; otherwise the order of arrival leaves no trace."""
    unique = list({one.metadata.name: one for one in some}.values())
    parts = list({one.metadata.name: one for one in of_them}.values())

    assert ledger.build(unique, parts, CONFIG) == ledger.build(unique[::-1], parts[::-1], CONFIG)


@given(st.lists(services(), max_size=3), st.lists(slices, max_size=4))
def test_cleanup_leaves_nothing(some: list[corev1.Service], of_them: list[discoveryv1.EndpointSlice]) -> None:
    """After cleanup the tables are as on a fresh machine, but for what others wrote."""

    async def drive() -> kernel.Tables:
        packet_filter = kernel.MemoryKernel()
        packet_filter.tables["filter"]["INPUT"].append("-p icmp -j ACCEPT")
        proxy = sync.Proxy(CONFIG, packet_filter, clocks.FakeClock())
        proxy.replace_all(some, of_them)
        await proxy.sync()
        await proxy.cleanup()
        return packet_filter.tables

    want = kernel.empty_tables()
    want["filter"]["INPUT"].append("-p icmp -j ACCEPT")
    assert asyncio.run(drive()) == want


def test_chain_names_are_kube_proxys() -> None:
    """Kubernetes' own tests and every cluster with a `default/kubernetes` know these names."""
    assert rules.port_hash("ns1/svc1:p80", "tcp") == "XPGD46QRK7WJZT7O"
    assert rules.port_hash("default/kubernetes:https", "tcp") == "NPX46M4PTMTKRN6Y"
    assert rules.endpoint_chain("ns4/svc4:p80", "tcp", "10.180.0.5:80") == "KUBE-SEP-C6EBXVWJJZMIWKLZ"


def test_of_two_descriptions_of_an_endpoint_the_fitter_counts() -> None:
    """In whichever slice it comes first: while an endpoint moves, both name it."""
    told = [
        model.Endpoint("10.128.0.5", 80, ready=False, zones=("west",)),
        model.Endpoint("10.128.0.5", 80),
        model.Endpoint("10.128.0.5", 80, zones=("east",)),
    ]
    parts = [model.Slice(model.Key("default", "web"), ((("http", "tcp"), (one,)),)) for one in told]

    assert model.merge(parts) == model.merge(parts[::-1]) == {("http", "tcp"): (told[2],)}
