"""The pod garbage collector: pods that nobody would ever finish.

Pods of nodes that are gone (after a while, for a node may be registered again), pods that are deleted before they
were bound, and the oldest of too many finished pods.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence

from control.controllers import framework, nodelifecycle
from fairlead.api import errors, objects, pods
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import meta_v1_pb2 as metav1

# How long a node may be away before its pods are given up.
QUARANTINE_SECONDS = 40.0
FINISHED_LIMIT = 12500
OUT_OF_SERVICE = "node.kubernetes.io/out-of-service"
REASON = "DeletionByPodGC"
FINISHED_KEY = "*"


def decide(pod: corev1.Pod, node: corev1.Node | None, node_gone_seconds: float | None) -> tuple[str, float | None]:
    """Return why a pod is to be removed (empty to keep it) and when to look again.

    `node_gone_seconds` is since when its node is known to be gone, None while it is there.
    """
    if not pod.spec.nodeName:
        return ("unscheduled and terminating" if pods.is_terminating(pod) else ""), None
    if node is None and node_gone_seconds is not None:
        if node_gone_seconds < QUARANTINE_SECONDS:
            return "", QUARANTINE_SECONDS - node_gone_seconds
        return "node no longer exists", None
    if node is not None and pods.is_terminating(pod) and any(t.key == OUT_OF_SERVICE for t in node.spec.taints):
        return "node is out-of-service", None
    return "", None


def surplus(finished: Sequence[corev1.Pod], limit: int = FINISHED_LIMIT) -> Sequence[corev1.Pod]:
    """Return the oldest finished pods beyond the limit."""
    if len(finished) <= limit:
        return []
    return sorted(finished, key=lambda pod: pod.metadata.creationTimestamp.seconds)[: len(finished) - limit]


class PodGarbageCollector(framework.Controller):
    """Removes pods, one key a pod; `*` stands for the finished ones."""

    name = "pod-garbage-collector"
    workers = 4

    def __init__(self, context: framework.Context) -> None:
        super().__init__(context)
        self._nodes = context.informers.of(corev1.Node)
        self._pods = context.informers.of(corev1.Pod)
        self._pods.add_index("node", nodelifecycle.by_node)
        self._gone_since: dict[str, float] = {}
        self._finished = 0
        self._nodes.add_handler(self._node_changed)
        self._pods.add_handler(self._pod_changed)

    def keys(self) -> Iterable[str]:
        """Return the pods that may be orphans; how long nodes are gone counts from the beginning of the term."""
        self._gone_since.clear()
        found = [pod for pod in self._pods.list() if pods.is_terminating(pod) or not self._has_node(pod)]
        return [FINISHED_KEY, *(objects.key_of(pod) for pod in found)]

    def _has_node(self, pod: corev1.Pod) -> bool:
        return not pod.spec.nodeName or pod.spec.nodeName in self._nodes

    def _node_changed(self, change: str, old: corev1.Node | None, new: corev1.Node | None) -> None:
        node = new if new is not None else old
        assert node is not None
        name = node.metadata.name
        if new is not None:
            self._gone_since.pop(name, None)
        if new is None or any(taint.key == OUT_OF_SERVICE for taint in new.spec.taints):
            for pod in self._pods.by_index("node", name):
                self.enqueue(objects.key_of(pod))

    def _pod_changed(self, change: str, old: corev1.Pod | None, new: corev1.Pod | None) -> None:
        self._finished += sum(
            (new is not None and pods.is_finished(new), -(old is not None and pods.is_finished(old)))
        )
        if new is None or not self._running:
            return
        if self._finished > FINISHED_LIMIT:
            self.enqueue(FINISHED_KEY)
        if pods.is_terminating(new) or not self._has_node(new):
            self.enqueue(objects.key_of(new))

    async def reconcile(self, key: str) -> framework.Result:
        if key == FINISHED_KEY:
            return await self._thin_out()
        pod = self._pods.get_key(key)
        if pod is None:
            return framework.nothing("gone")
        node = self._nodes.get(pod.spec.nodeName) if pod.spec.nodeName else None
        gone_seconds = None
        if node is None and pod.spec.nodeName:
            now = self.clock.monotonic()
            gone_seconds = now - self._gone_since.setdefault(pod.spec.nodeName, now)
        why, again = decide(pod, node, gone_seconds)
        if not why:
            return framework.nothing("stays", again)
        if gone_seconds is not None and await self._node_is_there(pod.spec.nodeName):
            return framework.nothing("its node is there after all")
        await self._remove(pod, why)
        return framework.Result(f"removed: {why}")

    async def _node_is_there(self, name: str) -> bool:
        try:
            await self.client.get(corev1.Node, name)
        except errors.NotFound:
            return False
        return True

    async def _remove(self, pod: corev1.Pod, why: str) -> None:
        meta = pod.metadata
        options = metav1.DeleteOptions(gracePeriodSeconds=0, preconditions=metav1.Preconditions(uid=meta.uid))
        with contextlib.suppress(errors.NotFound):
            if pod.spec.nodeName and not pods.is_finished(pod):
                fresh = objects.copy(pod)
                fresh.status.phase = pods.FAILED
                pod = await self.client.update(fresh, subresource="status")
                await nodelifecycle.say_disrupted(self, pod, REASON, f"PodGC: {why}")
            await self.client.delete(corev1.Pod, meta.name, meta.namespace, options=options)

    async def _thin_out(self) -> framework.Result:
        chosen = surplus([pod for pod in self._pods.list() if pods.is_finished(pod)])
        for pod in chosen:
            await self._remove(pod, "too many finished pods")
        if chosen:
            return framework.Result(f"removed {len(chosen)} of the oldest finished pods")
        return framework.nothing("no more finished pods than allowed")
