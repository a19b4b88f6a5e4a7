"""What the default profile says of nodes: chosen, refused, and in which words."""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
import pytest

from control.scheduler import framework, nodes, pods
from control.scheduler.plugins import interpod, profile, resources
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.testing import samples


def _cache(*some: corev1.Node) -> nodes.Nodes:
    cache = nodes.Nodes()
    for node in some:
        cache.put(node)
    return cache


def _verdict(pod: corev1.Pod, cache: nodes.Nodes) -> framework.Verdict:
    return profile.default(random.Random(1)).schedule(pods.info(pod), cache)


def _tainted(name: str, key: str, effect: str = "NoSchedule", value: str = "") -> corev1.Node:
    node = samples.node(name)
    node.spec.taints.add(key=key, value=value, effect=effect)
    return node


def _cordoned(name: str) -> corev1.Node:
    node = samples.node(name)
    node.spec.unschedulable = True
    return node


def _selecting(**labels: str) -> corev1.Pod:
    pod = samples.pod("p")
    pod.spec.nodeSelector.update(labels)
    return pod


def _requiring(key: str, operator: str, *values: str) -> corev1.Pod:
    pod = samples.pod("p")
    required = pod.spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution
    required.nodeSelectorTerms.add().matchExpressions.add(key=key, operator=operator, values=values)
    return pod


def _with_port(name: str, port: int, address: str = "", node_name: str = "") -> corev1.Pod:
    pod = samples.pod(name, node_name=node_name)
    pod.spec.containers[0].ports.add(containerPort=port, hostPort=port, hostIP=address)
    return pod


@pytest.mark.parametrize(
    ("pod", "cluster", "want"),
    [
        (
            samples.pod("p", cpu="5"),
            [samples.node("a"), samples.node("b")],
            "0/2 nodes are available: 2 Insufficient cpu.",
        ),
        (
            samples.pod("p", cpu="5", memory="16Gi"),
            [samples.node("a"), _tainted("b", "gpu", value="only")],
            "0/2 nodes are available: 1 Insufficient cpu, 1 Insufficient memory, "
            "1 node(s) had untolerated taint {gpu: only}.",
        ),
        (
            samples.pod("p", gpu="1"),
            [samples.node("a"), samples.node("b", gpu="0")],
            "0/2 nodes are available: 2 Insufficient nvidia.com/gpu.",
        ),
        (
            samples.pod("p"),
            [samples.node("a", pods="0")],
            "0/1 nodes are available: 1 Too many pods.",
        ),
        (
            samples.pod("p"),
            [_cordoned("a"), _tainted("b", "node.kubernetes.io/unreachable", "NoExecute")],
            "0/2 nodes are available: 1 node(s) had untolerated taint {node.kubernetes.io/unreachable: }, "
            "1 node(s) were unschedulable.",
        ),
        (
            _selecting(disk="fast"),
            [samples.node("a", labels={"disk": "slow"})],
            "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector.",
        ),
    ],
)
def test_refusal_names_each_reason(pod: corev1.Pod, cluster: list[corev1.Node], want: str) -> None:
    """Each node counts for the first plugin that refuses it, a node that lacks several resources for each."""
    assert _verdict(pod, _cache(*cluster)).status.reason == want


@pytest.mark.parametrize(
    ("pod", "cluster", "want"),
    [
        (_selecting(disk="fast"), [samples.node("a"), samples.node("b", labels={"disk": "fast"})], "b"),
        (_requiring("cores", "Gt", "8"), [samples.node("a", labels={"cores": "8"}),
                                          samples.node("b", labels={"cores": "16"})], "b"),
        (_requiring("disk", "NotIn", "slow"), [samples.node("a", labels={"disk": "slow"}), samples.node("b")], "b"),
        (_requiring("disk", "Exists"), [samples.node("a"), samples.node("b", labels={"disk": "x"})], "b"),
        (samples.pod("p", gpu="1"), [samples.node("a"), samples.node("b", gpu="2")], "b"),
        (samples.pod("p"), [_tainted("a", "x", "PreferNoSchedule"), samples.node("b")], "b"),
        (samples.pod("p", cpu="1"), [samples.node("a", cpu="2", memory="4Gi"),
                                     samples.node("b", cpu="8", memory="16Gi")], "b"),
    ],
)  # fmt: skip
def test_best_node_is_chosen(pod: corev1.Pod, cluster: list[corev1.Node], want: str) -> None:
    """Selectors, affinity, extended resources, soft taints and what is left decide."""
    assert _verdict(pod, _cache(*cluster)).node_name == want


def test_toleration_opens_a_node() -> None:
    """A pod that tolerates a node's taint may run there."""
    pod = samples.pod("p")
    pod.spec.tolerations.add(key="gpu", operator="Exists")
    assert _verdict(pod, _cache(_tainted("a", "gpu"))).node_name == "a"


def test_preferred_affinity_outweighs_load() -> None:
    """A preferred label wins over a little more room."""
    pod = samples.pod("p", cpu="100m")
    preferred = pod.spec.affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution.add(weight=10)
    preferred.preference.matchExpressions.add(key="disk", operator="In", values=["fast"])
    cache = _cache(samples.node("a", cpu="8"), samples.node("b", labels={"disk": "fast"}))
    assert _verdict(pod, cache).node_name == "b"


@pytest.mark.parametrize(
    ("taken", "address", "fits"),
    [(80, "", False), (81, "", True), (80, "10.0.0.1", False)],
)
def test_host_port_is_given_once(taken: int, address: str, fits: bool) -> None:
    """A host port on any address clashes with the same port on every address."""
    cache = _cache(samples.node("a"))
    cache.carry(pods.info(_with_port("first", 80)), "a")
    assert bool(_verdict(_with_port("second", taken, address), cache).node_name) == fits


def test_pods_of_one_owner_spread() -> None:
    """Six replicas on three nodes end two on each."""
    cache = _cache(*(samples.node(name) for name in "abc"))
    scheduler = profile.default(random.Random(1))
    landed = []
    for number in range(6):
        info = pods.info(samples.pod(f"p-{number}", owner="web", cpu="100m"))
        landed.append(scheduler.schedule(info, cache).node_name)
        cache.carry(info, landed[-1])
    assert sorted(landed) == ["a", "a", "b", "b", "c", "c"]


def test_zones_are_spread_before_nodes() -> None:
    """With zones the second replica goes to the other zone, though the first zone has an empty node, too."""
    zone = "topology.kubernetes.io/zone"
    cache = _cache(
        samples.node("a1", labels={zone: "a"}), samples.node("a2", labels={zone: "a"}),
        samples.node("b1", labels={zone: "b"}),
    )  # fmt: skip
    cache.carry(pods.info(samples.pod("first", owner="web")), "a1")
    assert _verdict(samples.pod("second", owner="web"), cache).node_name == "b1"


def _join(cache: nodes.Nodes) -> None:
    cache.put(samples.node("c", cpu="64", memory="512Gi"))


def _leave(cache: nodes.Nodes) -> None:
    cache.remove("a")


def _load(cache: nodes.Nodes) -> None:
    cache.carry(pods.info(samples.pod("heavy", cpu="3500m", memory="7Gi")), "a")


def _cordon(cache: nodes.Nodes) -> None:
    cache.put(_cordoned("a"))


def _grow(cache: nodes.Nodes) -> None:
    for number in range(100):
        cache.put(samples.node(f"more-{number}", cpu="1"))


@pytest.mark.parametrize("change", [_join, _leave, _load, _cordon, _grow])
def test_memory_is_mended(change: Callable[[nodes.Nodes], None]) -> None:
    """After a change the framework says what one without memory says."""
    cache = _cache(samples.node("a", cpu="8"), samples.node("b"))
    seasoned = profile.default(random.Random(1))
    info = pods.info(samples.pod("p", cpu="500m", memory="1Gi"))
    seasoned.schedule(info, cache)
    change(cache)
    assert seasoned.schedule(info, cache) == profile.default(random.Random(1)).schedule(info, cache)


def test_one_node_is_scored_as_many_are() -> None:
    """The arithmetic for one node gives what the columns give."""
    cache = _cache(
        *(samples.node(f"n-{number}", cpu=str(number + 1), memory=f"{number + 1}Gi") for number in range(9))
    )
    for number in range(9):
        cache.carry(
            pods.info(samples.pod(f"p-{number}", cpu=f"{number * 97}m", memory=f"{number * 71}Mi")), f"n-{number}"
        )
    plugin, wanted = resources.Balance(), (100, 200 * 1024 * 1024)
    together = plugin.score(wanted, cache, np.arange(9))
    alone = [int(plugin.score(wanted, cache, np.array([number]))[0]) for number in range(9)]
    assert together.tolist() == alone


def test_returning_node_still_carries_its_pods() -> None:
    """A node that is removed and comes back is as full as before."""
    cache = _cache(samples.node("a", cpu="2"))
    cache.carry(pods.info(samples.pod("first", cpu="1500m")), "a")
    cache.remove("a")
    cache.put(samples.node("a", cpu="2"))
    assert _verdict(samples.pod("second", cpu="1"), cache).node_name == ""
    cache.drop("uid-first")
    assert _verdict(samples.pod("second", cpu="1"), cache).node_name == "a"


ZONE = "topology.kubernetes.io/zone"


def test_a_carried_pod_is_seen_in_its_newest_message() -> None:
    """And counts as often as before."""
    cache = _cache(samples.node("a"))
    old, new = samples.pod("p", node_name="a"), samples.pod("p", node_name="a")
    old.metadata.uid = new.metadata.uid = "p-1"
    new.metadata.labels["is"] = "new"
    cache.carry(pods.info(old), "a")
    requested = cache.requested.copy()

    cache.refresh(new)

    assert cache.matching(lambda pod: pod is new).sum() == 1
    assert cache.matching(lambda pod: pod is old).sum() == 0
    assert (cache.requested == requested).all()
    assert cache.drop("p-1")
    assert not cache.requested.any()


def _zoned() -> nodes.Nodes:
    """Return two nodes in zone a, one in zone b, one without a zone."""
    return _cache(
        samples.node("a1", labels={ZONE: "a"}), samples.node("a2", labels={ZONE: "a"}),
        samples.node("b1", labels={ZONE: "b"}), samples.node("x"),
    )  # fmt: skip


def _spread(name: str, skew: int = 1, when: str = "DoNotSchedule", minimum: int = 0) -> corev1.Pod:
    pod = samples.pod(name, labels={"app": "web"})
    constraint = pod.spec.topologySpreadConstraints.add(maxSkew=skew, topologyKey=ZONE, whenUnsatisfiable=when)
    constraint.labelSelector.matchLabels["app"] = "web"
    if minimum:
        constraint.minDomains = minimum
    return pod


def _running(cache: nodes.Nodes, **where: str) -> None:
    for name, node in where.items():
        cache.carry(pods.info(samples.pod(name, node_name=node, labels={"app": "web"})), node)


@pytest.mark.parametrize(
    ("where", "pod", "want"),
    [
        ({"p1": "a1"}, _spread("p"), "b1"),
        ({"p1": "a1", "p2": "b1"}, _spread("p", minimum=3), ""),
        ({"p1": "a1", "p2": "a2", "p3": "b1"}, _spread("p"), "b1"),
        ({"p1": "a1", "p2": "b1"}, _spread("p", when="ScheduleAnyway"), "x"),
    ],
)
def test_own_constraints_spread_pods(where: dict[str, str], pod: corev1.Pod, want: str) -> None:
    """A hard constraint keeps zones within maxSkew and needs the label; a soft one only prefers."""
    cache = _zoned()
    _running(cache, **where)
    assert _verdict(pod, cache).node_name == want


def test_terminating_pods_do_not_count_for_spreading() -> None:
    """A pod that is leaving makes room in its zone."""
    cache = _cache(samples.node("a1", labels={ZONE: "a"}), samples.node("b1", labels={ZONE: "b"}, cpu="1"))
    leaving = samples.pod("leaving", node_name="a1", labels={"app": "web"})
    leaving.metadata.deletionTimestamp.seconds = 1
    cache.carry(pods.info(leaving), "a1")
    _running(cache, stays="b1")
    assert _verdict(_spread("p"), cache).node_name == "a1"


def _wanting(kind: str, key: str = "kubernetes.io/hostname", near: str = "web", own: str = "") -> corev1.Pod:
    pod = samples.pod("p", labels={"app": own})
    required = getattr(pod.spec.affinity, kind).requiredDuringSchedulingIgnoredDuringExecution
    required.add(topologyKey=key).labelSelector.matchLabels["app"] = near
    return pod


@pytest.mark.parametrize(
    ("pod", "want"),
    [
        (_wanting("podAffinity"), ["a1"]),
        (_wanting("podAffinity", ZONE), ["a1", "a2"]),
        (_wanting("podAntiAffinity"), ["a2", "b1", "x"]),
        (_wanting("podAntiAffinity", ZONE), ["b1", "x"]),
        (_wanting("podAffinity", near="absent"), []),
        (_wanting("podAffinity", ZONE, near="new", own="new"), ["a1", "a2", "b1"]),
    ],
)
def test_pods_attract_and_repel(pod: corev1.Pod, want: list[str]) -> None:
    """Required terms count over the nodes' domains; the first of a set that wants to be together may begin."""
    cache = _zoned()
    _running(cache, first="a1")
    passed = interpod.InterPodAffinity().filter(pods.info(pod), cache)
    assert passed is not None
    assert sorted(name for name, position in cache.positions.items() if passed[position]) == want


def test_running_pods_keep_others_away() -> None:
    """Anti-affinity of a pod that runs counts against pods that come."""
    cache = _cache(samples.node("a"))
    loner = _wanting("podAntiAffinity")
    cache.carry(pods.info(loner), "a")
    refusal = "0/1 nodes are available: 1 node(s) didn't satisfy existing pods anti-affinity rules."
    assert _verdict(samples.pod("q", labels={"app": "web"}), cache).status.reason == refusal
    cache.drop("uid-p")
    assert _verdict(samples.pod("q", labels={"app": "web"}), cache).node_name == "a"
