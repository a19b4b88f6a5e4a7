"""The agent: one tree of tasks that keeps a node's pods, rules and session.

`fairlead-node run` builds it from the real parts, tests and benchmarks from those that pretend. One root task ends,
all end, and the program with them; pods and rules stay as they are.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Protocol

from fairlead import clock as clocks
from fairlead import supervise
from fairlead.api import errors
from fairlead.api.pb import agent_pb2 as agent
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import discovery_v1_pb2 as discoveryv1
from fairlead.api.pb import metrics_pb2 as metrics
from node.agent import health, interface, link, outbox, register, session
from node.runtime import interface as runtime

METRICS_SECONDS = 10.0
STATS_SECONDS = 5.0
IMAGES_SECONDS = 60.0


class Proxy(Protocol):
    """What turns Services into rules; `node.proxy.sync.Proxy` carries it out."""

    async def run(self) -> None:
        """Keep the rules until cancelled."""
        ...

    def put_service(self, service: corev1.Service) -> None:
        """Take a Service that is new or changed."""
        ...

    def remove_service(self, namespace: str, name: str) -> None:
        """Forget a Service."""
        ...

    def put_slice(self, message: discoveryv1.EndpointSlice) -> None:
        """Take an EndpointSlice that is new or changed."""
        ...

    def remove_slice(self, namespace: str, name: str) -> None:
        """Forget an EndpointSlice."""
        ...

    def replace_all(self, services: Sequence[corev1.Service], slices: Sequence[discoveryv1.EndpointSlice]) -> None:
        """Take these and forget every other."""
        ...


class Meter(Protocol):
    """What measures the node."""

    async def measure(self, pods: Sequence[metrics.PodMetrics]) -> metrics.NodeMetrics:
        """Return a report over the time since the one before."""
        ...


class Agent:
    """A node's agent; `node` is the Node as registered, without conditions.

    The session can begin before the parts are there: what is assigned meanwhile is kept for them. Until the node's
    resources are known, from the beginning or by `is_machine`, nothing is said of its conditions: a new node is not
    ready yet, and one whose agent starts again stays what it was.
    """

    def __init__(
        self,
        node: corev1.Node,
        dial: link.Link,
        endpoints: Sequence[str],
        *,
        clock: clocks.Clock | None = None,
    ) -> None:
        self._node = node
        self._clock = clock or clocks.SystemClock()
        self.reports = outbox.Outbox(self._fault)
        self.health = health.Health(node.metadata.name, self.reports, self._clock)
        self.health.speaks = bool(node.status.allocatable)
        self.session = session.Session(self, self.reports, dial, link.Endpoints(endpoints))
        self._pods: interface.Pods | None = None
        self._proxy: Proxy | None = None
        self._meter: Meter | None = None
        self._on_welcome: Callable[[agent.Welcome], None] = lambda welcome: None
        self._attached = asyncio.Event()
        self._welcome: agent.Welcome | None = None
        self._backlog: list[tuple[Sequence[agent.Change], bool]] = []

    def attach(
        self,
        pods: interface.Pods,
        proxy: Proxy | None = None,
        meter: Meter | None = None,
        on_welcome: Callable[[agent.Welcome], None] = lambda welcome: None,
    ) -> None:
        """Take the parts, which themselves need the agent's `reports`, and hand them what has come for them."""
        self._pods, self._proxy, self._meter, self._on_welcome = pods, proxy, meter, on_welcome
        if self._welcome is not None:
            self.welcomed(self._welcome)
        backlog, self._backlog = self._backlog, []
        for changes, complete in backlog:
            self.apply(changes, complete=complete)
        self._attached.set()

    async def run(self, stop: asyncio.Event | None = None, assembly: Coroutine[Any, Any, None] | None = None) -> None:
        """Run until `stop` is set or a part fails for good; `assembly` is what attaches the parts, and stays."""
        tasks: dict[str, Coroutine[Any, Any, None]] = {
            "session": self.session.run(),
            "health": self.health.run(),
            "parts": self._run_parts(),
        }
        if assembly is not None:
            tasks["assembly"] = assembly
        await supervise.supervise(tasks, stop)

    async def _run_parts(self) -> None:
        await self._attached.wait()
        tasks: dict[str, Coroutine[Any, Any, None]] = {"pods": self.pods.run(), "images": self._report_images()}
        if self._proxy is not None:
            tasks["proxy"] = self._proxy.run()
        if self._meter is not None:
            tasks["metrics"] = self._report_metrics(self._meter)
        await supervise.supervise(tasks)

    # What the session asks of its owner.

    @property
    def pods(self) -> interface.Pods:
        """Return the pod machinery; errors.ServiceUnavailable until it is attached."""
        if self._pods is None:
            raise errors.ServiceUnavailable(f"the agent of node {self._node.metadata.name} has only just started")
        return self._pods

    def node(self) -> corev1.Node:
        """Return the Node with its conditions."""
        fresh = corev1.Node()
        fresh.CopyFrom(self._node)
        fresh.status.conditions.extend(self.health.conditions())
        return fresh

    async def running(self) -> Sequence[agent.RunningPod]:
        """Return the pods on the node, as far as is known by now."""
        return () if self._pods is None else await self._pods.running()

    def repeat(self) -> None:
        """Report everything again, to a new session."""
        if self._pods is None:
            self.reports.begin((), ())
        else:
            self.reports.begin(self._pods.statuses(), self._pods.waiting_tokens())

    def welcomed(self, welcome: agent.Welcome) -> None:
        """Tell the pods what the cluster is like."""
        self._welcome = welcome
        if self._pods is None:
            return
        self._pods.configure(
            interface.ClusterInfo(
                pod_cidrs=tuple(welcome.pod_cidrs),
                cluster_cidrs=tuple(welcome.cluster_cidrs),
                service_cidrs=tuple(welcome.service_cidrs),
                cluster_dns=tuple(welcome.cluster_dns),
                cluster_domain=welcome.cluster_domain or "cluster.local",
            )
        )
        self._on_welcome(welcome)

    def apply(self, changes: Sequence[agent.Change], *, complete: bool) -> None:
        """Hand assignments to pods and proxy."""
        if self._pods is None:
            self._backlog = [*([] if complete else self._backlog), (changes, complete)]
            return
        self._pods.apply(changes, complete=complete)
        if self._proxy is None:
            return
        if complete:
            self._proxy.replace_all(
                [change.service for change in changes if change.HasField("service")],
                [change.endpoint_slice for change in changes if change.HasField("endpoint_slice")],
            )
            return
        for change in changes:
            _program(self._proxy, change)

    def is_machine(self, node: corev1.Node) -> None:
        """Take what the machine has turned out to be; from now on the node's conditions are told, too."""
        if node == self._node and self.health.speaks:
            return
        self._node = node
        self.health.speaks = True
        self.reports.node_status(self.node().status)

    def _fault(self, fault: interface.Fault) -> None:
        self.health.fault(fault)

    async def _report_images(self) -> None:
        """Say now and then which images the node has, for the scheduler; only changes reach the API."""
        while True:
            try:
                async with asyncio.timeout(STATS_SECONDS):
                    found = await self.pods.images()
            except (TimeoutError, runtime.RuntimeFault):
                found = ()
            if found:
                self.reports.node_status(corev1.NodeStatus(images=register.images(found)))
            await self._clock.sleep(IMAGES_SECONDS)

    async def _report_metrics(self, meter: Meter) -> None:
        while True:
            self.reports.report(await meter.measure(await self._stats()))
            await self._clock.sleep(METRICS_SECONDS)

    async def _stats(self) -> Sequence[metrics.PodMetrics]:
        """Return what the pods use; nothing where the runtime does not answer."""
        try:
            async with asyncio.timeout(STATS_SECONDS):
                return await self.pods.stats()
        except (TimeoutError, runtime.RuntimeFault):
            return ()


def _program(proxy: Proxy, change: agent.Change) -> None:
    match change.WhichOneof("change"):
        case "service":
            proxy.put_service(change.service)
        case "endpoint_slice":
            proxy.put_slice(change.endpoint_slice)
        case "removed" if change.removed.resource == "services":
            proxy.remove_service(change.removed.namespace, change.removed.name)
        case "removed" if change.removed.resource == "endpointslices":
            proxy.remove_slice(change.removed.namespace, change.removed.name)
