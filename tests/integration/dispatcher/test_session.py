"""Sessions of hollow agents with one control process, on real gRPC and a memory store."""

from __future__ import annotations

import asyncio

import pytest

from control.dispatcher import leases
from fairlead.api import errors
from fairlead.api.pb import coordination_v1_pb2 as coordinationv1
from fairlead.api.pb import core_v1_pb2 as corev1
from tests.integration.dispatcher import harness


async def test_agent_registers_its_node_and_is_ready() -> None:
    """The first session creates Node and Lease, at epoch 1, and the node is Ready."""
    async with harness.world() as world:
        control = await world.control("one")

        world.agent("node-1", control)

        await harness.until_ready(control.client, "node-1")
        lease = await control.client.get(coordinationv1.Lease, "node-1", leases.NAMESPACE)
        assert leases.epoch(lease) == 1
        assert leases.endpoint(lease) == control.endpoint


async def test_bound_pod_runs_and_deleted_pod_goes() -> None:
    """From binding over the agent's status to the final deletion, with what the pod names before it."""
    async with harness.world() as world:
        control = await world.control("one")
        world.agent("node-1", control)
        await harness.until_ready(control.client, "node-1")
        config_map = corev1.ConfigMap(data={"a": "b"})
        config_map.metadata.name, config_map.metadata.namespace = "settings", "default"
        await control.client.create(config_map)

        await harness.create_pod(control.client, "web", "node-1", "settings")
        await harness.until_phase(control.client, "web", "Running")
        told = [change.WhichOneof("change") for _, change in world.changes]
        await control.client.delete(corev1.Pod, "web", "default")
        await harness.until_phase(control.client, "web", "")

        assert told.index("config_map") < told.index("pod")


async def test_silent_agent_is_declared_gone_and_comes_back() -> None:
    """The node's Ready is Unknown a grace after its agent ended, and True again with the next session."""
    async with harness.world() as world:
        control = await world.control("one")
        world.agent("node-1", control)
        await harness.until_ready(control.client, "node-1")

        await world.kill_agent("node-1")
        await harness.until_ready(control.client, "node-1", "Unknown", 3.0)
        world.agent("node-1", control)
        await harness.until_ready(control.client, "node-1")


async def test_agent_that_restarts_within_its_grace_is_never_declared() -> None:
    """A new session that comes soon enough keeps the node Ready all the time."""
    async with harness.world() as world:
        control = await world.control("one")
        world.agent("node-1", control)
        await harness.until_ready(control.client, "node-1")
        seen = []

        async def watch() -> None:
            async for batch in control.client.watch(corev1.Node):
                seen.extend(c.status for e in batch for c in e.object.status.conditions if c.type == "Ready")

        watching = asyncio.create_task(watch())
        await world.kill_agent("node-1")
        again = world.agent("node-1", control)
        await again.session.synced.wait()
        await asyncio.sleep(2 * harness.GRACE_SECONDS)  # that something does not happen takes time to see
        watching.cancel()

        assert set(seen) == {"True"}
        assert again.session.epoch == 2


async def test_steady_state_writes_nothing_but_leases() -> None:
    """Heartbeats leave no trace in the store."""
    async with harness.world() as world:
        control = await world.control("one")
        world.agent("node-1", control)
        await harness.until_ready(control.client, "node-1")
        await asyncio.sleep(0.3)  # what registration still writes
        before = await world.store.revision()

        await asyncio.sleep(10 * harness.HEARTBEAT_SECONDS)  # that something does not happen takes time to see

        assert await world.store.revision() == before


async def test_status_that_another_overwrites_is_written_again() -> None:
    """The agent's word on its pod is level-triggered."""
    async with harness.world() as world:
        control = await world.control("one")
        world.agent("node-1", control)
        await harness.until_ready(control.client, "node-1")
        await harness.create_pod(control.client, "web", "node-1")
        await harness.until_phase(control.client, "web", "Running")
        changed = corev1.Pod()
        changed.CopyFrom(await control.client.get(corev1.Pod, "web", "default"))
        for condition in changed.status.conditions:
            condition.status = "False"

        await control.client.update(changed, subresource="status")

        async def probe() -> str:
            stored = await control.client.get(corev1.Pod, "web", "default")
            ready = {c.type: c.status for c in stored.status.conditions}
            return "" if ready.get("Ready") == "True" else f"conditions are {ready}"

        await harness.wait_until(probe)


async def test_logs_come_through_the_session() -> None:
    """The relay asks the agent for a stream of its own; an unknown container is refused before."""
    async with harness.world() as world:
        control = await world.control("one")
        world.agent("node-1", control)
        await harness.until_ready(control.client, "node-1")
        await harness.create_pod(control.client, "web", "node-1")
        await harness.until_phase(control.client, "web", "Running")

        got = await harness.text(control.relay.logs("default", "web", corev1.PodLogOptions()))

        assert got == "web pretends\n"
        with pytest.raises(errors.BadRequest, match="container nope is not valid for pod web"):
            await harness.text(control.relay.logs("default", "web", corev1.PodLogOptions(container="nope")))


async def test_refusal_of_an_exec_reaches_the_caller() -> None:
    """An agent's error is the caller's error."""
    async with harness.world() as world:
        control = await world.control("one")
        world.agent("node-1", control)
        await harness.until_ready(control.client, "node-1")
        await harness.create_pod(control.client, "web", "node-1")
        await harness.until_phase(control.client, "web", "Running")

        async def nothing():  # type: ignore[no-untyped-def]
            return
            yield

        with pytest.raises(errors.BadRequest, match="a hollow pod runs nothing"):
            async for _ in control.relay.exec(harness.start("web"), nothing()):
                pass


async def test_pod_of_a_node_without_session_cannot_be_reached() -> None:
    """The error says which node."""
    async with harness.world() as world:
        control = await world.control("one")
        world.agent("node-1", control)
        await harness.until_ready(control.client, "node-1")
        await harness.create_pod(control.client, "web", "node-1")
        await harness.until_phase(control.client, "web", "Running")
        await world.kill_agent("node-1")
        await harness.until_ready(control.client, "node-1", "Unknown")

        with pytest.raises(errors.ServiceUnavailable, match="node node-1 has no session"):
            await harness.text(control.relay.logs("default", "web", corev1.PodLogOptions()))


async def test_deleted_node_is_registered_again() -> None:
    """The agent is told goodbye and comes back with a new Node."""
    async with harness.world() as world:
        control = await world.control("one")
        world.agent("node-1", control)
        await harness.until_ready(control.client, "node-1")
        before = (await control.client.get(corev1.Node, "node-1")).metadata.uid

        await control.client.delete(corev1.Node, "node-1")

        async def probe() -> str:
            try:
                found = await control.client.get(corev1.Node, "node-1")
            except errors.NotFound:
                return "the node is not there"
            return "" if found.metadata.uid != before else "the old node is there"

        await harness.wait_until(probe)
        await harness.until_ready(control.client, "node-1")
