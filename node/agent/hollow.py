"""Hollow agents: the real session of many nodes in one process, with pods that only pretend.

For benchmarks and tests of the control plane. A hollow node's pods run as soon as they are assigned and end as soon
as they are deleted; they have addresses of the node's range, and are ready when their readiness gates are open. There
is no proxy and nothing touches the machine.
"""

from __future__ import annotations

import asyncio
import ipaddress
import time
from collections.abc import AsyncIterator, Callable, Sequence

from fairlead.api import errors
from fairlead.api.pb import agent_pb2 as agent
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import metrics_pb2 as metrics
from node.agent import agent as agents
from node.agent import config as configs
from node.agent import interface, link, register
from node.pods import status as podstatus
from node.runtime import interface as runtime

Applied = Callable[[str, agent.Change], None]
ADDRESS = "127.0.0.1"


class Addresses:
    """The addresses that pods pretend to have: the lowest that is free in the node's range, none without a range."""

    def __init__(self) -> None:
        self.range = ""
        self._given: dict[str, str] = {}

    def of(self, pod: corev1.Pod) -> str:
        """Return a pod's address, for as long as it is not freed."""
        if pod.spec.hostNetwork:
            return ADDRESS
        known = self._given.get(pod.metadata.uid, "")
        if known or not self.range:
            return known
        taken = set(self._given.values())
        every = (str(address) for address in ipaddress.ip_network(self.range).hosts())
        next(every)  # the gateway's
        free = next((address for address in every if address not in taken), "")
        if free:
            self._given[pod.metadata.uid] = free
        return free

    def free(self, uid: str) -> None:
        """Let another pod have a pod's address."""
        self._given.pop(uid, None)


class HollowPods:
    """Pods in a dictionary. `applied` is called for each change, with the node's name."""

    def __init__(self, node: str, sink: interface.PodSink, applied: Applied = lambda node, change: None) -> None:
        self.pods: dict[str, corev1.Pod] = {}
        self._node = node
        self._sink = sink
        self._applied = applied
        self._statuses: dict[str, corev1.PodStatus] = {}
        self._addresses = Addresses()

    async def run(self) -> None:
        """Do nothing until cancelled."""
        await asyncio.Event().wait()

    def configure(self, info: interface.ClusterInfo) -> None:
        """Take the range of pod addresses from what Welcome says."""
        self._take_range(info.pod_cidrs)

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
            elif change.HasField("node") and change.node.metadata.name == self._node:
                self._take_range(change.node.spec.podCIDRs)
            elif change.HasField("removed") and change.removed.resource == "pods":
                self._forget(change.removed.uid)

    def _take_range(self, cidrs: Sequence[str]) -> None:
        """Give addresses to the pods that came before the range."""
        if cidrs and not self._addresses.range:
            self._addresses.range = cidrs[0]
            for pod in list(self.pods.values()):
                self._take(pod)

    def _take(self, pod: corev1.Pod) -> None:
        uid = pod.metadata.uid
        self.pods[uid] = pod
        if pod.metadata.HasField("deletionTimestamp"):
            self._sink.terminated(pod.metadata.namespace, pod.metadata.name, uid)
            return
        status = running(pod, self._addresses.of(pod), self._statuses.get(uid))
        if status != self._statuses.get(uid):
            self._statuses[uid] = status
            self._sink.status(pod, status)

    def _forget(self, uid: str) -> None:
        self.pods.pop(uid, None)
        self._statuses.pop(uid, None)
        self._addresses.free(uid)

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


def running(pod: corev1.Pod, address: str, before: corev1.PodStatus | None = None) -> corev1.PodStatus:
    """Return the status of a pod whose containers all run, ready if its gates are open; it began as it did before."""
    now = before.startTime.seconds if before is not None else int(time.time())
    status = corev1.PodStatus(phase="Running")
    status.startTime.seconds = now
    if address:
        status.podIP, status.hostIP = address, ADDRESS
        status.podIPs.add(ip=address)
        status.hostIPs.add(ip=ADDRESS)
    open_ = ("True", "", "")
    for type_, told in (
        ("Initialized", open_),
        ("Ready", podstatus.gated(pod, pod.status, open_)),
        ("ContainersReady", open_),
    ):
        condition = status.conditions.add(type=type_, status=told[0], reason=told[1], message=told[2])
        condition.lastTransitionTime.seconds = now
    for container in pod.spec.containers:
        one = status.containerStatuses.add(name=container.name, image=container.image, ready=True, started=True)
        one.state.running.startedAt.seconds = now
    return status


def make(
    name: str, dial: link.Link, endpoints: Sequence[str], applied: Applied = lambda node, change: None
) -> agents.Agent:
    """Return the agent of a hollow node with 32 cores and 256 GiB."""
    config = configs.Config(nodeName=name, address=ADDRESS, endpoints=list(endpoints))
    facts = register.Facts(hostname=name, cores=32, memory=256 << 30, storage=1 << 40, runtime="memory://0.1")
    made = agents.Agent(register.node(config, facts), dial, endpoints)
    made.attach(HollowPods(name, made.reports, applied))
    return made
