"""A control plane in the test's process: memory store, API, one or more dispatchers on real gRPC with mutual TLS.

Nothing is replaced by a mock: agents are hollow ones, which speak the real session.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any

import grpc

from control import pki
from control.apiserver import authn, bootstrap, server
from control.apiserver.settings import Settings
from control.dispatcher import edge, leases, relay, service, settings
from control.gateway import listening
from control.store import cache as caches
from control.store import memory
from fairlead.api import errors
from fairlead.api.pb import agent_pb2 as agent
from fairlead.api.pb import cluster_pb2 as cluster
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.client import interface
from fairlead.testing import nodes
from node.agent import agent as agents
from node.agent import hollow

MASTER = authn.User("test", (authn.MASTERS, authn.AUTHENTICATED))
CLUSTER_ID = 0xC0FFEE
HEARTBEAT_SECONDS = 0.1
GRACE_SECONDS = 0.6
GIVE_UP_SECONDS = 10.0


class NoPeers:
    """A control plane of one process."""

    def stub(self, endpoint: str) -> Any:
        """Refuse: there is nobody else."""
        raise AssertionError(f"asked for a peer at {endpoint}")

    def error(self, error: grpc.aio.AioRpcError) -> errors.ApiError:
        """Return any error."""
        return errors.InternalError(str(error))


class Control:
    """One control process: its own cache and API server, a dispatcher, a listener."""

    def __init__(self, name: str, store: memory.MemoryStore, authority: pki.Authority) -> None:
        self.name = name
        self.cache = caches.Cache(store)
        self.api = server.ApiServer(store, self.cache, settings=Settings())
        self.client: interface.Client = self.api.client(MASTER)
        self.endpoint = ""
        self.dispatcher: service.Dispatcher
        self.relay: relay.Relay
        self._authority = authority
        self._server: grpc.aio.Server
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self, peers: relay.Peers | None = None, grace_seconds: float = GRACE_SECONDS) -> None:
        """Start; afterwards agents can dial `endpoint`."""
        self._spawn(self.cache.run())
        await self.cache.ready()
        await bootstrap.ensure(self.api)
        host = pki.Subject(user="system:fairlead-control", hosts=("kubernetes", "127.0.0.1"), server=True)
        certificate, key = self._authority.issue(host)
        credentials = grpc.ssl_server_credentials([(key, certificate)], self._authority.pem, True)
        self._server = grpc.aio.server(options=listening.OPTIONS)
        port = self._server.add_secure_port("127.0.0.1:0", credentials)
        self.endpoint = f"127.0.0.1:{port}"
        made = settings.Settings(
            leases.Holder(f"{self.name}/1", self.endpoint),
            CLUSTER_ID,
            heartbeat_seconds=HEARTBEAT_SECONDS,
            grace_seconds=grace_seconds,
        )
        self.dispatcher = service.Dispatcher(self.client, self.api, made)
        self.relay = relay.Relay(self.dispatcher, self.client, peers or NoPeers())
        edge.add_to_server(self.dispatcher, self._server)
        self._spawn(self.dispatcher.run())
        await self._server.start()

    async def kill(self) -> None:
        """End everything at once, as a killed process does."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.stop(None)
        await self.api.close()

    def _spawn(self, part: Coroutine[Any, Any, None]) -> None:
        self._tasks.append(asyncio.create_task(part))


class World:
    """Control processes on one store, and agents that are ended with the test."""

    def __init__(self) -> None:
        self.store = memory.MemoryStore()
        self.authority = pki.create_authority("test")
        self.controls: list[Control] = []
        self.changes: list[tuple[str, agent.Change]] = []
        self._agents: dict[str, tuple[agents.Agent, asyncio.Task[None]]] = {}

    async def control(
        self, name: str, peers: relay.Peers | None = None, *, grace_seconds: float = GRACE_SECONDS
    ) -> Control:
        """Start a control process."""
        made = Control(name, self.store, self.authority)
        await made.start(peers, grace_seconds)
        self.controls.append(made)
        return made

    def agent(self, name: str, *controls: Control) -> agents.Agent:
        """Start a hollow node's agent."""
        endpoints = [control.endpoint for control in controls]
        made = hollow.make(
            name,
            nodes.Link(self.authority, name),
            endpoints,
            lambda node, change: self.changes.append((node, change)),
        )
        self._agents[name] = made, asyncio.create_task(made.run())
        return made

    async def kill_agent(self, name: str) -> None:
        """End an agent."""
        _, task = self._agents.pop(name)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    async def close(self) -> None:
        """End everything."""
        for name in list(self._agents):
            await self.kill_agent(name)
        for control in self.controls:
            await control.kill()


@contextlib.asynccontextmanager
async def world() -> AsyncIterator[World]:
    """Give a world, and end it."""
    made = World()
    try:
        yield made
    finally:
        await made.close()


async def wait_until(probe: Callable[[], Awaitable[str]], seconds: float = GIVE_UP_SECONDS) -> None:
    """Wait until a probe returns "", failing with what it said last."""
    why = "never asked"
    try:
        async with asyncio.timeout(seconds):
            while why := await probe():  # noqa: ASYNC110 - the API is asked, nothing here is signalled
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"after {seconds} s: {why}") from None


async def until_ready(
    client: interface.Client, node: str, status: str = "True", seconds: float = GIVE_UP_SECONDS
) -> None:
    """Wait until a node's Ready condition has a status."""

    async def probe() -> str:
        try:
            found = await client.get(corev1.Node, node)
        except errors.NotFound:
            return f"node {node} is not registered"
        ready = [c.status for c in found.status.conditions if c.type == "Ready"]
        return "" if ready == [status] else f"Ready of {node} is {ready}, not {status}"

    await wait_until(probe, seconds)


async def until_phase(client: interface.Client, pod: str, phase: str) -> None:
    """Wait until a pod has a phase; "" for gone."""

    async def probe() -> str:
        try:
            found = await client.get(corev1.Pod, pod, "default")
        except errors.NotFound:
            return "" if not phase else f"pod {pod} is gone"
        return "" if found.status.phase == phase else f"pod {pod} is {found.status.phase}, not {phase}"

    await wait_until(probe)


async def create_pod(client: interface.Client, name: str, node: str = "", config_map: str = "") -> corev1.Pod:
    """Create a pod and bind it."""
    pod = corev1.Pod()
    pod.metadata.name, pod.metadata.namespace = name, "default"
    container = pod.spec.containers.add(name="main", image="busybox")
    if config_map:
        container.envFrom.add().configMapRef.localObjectReference.name = config_map
    made = await client.create(pod)
    if node:
        binding = corev1.Binding()
        binding.metadata.name, binding.metadata.namespace = name, "default"
        binding.target.kind, binding.target.name = "Node", node
        await client.post(corev1.Pod, name, "default", "binding", binding)
    return made


async def text(chunks: AsyncIterator[bytes]) -> str:
    """Return a whole log."""
    return b"".join([chunk async for chunk in chunks]).decode()


def start(pod: str, container: str = "") -> cluster.StreamStart:
    """Return the first frame of an exec."""
    return cluster.StreamStart(namespace="default", pod=pod, container=container, command=["true"], stdout=True)
