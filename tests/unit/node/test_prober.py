"""Probes against containers that only pretend: `exit N` is what a probe's command answers."""

from __future__ import annotations

from fairlead import clock as clocks
from fairlead.api.pb import core_v1_pb2 as corev1
from tests.support import pods


def _probed(**answers: str) -> corev1.Pod:
    pod = pods.pod()
    for kind, code in answers.items():
        probe: corev1.Probe = getattr(pod.spec.containers[0], f"{kind}Probe")
        probe.handler.exec.command.extend(["exit", code])
        probe.periodSeconds = 5
    return pod


async def _advance(node: pods.Node, seconds: float) -> None:
    """Let time pass in small steps, so that each probe gets its turns."""
    assert isinstance(node.clock, clocks.FakeClock)
    for _ in range(int(seconds * 2)):
        node.clock.advance(0.5)
        await pods.settle()


async def test_a_container_is_ready_once_its_probe_succeeds() -> None:
    """Not before the first answer."""
    async with pods.running_node() as node:
        node.assign(_probed(readiness="0"))
        status = await node.phase("Running")
        assert not status.containerStatuses[0].ready
        await _advance(node, 1)
        await node.until("ready", lambda status: status.containerStatuses[0].ready)


async def test_a_container_that_is_not_ready_goes_on_running() -> None:
    """It only gets no traffic."""
    async with pods.running_node() as node:
        node.assign(_probed(readiness="1"))
        await node.phase("Running")
        await _advance(node, 30)
        status = node.sink.newest()
        assert (status.containerStatuses[0].ready, status.containerStatuses[0].restartCount) == (False, 0)
        assert node.sink.events[-1].message == "Readiness probe failed: exit status 1"
        assert node.sink.events[-1].count > 1


async def test_three_failures_of_liveness_restart() -> None:
    """The event says why."""
    async with pods.running_node() as node:
        node.assign(_probed(liveness="1"))
        await node.phase("Running")
        await _advance(node, 8)
        assert node.sink.newest().containerStatuses[0].restartCount == 0
        await _advance(node, 6)
        await node.until("restarted", lambda status: status.containerStatuses[0].restartCount == 1)
        killing = next(one for one in node.sink.events if one.reason == "Killing")
        assert killing.message == "Container main failed liveness probe, will be restarted"


async def test_a_probe_may_have_a_grace_of_its_own() -> None:
    """A container that it stops gets that, not its pod's."""
    async with pods.running_node() as node:
        pod = _probed(liveness="1")
        pod.spec.containers[0].command[:] = ["stubborn"]
        pod.spec.terminationGracePeriodSeconds = 500
        pod.spec.containers[0].livenessProbe.failureThreshold = 1
        pod.spec.containers[0].livenessProbe.terminationGracePeriodSeconds = 3
        node.assign(pod)
        await node.phase("Running")
        await _advance(node, 2)
        assert node.sink.newest().containerStatuses[0].restartCount == 0
        await _advance(node, 3)
        await node.until("restarted", lambda status: status.containerStatuses[0].restartCount == 1)


async def test_a_startup_probe_holds_the_others_back() -> None:
    """Until it has succeeded the container has not started; when it fails for good it is restarted."""
    async with pods.running_node() as node:
        node.assign(_probed(startup="1", liveness="1", readiness="0"))
        status = await node.phase("Running")
        assert not status.containerStatuses[0].started
        await _advance(node, 14)
        await node.until("restarted", lambda status: status.containerStatuses[0].restartCount == 1)
        killing = [one.message for one in node.sink.events if one.reason == "Killing"]
        assert killing == ["Container main failed startup probe, will be restarted"]


async def test_readiness_is_asked_for_sooner_until_it_comes() -> None:
    """A server that needs a moment is not kept from its traffic for a period of a minute."""
    async with pods.running_node() as node:
        pod = _probed(readiness="1")
        pod.spec.containers[0].readinessProbe.periodSeconds = 60
        node.assign(pod)
        await node.phase("Running")
        await _advance(node, 10)
        assert node.sink.events[-1].count >= 4


async def test_a_pod_that_goes_is_asked_whether_it_is_ready_and_no_more() -> None:
    """What ends anyway does not fail; who is no longer ready gets no traffic."""
    async with pods.running_node() as node:
        pod = _probed(readiness="1", liveness="1")
        pod.spec.containers[0].command[:] = ["stubborn"]
        pod.spec.terminationGracePeriodSeconds = 60
        node.assign(pod)
        await node.phase("Running")
        node.assign(pods.deleted(pod), complete=False)
        await _advance(node, 30)
        unhealthy = {one.message: one.count for one in node.sink.events if one.reason == "Unhealthy"}
        assert unhealthy["Readiness probe failed: exit status 1"] > 3
        assert unhealthy.get("Liveness probe failed: exit status 1", 0) <= 1
        await _advance(node, 40)
        await node.gone()
