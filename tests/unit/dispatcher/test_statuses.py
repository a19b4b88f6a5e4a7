"""What is written of reported statuses."""

from __future__ import annotations

from control.dispatcher import statuses
from fairlead.api.pb import core_v1_pb2 as corev1
from tests.unit.dispatcher import objects


def reported(phase: str, *, ready: str = "True", at: int = 50) -> corev1.PodStatus:
    """Return a status as an agent reports it."""
    status = corev1.PodStatus(phase=phase)
    status.conditions.add(type="Ready", status=ready).lastTransitionTime.seconds = at
    return status


def test_unchanged_status_is_not_written() -> None:
    """A status that is stored already, but for a later transition time, changes nothing."""
    stored = objects.pod("web", "a")
    stored.status.CopyFrom(reported("Running", at=50))

    assert statuses.pod(stored, reported("Running", at=99)) is None


def test_conditions_have_a_kubelets_order() -> None:
    """What others have set comes first, then what the agent reports, in the order of a pod's life."""
    stored, report = objects.pod("web", "a"), corev1.PodStatus(phase="Running")
    for type_ in ("PodScheduled", "example.com/gate", "Ready"):
        stored.status.conditions.add(type=type_, status="True").lastTransitionTime.seconds = 50
    for type_ in ("Initialized", "Ready", "PodScheduled"):
        report.conditions.add(type=type_, status="True").lastTransitionTime.seconds = 60

    written = statuses.pod(stored, report)

    assert written is not None
    assert [(one.type, one.lastTransitionTime.seconds) for one in written.status.conditions] == [
        ("example.com/gate", 50),
        ("Initialized", 60),
        ("Ready", 50),
        ("PodScheduled", 50),
    ]
    assert statuses.pod(written, report) is None


def test_equal_statuses_have_equal_digests() -> None:
    """A digest stands for a status: the order in a map does not matter, any other difference does."""
    one, two, other = corev1.NodeStatus(), corev1.NodeStatus(), corev1.NodeStatus()
    for status, names in ((one, ("cpu", "memory")), (two, ("memory", "cpu")), (other, ("cpu",))):
        for name in names:
            status.capacity[name].string = "1"

    assert statuses.digest(one) == statuses.digest(two)
    assert statuses.digest(one) != statuses.digest(other)


def test_the_digest_of_a_node_is_of_what_others_write() -> None:
    """Addresses may differ; a condition may not, nor an amount."""
    one, two, three = corev1.NodeStatus(), corev1.NodeStatus(), corev1.NodeStatus()
    two.addresses.add(type="InternalIP", address="192.0.2.1")
    assert statuses.node_digest(one) == statuses.node_digest(two)

    two.conditions.add(type="Ready", status="True")
    three.capacity["example.com/dongle"].string = "4"

    assert len({statuses.node_digest(each) for each in (one, two, three)}) == 3


def test_devices_that_others_advertise_stay_and_are_allocatable() -> None:
    """As a kubelet does it: what is in the capacity under another's domain can be asked for, until it goes there."""
    stored, report = corev1.Node(), corev1.NodeStatus()
    for quantities in (report.capacity, report.allocatable):
        quantities["cpu"].string = "8"
    stored.status.CopyFrom(report)
    stored.status.capacity["example.com/dongle"].string = "4"
    stored.status.capacity["nvidia.com/gpu"].string = "1"

    written = statuses.node(stored, report)

    assert written is not None
    for amounts in (written.status.capacity, written.status.allocatable):
        assert {name: amount.string for name, amount in amounts.items()} == {"cpu": "8", "example.com/dongle": "4"}
    assert statuses.node(written, report) is None
    del written.status.capacity["example.com/dongle"]
    without = statuses.node(written, report)
    assert without is not None
    assert list(without.status.allocatable) == ["cpu"]


def test_conditions_of_others_stay() -> None:
    """The scheduler's PodScheduled outlives the agent's report."""
    stored = objects.pod("web", "a")
    stored.status.conditions.add(type="PodScheduled", status="True")

    written = statuses.pod(stored, reported("Running"))

    assert written is not None
    assert [condition.type for condition in written.status.conditions] == ["PodScheduled", "Ready"]
    assert stored.status.phase == ""


def test_readiness_that_another_took_away_is_restored() -> None:
    """The node lifecycle wrote Ready=False while the node was away; the agent's word is True."""
    stored = objects.pod("web", "a")
    stored.status.CopyFrom(reported("Running", ready="False", at=60))

    written = statuses.pod(stored, reported("Running", at=50))

    assert written is not None
    assert [(c.status, c.lastTransitionTime.seconds) for c in written.status.conditions] == [("True", 50)]


def test_finished_pod_stays_finished() -> None:
    """A late report of Running does not wake a pod that has Failed."""
    stored = objects.pod("web", "a", phase="Failed")

    assert statuses.pod(stored, reported("Running")) is None


def test_node_heartbeat_times_alone_are_no_change() -> None:
    """Steady state writes nothing."""
    stored = objects.node("a")
    status = corev1.NodeStatus()
    status.conditions.add(type="Ready", status="True").lastHeartbeatTime.seconds = 99

    assert statuses.node(stored, status) is None


def test_node_that_is_gone_is_unknown_in_all_conditions() -> None:
    """Ready and the pressures become Unknown with Kubernetes' words; a second time changes nothing."""
    stored = objects.node("a")

    written = statuses.unknown(stored, 70.0)

    assert written is not None
    ready, *others = written.status.conditions
    assert (ready.status, ready.reason, ready.message) == (
        "Unknown",
        "NodeStatusUnknown",
        "Kubelet stopped posting node status.",
    )
    assert [c.type for c in others] == ["MemoryPressure", "DiskPressure", "PIDPressure"]
    assert statuses.unknown(written, 80.0) is None


def test_node_comes_back_with_its_agents_word() -> None:
    """Reported conditions replace Unknown, with the time of that transition."""
    stored = statuses.unknown(objects.node("a"), 70.0)
    assert stored is not None
    status = corev1.NodeStatus()
    status.conditions.add(type="Ready", status="True", reason="KubeletReady").lastTransitionTime.seconds = 75

    written = statuses.node(stored, status)

    assert written is not None
    ready = written.status.conditions[0]
    assert (ready.status, ready.lastTransitionTime.seconds) == ("True", 75)
