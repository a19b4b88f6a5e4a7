"""What the agent has to say, kept until it is sent: the `PodSink` of the pod machinery.

Of each pod only the newest status waits; events beyond a bound push out the oldest. A new session begins with
everything that the control plane may not have: all statuses, terminations that nobody has acknowledged, tokens.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Sequence

from fairlead.api.pb import agent_pb2 as agent
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import metrics_pb2 as metrics
from node.agent import interface

EVENTS_KEPT = 500


class Outbox:
    """Messages for the session's sender. Calls never block; `wait` returns when there is something to `drain`."""

    def __init__(self, on_fault: Callable[[interface.Fault], None] = lambda fault: None) -> None:
        self._on_fault = on_fault
        self._statuses: dict[str, agent.PodStatusUpdate] = {}
        self._terminated: dict[str, agent.PodTerminated] = {}
        self._unsent: dict[str, agent.PodTerminated] = {}
        self._tokens: dict[tuple[str, ...], agent.TokenNeeded] = {}
        self._events: deque[corev1.Event] = deque(maxlen=EVENTS_KEPT)
        self._node: corev1.NodeStatus | None = None
        self._metrics: metrics.NodeMetrics | None = None
        self._wake = asyncio.Event()

    # PodSink.

    def status(self, pod: corev1.Pod, status: corev1.PodStatus) -> None:
        """Keep a pod's newest status."""
        meta = pod.metadata
        self._statuses[meta.uid] = agent.PodStatusUpdate(
            namespace=meta.namespace, name=meta.name, uid=meta.uid, status=status
        )
        self._wake.set()

    def terminated(self, namespace: str, name: str, uid: str) -> None:
        """Keep that nothing is left of a pod, until the control plane no longer assigns it."""
        message = agent.PodTerminated(namespace=namespace, name=name, uid=uid)
        self._terminated[uid] = self._unsent[uid] = message
        self._wake.set()

    def event(self, event: corev1.Event) -> None:
        """Keep an event."""
        self._events.append(event)
        self._wake.set()

    def token_needed(self, request: agent.TokenNeeded) -> None:
        """Keep a request for a token, once."""
        key = (request.pod_uid, request.service_account, *request.audiences)
        self._tokens[key] = request
        self._wake.set()

    def fault(self, fault: interface.Fault) -> None:
        """Pass a fault on to whoever keeps the node's conditions."""
        self._on_fault(fault)

    # The node's own.

    def node_status(self, status: corev1.NodeStatus) -> None:
        """Keep what changed of the node's status; conditions come all together."""
        merged = corev1.NodeStatus()
        if self._node is not None:
            merged.CopyFrom(self._node)
        for name in ("conditions", "addresses", "images"):
            if getattr(status, name):
                merged.ClearField(name)
        merged.MergeFrom(status)
        self._node = merged
        self._wake.set()

    def report(self, report: metrics.NodeMetrics) -> None:
        """Keep the newest metrics."""
        self._metrics = report
        self._wake.set()

    # The session.

    def begin(
        self, statuses: Sequence[tuple[corev1.Pod, corev1.PodStatus]], tokens: Sequence[agent.TokenNeeded]
    ) -> None:
        """Begin a session: all that matters is to be said again."""
        self._unsent = dict(self._terminated)
        for pod, status in statuses:
            self.status(pod, status)
        for token in tokens:
            self.token_needed(token)
        self._wake.set()

    def applied(self, changes: Sequence[agent.Change], *, complete: bool) -> None:
        """Forget the terminations of pods that are no longer assigned."""
        if complete:
            assigned = {change.pod.metadata.uid for change in changes if change.HasField("pod")}
            self._terminated = {uid: message for uid, message in self._terminated.items() if uid in assigned}
            return
        for change in changes:
            if change.HasField("removed") and change.removed.resource == "pods":
                self._terminated.pop(change.removed.uid, None)

    async def wait(self) -> None:
        """Wait until there is something to say."""
        await self._wake.wait()
        self._wake.clear()

    def drain(self) -> Iterator[agent.AgentMessage]:
        """Yield what waits, each message once it is about to be sent; statuses before terminations."""
        if self._node is not None:
            status, self._node = self._node, None
            yield agent.AgentMessage(node_status=agent.NodeStatusUpdate(status=status))
        while self._statuses:
            yield agent.AgentMessage(pod_status=self._statuses.pop(next(iter(self._statuses))))
        while self._unsent:
            yield agent.AgentMessage(pod_terminated=self._unsent.pop(next(iter(self._unsent))))
        while self._tokens:
            yield agent.AgentMessage(token_needed=self._tokens.pop(next(iter(self._tokens))))
        while self._events:
            yield agent.AgentMessage(event=self._events.popleft())
        if self._metrics is not None:
            report, self._metrics = self._metrics, None
            yield agent.AgentMessage(metrics=report)
