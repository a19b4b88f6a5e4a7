"""Packets walked through the rules: who reaches what, how often, and with whose address."""

from __future__ import annotations

import dataclasses

import pytest

from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import discovery_v1_pb2 as discoveryv1
from node.proxy import ledger, model, saved, text
from tests.unit.proxy import kernel
from tests.unit.proxy.objects import CONFIG, balanced, endpoint, endpoint_slice, leaving, service
from tests.unit.proxy.walk import End, Node, Packet, outcomes, walk

POD_HERE, POD_THERE, POD_FAR = "10.128.1.5", "10.128.2.5", "10.128.3.5"
THREE = [endpoint(POD_HERE, "node-1"), endpoint(POD_THERE), endpoint(POD_FAR, "node-3")]
ELSEWHERE = THREE[1:]
VIP = "10.96.0.10"

FROM_POD = Packet("10.128.1.9", VIP, 80)
FROM_NODE = Packet("192.168.56.11", VIP, 80, from_node=True)
FROM_OUTSIDE = Packet("192.168.56.1", "192.168.56.11", 30080)


def node_with(
    services: list[corev1.Service],
    slices: list[discoveryv1.EndpointSlice],
    config: model.Config = CONFIG,
) -> Node:
    """Return a node whose tables have the Services' rules."""
    body = text.full(ledger.build(services, slices, config), saved.Found())
    return Node(kernel.apply(kernel.empty_tables(), body))


def targets(ends: dict[End, float]) -> dict[str, float]:
    """Return the probability of each destination, rounded."""
    return {end.destination or end.verdict: round(chance, 6) for end, chance in ends.items()}


@pytest.mark.parametrize("packet", [FROM_POD, FROM_NODE])
def test_cluster_ip_reaches_every_endpoint_equally(packet: Packet) -> None:
    """Three endpoints get a third of the connections each, from a pod and from the node itself."""
    node = node_with([service("web", VIP)], [endpoint_slice("web", THREE)])

    got = targets(outcomes(node, packet))

    assert got == {POD_HERE: 0.333333, POD_THERE: 0.333333, POD_FAR: 0.333333}


@pytest.mark.parametrize("count", [1, 2, 7, 40])
def test_every_number_of_endpoints_shares_equally(count: int) -> None:
    """The chain of probabilities 1/n, 1/(n-1) … 1 comes out even."""
    endpoints = [endpoint(f"10.129.0.{index + 1}") for index in range(count)]
    node = node_with([service("web", VIP)], [endpoint_slice("web", endpoints)])

    ends = outcomes(node, FROM_POD)

    assert len(ends) == count
    assert all(abs(chance - 1 / count) < 1e-6 for chance in ends.values())


def test_endpoint_port_is_the_slices_one() -> None:
    """A connection to the Service's port arrives at the endpoint's."""
    node = node_with([service("web", VIP)], [endpoint_slice("web", [THREE[1]])])

    assert walk(node, FROM_POD, lambda chance: True) == End("DNAT", POD_THERE, 8080)


def test_pod_keeps_its_address_and_node_does_not() -> None:
    """A pod's connection to a cluster IP is not masqueraded, the node's own is."""
    node = node_with([service("web", VIP)], [endpoint_slice("web", ELSEWHERE)])

    assert {end.masqueraded for end in outcomes(node, FROM_POD)} == {False}
    assert {end.masqueraded for end in outcomes(node, FROM_NODE)} == {True}


def test_pod_that_reaches_itself_is_masqueraded() -> None:
    """A hairpin connection gets another source than its own, the others do not."""
    node = node_with([service("web", VIP)], [endpoint_slice("web", THREE)])

    ends = outcomes(node, Packet(POD_HERE, VIP, 80))

    assert {end.destination: end.masqueraded for end in ends} == {
        POD_HERE: True,
        POD_THERE: False,
        POD_FAR: False,
    }


def test_masquerade_all_masquerades_pods_too() -> None:
    """With masquerade_all no source survives."""
    config = dataclasses.replace(CONFIG, masquerade_all=True)
    node = node_with([service("web", VIP)], [endpoint_slice("web", ELSEWHERE)], config)

    assert {end.masqueraded for end in outcomes(node, FROM_POD)} == {True}


def test_without_cluster_cidr_nothing_but_hairpins_is_masqueraded() -> None:
    """What is not known to be outside the pods' network keeps its source."""
    config = dataclasses.replace(CONFIG, cluster_cidr=None)
    node = node_with([service("web", VIP)], [endpoint_slice("web", ELSEWHERE)], config)

    assert {end.masqueraded for end in outcomes(node, FROM_NODE)} == {False}


@pytest.mark.parametrize(
    "packet",
    [
        FROM_OUTSIDE,
        Packet("192.168.56.11", "192.168.56.11", 30080, from_node=True),
        Packet("127.0.0.1", "127.0.0.1", 30080, from_node=True),
        Packet("10.128.1.9", "192.168.56.11", 30080),
    ],
)
def test_node_port_reaches_every_endpoint_masqueraded(packet: Packet) -> None:
    """A node port answers outsiders, the node, its loopback and its pods, from all three endpoints."""
    node = node_with([service("web", VIP, [("http", 80, 30080)])], [endpoint_slice("web", THREE)])

    ends = outcomes(node, packet)

    assert targets(ends) == {POD_HERE: 0.333333, POD_THERE: 0.333333, POD_FAR: 0.333333}
    assert {end.masqueraded for end in ends} == {True}


def test_node_port_on_loopback_is_off_where_configured() -> None:
    """Without localhost_node_ports a connection to 127.0.0.1 goes to the node's own process."""
    config = dataclasses.replace(CONFIG, localhost_node_ports=False)
    node = node_with([service("web", VIP, [("http", 80, 30080)])], [endpoint_slice("web", THREE)], config)

    ends = outcomes(node, Packet("127.0.0.1", "127.0.0.1", 30080, from_node=True))

    assert {end.verdict for end in ends} == {"PASS"}


def test_neighbour_cannot_reach_loopback() -> None:
    """route_localnet opens 127.0.0.0/8 to neighbours; a packet from one is dropped (CVE-2020-8558)."""
    node = node_with([], [])

    assert walk(node, Packet("192.168.56.12", "127.0.0.1", 10248), lambda chance: True) == End("DROP")


def test_service_without_endpoints_refuses() -> None:
    """Cluster IP, node port and external IP answer with a rejection, not with silence."""
    web = service("web", VIP, [("http", 80, 30080)], externalIPs=["198.51.100.9"])
    node = node_with([web], [])

    ends = [
        walk(node, packet, lambda chance: True)
        for packet in (FROM_POD, FROM_NODE, FROM_OUTSIDE, Packet("192.168.56.1", "198.51.100.9", 80))
    ]

    assert ends == [End("REJECT")] * 4


def test_other_ports_and_protocols_pass() -> None:
    """The rules touch nothing but the Service's own port and protocol."""
    node = node_with([service("web", VIP)], [endpoint_slice("web", THREE)])

    for packet in (Packet("10.128.1.9", VIP, 81), Packet("10.128.1.9", VIP, 80, "udp")):
        assert walk(node, packet, lambda chance: True) == End("PASS", VIP, packet.port)


def test_external_ip_reaches_every_endpoint() -> None:
    """An external IP is a way in, masqueraded."""
    web = service("web", VIP, externalIPs=["198.51.100.9"])
    node = node_with([web], [endpoint_slice("web", ELSEWHERE)])

    ends = outcomes(node, Packet("192.168.56.1", "198.51.100.9", 80))

    assert targets(ends) == {POD_THERE: 0.5, POD_FAR: 0.5}
    assert {end.masqueraded for end in ends} == {True}


def test_load_balancer_admits_its_source_ranges_only() -> None:
    """A source in a range reaches endpoints, another is dropped; the node port stays open."""
    edge = service("edge", VIP, [("http", 80, 30080)], loadBalancerSourceRanges=["203.0.113.0/25"])
    node = node_with([balanced(edge, "198.51.100.7")], [endpoint_slice("edge", ELSEWHERE)])

    admitted = outcomes(node, Packet("203.0.113.5", "198.51.100.7", 80))
    refused = outcomes(node, Packet("203.0.113.200", "198.51.100.7", 80))

    assert targets(admitted) == {POD_THERE: 0.5, POD_FAR: 0.5}
    assert refused == {End("DROP"): 1.0}
    assert targets(outcomes(node, FROM_OUTSIDE)) == {POD_THERE: 0.5, POD_FAR: 0.5}


def test_external_policy_local_keeps_outsiders_on_the_node() -> None:
    """With a local endpoint outsiders reach it alone, with their own address; pods and node reach all."""
    web = service("web", VIP, [("http", 80, 30080)], externalTrafficPolicy="Local")
    node = node_with([web], [endpoint_slice("web", THREE)])
    everywhere = {POD_HERE: 0.333333, POD_THERE: 0.333333, POD_FAR: 0.333333}

    outside = outcomes(node, FROM_OUTSIDE)

    assert outside == {End("DNAT", POD_HERE, 8080, masqueraded=False): 1.0}
    assert targets(outcomes(node, Packet("10.128.1.9", "192.168.56.11", 30080))) == everywhere
    own = outcomes(node, Packet("192.168.56.11", "192.168.56.11", 30080, from_node=True))
    assert targets(own) == everywhere


def test_external_policy_local_without_local_endpoints_drops_outsiders() -> None:
    """So that a load balancer's probe fails; pods still get through."""
    web = service("web", VIP, [("http", 80, 30080)], externalTrafficPolicy="Local")
    node = node_with([web], [endpoint_slice("web", ELSEWHERE)])

    assert outcomes(node, FROM_OUTSIDE) == {End("DROP"): 1.0}
    pods = outcomes(node, Packet("10.128.1.9", "192.168.56.11", 30080))
    assert targets(pods) == {POD_THERE: 0.5, POD_FAR: 0.5}


def test_internal_policy_local_stays_on_the_node() -> None:
    """A cluster IP with policy Local leads to local endpoints, and drops where there is none."""
    web = service("web", VIP, internalTrafficPolicy="Local")

    here = node_with([web], [endpoint_slice("web", THREE)])
    none = node_with([web], [endpoint_slice("web", ELSEWHERE)])

    assert targets(outcomes(here, FROM_POD)) == {POD_HERE: 1.0}
    assert outcomes(none, FROM_POD) == {End("DROP"): 1.0}


def test_client_comes_back_to_its_endpoint() -> None:
    """With affinity ClientIP the second connection goes where the first went, whatever the dice say."""
    cart = service("cart", VIP, sessionAffinity="ClientIP")
    node = node_with([cart], [endpoint_slice("cart", THREE)])

    first = walk(node, FROM_POD, lambda chance: chance == 0.5)
    again = outcomes(node, FROM_POD)
    other = outcomes(node, Packet("10.128.1.10", VIP, 80))

    assert first.destination == POD_THERE
    assert targets(again) == {POD_THERE: 1.0}
    assert len(other) == 3


def test_endpoints_that_are_not_ready_get_nothing() -> None:
    """An endpoint counts once it is ready, or where nothing is said of it."""
    endpoints = [endpoint(POD_HERE, ready=False), endpoint(POD_THERE), endpoint(POD_FAR, ready=None)]
    node = node_with([service("web", VIP)], [endpoint_slice("web", endpoints)])

    assert targets(outcomes(node, FROM_POD)) == {POD_THERE: 0.5, POD_FAR: 0.5}


def test_terminating_endpoints_serve_only_as_the_last_resort() -> None:
    """One that leaves gets no new connection while another is ready; if all leave, they serve on."""
    some = node_with([service("web", VIP)], [endpoint_slice("web", [leaving(POD_HERE), THREE[1]])])
    every = node_with([service("web", VIP)], [endpoint_slice("web", [leaving(POD_HERE), leaving(POD_THERE)])])

    assert targets(outcomes(some, FROM_POD)) == {POD_THERE: 1.0}
    assert targets(outcomes(every, FROM_POD)) == {POD_HERE: 0.5, POD_THERE: 0.5}


def test_zone_hints_keep_traffic_in_the_zone() -> None:
    """Where each ready endpoint names zones and one names the node's, only those are used."""
    hinted = [endpoint(POD_HERE, zones=["east"]), endpoint(POD_THERE, zones=["west"])]
    partly = [endpoint(POD_HERE, zones=["east"]), endpoint(POD_THERE)]
    foreign = [endpoint(POD_HERE, zones=["west"]), endpoint(POD_THERE, zones=["west"])]

    def reached(endpoints: list[discoveryv1.Endpoint]) -> set[str]:
        node = node_with([service("web", VIP)], [endpoint_slice("web", endpoints)])
        return set(targets(outcomes(node, FROM_POD)))

    assert reached(hinted) == {POD_HERE}
    assert reached(partly) == {POD_HERE, POD_THERE}
    assert reached(foreign) == {POD_HERE, POD_THERE}


@pytest.mark.parametrize("protocol", ["UDP", "SCTP"])
def test_other_protocols_are_balanced_too(protocol: str) -> None:
    """UDP and SCTP get rules of their own."""
    node = node_with(
        [service("dns", VIP, [("dns", 53, 0)], protocol=protocol)],
        [endpoint_slice("dns", ELSEWHERE, [("dns", 5353)], protocol=protocol)],
    )

    ends = outcomes(node, Packet("10.128.1.9", VIP, 53, protocol.lower()))

    assert ends == {End("DNAT", POD_THERE, 5353): 0.5, End("DNAT", POD_FAR, 5353): 0.5}


def test_slices_of_one_service_add_up() -> None:
    """Endpoints in several slices count once each."""
    slices = [
        endpoint_slice("web", THREE[:2], suffix="a"),
        endpoint_slice("web", THREE[1:], suffix="b"),
    ]
    node = node_with([service("web", VIP)], slices)

    assert targets(outcomes(node, FROM_POD)) == {
        POD_HERE: 0.333333,
        POD_THERE: 0.333333,
        POD_FAR: 0.333333,
    }


def test_headless_and_external_name_services_get_no_rules() -> None:
    """Nothing is written for what has no cluster IP."""
    nothing = ledger.build([], [], CONFIG)

    got = ledger.build(
        [service("head", "None"), service("name", "", type="ExternalName", externalName="example.org")],
        [endpoint_slice("head", THREE)],
        CONFIG,
    )

    assert got == nothing
