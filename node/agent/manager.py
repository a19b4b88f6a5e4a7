"""The pods of a node: one worker for each, adoption of what runs, removal of what is nobody's.

Made by the node's program; the session gives it what the control plane assigns (see `interface.Pods`).
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from collections.abc import Callable, Sequence

from fairlead import clock as clocks
from fairlead.api import quantity
from fairlead.api.pb import agent_pb2, metrics_pb2
from fairlead.api.pb import core_v1_pb2 as corev1
from node.agent import assignments, context, gpus, interface, observer, podstreams, usage, worker
from node.network import interface as network
from node.pods import folders, model
from node.pods import status as statuses
from node.runtime import interface as runtime

log = logging.getLogger(__name__)

RETRY_SECONDS = 5.0
_INTERNAL_ADDRESS = "InternalIP"
_SOURCES = frozenset(("config_map", "secret", "token"))


class PodManager(podstreams.Streams):
    """Carries out `interface.Pods`. Hollow nodes replace `folder`; `gpus_` are indexes, by default the host's."""

    def __init__(
        self,
        runtime_: runtime.Runtime,
        network_: network.Network,
        node: interface.NodeInfo,
        sink: interface.PodSink,
        *,
        clock: clocks.Clock | None = None,
        folder: Callable[[str, str], context.Folder] = folders.PodFolder,
        gpus_: Sequence[int] | None = None,
    ) -> None:
        self._clock = clock or clocks.SystemClock()
        self._given = assignments.Assignments(self._clock, sink.token_needed)
        self._observer = observer.Observer(runtime_, self._clock, self._container_changed, sink.fault)
        indexes = range(gpus.count_nodes()) if gpus_ is None else gpus_
        self._parts = context.Parts(
            node=node,
            runtime_=runtime_,
            network_=network_,
            sink=sink,
            clock=self._clock,
            sources=self._given,
            containers=self._observer,
            folder=folder,
            devices=gpus.Gpus(indexes, self._observer.all, cdi=bool(indexes) and gpus.has_cdi()),
        )
        self._workers: dict[str, worker.Worker] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._known: dict[str, network.Sandbox] = {}
        self._finished: set[str] = set()
        self._group: asyncio.TaskGroup | None = None
        self._complete = False
        self._wanted: network.NetworkConfig | None = None
        self._network_changed = asyncio.Event()
        self._tokens_changed = asyncio.Event()
        self._usage = usage.Usage(self._clock)

    async def run(self) -> None:
        """Carry out what is desired until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._observer.run(), name="observer")
                group.create_task(self._follow_network(), name="network")
                group.create_task(self._renew_tokens(), name="tokens")
                await self._observer.synced.wait()
                self._known = {one.uid: one for one in await self._parts.network.sandboxes()}
                self._group = group
                self._align()
                await asyncio.Event().wait()
        finally:
            self._group = None
            await self._parts.close()

    def configure(self, info: interface.ClusterInfo) -> None:
        """Take what Welcome says."""
        self._parts.cluster = info
        self._plan_network()
        # A session that is made anew may mean that the network was away, and our routes with it.
        self._network_changed.set()

    def apply(self, changes: Sequence[agent_pb2.Change], *, complete: bool) -> None:
        """Take assignments."""
        if complete:
            self._given.clear()
            self._complete = True
        kinds = self._given.take(changes)
        if complete:
            self._given.prune()
        if complete or "node" in kinds:
            self._take_nodes()
        if complete or kinds & _SOURCES:
            for one in self._workers.values():
                one.sources_changed()
            self._tokens_changed.set()
        if complete:
            # The control plane may have missed it: nothing is left of these.
            for uid in self._finished & self._given.pods.keys():
                self._tell_terminated(self._given.pods[uid])
        self._align()

    async def running(self) -> Sequence[agent_pb2.RunningPod]:
        """Return the pods whose containers exist on the node."""
        await self._observer.synced.wait()
        labels = {one.labels[runtime.UID_LABEL]: one.labels for one in self._observer.all()}
        return [
            agent_pb2.RunningPod(
                namespace=given.get(runtime.NAMESPACE_LABEL, ""), name=given.get(runtime.NAME_LABEL, ""), uid=uid
            )
            for uid, given in sorted(labels.items())
        ]

    def statuses(self) -> Sequence[tuple[corev1.Pod, corev1.PodStatus]]:
        """Return the newest status of every pod."""
        found = ((one.pod, one.status) for uid, one in self._workers.items() if uid in self._given.pods)
        return [(pod, statuses.reported(status)) for pod, status in found if status is not None]

    def waiting_tokens(self) -> Sequence[agent_pb2.TokenNeeded]:
        """Return the tokens that were asked for and have not come."""
        return self._given.waiting_tokens()

    async def stats(self) -> Sequence[metrics_pb2.PodMetrics]:
        """Return what each pod uses."""
        return self._usage.pods(self._observer.all(), await self._parts.runtime.stats())

    async def images(self) -> Sequence[runtime.Image]:
        """Return the images on the node."""
        return await self._parts.runtime.images()

    def _container_changed(self, uid: str) -> None:
        known = self._workers.get(uid)
        if known is not None:
            known.changed()
        elif self._complete and uid not in self._given.pods:
            # A call that was given up came through after all.
            self._align()

    def _align(self) -> None:
        """Have a worker for every pod that is desired, and for what is left of those that are not."""
        if self._group is None or not self._complete:
            return
        for uid, pod in self._given.pods.items():
            if uid in self._workers:
                if self._workers[uid].pod is not pod:
                    self._workers[uid].update(pod)
            elif uid not in self._finished:
                self._employ(uid, worker.Worker(self._parts, pod, self._known.pop(uid, None)))
        self._finished &= self._given.pods.keys()
        for uid, known in self._workers.items():
            if uid not in self._given.pods:
                known.remove()
        self._employ_orphans()

    def _employ_orphans(self) -> None:
        left = {one.labels[runtime.UID_LABEL]: one for one in self._observer.all()}
        for uid in (left.keys() | self._known.keys()) - self._workers.keys():
            pod = _remembered(uid, left.get(uid))
            log.info("removing what is left of a pod", extra={"uid": uid, "pod": pod.metadata.name})
            self._employ(uid, worker.Worker(self._parts, pod, self._known.pop(uid, None), orphan=True))

    def _employ(self, uid: str, made: worker.Worker) -> None:
        assert self._group is not None
        self._workers[uid] = made
        self._tasks[uid] = self._group.create_task(self._work(uid, made), name=f"pod {made.pod.metadata.name}")

    async def _work(self, uid: str, made: worker.Worker) -> None:
        await made.run()
        del self._workers[uid], self._tasks[uid]
        if uid in self._given.pods:
            self._finished.add(uid)
        self._tell_terminated(made.pod)

    def _tell_terminated(self, pod: corev1.Pod) -> None:
        self._parts.sink.terminated(pod.metadata.namespace, pod.metadata.name, pod.metadata.uid)

    def _take_nodes(self) -> None:
        own = self._given.nodes.get(self._parts.node.name)
        if own is not None:
            addresses = _addresses(own)
            if addresses:
                self._parts.node = dataclasses.replace(self._parts.node, addresses=addresses)
            self._parts.allocatable = dict(quantity.amounts(own.status.allocatable))
        self._plan_network()

    def _plan_network(self) -> None:
        cluster, node = self._parts.cluster, self._parts.node
        own = self._given.nodes.get(node.name)
        cidrs = tuple(own.spec.podCIDRs) if own is not None and own.spec.podCIDRs else cluster.pod_cidrs
        peers = tuple(
            network.Peer(name, _addresses(one), tuple(one.spec.podCIDRs))
            for name, one in sorted(self._given.nodes.items())
            if name != node.name and one.spec.podCIDRs
        )
        wanted = network.NetworkConfig(node.addresses, cidrs, cluster.cluster_cidrs, cluster.service_cidrs, peers)
        if wanted != self._wanted:
            self._wanted = wanted
            self._network_changed.set()

    async def _follow_network(self) -> None:
        """Bring the network in line whenever what is known of the cluster changes."""
        while True:
            await self._network_changed.wait()
            self._network_changed.clear()
            wanted = self._wanted
            if wanted is None:
                continue
            try:
                await self._parts.network.configure(wanted)
                self._parts.sink.fault(interface.Fault("network"))
            except network.NetworkFault as error:
                log.warning("the network cannot be configured", extra={"fault": str(error)})
                self._parts.sink.fault(interface.Fault("network", str(error)))
                await self._clock.sleep(RETRY_SECONDS)
                self._network_changed.set()
            for one in self._workers.values():
                one.sources_changed()

    async def _renew_tokens(self) -> None:
        """Have workers look at their volumes when a token is old."""
        while True:
            self._tokens_changed.clear()
            due = self._given.next_token_at()
            if not due:
                await self._tokens_changed.wait()
                continue
            await self._clock.sleep(max(1.0, due - self._clock.now()))
            if self._given.tokens_due():
                for one in self._workers.values():
                    one.sources_changed()


def _addresses(node: corev1.Node) -> tuple[str, ...]:
    return tuple(one.address for one in node.status.addresses if one.type == _INTERNAL_ADDRESS)


def _remembered(uid: str, container: runtime.Container | None) -> corev1.Pod:
    """Return what a container's labels still say of its pod."""
    pod = corev1.Pod()
    pod.metadata.uid = uid
    if container is not None:
        pod.metadata.namespace = container.labels.get(runtime.NAMESPACE_LABEL, "")
        pod.metadata.name = container.labels.get(runtime.NAME_LABEL, "")
        grace = model.label_seconds(container, model.GRACE_LABEL, model.DEFAULT_GRACE_SECONDS)
        pod.spec.terminationGracePeriodSeconds = int(grace)
    return pod
