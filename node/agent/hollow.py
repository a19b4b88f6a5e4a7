"""Hollow agents: the real session of many nodes in one process, with pods that only pretend.

For benchmarks and tests of the control plane. A hollow node's pods run as soon as they are assigned and end as soon
as they are deleted; there is no proxy and nothing touches the machine.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence

from fairlead.api import errors
from fairlead.api.pb import agent_pb2 as agent
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import metrics_pb2 as metrics
from node.agent import agent as agents
from node.agent import config as configs
from node.agent import interface, link, register
from node.runtime import interface as runtime

Applied = Callable[[str, agent.Change], None]


class HollowPods:
    """Pods in a dictionary. `applied` is called for each change, with the node's name."""

    def __init__(self, node: str, sink: interface.PodSink, applied: Applied = lambda node, change: None) -> None:
        self.pods: dict[str, corev1.Pod] = {}
        self._node = node
        self._sink = sink
        self._applied = applied
        self._statuses: dict[str, corev1.PodStatus] = {}

    async def run(self) -> None:
        """Do nothing until cancelled."""
        await asyncio.Event().wait()

    def configure(self, info: interface.ClusterInfo) -> None:
        """Take what Welcome says: nothing depends on it."""

    def apply(self, changes: Sequence[agent.Change], *, complete: bool) -> None:
        """Let assigned pods run and deleted ones end."""
        if complete:
            assigned = {change.pod.metadata.uid for change in changes if change.HasField("pod")}
            for uid in self.pods.keys() - assigned:
                self._forget(uid)
        for change in changes:
            self._applied(self._node, change)
            if change.HasField("pod"):
                self._take(change.pod)
            elif change.HasField("removed") and change.removed.resource == "pods":
                self._forget(change.removed.uid)

    def _take(self, pod: corev1.Pod) -> None:
        uid = pod.metadata.uid
        known = uid in self.pods
        self.pods[uid] = pod
        if pod.metadata.HasField("deletionTimestamp"):
            self._sink.terminated(pod.metadata.namespace, pod.metadata.name, uid)
        elif not known:
            self._statuses[uid] = running(pod)
            self._sink.status(pod, self._statuses[uid])

    def _forget(self, uid: str) -> None:
        self.pods.pop(uid, None)
        self._statuses.pop(uid, None)

    async def running(self) -> Sequence[agent.RunningPod]:
        """Return every pod."""
        found = [pod.metadata for pod in self.pods.values()]
        return [agent.RunningPod(namespace=meta.namespace, name=meta.name, uid=meta.uid) for meta in found]

    def statuses(self) -> Sequence[tuple[corev1.Pod, corev1.PodStatus]]:
        """Return the status of every pod."""
        return [(self.pods[uid], status) for uid, status in self._statuses.items() if uid in self.pods]

    def waiting_tokens(self) -> Sequence[agent.TokenNeeded]:
        """Return none."""
        return ()

    async def stats(self) -> Sequence[metrics.PodMetrics]:
        """Return none."""
        return ()

    async def images(self) -> Sequence[runtime.Image]:
        """Return none."""
        return ()

    async def logs(self, uid: str, options: corev1.PodLogOptions) -> AsyncIterator[bytes]:
        """Yield one line that names the pod, for ever again if it is followed."""
        pod = self._pod(uid)
        yield b""
        yield f"{pod.metadata.name} pretends\n".encode()
        while options.follow:
            await asyncio.sleep(1.0)
            yield f"{pod.metadata.name} still pretends\n".encode()

    async def exec(self, uid: str, container: str, options: runtime.ExecOptions) -> runtime.Stream:
        """Refuse: there is no process."""
        self._pod(uid)
        raise errors.BadRequest("a hollow pod runs nothing")

    async def attach(self, uid: str, container: str, *, stdin: bool, tty: bool) -> runtime.Stream:
        """Refuse: there is no process."""
        self._pod(uid)
        raise errors.BadRequest("a hollow pod runs nothing")

    async def port_forward(
        self, uid: str, port: int, *, to_address: bool = False
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Refuse: nothing listens."""
        self._pod(uid)
        raise errors.BadRequest("a hollow pod listens on nothing")

    def _pod(self, uid: str) -> corev1.Pod:
        if uid not in self.pods:
            raise errors.NotFound(f"no pod with uid {uid}")
        return self.pods[uid]


def running(pod: corev1.Pod) -> corev1.PodStatus:
    """Return the status of a pod whose containers all run and are ready."""
    now = int(time.time())
    status = corev1.PodStatus(phase="Running")
    status.startTime.seconds = now
    for type_ in ("Initialized", "Ready", "ContainersReady"):
        status.conditions.add(type=type_, status="True").lastTransitionTime.seconds = now
    for container in pod.spec.containers:
        one = status.containerStatuses.add(name=container.name, image=container.image, ready=True, started=True)
        one.state.running.startedAt.seconds = now
    return status


def make(
    name: str, dial: link.Link, endpoints: Sequence[str], applied: Applied = lambda node, change: None
) -> agents.Agent:
    """Return the agent of a hollow node with 32 cores and 256 GiB."""
    config = configs.Config(nodeName=name, address="127.0.0.1", endpoints=list(endpoints))
    facts = register.Facts(hostname=name, cores=32, memory=256 << 30, storage=1 << 40, runtime="memory://0.1")
    made = agents.Agent(register.node(config, facts), dial, endpoints)
    made.attach(HollowPods(name, made.reports, applied))
    return made
