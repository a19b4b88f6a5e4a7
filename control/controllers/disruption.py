"""The disruption controller: how many pods of each PodDisruptionBudget may go now.

A budget is counted anew when it or a pod that it selects changes. A pod that an eviction has noted does not count as
healthy for two minutes; if it is still there then, the eviction is held to have failed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from control.controllers import framework
from fairlead.api import disruption, intstr, objects, pods, times
from fairlead.api.pb import apps_v1_pb2 as appsv1
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import meta_v1_pb2 as metav1
from fairlead.api.pb import policy_v1_pb2 as policyv1

DELETION_SECONDS = 120.0  # how long an eviction may take to become a deletion
RESOURCES = {"Job": "jobs.batch", "DaemonSet": "daemonsets.apps", "Node": "nodes"}


class Uncountable(Exception):
    """The number of pods that there should be cannot be told; the message says why."""


@dataclass(frozen=True, slots=True)
class Decision:
    """A budget's counts, the evictions that have yet to happen, and when to look again."""

    expected: int
    healthy: int
    desired: int
    allowed: int
    disrupted: Mapping[str, metav1.Time]
    again_seconds: float | None


# The uid of a pod's workload and its wanted replicas; None for a pod without one.
ScaleOf = Callable[[corev1.Pod], tuple[str, int] | None]


def decide(
    budget: policyv1.PodDisruptionBudget, selected: Sequence[corev1.Pod], scale_of: ScaleOf, now: float
) -> Decision:
    """Count the pods that a budget selects; Uncountable where a pod's workload has no scale."""
    expected, desired = _wanted(budget, selected, scale_of)
    disrupted, again = _disrupted(budget, selected, now)
    healthy = sum(
        pods.is_ready(pod) and not pods.is_terminating(pod) and pod.metadata.name not in disrupted for pod in selected
    )
    allowed = max(healthy - desired, 0) if expected > 0 else 0
    return Decision(expected, healthy, desired, allowed, disrupted, again)


def _wanted(
    budget: policyv1.PodDisruptionBudget, selected: Sequence[corev1.Pod], scale_of: ScaleOf
) -> tuple[int, int]:
    """Return how many pods there should be, and how many of them healthy."""
    spec = budget.spec
    if not spec.HasField("maxUnavailable") and spec.minAvailable.type != intstr.STRING:
        return len(selected), spec.minAvailable.intVal
    scales = dict(found for pod in selected if (found := scale_of(pod)) is not None)
    expected = sum(scales.values())
    if spec.HasField("maxUnavailable"):
        return expected, max(expected - intstr.scaled(spec.maxUnavailable, expected, round_up=True), 0)
    return expected, intstr.scaled(spec.minAvailable, expected, round_up=True)


def _disrupted(
    budget: policyv1.PodDisruptionBudget, selected: Sequence[corev1.Pod], now: float
) -> tuple[dict[str, metav1.Time], float | None]:
    """Return the noted pods whose deletion is still to come, and in how many seconds the first is given up."""
    kept: dict[str, metav1.Time] = {}
    waits: list[float] = []
    for pod in selected:
        name = pod.metadata.name
        if name not in budget.status.disruptedPods or pods.is_terminating(pod):
            continue
        left = times.to_seconds(budget.status.disruptedPods[name]) + DELETION_SECONDS - now
        if left > 0:
            kept[name] = budget.status.disruptedPods[name]
            waits.append(left)
    return kept, min(waits, default=None)


def status_for(
    budget: policyv1.PodDisruptionBudget, made: Decision, now: float
) -> policyv1.PodDisruptionBudgetStatus:
    """Return the status that a decision makes."""
    status = policyv1.PodDisruptionBudgetStatus(
        observedGeneration=budget.metadata.generation,
        disruptionsAllowed=made.allowed,
        currentHealthy=made.healthy,
        desiredHealthy=made.desired,
        expectedPods=made.expected,
        conditions=budget.status.conditions,
    )
    for name, since in made.disrupted.items():
        status.disruptedPods[name].CopyFrom(since)
    disruption.tell_allowed(status, times.from_seconds(now))
    return status


def failed_status(budget: policyv1.PodDisruptionBudget, why: str, now: float) -> policyv1.PodDisruptionBudgetStatus:
    """Return the status of a budget that cannot be counted: nothing may go."""
    status = objects.copy(budget).status
    status.disruptionsAllowed = 0
    disruption.tell_allowed(status, times.from_seconds(now), why)
    return status


class DisruptionController(framework.Controller):
    """Keeps the status of each PodDisruptionBudget."""

    name = "disruption-controller"
    workers = 2

    def __init__(self, context: framework.Context) -> None:
        super().__init__(context)
        self._budgets = context.informers.of(policyv1.PodDisruptionBudget)
        self._pods = context.informers.of(corev1.Pod)
        self._replicasets = context.informers.of(appsv1.ReplicaSet)
        self._deployments = context.informers.of(appsv1.Deployment)
        self._statefulsets = context.informers.of(appsv1.StatefulSet)
        self._controllers = context.informers.of(corev1.ReplicationController)
        self._budgets.add_handler(self._budget_changed)
        self._pods.add_handler(self._pod_changed)

    def keys(self) -> Iterable[str]:
        return [objects.key_of(budget) for budget in self._budgets.list()]

    def _budget_changed(
        self, change: str, old: policyv1.PodDisruptionBudget | None, new: policyv1.PodDisruptionBudget | None
    ) -> None:
        if new is not None:
            self.enqueue(objects.key_of(new))

    def _pod_changed(self, change: str, old: corev1.Pod | None, new: corev1.Pod | None) -> None:
        if not self._running:
            return
        either = new if new is not None else old
        assert either is not None
        labels = [dict(pod.metadata.labels) for pod in (old, new) if pod is not None]
        for budget in self._budgets.list(either.metadata.namespace):
            if any(disruption.selects(budget, some) for some in labels):
                self.enqueue(objects.key_of(budget))

    async def reconcile(self, key: str) -> framework.Result:
        budget = self._budgets.get_key(key)
        if budget is None:
            return framework.nothing("gone")
        now = self.clock.now()
        selected = [
            pod
            for pod in self._pods.list(budget.metadata.namespace)
            if disruption.selects(budget, pod.metadata.labels)
        ]
        again: float | None = None
        try:
            made = decide(budget, selected, self._scale_of, now)
        except Uncountable as error:
            self.recorder.warning(budget, "CalculateExpectedPodCountFailed", _FAILED.format(error))
            status, told = failed_status(budget, str(error), now), f"cannot be counted: {error}"
        else:
            status, again = status_for(budget, made, now), made.again_seconds
            told = f"allows {made.allowed} disruptions with {made.healthy} of {made.expected} pods healthy"
            self._tell(budget, selected, made)
        if status == budget.status:
            return framework.nothing(told, again)
        fresh = objects.copy(budget)
        fresh.status.CopyFrom(status)
        self.wrote(key, await self.client.update(fresh, subresource="status"))
        return framework.Result(told, again_seconds=again)

    def _tell(self, budget: policyv1.PodDisruptionBudget, selected: Sequence[corev1.Pod], made: Decision) -> None:
        """Record what a user should know of a budget: that it selects nothing, and evictions that did not happen."""
        if not selected:
            self.recorder.normal(budget, "NoPods", "No matching pods found")
        where = f"{budget.metadata.namespace}/{budget.metadata.name}"
        for pod in selected:
            name = pod.metadata.name
            late = name in budget.status.disruptedPods and name not in made.disrupted
            if late and not pods.is_terminating(pod):
                text = f"Pod was expected by PDB {where} to be deleted but it wasn't"
                self.recorder.warning(pod, "NotDeleted", text)

    def _scale_of(self, pod: corev1.Pod) -> tuple[str, int] | None:
        owner = objects.controller_of(pod)
        if owner is None:
            return None
        namespace = pod.metadata.namespace
        match owner.kind:
            case "ReplicaSet":
                replicaset = self._replicasets.get(owner.name, namespace)
                above = objects.controller_of(replicaset) if replicaset is not None else None
                if above is not None and above.kind == "Deployment":
                    return _scale(self._deployments.get(above.name, namespace), above.uid, pod)
                return _scale(replicaset, owner.uid, pod)
            case "StatefulSet":
                return _scale(self._statefulsets.get(owner.name, namespace), owner.uid, pod)
            case "ReplicationController":
                return _scale(self._controllers.get(owner.name, namespace), owner.uid, pod)
        resource = RESOURCES.get(owner.kind, owner.kind.lower())
        raise Uncountable(f"{resource} does not implement the scale subresource")


_FAILED = "Failed to calculate the number of expected pods: {}"
Workload = appsv1.ReplicaSet | appsv1.Deployment | appsv1.StatefulSet | corev1.ReplicationController


def _scale(workload: Workload | None, uid: str, pod: corev1.Pod) -> tuple[str, int]:
    if workload is None or workload.metadata.uid != uid:
        raise Uncountable(f'found no controllers for pod "{pod.metadata.name}"')
    return uid, workload.spec.replicas
