"""What the controllers decide, as tables."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from control.controllers import nodehealth, ownergraph, ownership, podcidr, podgc, replicaset
from fairlead.api import conditions, objects, selectors, times
from fairlead.api.pb import apps_v1_pb2 as appsv1
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import meta_v1_pb2 as metav1
from fairlead.testing import samples

NOW = 1_700_001_000.0


def _pod(
    name: str, *, phase: str = "Running", node: str = "n", ready_since: float | None = NOW - 500, restarts: int = 0,
    cost: str = "", created: float = NOW - 600,
) -> corev1.Pod:  # fmt: skip
    pod = samples.pod(name, node_name=node)
    pod.status.phase = phase
    pod.metadata.creationTimestamp.CopyFrom(times.from_seconds(created))
    if cost:
        pod.metadata.annotations[replicaset.DELETION_COST] = cost
    if ready_since is not None:
        stamp = times.from_seconds(ready_since)
        conditions.set_condition(pod.status.conditions, "Ready", conditions.TRUE, stamp)
    pod.status.containerStatuses.add(name="main", restartCount=restarts)
    return pod


def _replicaset(replicas: int, *, deleting: bool = False) -> appsv1.ReplicaSet:
    fresh = appsv1.ReplicaSet()
    fresh.metadata.name, fresh.metadata.namespace, fresh.metadata.uid = "web", "default", "uid-web"
    fresh.spec.replicas = replicas
    fresh.spec.selector.matchLabels["app"] = "web"
    fresh.spec.template.metadata.labels["app"] = "web"
    if deleting:
        fresh.metadata.deletionTimestamp.seconds = 1
    return fresh


@pytest.mark.parametrize(
    ("replicas", "deleting", "have", "create", "delete"),
    [
        (3, False, 1, 2, 0),
        (3, False, 3, 0, 0),
        (1, False, 3, 0, 2),
        (3, True, 1, 0, 0),
        (2000, False, 0, 500, 0),
    ],
)
def test_replicaset_counts(replicas: int, deleting: bool, have: int, create: int, delete: int) -> None:
    """The difference is created or deleted, 500 at most; a ReplicaSet that is being deleted does nothing."""
    active = [_pod(f"p-{number}") for number in range(have)]
    plan = replicaset.decide(_replicaset(replicas, deleting=deleting), active, {}, NOW)
    assert (plan.create, len(plan.delete)) == (create, delete)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (_pod("b", node="", phase="Pending", ready_since=None), _pod("a", phase="Pending", ready_since=None)),
        (_pod("b", phase="Pending", ready_since=None), _pod("a", ready_since=None)),
        (_pod("b", ready_since=None), _pod("a")),
        (_pod("b", cost="-5"), _pod("a")),
        (_pod("b", node="crowded"), _pod("a")),
        (_pod("b", ready_since=NOW - 10), _pod("a", ready_since=NOW - 500)),
        (_pod("b", restarts=4), _pod("a")),
        (_pod("b", created=NOW - 10), _pod("a")),
    ],
    ids=["unassigned", "pending", "unready", "cheap", "doubled", "younger ready", "restarted", "newer"],
)
def test_pods_that_matter_least_are_deleted_first(first: corev1.Pod, second: corev1.Pod) -> None:
    """Kubernetes' order of deletion, one rule a case; the names would say otherwise."""
    order = replicaset.ranked([second, first], {"crowded": 3, "n": 1}, NOW)
    assert [pod.metadata.name for pod in order] == ["b", "a"]


def test_status_counts_ready_and_available_pods() -> None:
    """A pod is available once it has been ready for minReadySeconds; the status says when that changes."""
    wanted = _replicaset(3)
    wanted.spec.minReadySeconds = 30
    active = [_pod("old"), _pod("young", ready_since=NOW - 10), _pod("unready", ready_since=None)]
    status, again = replicaset.status_for(wanted, active, "", NOW)
    assert (status.replicas, status.readyReplicas, status.availableReplicas, again) == (3, 2, 1, 20.0)


def _labelled(name: str, owner: str = "", **labels: str) -> corev1.Pod:
    pod = samples.pod(name, labels=labels)
    if owner:
        pod.metadata.ownerReferences.add(kind="ReplicaSet", name="web", uid=owner, controller=True)
    return pod


def test_claim_adopts_what_matches_and_releases_what_does_not() -> None:
    """Owned pods that no longer match are let go, orphans that match are taken."""
    owned = [_labelled("stays", "uid-web", app="web"), _labelled("leaves", "uid-web", app="debug")]
    orphans = [_labelled("comes", app="web"), _labelled("other", app="db")]
    selector = selectors.of_labels({"app": "web"})
    got = ownership.claim(_replicaset(3), selector, owned, orphans)
    names = [[pod.metadata.name for pod in some] for some in (got.owned, got.adopt, got.release)]
    assert names == [["stays"], ["comes"], ["leaves"]]
    assert got.adopt[0].metadata.ownerReferences[0].uid == "uid-web"
    assert list(got.release[0].metadata.ownerReferences) == []


def test_owner_that_is_being_deleted_claims_nothing() -> None:
    """It neither adopts nor releases."""
    selector = selectors.of_labels({"app": "web"})
    owned, orphans = [_labelled("leaves", "uid-web", app="debug")], [_labelled("comes", app="web")]
    got = ownership.claim(_replicaset(3, deleting=True), selector, owned, orphans)
    assert (list(got.adopt), list(got.release)) == ([], [])


@pytest.mark.parametrize(
    ("taken", "start", "want"),
    [((), 0, 0), ({0, 1}, 0, 2), ({0, 2}, 0, 1), (set(range(8192)), 0, None), ({8191}, 8191, 0)],
)
def test_pod_range_is_the_first_free(taken: Sequence[int], start: int, want: int | None) -> None:
    """Ranges are given in order, around the end, until none is left."""
    assert podcidr.decide(podcidr.pool(), taken, start) == want


def test_pod_ranges_and_their_places() -> None:
    """The 257th /24 of 10.128.0.0/11 is 10.129.0.0/24; a larger range takes all that it covers."""
    pool = podcidr.pool()
    assert pool.cidr(256) == "10.129.0.0/24"
    assert list(pool.indexes("10.129.0.0/24")) == [256]
    assert list(pool.indexes("10.128.0.0/22")) == [0, 1, 2, 3]
    assert list(pool.indexes("192.168.0.0/24")) == list(pool.indexes("fd00::/64")) == list(pool.indexes("x")) == []


def _taints(node: corev1.Node) -> list[str]:
    wanted = nodehealth.wanted_taints(node, NOW)
    return ["unchanged"] if wanted is None else [f"{taint.key}:{taint.effect}" for taint in wanted]


def _node(status: str, *has: tuple[str, str], cordoned: bool = False, pressure: str = "") -> corev1.Node:
    node = samples.node("n", ready=status)
    if not status:
        del node.status.conditions[:]
    node.spec.unschedulable = cordoned
    for key, effect in has:
        node.spec.taints.add(key=key, effect=effect)
    if pressure:
        conditions.set_condition(node.status.conditions, pressure, conditions.TRUE, times.from_seconds(NOW))
    return node


NOT_READY, UNREACHABLE = "node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"


@pytest.mark.parametrize(
    ("node", "want"),
    [
        (_node("True"), ["unchanged"]),
        (_node("Unknown"), [f"{UNREACHABLE}:NoSchedule", f"{UNREACHABLE}:NoExecute"]),
        (_node("False"), [f"{NOT_READY}:NoSchedule", f"{NOT_READY}:NoExecute"]),
        (_node(""), [f"{NOT_READY}:NoSchedule"]),
        (_node("True", (NOT_READY, "NoSchedule")), []),
        (_node("True", ("mine", "NoSchedule"), (UNREACHABLE, "NoExecute")), ["mine:NoSchedule"]),
        (
            _node("Unknown", (NOT_READY, "NoSchedule"), (NOT_READY, "NoExecute")),
            [f"{UNREACHABLE}:NoSchedule", f"{UNREACHABLE}:NoExecute"],
        ),
        (_node("True", cordoned=True), ["node.kubernetes.io/unschedulable:NoSchedule"]),
        (_node("True", pressure="DiskPressure"), ["node.kubernetes.io/disk-pressure:NoSchedule"]),
    ],
)
def test_taints_follow_conditions(node: corev1.Node, want: list[str]) -> None:
    """Each condition has its taints; those of others are left alone."""
    assert _taints(node) == want


def _toleration(key: str, seconds: int | None = None, effect: str = "NoExecute") -> corev1.Toleration:
    toleration = corev1.Toleration(key=key, operator="Exists", effect=effect)
    if seconds is not None:
        toleration.tolerationSeconds = seconds
    return toleration


@pytest.mark.parametrize(
    ("tolerations", "want"),
    [
        ([], 0.0),
        ([_toleration(UNREACHABLE, 300)], 300.0),
        ([_toleration(UNREACHABLE, 0)], 0.0),
        ([_toleration(UNREACHABLE, -1)], 0.0),
        ([_toleration(UNREACHABLE)], None),
        ([_toleration("", effect="")], None),
        ([_toleration(UNREACHABLE, effect="NoSchedule")], 0.0),
        ([_toleration(UNREACHABLE, 300), _toleration("", 60)], 60.0),
    ],
)
def test_tolerations_say_how_long_a_pod_stays(tolerations: list[corev1.Toleration], want: float | None) -> None:
    """Untolerated: not at all; the shortest tolerationSeconds; without one for ever."""
    taint = corev1.Taint(key=UNREACHABLE, effect="NoExecute")
    assert nodehealth.stay_seconds([taint], tolerations) == want


def test_silent_node_is_unknown_in_every_condition() -> None:
    """What was reported is unknown now; what was never reported says so."""
    fresh = nodehealth.unknown(samples.node("n"), NOW)
    assert fresh is not None
    got = {each.type: (each.status, each.reason) for each in fresh.status.conditions}
    assert got["Ready"] == ("Unknown", "NodeStatusUnknown")
    assert got["DiskPressure"] == ("Unknown", "NodeStatusNeverUpdated")
    assert nodehealth.unknown(fresh, NOW) is None


def _terminating(pod: corev1.Pod) -> corev1.Pod:
    fresh = objects.copy(pod)
    fresh.metadata.deletionTimestamp.seconds = 1
    return fresh


def _out_of_service() -> corev1.Node:
    node = samples.node("n")
    node.spec.taints.add(key=podgc.OUT_OF_SERVICE, effect="NoExecute")
    return node


@pytest.mark.parametrize(
    ("pod", "node", "gone", "want"),
    [
        (samples.pod("p", node_name="n"), samples.node("n"), None, ("", None)),
        (samples.pod("p", node_name="n"), None, 10.0, ("", 30.0)),
        (samples.pod("p", node_name="n"), None, 40.0, ("node no longer exists", None)),
        (samples.pod("p"), None, None, ("", None)),
        (_terminating(samples.pod("p")), None, None, ("unscheduled and terminating", None)),
        (_terminating(samples.pod("p", node_name="n")), samples.node("n"), None, ("", None)),
        (_terminating(samples.pod("p", node_name="n")), _out_of_service(), None, ("node is out-of-service", None)),
    ],
)
def test_pods_that_nobody_would_finish_are_removed(
    pod: corev1.Pod, node: corev1.Node | None, gone: float | None, want: tuple[str, float | None]
) -> None:
    """A pod goes when its node has been away for 40 s, or is out of service, or it never had one."""
    assert podgc.decide(pod, node, gone) == want


def test_oldest_finished_pods_beyond_the_limit_go() -> None:
    """Of five finished pods with room for three, the two oldest."""
    finished = [_pod(f"p-{number}", created=NOW + number) for number in (3, 1, 4, 0, 2)]
    assert [pod.metadata.name for pod in podgc.surplus(finished, 3)] == ["p-0", "p-1"]


def _owned(*uids: str, finalizers: Sequence[str] = (), deleting: bool = False) -> metav1.ObjectMeta:
    meta = metav1.ObjectMeta(finalizers=finalizers)
    for uid in uids:
        meta.ownerReferences.add(uid=uid)
    if deleting:
        meta.deletionTimestamp.seconds = 1
    return meta


@pytest.mark.parametrize(
    ("meta", "absent", "waiting", "blocks", "want"),
    [
        (_owned("a"), set(), set(), False, ownergraph.Decision("keep")),
        (_owned("a"), {"a"}, set(), False, ownergraph.Decision("delete", "Background")),
        (_owned("a", "b"), {"a"}, set(), False, ownergraph.Decision("drop", drop=["a"])),
        (_owned("a"), set(), {"a"}, False, ownergraph.Decision("delete", "Background")),
        (_owned("a"), set(), {"a"}, True, ownergraph.Decision("delete", "Foreground")),
        (_owned("a", finalizers=["orphan"]), {"a"}, set(), False, ownergraph.Decision("delete", "Orphan")),
        (_owned("a", deleting=True), {"a"}, set(), False, ownergraph.Decision("keep")),
    ],
)
def test_dependents_follow_their_owners(
    meta: metav1.ObjectMeta, absent: set[str], waiting: set[str], blocks: bool, want: ownergraph.Decision
) -> None:
    """One living owner keeps an object; without any it goes, in the foreground where it blocks in turn."""
    assert ownergraph.decide(meta, absent, waiting, blocks) == want


@pytest.mark.parametrize(
    ("owners", "waiting", "want"),
    [
        ({"a": "c", "b": "a", "c": "b"}, "abc", True),
        ({"a": "c", "b": "a", "c": "b"}, "ab", False),
        ({"a": "", "b": "a", "c": "b"}, "abc", False),
        ({"a": "", "b": "c", "c": "b", "d": "a"}, "abcd", False),
        ({"a": "a"}, "a", True),
    ],
    ids=["circle", "not all wait", "chain", "another's circle", "itself"],
)
def test_a_circle_is_one_of_objects_that_wait_for_each_other(
    owners: dict[str, str], waiting: str, want: bool
) -> None:
    """Through whichever of them; one that does not wait ends it."""

    def made(uid: str) -> metav1.ObjectMeta:
        meta = metav1.ObjectMeta(uid=uid)
        if owners[uid]:
            meta.ownerReferences.add(uid=owners[uid], blockOwnerDeletion=True)
        if uid in waiting:
            meta.deletionTimestamp.seconds = 1
            meta.finalizers.append(ownergraph.FOREGROUND)
        return meta

    def dependents(owner: str) -> list[metav1.ObjectMeta]:
        return [made(uid) for uid in owners if owners[uid] == owner]

    assert ownergraph.in_circle("a", dependents) == want
