"""The agent: one tree of tasks that keeps a node's pods, rules and session.

`fairlead-node run` builds it from the real parts, tests and benchmarks from those that pretend. One root task ends,
all end, and the program with them; pods and rules stay as they are.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Protocol

from fairlead import supervise
from fairlead.api.pb import agent_pb2 as agent
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import metrics_pb2 as metrics
from node import clock as clocks
from node.agent import conditions, health, interface, link, outbox, session


class Proxy(Protocol):
    """What turns Services into rules; `node.proxy.sync.Proxy` carries it out."""

    async def run(self) -> None:
        """Keep the rules until cancelled."""
        ...

    def apply(self, changes: Sequence[agent.Change], *, complete: bool) -> None:
        """Take assignments: Services and EndpointSlices are of interest."""
        ...


class Meter(Protocol):
    """What measures the node; `node.metrics.collector.Collector` carries it out."""

    async def run(self, send: Callable[[metrics.NodeMetrics], None]) -> None:
        """Hand a report to `send` every ten seconds, until cancelled."""
        ...


class Agent:
    """A node's agent, made of its parts; `node` is the Node as registered, without conditions."""

    def __init__(
        self,
        node: corev1.Node,
        dial: link.Link,
        endpoints: Sequence[str],
        *,
        clock: clocks.Clock | None = None,
        left: Callable[[], conditions.Pressures] = lambda: conditions.AMPLE,
    ) -> None:
        self._node = node
        self._clock = clock or clocks.SystemClock()
        self.reports = outbox.Outbox(self._fault)
        self.health = health.Health(node.metadata.name, self.reports, self._clock, left)
        self.session = session.Session(self, self.reports, dial, link.Endpoints(endpoints))
        self._pods: interface.Pods | None = None
        self._proxy: Proxy | None = None
        self._meter: Meter | None = None
        self._on_welcome: Callable[[agent.Welcome], None] = lambda welcome: None

    def attach(
        self,
        pods: interface.Pods,
        proxy: Proxy | None = None,
        meter: Meter | None = None,
        on_welcome: Callable[[agent.Welcome], None] = lambda welcome: None,
    ) -> None:
        """Take the parts, which themselves need the agent's `reports`."""
        self._pods, self._proxy, self._meter, self._on_welcome = pods, proxy, meter, on_welcome

    async def run(self, stop: asyncio.Event | None = None) -> None:
        """Run until `stop` is set or a part fails for good."""
        parts: dict[str, Coroutine[Any, Any, None]] = {
            "session": self.session.run(),
            "health": self.health.run(),
            "pods": self.pods.run(),
        }
        if self._proxy is not None:
            parts["proxy"] = self._proxy.run()
        if self._meter is not None:
            parts["metrics"] = self._meter.run(self.reports.report)
        await supervise.supervise(parts, stop)

    # What the session asks of its owner.

    @property
    def pods(self) -> interface.Pods:
        """Return the pod machinery."""
        assert self._pods is not None, "attach comes before run"
        return self._pods

    def node(self) -> corev1.Node:
        """Return the Node with its conditions."""
        fresh = corev1.Node()
        fresh.CopyFrom(self._node)
        fresh.status.conditions.extend(self.health.conditions())
        return fresh

    def welcomed(self, welcome: agent.Welcome) -> None:
        """Tell the pods what the cluster is like."""
        self.pods.configure(
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
        self.pods.apply(changes, complete=complete)
        if self._proxy is not None:
            self._proxy.apply(changes, complete=complete)

    def runtime_is(self, version: str) -> None:
        """Take the runtime's version, once it answers."""
        if self._node.status.nodeInfo.containerRuntimeVersion == version:
            return
        self._node.status.nodeInfo.containerRuntimeVersion = version
        self.reports.node_status(corev1.NodeStatus(nodeInfo=self._node.status.nodeInfo))

    def _fault(self, fault: interface.Fault) -> None:
        self.health.fault(fault)
