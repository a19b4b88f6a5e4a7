"""The agent before its parts are there."""

from __future__ import annotations

from collections.abc import Sequence

import grpc
import pytest

from fairlead.api import errors
from fairlead.api.pb import agent_pb2
from fairlead.api.pb import core_v1_pb2 as corev1
from node.agent import agent, conditions, hollow, interface, link


class NoLink:
    """Dials nobody."""

    def channel(self, endpoint: str, options: link.Options) -> grpc.aio.Channel:
        """Fail: these tests have no session."""
        raise AssertionError(endpoint)


class Recorded(hollow.HollowPods):
    """Hollow pods that note what is applied."""

    def __init__(self, made: agent.Agent) -> None:
        super().__init__("node-1", made.reports)
        self.applied: list[tuple[bool, list[str]]] = []

    def apply(self, changes: Sequence[agent_pb2.Change], *, complete: bool) -> None:
        """Note names."""
        self.applied.append((complete, [change.pod.metadata.name for change in changes]))


def made() -> agent.Agent:
    """Return an agent without parts."""
    node = corev1.Node()
    node.metadata.name = "node-1"
    return agent.Agent(node, NoLink(), ["127.0.0.1:1"])


def change(name: str) -> agent_pb2.Change:
    """Return a change of a pod."""
    one = agent_pb2.Change()
    one.pod.metadata.name = one.pod.metadata.uid = name
    return one


async def test_assignments_that_come_early_are_kept_for_the_pods() -> None:
    """The newest COMPLETE and what followed it reach the pods in order once they are attached."""
    early = made()
    early.apply([change("stale")], complete=True)
    early.apply([change("a")], complete=True)
    early.apply([change("b")], complete=False)
    pods = Recorded(early)

    early.attach(pods)
    early.apply([change("c")], complete=False)

    assert pods.applied == [(True, ["a"]), (False, ["b"]), (False, ["c"])]


async def test_streams_are_refused_until_the_pods_are_there() -> None:
    """Whoever asks for a log in the first second is told why there is none."""
    with pytest.raises(errors.ServiceUnavailable, match="the agent of node node-1 has only just started"):
        _ = made().pods


async def test_machine_is_reported_once_it_is_known() -> None:
    """Capacity follows in the running session; saying the same again is no news."""
    early = made()
    node = early.node()
    node.status.capacity["cpu"].string = "4"

    early.is_machine(node)
    early.is_machine(node)

    (message,) = early.reports.drain()
    assert message.node_status.status.capacity["cpu"].string == "4"
    assert early.node().status.capacity["cpu"].string == "4"


async def test_conditions_are_told_only_once_the_machine_is_known() -> None:
    """A node that is called ready before its capacity is known takes no pod, and others get them all."""
    early = made()
    early.health.fault(interface.Fault(conditions.DISK, "full"))
    before = list(early.node().status.conditions), list(early.reports.drain())

    machine = early.node()
    machine.status.allocatable["cpu"].string = "4"
    early.is_machine(machine)

    assert before == ([], [])
    (message, *_) = early.reports.drain()
    told = {condition.type: condition.status for condition in message.node_status.status.conditions}
    assert (told["Ready"], told["DiskPressure"]) == ("True", "True")
    assert message.node_status.status.allocatable["cpu"].string == "4"
