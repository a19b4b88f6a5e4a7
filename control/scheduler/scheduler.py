"""The scheduler: it takes waiting pods one by one, chooses a node for each, and binds many at a time.

control/__main__ makes a `Scheduler` and awaits `run`, which works while its lease is held. The cycle itself awaits
nothing: it reads the cache, asks the framework, and assumes the pod on its node, so that the next choice counts it
already. Bindings are in flight meanwhile; one that fails takes the assumption back. Where no node can carry a pod,
others of lower priority may have to go: it waits for the room that they leave.
"""

from __future__ import annotations

import asyncio
import collections
import logging
import time
from collections.abc import Callable, Sequence

from control.scheduler import framework, nodes, nominations, pods, preemption, queue
from control.scheduler.framework import Event
from control.scheduler.plugins import profile
from fairlead import clock as clocks
from fairlead.api import conditions, disruption, errors, objects, times
from fairlead.api import pods as apipods
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import meta_v1_pb2 as metav1
from fairlead.api.pb import policy_v1_pb2 as policyv1
from fairlead.client import events, informer, interface, leader

LEASE_NAME = "kube-scheduler"
USER = "system:kube-scheduler"
COMPONENT = "default-scheduler"
# Enough to keep etcd and the API busy; more would only wait there.
BINDINGS_IN_FLIGHT = 64
# How many decided pods may wait for a binding before the cycle pauses.
BINDINGS_WAITING = 256
SLICE_SECONDS = 0.005
POD_SCHEDULED = "PodScheduled"
PREEMPTED_REASON = "PreemptionByScheduler"
PREEMPTED_MESSAGE = f"{COMPONENT}: preempting to accommodate a higher priority pod"

log = logging.getLogger(__name__)


class Scheduler:
    """Queue, cache and framework, and the tasks that use them."""

    def __init__(
        self,
        client: interface.Client,
        identity: str,
        *,
        clock: clocks.Clock = clocks.SYSTEM,
        timing: leader.Timing = leader.DEFAULT_TIMING,
        profile_: framework.Framework | None = None,
    ) -> None:
        self.informers = informer.Informers(client, clock=clock)
        self.elector = leader.Elector(client, LEASE_NAME, identity, clock=clock, timing=timing)
        self.recorder = events.Recorder(client, COMPONENT, instance=identity, clock=clock)
        self._client = client
        self._clock = clock
        self._framework = profile_ or profile.default()
        self._nodes_informer = self.informers.of(corev1.Node)
        self._pods_informer = self.informers.of(corev1.Pod)
        self._budgets = self.informers.of(policyv1.PodDisruptionBudget)

    async def run(self) -> None:
        """Follow the API and stand for election until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.informers.run(), name="scheduler's informers")
            tasks.create_task(self.elector.run(self.lead), name="scheduler's election")

    async def lead(self) -> None:
        """Schedule until cancelled, from what the informers hold."""
        await self.informers.synced()
        term = Term(self._client, self._framework, self.recorder, self._clock, self._budgets.list)
        self._nodes_informer.add_handler(term.node_changed)
        self._pods_informer.add_handler(term.pod_changed)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self.recorder.run(), name="scheduler's events")
                tasks.create_task(term.run(), name="scheduling")
        finally:
            self._nodes_informer.remove_handler(term.node_changed)
            self._pods_informer.remove_handler(term.pod_changed)
            term.queue.close()


class Term:
    """One term of leadership: the cache and the queue as they grow from the informers' events."""

    def __init__(
        self,
        client: interface.Client,
        plugins: framework.Framework,
        recorder: events.Recorder,
        clock: clocks.Clock,
        budgets: Callable[[], Sequence[policyv1.PodDisruptionBudget]] = tuple,
    ) -> None:
        self.nodes = nodes.Nodes()
        self.queue = queue.Queue(clock=clock)
        self._client = client
        self._framework = plugins
        self._recorder = recorder
        self._clock = clock
        self._assumed: dict[str, str] = {}
        self._bindings: asyncio.Queue[tuple[queue.Waiting, str]] = asyncio.Queue(BINDINGS_WAITING)
        self._refused: collections.OrderedDict[str, tuple[corev1.Pod, str]] = collections.OrderedDict()
        self._refusal = asyncio.Event()
        self._budgets = budgets
        self._preemption = preemption.Preemption(plugins)
        self._nominations = nominations.Nominations()
        self._making_room: collections.OrderedDict[str, tuple[pods.PodInfo, preemption.Choice]]
        self._making_room = collections.OrderedDict()
        self._room = asyncio.Event()

    # What informers tell

    def node_changed(self, change: str, old: corev1.Node | None, new: corev1.Node | None) -> None:
        """Take in a node's change, and wake the pods that it may help."""
        if new is None:
            assert old is not None
            self.nodes.remove(old.metadata.name)
            return
        what = difference(old, new)
        if what is None:
            self.nodes.refresh_node(new)
            return
        self.nodes.put(new)
        self.queue.happened(what)

    def pod_changed(self, change: str, old: corev1.Pod | None, new: corev1.Pod | None) -> None:
        """Take in a pod's change: it waits, or a node carries it, or it is gone."""
        pod = new if new is not None else old
        assert pod is not None
        uid = pod.metadata.uid
        if old is not None and old.metadata.uid != uid:
            # deleted and made again while nobody looked
            self._gone(old.metadata.uid)
        if new is None or apipods.is_finished(new):
            self._gone(uid)
        elif new.spec.nodeName:
            self.queue.remove(uid)
            self._refused.pop(uid, None)
            self._assumed.pop(uid, None)
            self._nominations.drop(uid)
            if self.nodes.node_of(uid) != new.spec.nodeName or (old is not None and _counts_differently(old, new)):
                self.nodes.carry(pods.info(new), new.spec.nodeName)
            else:
                self.nodes.refresh(new)
            if old is None or not old.spec.nodeName:
                self.queue.happened(Event.POD_BOUND)
        elif not is_ours(new):
            self.queue.remove(uid)
        elif uid not in self._assumed and (old is None or asks_differently(old, new)):
            info = pods.info(new)
            if old is None and new.status.nominatedNodeName:
                self._nominations.put(info, new.status.nominatedNodeName)
            self.queue.add(info)

    def _gone(self, uid: str) -> None:
        self.queue.remove(uid)
        self._refused.pop(uid, None)
        self._assumed.pop(uid, None)
        self._nominations.drop(uid)
        self._nominations.settled(uid)
        if self.nodes.drop(uid):
            self.queue.happened(Event.POD_GONE)

    # The cycle

    async def run(self) -> None:
        """Schedule and bind until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for number in range(BINDINGS_IN_FLIGHT):
                tasks.create_task(self._bind_all(), name=f"binding {number}")
            tasks.create_task(self._tell_all(), name="refusals")
            tasks.create_task(self._make_all_room(), name="preemptions")
            tasks.create_task(self._cycle(), name="cycle")

    async def _cycle(self) -> None:
        until = time.monotonic() + SLICE_SECONDS
        while True:
            waiting = self.queue.pop_ready()
            if waiting is None:
                await self.queue.wait()
                continue
            node_name = self.schedule_one(waiting)
            if node_name:
                await self._bindings.put((waiting, node_name))
            if time.monotonic() > until:
                await asyncio.sleep(0)
                until = time.monotonic() + SLICE_SECONDS

    def schedule_one(self, waiting: queue.Waiting) -> str:
        """Choose a node for a pod and assume it there; where none can carry it, park it. Returns the node's name."""
        info = waiting.info
        try:
            verdict = self._choose(info)
            reason = verdict.status.reason
            if verdict.status.code is not framework.Code.SUCCESS and len(self.nodes):
                reason = f"{reason} {self._preempt(info)}".rstrip()
        except Exception as error:
            # like a reconcile: one pod that breaks a plugin must not end scheduling for all others
            log.exception("scheduling broke", extra={"pod": info.key})
            self._recorder.warning(info.pod, "FailedScheduling", f"running the plugins: {error!r}")
            self.queue.retry(waiting)
            return ""
        if verdict.status.code is framework.Code.SUCCESS:
            self._assumed[info.uid] = verdict.node_name
            self._nominations.drop(info.uid)
            self.nodes.carry(info, verdict.node_name)
            return verdict.node_name
        self.queue.park(waiting, self._framework.wakes(verdict.status.plugins))
        self._refused[info.uid] = (info.pod, reason)
        self._refusal.set()
        return ""

    def _choose(self, info: pods.PodInfo) -> framework.Verdict:
        """Choose a node beside those who wait for room: the one where room was made for the pod, if it is enough."""
        waited_for = self._nominations.node_of(info.uid)
        with self._nominations.counted(info, self.nodes):
            if waited_for and self._framework.fits(info, self.nodes, waited_for):
                return framework.Verdict(framework.Status(framework.Code.SUCCESS), waited_for)
            return self._framework.schedule(info, self.nodes)

    # Preemption

    def _preempt(self, info: pods.PodInfo) -> str:
        """Choose who has to go for a pod, and let it wait there; returns why nobody does."""
        if self._nominations.waits(info, self.nodes):
            return "preemption: not eligible due to terminating pod on the nominated node."
        with self._nominations.counted(info, self.nodes):
            outcome = self._preemption.decide(info, self.nodes, self._budgets())
        if outcome.choice is None:
            self._nominations.drop(info.uid)
            return f"preemption: {outcome.told}"
        self._nominations.put(info, outcome.choice.node_name)
        for victim in outcome.choice.victims:
            self._nominations.going(victim.uid)
        self._making_room[info.uid] = (info, outcome.choice)
        self._room.set()
        return ""

    async def _make_all_room(self) -> None:
        while True:
            await self._room.wait()
            self._room.clear()
            while self._making_room:
                _, (info, choice) = self._making_room.popitem(last=False)
                for victim in choice.victims:
                    sentence = await self._send_away(victim, info, choice.node_name)
                    log.info(sentence, extra={"pod": victim.key, "for": info.key})

    async def _send_away(self, victim: pods.PodInfo, info: pods.PodInfo, node_name: str) -> str:
        """Tell in a pod's status why it goes, and delete it."""
        meta = victim.pod.metadata
        options = metav1.DeleteOptions(preconditions=metav1.Preconditions(uid=meta.uid))
        try:
            if not apipods.is_terminating(victim.pod):
                await self._say_preempted(victim.pod)
                await self._client.delete(corev1.Pod, meta.name, meta.namespace, options=options)
        except errors.NotFound:
            return "gone before it was preempted"
        except errors.ApiError as error:
            self._nominations.settled(victim.uid)
            return f"not preempted, to be decided again: {error}"
        self._recorder.normal(victim.pod, "Preempted", f"Preempted by pod {info.uid} on node {node_name}")
        return f"preempted on {node_name}"

    async def _say_preempted(self, pod: corev1.Pod) -> None:
        meta = pod.metadata
        try:
            await self._write_preempted(pod)
        except errors.Conflict:
            await self._write_preempted(await self._client.get(corev1.Pod, meta.name, meta.namespace))

    async def _write_preempted(self, pod: corev1.Pod) -> None:
        fresh = objects.copy(pod)
        now = times.from_seconds(self._clock.now())
        told = {"reason": PREEMPTED_REASON, "message": PREEMPTED_MESSAGE}
        conditions.set_condition(fresh.status.conditions, disruption.TARGET, conditions.TRUE, now, **told)
        await self._client.update(fresh, subresource="status")

    # Binding

    async def _bind_all(self) -> None:
        while True:
            waiting, node_name = await self._bindings.get()
            sentence = await self._bind(waiting, node_name)
            log.debug(sentence, extra={"pod": waiting.info.key})

    async def _bind(self, waiting: queue.Waiting, node_name: str) -> str:
        info = waiting.info
        if info.uid not in self._assumed:
            return "gone, or bound by someone else, before its binding"
        meta = info.pod.metadata
        binding = corev1.Binding(
            metadata=metav1.ObjectMeta(namespace=meta.namespace, name=meta.name, uid=meta.uid),
            target=corev1.ObjectReference(kind="Node", name=node_name),
        )
        try:
            await self._client.post(corev1.Pod, meta.name, meta.namespace, "binding", binding)
        except errors.ApiError as error:
            # where it is gone, or bound by someone else, the informer takes it out of the queue
            if self._forget(info.uid):
                self.queue.retry(waiting)
            if not isinstance(error, errors.NotFound | errors.Conflict):
                self._recorder.warning(info.pod, "FailedScheduling", f"binding rejected: {error}")
            return f"not bound, to be tried again: {error}"
        told = f"Successfully assigned {info.key} to {node_name}"
        self._recorder.normal(info.pod, "Scheduled", told)
        return f"bound to {node_name}"

    def _forget(self, uid: str) -> bool:
        """Take an assumption back; returns whether it still stood."""
        if self._assumed.pop(uid, None) is None:
            return False
        if self.nodes.drop(uid):
            self.queue.happened(Event.POD_GONE)
        return True

    # Refusals

    async def _tell_all(self) -> None:
        """Write down why pods cannot be scheduled: an Event, and the PodScheduled condition where it changes."""
        while True:
            await self._refusal.wait()
            self._refusal.clear()
            while self._refused:
                _, (pod, reason) = self._refused.popitem(last=False)
                self._recorder.warning(pod, "FailedScheduling", reason)
                await self._write_refusal(pod, reason)

    async def _write_refusal(self, pod: corev1.Pod, reason: str) -> None:
        fresh = objects.copy(pod)
        now = times.from_seconds(self._clock.now())
        changed = conditions.set_condition(
            fresh.status.conditions, POD_SCHEDULED, conditions.FALSE, now, reason="Unschedulable", message=reason
        )
        fresh.status.nominatedNodeName = self._nominations.node_of(pod.metadata.uid)
        if not changed and fresh.status.nominatedNodeName == pod.status.nominatedNodeName:
            return
        try:
            await self._client.update(fresh, subresource="status")
        except errors.ApiError as error:
            # the next refusal says it again
            log.debug("condition not written", extra={"pod": objects.key_of(pod), "error": str(error)})


def is_ours(pod: corev1.Pod) -> bool:
    """Whether a pod without a node waits for this scheduler: not gated, not terminating, asking for it."""
    return (
        pod.spec.schedulerName in ("", pods.SCHEDULER_NAME)
        and not pod.spec.schedulingGates
        and not apipods.is_terminating(pod)
    )


def asks_differently(old: corev1.Pod, new: corev1.Pod) -> bool:
    """Whether a waiting pod changed in what scheduling looks at; its status does not count."""
    return old.metadata.labels != new.metadata.labels or old.spec != new.spec or not is_ours(old)


def _counts_differently(old: corev1.Pod, new: corev1.Pod) -> bool:
    """Whether a pod on a node changed in what others look at: its labels, or that it is leaving."""
    return old.metadata.labels != new.metadata.labels or apipods.is_terminating(old) != apipods.is_terminating(new)


def difference(old: corev1.Node | None, new: corev1.Node) -> Event | None:
    """Return what changed of a node that scheduling looks at; None for nothing."""
    if old is None:
        return Event.NODE_ADDED
    what = Event(0)
    if old.metadata.labels != new.metadata.labels:
        what |= Event.NODE_LABELS
    if old.spec.unschedulable != new.spec.unschedulable or list(old.spec.taints) != list(new.spec.taints):
        what |= Event.NODE_TAINTS
    if old.status.allocatable != new.status.allocatable:
        what |= Event.NODE_ALLOCATABLE
    return what or None
