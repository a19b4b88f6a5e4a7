"""A cluster of one process and one node whose streams are served over HTTP: real session, real pod machinery, and a
runtime and a network that only pretend.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import aiohttp
from aiohttp import web

from control.apiserver import authn
from control.gateway.rest import listening, wiring
from control.gateway.streams import session as sessions
from control.gateway.streams import wire
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.client import interface as client
from node.agent import agent as agents
from node.agent import interface, manager
from node.network import interface as network
from node.network import memory as networks
from node.pods import memory as memory_folder
from node.runtime import memory as runtimes
from tests.integration.dispatcher import harness

PODS = "/api/v1/namespaces/default/pods"
NODE = "node-1"
IMAGE = "busybox:1"
# How long the node may be silent: these tests move megabytes, and are not about its death.
PATIENT_SECONDS = 20.0


class Reachable(networks.MemoryNetwork):
    """A pretended network whose ports lead to a server of the test's."""

    port = 0
    to_address: bool | None = None  # whether the last connection was to the pod's address

    async def connect(
        self, uid: str, port: int, *, to_address: bool = False
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect to the server; port 9 refuses."""
        self.to_address = to_address
        if port == 9:
            raise network.NetworkFault("failed to connect to localhost:9 inside namespace: connection refused")
        return await asyncio.open_connection("127.0.0.1", self.port)


@dataclass
class Cluster:
    """What a test needs: the address, the parts, and a client session."""

    url: str
    control: harness.Control
    network: Reachable
    runtime: runtimes.MemoryRuntime
    http: aiohttp.ClientSession

    async def until_quiet(self) -> None:
        """Wait until no stream is left, neither here nor on the node."""

        async def probe() -> str:
            marks = ("stream ", "spdy", "relay", "port-forward", "gone", "pass_on")
            names = [task.get_name() for task in asyncio.all_tasks()]
            left = [name for name in names if any(mark in name for mark in marks)]
            return f"still there: {left}" if left else ""

        await harness.wait_until(probe)

    async def pod(self, name: str) -> None:
        """Run one more pod."""
        await harness.create_pod(self.control.client, name, NODE)
        await harness.until_phase(self.control.client, name, "Running")


@contextlib.asynccontextmanager
async def cluster(
    user: authn.User = harness.MASTER, containers: runtimes.MemoryRuntime | None = None
) -> AsyncIterator[Cluster]:
    """Give a cluster with the running pod `web`, and end it; containers pretend unless a runtime is given."""
    async with harness.world() as world, aiohttp.ClientSession() as http:
        control = await world.control("one", grace_seconds=PATIENT_SECONDS)
        made = world.agent(NODE, control)
        reachable = Reachable(network.NetworkConfig(node_addresses=("127.0.0.1",)))
        runtime = containers or runtimes.MemoryRuntime(images=[IMAGE])
        with_pods(made, reachable, runtime)
        await harness.until_ready(control.client, NODE)
        patch = client.Patch(
            client.PatchType.MERGE, b'{"spec": {"podCIDR": "10.128.0.0/24", "podCIDRs": ["10.128.0.0/24"]}}'
        )
        await control.client.patch(corev1.Node, NODE, "", patch)

        async def identify(_: web.BaseRequest) -> authn.User:
            return user

        served = wiring.gateway_of(control.api, control.relay, identify)
        listener = await listening.serve("127.0.0.1", 0, served)
        made_cluster = Cluster(f"http://127.0.0.1:{listener.port}", control, reachable, runtime, http)
        try:
            await made_cluster.pod("web")
            yield made_cluster
        finally:
            await listener.stop()
            await served.close()


def with_pods(made: agents.Agent, reachable: Reachable, containers: runtimes.MemoryRuntime) -> None:
    """Give an agent real pod machinery."""
    info = interface.NodeInfo(NODE, ("127.0.0.1",), "")
    made.attach(manager.PodManager(containers, reachable, info, made.reports, folder=memory_folder.MemoryFolder))


class Dialled:
    """The wire of a client that has upgraded a connection of its own."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def read(self) -> bytes:
        """Return what came next."""
        try:
            return await self.reader.read(wire.BUFFER_BYTES)
        except ConnectionError:
            return b""

    async def write(self, data: bytes) -> None:
        """Write."""
        self.writer.write(data)
        await self.writer.drain()

    async def close(self) -> None:
        """Close."""
        self.writer.close()


async def dial_spdy(url: str, path: str, *protocols: str, room: int = 0) -> tuple[int, bytes, Dialled]:
    """Upgrade a connection to SPDY; returns the answer's status, its head and the wire.

    With `room` the client has buffers for about so many bytes.
    """
    host, port = url.removeprefix("http://").split(":")
    end = socket.socket()
    if room:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
    end.setblocking(False)
    await asyncio.get_running_loop().sock_connect(end, (host, int(port)))
    reader, writer = await asyncio.open_connection(sock=end, limit=room or wire.BUFFER_BYTES)
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\nContent-Length: 0\r\n"
    )
    head += "".join(f"X-Stream-Protocol-Version: {one}\r\n" for one in protocols)
    writer.write(f"{head}\r\n".encode())
    answer = await reader.readuntil(b"\r\n\r\n")
    return int(answer.split()[1]), answer, Dialled(reader, writer)


@contextlib.asynccontextmanager
async def spdy(url: str, path: str, *protocols: str) -> AsyncIterator[sessions.Session]:
    """Give a client's SPDY connection, and cut it."""
    status, head, dialled = await dial_spdy(url, path, *protocols)
    assert status == 101, (head, await dialled.reader.read(2000))
    session = sessions.Session(dialled, server=False)
    running = asyncio.create_task(session.run())
    try:
        yield session
    finally:
        dialled.writer.transport.abort()
        await asyncio.gather(running, return_exceptions=True)


async def read_all(read: Callable[[], Awaitable[bytes]]) -> bytes:
    """Read to the end."""
    got = bytearray()
    while piece := await read():
        got += piece
    return bytes(got)
