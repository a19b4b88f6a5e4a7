"""What a node is told: everything it needs once, then what changes, and nothing else."""

from __future__ import annotations

from control.dispatcher import assignments, wire
from fairlead.api.pb import agent_pb2 as agent
from tests.unit.dispatcher import objects


def begun(cluster: assignments.Cluster, node: str) -> assignments.Cursor:
    """Return a session that has been sent its COMPLETE."""
    cursor = cluster.open(node)
    list(cluster.complete(cursor, cluster.revision))
    return cursor


def test_complete_names_the_nodes_pods_and_what_they_name() -> None:
    """A node gets its own pods and their ConfigMaps and Secrets, and shared objects; never another node's."""
    cluster = assignments.Cluster()
    for obj in (
        objects.config_map("mine"),
        objects.config_map("other"),
        objects.secret("key"),
        objects.pod("web", "a", config_map="mine", secret="key"),
        objects.pod("db", "b", config_map="other"),
        objects.pod("waiting"),
        objects.service("web"),
        objects.node("a", cidr="10.128.0.0/24"),
    ):
        cluster.put(obj)

    got = objects.told(cluster.complete(cluster.open("a"), 500))

    assert got == ["+service web", "+node a", "+config_map mine", "+secret key", "+pod web"]


def test_complete_is_numbered_and_only_its_last_part_is_last() -> None:
    """Parts count up from one, carry the same revision, and the last says so."""
    cluster = assignments.Cluster()
    cluster.put(objects.service("web"))
    cluster.put(objects.pod("web", "a"))

    got = objects.decoded(cluster.complete(cluster.open("a"), 500))

    assert [(part.sequence, part.revision, part.last) for part in got] == [(1, 500, False), (2, 500, True)]
    assert {part.type for part in got} == {agent.Assignments.COMPLETE}


def test_complete_of_nothing_is_one_last_part() -> None:
    """A node without anything still learns that it has nothing."""
    cluster = assignments.Cluster()

    (got,) = objects.decoded(cluster.complete(cluster.open("a"), 7))

    assert (got.last, len(got.changes)) == (True, 0)


def test_a_readiness_gate_is_news_other_conditions_are_not() -> None:
    """What a pod's readiness waits for is written by others; the rest of its status comes from the node itself."""
    cluster = assignments.Cluster()
    changes = []
    pods = [objects.pod("web", "a") for _ in range(3)]
    for pod in pods:
        pod.spec.readinessGates.add(conditionType="example.com/open")
    for pod in pods[1:]:
        pod.status.conditions.add(type="Ready", status="False")
    pods[2].status.conditions.add(type="example.com/open", status="True")
    cluster.put(pods[0])
    cursor = begun(cluster, "a")

    for pod in pods[1:]:
        cluster.put(pod)
        changes.append(objects.told(cluster.incremental(cursor)))

    assert changes == [[], ["+pod web"]]


def test_bound_pod_is_told_to_its_node_only() -> None:
    """Binding concerns one node; its numbers go on where COMPLETE ended."""
    cluster = assignments.Cluster()
    ours, others = begun(cluster, "a"), begun(cluster, "b")
    cluster.put(objects.pod("web"))

    effect = cluster.put(objects.pod("web", "a"))

    assert effect == assignments.Effect(nodes=frozenset({"a"}))
    (got,) = objects.decoded(cluster.incremental(ours))
    assert (got.type, got.sequence, len(got.changes)) == (agent.Assignments.INCREMENTAL, 2, 1)
    assert not list(cluster.incremental(others))


def test_config_map_comes_before_the_pod_that_begins_to_name_it() -> None:
    """A pod finds what it needs among the same or earlier changes."""
    cluster = assignments.Cluster()
    cluster.put(objects.config_map("zz"))
    cursor = begun(cluster, "a")

    cluster.put(objects.pod("web", "a", config_map="zz"))

    assert objects.told(cluster.incremental(cursor)) == ["+config_map zz", "+pod web"]


def test_config_map_that_comes_later_is_sent_to_the_nodes_that_wait_for_it() -> None:
    """A pod may name what does not exist yet."""
    cluster = assignments.Cluster()
    cluster.put(objects.pod("web", "a", config_map="late"))
    cursor, other = begun(cluster, "a"), begun(cluster, "b")

    effect = cluster.put(objects.config_map("late"))

    assert effect.nodes == {"a"}
    assert objects.told(cluster.incremental(cursor)) == ["+config_map late"]
    assert not cluster.pending(other)


def test_last_pod_takes_its_config_map_with_it() -> None:
    """What no pod of the node names any more is removed there, and kept while one does."""
    cluster = assignments.Cluster()
    cluster.put(objects.config_map("shared"))
    first, second = (objects.pod(name, "a", config_map="shared") for name in ("one", "two"))
    cluster.put(first)
    cluster.put(second)
    cursor = begun(cluster, "a")

    cluster.remove(first)
    after_first = objects.told(cluster.incremental(cursor))
    cluster.remove(second)
    after_second = objects.told(cluster.incremental(cursor))

    assert after_first == ["-pods one"]
    assert after_second == ["-pods two", "-configmaps shared"]


def test_status_alone_is_not_sent_back() -> None:
    """A pod's status comes from its node; that it is stored is no news there, a final phase is."""
    cluster = assignments.Cluster()
    cluster.put(objects.pod("web", "a"))
    cursor = begun(cluster, "a")

    running = cluster.put(objects.pod("web", "a", phase="Running"))
    failed = cluster.put(objects.pod("web", "a", phase="Failed"))

    assert running == assignments.NOBODY
    assert failed.nodes == {"a"}
    assert objects.told(cluster.incremental(cursor)) == ["+pod web"]


def test_deletion_is_sent() -> None:
    """A pod that gets a deletionTimestamp is news."""
    cluster = assignments.Cluster()
    cluster.put(objects.pod("web", "a"))
    cursor = begun(cluster, "a")
    deleted = objects.pod("web", "a")
    deleted.metadata.deletionTimestamp.seconds = 1

    cluster.put(deleted)

    assert objects.told(cluster.incremental(cursor)) == ["+pod web"]


def test_new_pod_of_an_old_name_is_preceded_by_the_old_ones_removal() -> None:
    """The agent sees two pods although the informer saw one change."""
    cluster = assignments.Cluster()
    cluster.put(objects.pod("web", "a", uid="first"))
    cursor = begun(cluster, "a")

    cluster.put(objects.pod("web", "a", uid="second"))

    (got,) = objects.decoded(cluster.incremental(cursor))
    assert [change.WhichOneof("change") for change in got.changes] == ["removed", "pod"]
    assert got.changes[0].removed.uid == "first"


def test_pod_that_reappears_on_another_node_leaves_the_first() -> None:
    """Deleted and made again between two looks: both nodes are told."""
    cluster = assignments.Cluster()
    cluster.put(objects.pod("web", "a", uid="first"))
    ours, others = begun(cluster, "a"), begun(cluster, "b")

    cluster.put(objects.pod("web", "b", uid="second"))

    assert objects.told(cluster.incremental(ours)) == ["-pods web"]
    assert objects.told(cluster.incremental(others)) == ["+pod web"]


def test_changes_are_coalesced_to_the_newest_state() -> None:
    """A session that is slow gets the last state once; a pod that came and went, nothing."""
    cluster = assignments.Cluster()
    cursor = begun(cluster, "a")
    cluster.put(objects.service("web", "10.96.0.1"))
    cluster.put(objects.service("web", "10.96.0.2"))
    brief = objects.pod("brief", "a")
    cluster.put(brief)
    cluster.remove(brief)

    (got,) = objects.decoded(cluster.incremental(cursor))

    assert [change.service.spec.clusterIP for change in got.changes] == ["10.96.0.2"]


def test_shared_change_is_encoded_once_for_all() -> None:
    """Sessions at the same place are given the same bytes."""
    cluster = assignments.Cluster()
    begun(cluster, "a")
    log = assignments.SharedLog()
    service = objects.service("web")
    log.put(assignments.key_of(service), service)

    assert log.since(0)[0] is log.since(0)[0]


def test_removed_service_is_told_to_everyone() -> None:
    """Removal of a shared object reaches each session once."""
    cluster = assignments.Cluster()
    service = objects.service("web")
    cluster.put(service)
    sessions = [begun(cluster, "a"), begun(cluster, "b")]

    assert cluster.remove(service) == assignments.EVERYONE
    assert [objects.told(cluster.incremental(cursor)) for cursor in sessions] == [["-services web"]] * 2
    assert not any(cluster.pending(cursor) for cursor in sessions)


def test_nodes_readiness_is_nobodys_business() -> None:
    """Of other nodes only addresses and pod CIDRs are sent, once they have some, so that flapping costs nothing."""
    cluster = assignments.Cluster()
    new = cluster.put(objects.node("a"))
    cursor = begun(cluster, "b")

    unready = cluster.put(objects.node("a", ready="Unknown"))
    routed = cluster.put(objects.node("a", cidr="10.128.3.0/24"))

    assert (new, unready, routed) == (assignments.NOBODY, assignments.NOBODY, assignments.EVERYONE)
    (got,) = objects.decoded(cluster.incremental(cursor))
    assert got.changes[0].node.spec.podCIDRs == ["10.128.3.0/24"]
    assert not got.changes[0].node.status.conditions


def test_managed_fields_stay_at_home() -> None:
    """They are of no use to a node; the cached object keeps them."""
    service = objects.service("web")
    service.metadata.managedFields.add(manager="kubectl")

    sent = wire.published(service)

    assert not sent.metadata.managedFields  # type: ignore[attr-defined]
    assert service.metadata.managedFields


def test_large_state_is_divided_into_parts() -> None:
    """A part holds as much as fits, an object larger than that goes alone, and nothing is lost."""
    got = [list(part) for part in wire.parts([b"aa", b"bb", b"cccccc", b"d"], size=4)]

    assert got == [[b"aa", b"bb"], [b"cccccc"], [b"d"]]


def test_composed_bytes_are_what_the_encoder_would_write() -> None:
    """Assembling encoded changes gives the same message as building it field by field."""
    pod = objects.pod("web", "a")
    want = agent.ControlMessage()
    want.assignments.sequence, want.assignments.revision = 3, 9
    want.assignments.changes.add().pod.CopyFrom(pod)
    header = agent.Assignments(sequence=3, revision=9)

    got = agent.ControlMessage.FromString(wire.assignments(header, [wire.change(pod)]))

    assert got == want
