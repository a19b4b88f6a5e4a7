"""Pods, and a node that only pretends, for tests of the pod machinery."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from fairlead import clock as clocks
from fairlead.api.pb import agent_pb2
from fairlead.api.pb import core_v1_pb2 as corev1
from node.agent import assignments, context, interface, manager, worker
from node.network import interface as network
from node.network import memory as memory_network
from node.pods import memory as memory_folder
from node.runtime import interface as runtime
from node.runtime import memory as memory_runtime

IMAGE = "fairlead.test/busybox:1"
UID = "0a1b2c3d-0000-4000-8000-000000000001"
CONFIG = network.NetworkConfig(node_addresses=("192.0.2.1",), pod_cidrs=("10.128.3.0/24",))
_PROBE_SECONDS = 0.005
WAIT_SECONDS = 20.0


def container(name: str = "main", command: Sequence[str] = ("run",), image: str = IMAGE) -> corev1.Container:
    """Return a container."""
    return corev1.Container(name=name, image=image, command=command)


def pod(*containers: corev1.Container, name: str = "web", uid: str = UID, policy: str = "Always") -> corev1.Pod:
    """Return a pod that is bound to the node; one container that runs, where none is given."""
    made = corev1.Pod()
    made.metadata.name, made.metadata.namespace, made.metadata.uid = name, "default", uid
    made.metadata.creationTimestamp.seconds = 1_700_000_000
    made.spec.containers.extend(containers or (container(),))
    made.spec.restartPolicy, made.spec.nodeName = policy, "node-1"
    made.spec.terminationGracePeriodSeconds = 30
    made.status.phase = "Pending"
    return made


def deleted(living: corev1.Pod, grace: int | None = None) -> corev1.Pod:
    """Return the pod as the API shows it once it is to be deleted."""
    made = corev1.Pod()
    made.CopyFrom(living)
    seconds = living.spec.terminationGracePeriodSeconds if grace is None else grace
    made.metadata.deletionTimestamp.seconds = 1_700_000_100
    made.metadata.deletionGracePeriodSeconds = seconds
    return made


class NoContainers:
    """A node on which none was seen."""

    def of(self, uid: str) -> Sequence[runtime.Container]:
        """Return none."""
        return ()

    async def refresh(self, container: str) -> None:
        """Find nothing."""


def parts(containers: context.Containers | None = None, sink: Sink | None = None) -> context.Parts:
    """Return what workers share, of parts that only pretend."""
    clock, sink = clocks.FakeClock(), sink or Sink()
    return context.Parts(
        node=interface.NodeInfo("node-1", CONFIG.node_addresses),
        runtime_=memory_runtime.MemoryRuntime(clock),
        network_=memory_network.MemoryNetwork(CONFIG),
        sink=sink,
        clock=clock,
        sources=assignments.Assignments(clock, sink.token_needed),
        containers=containers or NoContainers(),
        folder=memory_folder.MemoryFolder,
    )


async def wait_until(probe: Callable[[], str]) -> None:
    """Wait until a probe returns no reason any more why not yet."""
    reason = "not asked"
    try:
        async with asyncio.timeout(WAIT_SECONDS):
            while reason := probe():  # noqa: ASYNC110  a probe can only be asked
                await asyncio.sleep(_PROBE_SECONDS)
    except TimeoutError:
        raise AssertionError(f"after {WAIT_SECONDS:g} s: {reason}") from None


async def wait_until_async(probe: Callable[[], Awaitable[str]]) -> None:
    """Wait until a probe that must wait itself returns no reason any more why not yet."""
    reason = "not asked"
    try:
        async with asyncio.timeout(WAIT_SECONDS):
            while reason := await probe():  # noqa: ASYNC110  a probe can only be asked
                await asyncio.sleep(_PROBE_SECONDS * 10)
    except TimeoutError:
        raise AssertionError(f"after {WAIT_SECONDS:g} s: {reason}") from None


async def settle() -> None:
    """Let every task that can go on do so."""
    for _ in range(20):
        await asyncio.sleep(0)


class Sink:
    """Keeps what the pod machinery says."""

    def __init__(self) -> None:
        self.statuses: dict[str, list[corev1.PodStatus]] = {}
        self.gone: list[str] = []
        self.events: list[corev1.Event] = []
        self.tokens: list[agent_pb2.TokenNeeded] = []
        self.faults: dict[str, str] = {}

    def status(self, pod: corev1.Pod, status: corev1.PodStatus) -> None:
        """Keep a status."""
        self.statuses.setdefault(pod.metadata.uid, []).append(status)

    def terminated(self, namespace: str, name: str, uid: str) -> None:
        """Keep who is gone."""
        self.gone.append(uid)

    def event(self, event: corev1.Event) -> None:
        """Keep an Event."""
        self.events.append(event)

    def token_needed(self, request: agent_pb2.TokenNeeded) -> None:
        """Keep a question."""
        self.tokens.append(request)

    def fault(self, fault: interface.Fault) -> None:
        """Keep what fails."""
        self.faults[fault.part] = fault.message

    def newest(self, uid: str = UID) -> corev1.PodStatus:
        """Return a pod's newest status; an empty one before the first."""
        return (self.statuses.get(uid) or [corev1.PodStatus()])[-1]

    def reasons(self) -> list[str]:
        """Return the Events' reasons in order."""
        return [event.reason for event in self.events]


class Node:
    """A node with a pod manager; parts that are not given only pretend."""

    def __init__(
        self,
        runtime_: runtime.Runtime | None = None,
        network_: network.Network | None = None,
        clock: clocks.Clock | None = None,
        root: str = "",
    ) -> None:
        self.clock = clock or clocks.FakeClock()
        self.runtime = runtime_ or memory_runtime.MemoryRuntime(self.clock)
        self.network = network_ or memory_network.MemoryNetwork(CONFIG)
        self.sink = Sink()
        self._root = root
        self.manager = self._make()
        self._task: asyncio.Task[None] | None = None

    def _make(self) -> manager.PodManager:
        info = interface.NodeInfo("node-1", CONFIG.node_addresses, self._root)
        if self._root:
            return manager.PodManager(self.runtime, self.network, info, self.sink, clock=self.clock)
        folder = memory_folder.MemoryFolder
        return manager.PodManager(self.runtime, self.network, info, self.sink, clock=self.clock, folder=folder)

    def start(self) -> None:
        """Start the agent."""
        self.manager.configure(interface.ClusterInfo(pod_cidrs=CONFIG.pod_cidrs))
        self._task = asyncio.create_task(self.manager.run(), name="manager")

    async def kill(self) -> None:
        """End the agent as SIGKILL does: nothing of it remains but what is outside."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        self.sink = Sink()
        self.manager = self._make()

    def assign(self, *pods: corev1.Pod, complete: bool = True) -> None:
        """Assign pods."""
        self.manager.apply([agent_pb2.Change(pod=one) for one in pods], complete=complete)

    def workers(self) -> Sequence[worker.Worker]:
        """Return the workers of pods that are there yet."""
        return list(self.manager._workers.values())

    def check(self) -> None:
        """Fail where the agent has ended by itself."""
        if self._task is not None and self._task.done():
            self._task.result()

    async def until(self, what: str, holds: Callable[[corev1.PodStatus], bool], uid: str = UID) -> corev1.PodStatus:
        """Wait until something holds of a pod's newest status; returns that."""

        def probe() -> str:
            self.check()
            status = self.sink.newest(uid)
            return "" if status.phase and holds(status) else f"not {what}: {status}"

        await wait_until(probe)
        await settle()  # so that the worker rests, and has told the clock until when
        return self.sink.newest(uid)

    async def phase(self, phase: str, uid: str = UID) -> corev1.PodStatus:
        """Wait until a pod is in a phase; returns its status."""
        return await self.until(phase, lambda status: status.phase == phase, uid)

    async def gone(self, uid: str = UID) -> None:
        """Wait until nothing is left of a pod."""

        def probe() -> str:
            self.check()
            return "" if uid in self.sink.gone else f"not gone: {self.sink.newest(uid)}"

        await wait_until(probe)

    async def waiting(self, reason: str, uid: str = UID, message: str = "") -> corev1.ContainerStateWaiting:
        """Wait until a container of a pod waits for a reason, with words of a message."""

        def waits(status: corev1.PodStatus) -> list[corev1.ContainerStateWaiting]:
            states = (one.state.waiting for one in (*status.initContainerStatuses, *status.containerStatuses))
            return [one for one in states if one.reason == reason and message in one.message]

        return waits(await self.until(f"waiting for {reason} {message}", lambda status: bool(waits(status)), uid))[0]


@contextlib.asynccontextmanager
async def running_node(node: Node | None = None) -> AsyncIterator[Node]:
    """Run a node's agent for the length of a test."""
    node = node or Node()
    node.start()
    try:
        yield node
    finally:
        await node.kill()
        await node.runtime.close()
        await node.network.close()


def clock_of(node: Node) -> clocks.FakeClock:
    """Return the clock of a node whose parts only pretend."""
    assert isinstance(node.clock, clocks.FakeClock)
    return node.clock


def runtime_of(node: Node) -> memory_runtime.MemoryRuntime:
    """Return the runtime of a node whose parts only pretend."""
    assert isinstance(node.runtime, memory_runtime.MemoryRuntime)
    return node.runtime


def any_runs(statuses: Sequence[corev1.ContainerStatus]) -> bool:
    """Say whether one of some containers runs."""
    return any(one.state.HasField("running") for one in statuses)
