"""Several control processes on one store: takeover, epochs, fencing, and requests that cross from one to another."""

from __future__ import annotations

import asyncio

import grpc
import pytest

from control.dispatcher import intake, leases, settings, tenure
from fairlead.api import errors
from fairlead.api.pb import agent_pb2 as agent
from fairlead.api.pb import cluster_pb2 as cluster
from fairlead.api.pb import coordination_v1_pb2 as coordinationv1
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.testing import nodes
from node.agent import link
from tests.integration.dispatcher import harness


async def ready_statuses(control: harness.Control, seen: set[str]) -> None:
    """Collect every status that a node's Ready condition ever has."""
    async for batch in control.client.watch(corev1.Node):
        seen.update(c.status for e in batch for c in e.object.status.conditions if c.type == "Ready")


async def test_killed_control_process_makes_no_node_not_ready() -> None:
    """Its agents go on with another process within their grace; nobody declares them gone."""
    async with harness.world() as world:
        first, second = await world.control("one"), await world.control("two")
        agents = [world.agent(f"node-{n}", first, second) for n in range(4)]
        for made in agents:
            await made.session.synced.wait()
            await harness.until_ready(second.client, made.node().metadata.name)
        seen: set[str] = set()
        watching = asyncio.create_task(ready_statuses(second, seen))

        await first.kill()

        async def probe() -> str:
            missing = [n for n in range(4) if second.dispatcher.session_of(f"node-{n}") is None]
            return f"no session of {missing}" if missing else ""

        await harness.wait_until(probe)
        await asyncio.sleep(2 * harness.GRACE_SECONDS)  # that something does not happen takes time to see
        watching.cancel()
        assert seen == {"True"}


async def test_node_that_dies_is_declared_by_its_holder_only() -> None:
    """The process that holds the session judges, leader or not."""
    async with harness.world() as world:
        first, second = await world.control("one"), await world.control("two")
        world.agent("node-1", second)
        await harness.until_ready(first.client, "node-1")

        await world.kill_agent("node-1")

        await harness.until_ready(first.client, "node-1", "Unknown", 4.0)


async def test_takeover_ends_the_older_session() -> None:
    """A session elsewhere has the higher epoch; the older holder says goodbye and declares nothing."""
    async with harness.world() as world:
        first, second = await world.control("one"), await world.control("two")
        old = world.agent("node-1", first)
        await old.session.synced.wait()

        node = await second.client.get(corev1.Node, "node-1")
        lease = await tenure.take(second.client, node, second.dispatcher.settings.holder, 1.0)

        async def probe() -> str:
            held = first.dispatcher.session_of("node-1")
            return "" if held is None or held.epoch > leases.epoch(lease) else "the older session is still held"

        await harness.wait_until(probe)
        assert leases.epoch(lease) == 2


async def test_write_of_an_older_epoch_is_dropped() -> None:
    """A report that was taken before a takeover is not written after it."""
    async with harness.world() as world:
        control = await world.control("one")
        world.agent("node-1", control)
        await harness.until_ready(control.client, "node-1")
        pod = await harness.create_pod(control.client, "web", "node-1")
        await harness.until_phase(control.client, "web", "Running")
        held = control.dispatcher.session_of("node-1")
        assert held is not None
        as_node = control.api.as_user("system:node:node-1", ("system:nodes",))
        older = intake.Intake(
            "node-1", held.epoch - 1, as_node, control.dispatcher.state, control.dispatcher.settings
        )
        report = agent.PodStatusUpdate(namespace="default", name="web", uid=pod.metadata.uid)
        report.status.phase = "Failed"

        older.take(agent.AgentMessage(pod_status=report))

        with pytest.raises(intake.Superseded, match="epoch 0 of node node-1 is over"):
            await older.run()
        await harness.until_phase(control.client, "web", "Running")


async def test_declaration_of_an_older_epoch_is_dropped() -> None:
    """A process that was cut off while another took its node over does not declare it gone afterwards."""
    async with harness.world() as world:
        control = await world.control("one")
        world.agent("node-1", control)
        await harness.until_ready(control.client, "node-1")
        stranger = leases.Holder("stranger/1", "")

        got = await tenure.declare(control.client, "node-1", 1, stranger, 1.0)

        assert got == "another session has begun"
        await harness.until_ready(control.client, "node-1")


async def test_contending_sessions_get_different_epochs() -> None:
    """Ten takings at once give ten epochs."""
    async with harness.world() as world:
        control = await world.control("one")
        node = corev1.Node()
        node.metadata.name = "node-1"
        stored = await control.client.create(node)

        taken = await asyncio.gather(
            *(tenure.take(control.client, stored, leases.Holder(f"process-{n}"), 1.0) for n in range(10))
        )

        assert sorted(leases.epoch(lease) for lease in taken) == list(range(1, 11))


class Peers:
    """Answers for one peer from its relay, as its Cluster service would."""

    def __init__(self) -> None:
        self.controls: dict[str, harness.Control] = {}

    def stub(self, endpoint: str) -> Peers:
        """Return this, aimed at a process."""
        aimed = Peers()
        aimed.controls = {"": self.controls[endpoint]}
        return aimed

    def error(self, error: grpc.aio.AioRpcError) -> errors.ApiError:
        """Return any error."""
        return errors.InternalError(str(error))

    def Logs(self, request: cluster.LogsRequest) -> PeerLogs:
        """Answer with the peer's own relay."""
        return PeerLogs(self.controls[""].relay.logs(request.namespace, request.pod, request.options))

    async def Top(self, request: cluster.TopRequest, timeout: float) -> cluster.TopResponse:
        """Answer with the peer's own relay."""
        return await self.controls[""].relay.top(request)


class PeerLogs:
    """A call's answers."""

    def __init__(self, chunks) -> None:  # type: ignore[no-untyped-def]
        self._chunks = chunks

    def __aiter__(self) -> PeerLogs:
        return self

    async def __anext__(self) -> cluster.LogsResponse:
        return cluster.LogsResponse(data=await anext(self._chunks))

    def cancel(self) -> None:
        """Nothing is left to end."""


async def test_logs_cross_to_the_process_that_holds_the_session() -> None:
    """A request that reaches the other process is answered all the same."""
    async with harness.world() as world:
        peers = Peers()
        first, second = await world.control("one", peers), await world.control("two", peers)
        peers.controls = {control.endpoint: control for control in (first, second)}
        world.agent("node-1", second)
        await harness.until_ready(first.client, "node-1")
        await harness.create_pod(first.client, "web", "node-1")
        await harness.until_phase(first.client, "web", "Running")

        got = await harness.text(first.relay.logs("default", "web", corev1.PodLogOptions()))

        assert got == "web pretends\n"


async def test_metrics_of_every_node_are_found_from_any_process() -> None:
    """Top asks the peers; a local one does not."""
    async with harness.world() as world:
        peers = Peers()
        first, second = await world.control("one", peers), await world.control("two", peers)
        peers.controls = {control.endpoint: control for control in (first, second)}
        for name, control in (("node-1", first), ("node-2", second)):
            made = world.agent(name, control)
            await made.session.synced.wait()
            made.reports.report(metrics_of(name))

        async def probe() -> str:
            got = [report.node for report in (await first.relay.top(cluster.TopRequest())).nodes]
            return "" if got == ["node-1", "node-2"] else f"metrics of {got}"

        await harness.wait_until(probe)
        local = await first.relay.top(cluster.TopRequest(local=True))
        assert [report.node for report in local.nodes] == ["node-1"]


def metrics_of(node: str) -> agent.AgentMessage:
    """Return a small report."""
    message = agent.AgentMessage()
    message.metrics.node = node
    message.metrics.cpu.cores = 4
    return message.metrics


async def test_wrong_hello_is_refused_with_its_reason() -> None:
    """Another protocol or another cluster's agent gets FAILED_PRECONDITION; another node's name is forbidden."""
    async with harness.world() as world:
        control = await world.control("one")
        dial = nodes.Link(world.authority, "node-1")
        good = agent.Hello(protocol_version=settings.PROTOCOL_VERSION)
        good.node.metadata.name = "node-1"
        cases = [
            ({"protocol_version": 9}, "", grpc.StatusCode.FAILED_PRECONDITION),
            ({"cluster_id": 7}, "", grpc.StatusCode.FAILED_PRECONDITION),
            ({}, "node-2", grpc.StatusCode.PERMISSION_DENIED),
        ]

        got = []
        for changed, name, _ in cases:
            hello = agent.Hello(**changed)
            hello.MergeFrom(good) if "protocol_version" not in changed else hello.node.CopyFrom(good.node)
            hello.node.metadata.name = name or "node-1"
            async with dial.channel(control.endpoint, link.SESSION) as channel:
                call = link.Stub(channel).session()
                await call.write(agent.AgentMessage(hello=hello))
                got.append(await call.code())

        assert got == [code for *_, code in cases]
        with pytest.raises(errors.NotFound):
            await control.client.get(coordinationv1.Lease, "node-1", leases.NAMESPACE)
