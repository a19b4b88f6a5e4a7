"""Exec, attach, logs and port-forward from the relay to a container: real session, real pod machinery, and a runtime
and a network that only pretend.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from fairlead.api import errors
from fairlead.api.pb import cluster_pb2 as cluster
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.client import interface as client
from node.agent import agent as agents
from node.agent import interface, manager
from node.network import interface as network
from node.network import memory as networks
from node.pods import memory as memory_folder
from node.runtime import interface as runtime
from node.runtime import memory as runtimes
from tests.integration.dispatcher import harness


class Reachable(networks.MemoryNetwork):
    """A pretended network whose ports lead to a server of the test's."""

    port = 0

    async def connect(
        self, uid: str, port: int, *, to_address: bool = False
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect to the server."""
        return await asyncio.open_connection("127.0.0.1", self.port)


class Failing(runtimes.MemoryRuntime):
    """A runtime whose containers end with 3 as soon as anybody attaches."""

    async def attach(self, container: str, *, stdin: bool, tty: bool) -> runtime.Stream:
        """End."""
        return await self.exec(container, runtime.ExecOptions(("exit", "3")))


def with_pods(made: agents.Agent, kind: type[runtimes.MemoryRuntime]) -> Reachable:
    """Give an agent real pod machinery; returns its network."""
    reachable = Reachable(network.NetworkConfig(node_addresses=("127.0.0.1",)))
    info = interface.NodeInfo("node-1", ("127.0.0.1",), "")
    containers = kind(images=["busybox:1"])
    folder = memory_folder.MemoryFolder
    made.attach(manager.PodManager(containers, reachable, info, made.reports, folder=folder))
    return reachable


async def running(
    world: harness.World, kind: type[runtimes.MemoryRuntime] = runtimes.MemoryRuntime
) -> tuple[harness.Control, Reachable]:
    """Return a control process whose node runs the pod `web`."""
    control = await world.control("one")
    return control, await running_on(world, control, kind)


async def running_on(
    world: harness.World, control: harness.Control, kind: type[runtimes.MemoryRuntime] = runtimes.MemoryRuntime
) -> Reachable:
    """Let a node of a control process' run the pod `web`; returns its network."""
    reachable = with_pods(world.agent("node-1", control), kind)
    await harness.until_ready(control.client, "node-1")
    patch = client.Patch(
        client.PatchType.MERGE, b'{"spec": {"podCIDR": "10.128.0.0/24", "podCIDRs": ["10.128.0.0/24"]}}'
    )
    await control.client.patch(corev1.Node, "node-1", "", patch)
    await harness.create_pod(control.client, "web", "node-1")
    await harness.until_phase(control.client, "web", "Running")
    return reachable


async def frames(*sent: cluster.ClientFrame) -> AsyncIterator[cluster.ClientFrame]:
    """Iterate over frames, then say nothing more for long, as a client that waits."""
    for frame in sent:
        yield frame
    await asyncio.sleep(30)


def command(*words: str, stdin: bool = False) -> cluster.StreamStart:
    """Return the first frame of an exec."""
    return cluster.StreamStart(namespace="default", pod="web", command=words, stdin=stdin, stdout=True, stderr=True)


async def test_exec_gives_output_and_success() -> None:
    """The last frame is a Success."""
    async with harness.world() as world:
        control, _ = await running(world)

        got = [frame async for frame in control.relay.exec(command("echo", "hello"), frames())]

        assert b"".join(frame.data for frame in got) == b"hello\n"
        assert got[-1].status.status == "Success"


async def test_exec_that_fails_gives_its_code() -> None:
    """A non-zero exit is a frame with kubelet's words, no error of the call."""
    async with harness.world() as world:
        control, _ = await running(world)

        got = [frame async for frame in control.relay.exec(command("exit", "3"), frames())]

        status = got[-1].status
        assert (status.status, status.reason) == ("Failure", "NonZeroExitCode")
        assert status.message == "command terminated with non-zero exit code: 3"
        assert [(cause.reason, cause.message) for cause in status.details.causes] == [("ExitCode", "3")]


async def test_input_reaches_the_command_and_its_end_ends_it() -> None:
    """What is sent comes back from `cat`, which ends with its input."""
    async with harness.world() as world:
        control, _ = await running(world)
        sent = (cluster.ClientFrame(data=b"one "), cluster.ClientFrame(data=b"two"), cluster.ClientFrame(end=True))

        got = [frame async for frame in control.relay.exec(command("cat", stdin=True), frames(*sent))]

        assert b"".join(frame.data for frame in got) == b"one two"
        assert got[-1].status.status == "Success"


async def test_attach_joins_the_main_process() -> None:
    """Frames pass as in exec."""
    async with harness.world() as world:
        control, _ = await running(world)
        sent = (cluster.ClientFrame(data=b"typed"), cluster.ClientFrame(end=True))

        got = [frame async for frame in control.relay.attach(command(stdin=True), frames(*sent))]

        assert b"".join(frame.data for frame in got) == b"typed"


async def test_attach_ends_well_however_the_container_does() -> None:
    """How it ended is in the pod's status, where `kubectl run` looks: a failure here is one of the attaching."""
    async with harness.world() as world:
        control, _ = await running(world, Failing)

        got = [frame async for frame in control.relay.attach(command(), frames())]

        assert got[-1].status.status == "Success"


async def test_logs_are_the_containers() -> None:
    """What the container wrote, to its end."""
    async with harness.world() as world:
        control, _ = await running(world)

        got = await harness.text(control.relay.logs("default", "web", corev1.PodLogOptions()))

        assert got == "started\n"


async def test_followed_log_ends_on_the_node_when_nobody_reads() -> None:
    """Closing the iterator ends the stream that the agent serves."""
    async with harness.world() as world:
        control, _ = await running(world)
        logs = control.relay.logs("default", "web", corev1.PodLogOptions(follow=True))
        opened, first = await anext(logs), await anext(logs)

        await logs.aclose()  # type: ignore[attr-defined]

        async def probe() -> str:
            left = [task.get_name() for task in asyncio.all_tasks() if task.get_name().startswith("stream ")]
            return f"still there: {left}" if left else ""

        assert (opened, first) == (b"", b"started\n")
        await harness.wait_until(probe)


async def test_port_forward_carries_a_connection() -> None:
    """Bytes pass both ways, and the pod's end of the connection ends the stream."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write((await reader.readline()).upper())
        writer.close()

    async with harness.world() as world, await asyncio.start_server(answer, "127.0.0.1", 0) as listening:
        control, reachable = await running(world)
        reachable.port = listening.sockets[0].getsockname()[1]
        start = cluster.StreamStart(namespace="default", pod="web", port=8080)

        got = [
            frame async for frame in control.relay.port_forward(start, frames(cluster.ClientFrame(data=b"hello\n")))
        ]

        assert b"".join(frame.data for frame in got) == b"HELLO\n"
        assert got[-1].end


async def test_container_that_the_pod_does_not_have_is_refused() -> None:
    """In Kubernetes' words, before the node is asked."""
    async with harness.world() as world:
        control, _ = await running(world)
        start = command("echo")
        start.container = "other"

        with pytest.raises(errors.BadRequest, match="container other is not valid for pod web"):
            async for _ in control.relay.exec(start, frames()):
                pass
