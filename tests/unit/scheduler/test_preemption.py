"""Which pods have to go for a more important one, and where; and that the room is kept for it."""

from __future__ import annotations

import random

import pytest

from control.scheduler import nodes, nominations, pods, preemption
from control.scheduler.plugins import profile
from fairlead.api import times
from fairlead.api.pb import policy_v1_pb2 as policyv1
from fairlead.testing import samples


def pod(name: str, priority: int, cpu: str = "1", *, began: float = 0.0, **labels: str) -> pods.PodInfo:
    """Return a pod with a priority."""
    made = samples.pod(name, cpu=cpu, labels=labels)
    made.spec.priority = priority
    if began:
        made.status.startTime.CopyFrom(times.from_seconds(began))
    return pods.info(made)


def cluster(**carried: list[pods.PodInfo]) -> nodes.Nodes:
    """Return nodes of four cores with what they carry."""
    cache = nodes.Nodes()
    for name, several in carried.items():
        cache.put(samples.node(name, cpu="4"))
        for each in several:
            cache.carry(each, name)
    return cache


def budget(allowed: int, **labels: str) -> policyv1.PodDisruptionBudget:
    """Return a budget that allows so many disruptions."""
    made = policyv1.PodDisruptionBudget()
    made.metadata.name, made.metadata.namespace = "guard", "default"
    made.spec.selector.matchLabels.update(labels)
    made.status.disruptionsAllowed = allowed
    return made


def decide(info: pods.PodInfo, cache: nodes.Nodes, *budgets: policyv1.PodDisruptionBudget) -> preemption.Outcome:
    """Ask the default profile."""
    plugins = profile.default(random.Random(1))
    return preemption.Preemption(plugins, random.Random(1)).decide(info, cache, budgets)


def chosen(info: pods.PodInfo, cache: nodes.Nodes, *budgets: policyv1.PodDisruptionBudget) -> tuple[str, list[str]]:
    """Return the node that was chosen and the names of its victims."""
    choice = decide(info, cache, *budgets).choice
    assert choice is not None
    return choice.node_name, [each.pod.metadata.name for each in choice.victims]


def test_no_more_pods_go_than_must() -> None:
    """Pods are given back in the order of their importance for as long as there is room."""
    cache = cluster(a=[pod("low", 1), pod("middle", 2), pod("high", 3), pod("higher", 30)])
    before = cache.requested.copy()

    assert chosen(pod("new", 10, "2"), cache) == ("a", ["middle", "low"])
    assert (cache.requested == before).all()


def test_of_equal_pods_those_go_that_began_last() -> None:
    """Importance is priority, then age."""
    cache = cluster(a=[pod(f"p{began}", 1, began=began) for began in (300.0, 100.0, 200.0, 400.0)])
    assert chosen(pod("new", 10, "2"), cache) == ("a", ["p300.0", "p400.0"])


@pytest.mark.parametrize(
    ("carried", "why"),
    [
        ({"a": [pod("x", 5, "4")], "b": [pod("y", 4, "4")]}, "the most important victim is less important"),
        ({"a": [pod("x", 4, "2"), pod("v", 3, "2")], "b": [pod("y", 4, "4")]}, "the sum of priorities is smaller"),
        ({"a": [pod("x", 4, "4", began=100)], "b": [pod("y", 4, "4", began=200)]}, "it began later"),
    ],
)
def test_the_node_that_loses_least_is_chosen(carried: dict[str, list[pods.PodInfo]], why: str) -> None:
    """Kubernetes' order of comparisons."""
    assert chosen(pod("new", 10, "4"), cluster(**carried)) == ("b", ["y"]), why


def test_budgets_are_honoured_where_they_can_be() -> None:
    """A pod that its budget keeps is given back first; a node where one must go all the same is chosen last."""
    kept, free = pod("kept", 1, "2", app="db"), pod("free", 2, "2", app="web")
    guard = budget(0, app="db")
    assert chosen(pod("new", 10, "2"), cluster(a=[kept, free]), guard) == ("a", ["free"])

    both = cluster(a=[pod("kept", 1, "4", app="db")], b=[pod("other", 9, "4", app="web")])
    assert chosen(pod("new", 10, "4"), both, guard) == ("b", ["other"])
    alone = decide(pod("new", 10, "4"), cluster(a=[pod("kept", 1, "4", app="db")]), guard).choice
    assert alone is not None
    assert alone.violations == 1


def test_a_budget_is_spent_by_the_first_victim() -> None:
    """Of two that it selects one may go; a pod whose disruption it has noted does not count again."""
    some = [pod("one", 1, app="db"), pod("two", 1, app="db"), pod("three", 1, app="db")]
    guard = budget(1, app="db")
    guard.status.disruptedPods["one"].seconds = 1

    kept, others = preemption.guarded(some, [guard])

    assert ([each.uid for each in kept], [each.uid for each in others]) == (["uid-three"], ["uid-one", "uid-two"])


def never(info: pods.PodInfo) -> pods.PodInfo:
    """Return a pod that does not preempt."""
    info.pod.spec.preemptionPolicy = "Never"
    return info


@pytest.mark.parametrize(
    ("info", "told"),
    [
        (never(pod("new", 10, "4")), "not eligible due to preemptionPolicy=Never."),
        (pod("new", 1, "4"), "0/2 nodes are available: 2 No preemption victims found for incoming pod."),
        (pod("new", 10, "5"), "0/2 nodes are available: 2 Preemption is not helpful for scheduling."),
        (
            pod("new", 2, "4"),
            "0/2 nodes are available: 1 Insufficient cpu, 1 No preemption victims found for incoming pod.",
        ),
    ],
)
def test_where_nobody_goes_the_reason_is_told(info: pods.PodInfo, told: str) -> None:
    """In Kubernetes' words."""
    outcome = decide(info, cluster(a=[pod("one", 1, "1"), pod("ten", 10, "3")], b=[pod("high", 9, "2")]))
    assert (outcome.choice, outcome.told) == (None, told)


def test_a_taint_or_a_selector_is_not_helped() -> None:
    """A pod's going changes neither."""
    cache = cluster(a=[pod("one", 1, "4")])
    picky = samples.pod("new", cpu="1")
    picky.spec.priority = 10
    picky.spec.nodeSelector["disk"] = "fast"
    assert decide(pods.info(picky), cache).told.endswith("1 Preemption is not helpful for scheduling.")


def test_neither_is_a_domain_that_is_not_there() -> None:
    """Nodes without the label of a hard constraint, or without the pods that the pod wants to be with."""
    cache = cluster(a=[pod("one", 1, "4")])
    spread, fond = samples.pod("spread", cpu="1"), samples.pod("fond", cpu="1")
    spread.spec.topologySpreadConstraints.add(
        maxSkew=1, topologyKey="example.com/rack", whenUnsatisfiable="DoNotSchedule"
    )
    wanted = fond.spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution
    wanted.add(topologyKey="kubernetes.io/hostname").labelSelector.matchLabels["app"] = "nobody"
    for each in (spread, fond):
        each.spec.priority = 10
        told = decide(pods.info(each), cache).told
        assert told == "0/1 nodes are available: 1 Preemption is not helpful for scheduling."


def test_a_host_port_is_freed_by_whoever_has_it() -> None:
    """As other room is."""
    holder, wanting = samples.pod("holder"), samples.pod("wanting")
    for each, priority in ((holder, 1), (wanting, 10)):
        each.spec.priority = priority
        each.spec.containers[0].ports.add(containerPort=80, hostPort=80)
    cache = cluster(a=[pods.info(holder), pod("other", 0)])
    assert chosen(pods.info(wanting), cache) == ("a", ["holder"])


def test_room_that_was_made_is_kept_from_others() -> None:
    """From pods of lower priority, not from those of higher; and only while it is asked."""
    cache = cluster(a=[])
    plugins = profile.default(random.Random(1))
    waiting = nominations.Nominations()
    waiting.put(pod("nominated", 10, "3"), "a")

    fits = {}
    for priority in (1, 10, 20):
        info = pod(f"p{priority}", priority, "2")
        with waiting.counted(info, cache):
            fits[priority] = plugins.fits(info, cache, "a")

    assert fits == {1: False, 10: False, 20: True}
    assert list(cache.carried("a")) == []


def test_nobody_else_goes_while_some_are_going() -> None:
    """Until the victims are gone, be it that their deletion is not seen yet, or that it takes its time."""
    victim, leaving = pod("victim", 1), samples.pod("leaving")
    leaving.metadata.deletionTimestamp.seconds = 1
    cache = cluster(a=[victim], b=[pods.info(leaving)], c=[pod("other", 1)])
    waiting = nominations.Nominations()
    waiting.going(victim.uid)

    waits = []
    for name in ("a", "b", "c"):
        info = pod(f"new-{name}", 10)
        waiting.put(info, name)
        waits.append(waiting.waits(info, cache))

    assert waits == [True, True, False]
    waiting.settled(victim.uid)
    assert not waiting.waits(pod("new-a", 10), cache)


def test_a_pod_is_its_own_shape_while_others_come_and_go() -> None:
    """What the framework remembers of nodes follows what is tried."""
    cache = cluster(a=[pod("one", 1, "4")])
    new = pod("new", 10, "4")
    plugins = profile.default(random.Random(1))
    assert not plugins.fits(new, cache, "a")
    cache.drop("uid-one")
    assert plugins.fits(new, cache, "a")
    assert plugins.schedule(new, cache).node_name == "a"
    assert not plugins.fits(new, cache, "absent")
