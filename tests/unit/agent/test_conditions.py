"""The node's conditions."""

from __future__ import annotations

from fairlead.api.pb import core_v1_pb2 as corev1
from node.agent import conditions

HEALTHY: dict[str, str] = {}


def by_type(found: list[corev1.NodeCondition]) -> dict[str, tuple[str, str, str]]:
    """Return (status, reason, message) by type."""
    return {c.type: (c.status, c.reason, c.message) for c in found}


def test_healthy_node_is_ready_without_pressure() -> None:
    """Types, reasons and texts are kubelet's."""
    got = by_type(conditions.conditions([], HEALTHY, conditions.AMPLE, 1.0))

    assert got == {
        "MemoryPressure": ("False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
        "DiskPressure": ("False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
        "PIDPressure": ("False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
        "Ready": ("True", "KubeletReady", "kubelet is posting ready status"),
    }


def test_podman_that_is_gone_makes_the_node_not_ready() -> None:
    """The condition says what is wrong, and the time is that of the transition."""
    before = conditions.conditions([], HEALTHY, conditions.AMPLE, 1.0)

    after = conditions.conditions(before, {"runtime": "no such socket"}, conditions.AMPLE, 9.0)

    assert by_type(after)["Ready"] == ("False", "KubeletNotReady", "container runtime is down: no such socket")
    assert [c.lastTransitionTime.seconds for c in after if c.type == "Ready"] == [9]
    assert [c.lastTransitionTime.seconds for c in after if c.type == "DiskPressure"] == [1]
    assert conditions.transitions(before, after) == ["NodeNotReady"]


def test_rules_that_cannot_be_written_are_a_network_condition() -> None:
    """NetworkUnavailable appears with the first fault and is withdrawn with the recovery."""
    before = conditions.conditions([], HEALTHY, conditions.AMPLE, 1.0)
    broken = conditions.conditions(before, {"proxy": "iptables-restore: line 3 failed"}, conditions.AMPLE, 2.0)

    mended = conditions.conditions(broken, {"proxy": ""}, conditions.AMPLE, 3.0)

    assert by_type(broken)["NetworkUnavailable"][0] == "True"
    assert by_type(broken)["Ready"][0] == "True"
    assert by_type(mended)["NetworkUnavailable"][0] == "False"
    assert conditions.transitions(before, broken) == ["ServiceRulesFailed"]
    assert conditions.transitions(broken, mended) == ["ServiceRulesWritten"]


def test_disk_pressure_has_a_margin() -> None:
    """It begins below 5 % and ends only above 7 %, so that it does not flap."""
    found: list[corev1.NodeCondition] = []
    got = []
    for left in (0.10, 0.04, 0.06, 0.08):
        found = conditions.conditions(found, HEALTHY, conditions.Pressures(1 << 40, left), 1.0)
        got.append(by_type(found)["DiskPressure"][0])

    assert got == ["False", "True", "True", "False"]


def test_heartbeat_time_alone_is_no_news() -> None:
    """Conditions that differ in it are the same."""
    before = conditions.conditions([], HEALTHY, conditions.AMPLE, 1.0)

    assert conditions.same(before, conditions.conditions(before, HEALTHY, conditions.AMPLE, 50.0))
