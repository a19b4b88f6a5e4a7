"""The node lifecycle controller: what follows when a node is not ready, or tainted, or not heard of.

It taints nodes by their conditions, marks the pods of nodes that nobody hears of as not ready (so that Services leave
them out), deletes pods that do not tolerate a NoExecute taint when their time is over, and says Ready=Unknown of
nodes whose Lease has not changed for long: those whose control process died with them, for else the dispatcher that
holds the session judges. A Lease's age counts from when this process, while it leads, saw it change.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Iterable, Sequence
from typing import Any

from control.controllers import framework, nodehealth
from fairlead.api import conditions, errors, objects, pods, taints
from fairlead.api.pb import coordination_v1_pb2 as coordinationv1
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import meta_v1_pb2 as metav1

LEASE_NAMESPACE = "kube-node-lease"
# As long as a kubelet's Lease; its holder renews four times as often.
LEASE_SECONDS = 40.0
WRITES_AT_ONCE = 16
EVICTION_REASON = "DeletionByTaintManager"
EVICTION_MESSAGE = "Taint manager: deleting due to NoExecute taint"


class NodeLifecycleController(framework.Controller):
    """Judges nodes, one key a node."""

    name = "node-lifecycle-controller"
    workers = 8

    def __init__(self, context: framework.Context) -> None:
        super().__init__(context)
        self._nodes = context.informers.of(corev1.Node)
        self._pods = context.informers.of(corev1.Pod)
        self._leases = context.informers.of(coordinationv1.Lease, LEASE_NAMESPACE)
        self._pods.add_index("node", by_node)
        # By node: when its Lease was seen to change. By pod uid: until when it may stay on its tainted node.
        self._heard: dict[str, float] = {}
        self._deadlines: dict[str, float] = {}
        self._nodes.add_handler(self._node_changed)
        self._pods.add_handler(self._pod_changed)
        self._leases.add_handler(self._lease_changed)

    def keys(self) -> Iterable[str]:
        """Return every node; ages and deadlines count from the beginning of the term."""
        self._heard.clear()
        self._deadlines.clear()
        return [node.metadata.name for node in self._nodes.list()]

    def _node_changed(self, change: str, old: corev1.Node | None, new: corev1.Node | None) -> None:
        if new is None:
            assert old is not None
            self._heard.pop(old.metadata.name, None)
        elif old is None or _judged(old) != _judged(new):
            self.enqueue(new.metadata.name)

    def _pod_changed(self, change: str, old: corev1.Pod | None, new: corev1.Pod | None) -> None:
        """Look at a pod that comes to a node which drives pods out, or is not ready."""
        if new is None:
            assert old is not None
            self._deadlines.pop(old.metadata.uid, None)
            return
        node = self._nodes.get(new.spec.nodeName) if new.spec.nodeName else None
        if node is None or (not node.spec.taints and nodehealth.ready_status(node) == conditions.TRUE):
            return
        if old is None or not old.spec.nodeName or pods.is_ready(new):
            self.enqueue(new.spec.nodeName)

    def _lease_changed(self, change: str, old: coordinationv1.Lease | None, new: coordinationv1.Lease | None) -> None:
        if new is not None:
            self._heard[new.metadata.name] = self.clock.monotonic()

    async def reconcile(self, key: str) -> framework.Result:
        node = self._nodes.get(key)
        if node is None:
            return framework.nothing("gone")
        told = await self._judge_silence(key, node)
        if told:
            return framework.Result(told)
        carried = [pod for pod in self._pods.by_index("node", key) if not pods.is_finished(pod)]
        told = ", ".join(filter(None, [await self._mark_pods(key, node, carried), await self._taint(key, node)]))
        evicted, again = await self._evict(node, carried)
        told = ", ".join(filter(None, [told, evicted]))
        again = min(again, self._silence_in(key)) if again is not None else self._silence_in(key)
        if told:
            return framework.Result(told, again_seconds=again)
        return framework.nothing(f"is as it should be, Ready={nodehealth.ready_status(node) or 'unset'}", again)

    # Silence

    def _silence_in(self, key: str) -> float:
        now = self.clock.monotonic()
        return max(0.05, self._heard.setdefault(key, now) + LEASE_SECONDS - now)

    async def _judge_silence(self, key: str, node: corev1.Node) -> str:
        """Declare a node unknown whose Lease nobody renews; returns what was done."""
        now = self.clock.monotonic()
        if now - self._heard.setdefault(key, now) < LEASE_SECONDS:
            return ""
        fresh = nodehealth.unknown(node, self.clock.now())
        if fresh is None:
            self._heard[key] = now
            return ""
        known = self._leases.get(key, LEASE_NAMESPACE)
        with contextlib.suppress(errors.NotFound):
            # what this process failed to observe is not held against the node
            lease = await self.client.get(coordinationv1.Lease, key, LEASE_NAMESPACE)
            if known is None or lease.metadata.resourceVersion != known.metadata.resourceVersion:
                self._heard[key] = now
                return ""
        self.wrote(key, await self.client.update(fresh, subresource="status"))
        return f"declared unknown: its lease has not changed for {now - self._heard[key]:.0f} s"

    # Taints and pods

    async def _taint(self, key: str, node: corev1.Node) -> str:
        wanted = nodehealth.wanted_taints(node, self.clock.now())
        if wanted is None:
            return ""
        fresh = objects.copy(node)
        del fresh.spec.taints[:]
        fresh.spec.taints.extend(wanted)
        self.wrote(key, await self.client.update(fresh))
        listed = ", ".join(f"{taint.key}:{taint.effect}" for taint in wanted)
        return f"set taints [{listed}]"

    async def _mark_pods(self, key: str, node: corev1.Node, carried: Sequence[corev1.Pod]) -> str:
        """Mark the pods of a node that is not heard of as not ready, Services' endpoints among them.

        The agent of a node that says itself that it is not ready speaks for its pods: to contradict it would not end.
        """
        if nodehealth.ready_status(node) != conditions.UNKNOWN:
            return ""
        now = self.clock.now()
        marked = [fresh for pod in carried if (fresh := nodehealth.unready(pod, now)) is not None]
        if not marked:
            return ""
        name = node.metadata.name
        self.recorder.normal(node, "NodeNotReady", f"Node {name} status is now: NodeNotReady")
        await _all(self._write_unready(key, pod) for pod in marked)
        return f"marked {len(marked)} pods as not ready"

    async def _write_unready(self, key: str, pod: corev1.Pod) -> None:
        self.recorder.warning(pod, "NodeNotReady", "Node is not ready")
        with contextlib.suppress(errors.NotFound):
            self.wrote(key, await self.client.update(pod, subresource="status"))

    async def _evict(self, node: corev1.Node, carried: Sequence[corev1.Pod]) -> tuple[str, float | None]:
        """Delete the pods whose time on the node is over; returns when the next one's is."""
        driving = [taint for taint in node.spec.taints if taint.effect == taints.NO_EXECUTE]
        now = self.clock.monotonic()
        due: list[corev1.Pod] = []
        waits: list[float] = []
        for pod in carried:
            uid = pod.metadata.uid
            stay = nodehealth.stay_seconds(driving, pod.spec.tolerations)
            if stay is None:
                self._deadlines.pop(uid, None)
            elif not pods.is_terminating(pod):
                deadline = min(self._deadlines.get(uid, now + stay), now + stay)
                self._deadlines[uid] = deadline
                if deadline <= now:
                    due.append(pod)
                else:
                    waits.append(deadline - now)
        await _all(self._delete(pod) for pod in due)
        return f"evicted {len(due)} pods" if due else "", min(waits, default=None)

    async def _delete(self, pod: corev1.Pod) -> None:
        meta = pod.metadata
        told = f"Marking for deletion Pod {meta.namespace}/{meta.name}"
        self.recorder.normal(pod, "TaintManagerEviction", told)
        options = metav1.DeleteOptions(preconditions=metav1.Preconditions(uid=meta.uid))
        with contextlib.suppress(errors.NotFound):
            await say_disrupted(self, pod, EVICTION_REASON, EVICTION_MESSAGE)
            await self.client.delete(corev1.Pod, meta.name, meta.namespace, options=options)


async def say_disrupted(controller: framework.Controller, pod: corev1.Pod, reason: str, message: str) -> None:
    """Write into a pod's status why it will be deleted; reads it anew where it has changed meanwhile."""
    fresh = nodehealth.disrupted(pod, reason, message, controller.clock.now())
    if fresh is None:
        return
    try:
        await controller.client.update(fresh, subresource="status")
    except errors.Conflict:
        meta = pod.metadata
        latest = await controller.client.get(corev1.Pod, meta.name, meta.namespace)
        fresh = nodehealth.disrupted(latest, reason, message, controller.clock.now())
        if fresh is not None and latest.metadata.uid == meta.uid:
            await controller.client.update(fresh, subresource="status")


async def _all(work: Iterable[Awaitable[Any]]) -> None:
    """Await all, a few at a time; the first error is raised when all have ended."""
    slots = asyncio.Semaphore(WRITES_AT_ONCE)

    async def one(each: Awaitable[Any]) -> None:
        async with slots:
            await each

    results = await asyncio.gather(*(one(each) for each in work), return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result


def by_node(pod: corev1.Pod) -> tuple[str, ...]:
    """Index a pod by the node that it is bound to."""
    return (pod.spec.nodeName,) if pod.spec.nodeName else ()


def _judged(node: corev1.Node) -> tuple[Any, ...]:
    statuses = [(condition.type, condition.status) for condition in node.status.conditions]
    drawn = [(taint.key, taint.value, taint.effect) for taint in node.spec.taints]
    return statuses, drawn, node.spec.unschedulable
