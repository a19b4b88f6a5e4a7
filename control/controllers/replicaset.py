"""The ReplicaSet controller: as many pods as asked for.

Pods that are terminating do not count, so that replacements run while old pods still wait on a dead node.
Counting is right because a reconcile waits for the informer to show what the last one wrote; pods whose deletion
was asked for are remembered by uid until the informer shows it.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from control.controllers import framework, ownership
from fairlead.api import conditions, errors, objects, pods, selectors, times
from fairlead.api.pb import apps_v1_pb2 as appsv1
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import meta_v1_pb2 as metav1

# The most pods that one reconcile creates or deletes.
BURST = 500
DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
# What makes pods in this way: the two kinds' specs and statuses have the same fields, but for the selector's form.
Workload = appsv1.ReplicaSet | corev1.ReplicationController
Status = appsv1.ReplicaSetStatus | corev1.ReplicationControllerStatus
_PHASES = {pods.PENDING: 0, pods.UNKNOWN: 1, pods.RUNNING: 2}


@dataclass(frozen=True, slots=True)
class Plan:
    """How many pods to create, or which to delete."""

    create: int = 0
    delete: Sequence[corev1.Pod] = ()


def decide(replicaset: Workload, active: Sequence[corev1.Pod], related: Mapping[str, int], now: float) -> Plan:
    """Compare the pods that count with what is wanted; `related` is how many pods of the kin run on each node."""
    if replicaset.metadata.HasField("deletionTimestamp"):
        return Plan()
    surplus = len(active) - replicaset.spec.replicas
    if surplus < 0:
        return Plan(create=min(-surplus, BURST))
    if surplus > 0:
        return Plan(delete=ranked(active, related, now)[: min(surplus, BURST)])
    return Plan()


def ranked(active: Sequence[corev1.Pod], related: Mapping[str, int], now: float) -> list[corev1.Pod]:
    """Order pods as Kubernetes deletes them: those that matter least come first.

    Not assigned, pending, not ready, cheaper by annotation, on a node with more of the kin, ready for less time
    (by powers of two), restarted more often, newer.
    """

    def rank(pod: corev1.Pod) -> tuple[Any, ...]:
        since = pods.ready_since(pod)
        age = math.frexp(max(now - since, 0.0))[1] if since is not None else 0
        return (
            bool(pod.spec.nodeName),
            _PHASES.get(pod.status.phase, 0),
            since is not None,
            deletion_cost(pod),
            -related.get(pod.spec.nodeName, 0),
            age,
            -max((status.restartCount for status in pod.status.containerStatuses), default=0),
            -times.to_seconds(pod.metadata.creationTimestamp),
            pod.metadata.name,
        )

    return sorted(active, key=rank)


def selector_of(workload: Workload) -> selectors.Selector:
    """Return what a workload selects its pods by."""
    if isinstance(workload, corev1.ReplicationController):
        return selectors.of_labels(workload.spec.selector)
    return selectors.of_message(workload.spec.selector)


def deletion_cost(pod: corev1.Pod) -> int:
    """Return the pod's deletion cost; 0 where the annotation is absent or no number."""
    try:
        return int(pod.metadata.annotations.get(DELETION_COST, "0"))
    except ValueError:
        return 0


def new_pod(replicaset: Workload) -> corev1.Pod:
    """Return a pod of the template, to be created."""
    template = replicaset.spec.template
    pod = corev1.Pod(spec=template.spec)
    meta = pod.metadata
    meta.namespace = replicaset.metadata.namespace
    meta.generateName = f"{replicaset.metadata.name}-"
    meta.labels.update(template.metadata.labels)
    meta.annotations.update(template.metadata.annotations)
    meta.finalizers.extend(template.metadata.finalizers)
    meta.ownerReferences.append(ownership.reference_to(replicaset))
    return pod


def status_for(
    replicaset: Workload, active: Sequence[corev1.Pod], failure: str, now: float
) -> tuple[Status, float | None]:
    """Return the status and in how many seconds it changes by itself (a pod becomes available)."""
    status = type(replicaset.status)()
    status.conditions.extend(replicaset.status.conditions)  # type: ignore[arg-type]
    wanted = selectors.of_labels(replicaset.spec.template.metadata.labels)
    soon: list[float] = []
    status.replicas = len(active)
    for pod in active:
        status.fullyLabeledReplicas += wanted.matches(pod.metadata.labels)
        left = pods.available_in(pod, replicaset.spec.minReadySeconds, now)
        if left is None:
            continue
        status.readyReplicas += 1
        if left == 0:
            status.availableReplicas += 1
        else:
            soon.append(left)
    status.observedGeneration = replicaset.metadata.generation
    if failure:
        reason = "FailedCreate" if len(active) < replicaset.spec.replicas else "FailedDelete"
        stamp = times.from_seconds(now)
        conditions.set_condition(
            status.conditions, "ReplicaFailure", conditions.TRUE, stamp, reason=reason, message=failure
        )
    else:
        conditions.remove(status.conditions, "ReplicaFailure")
    return status, min(soon, default=None)


class ReplicaSetController(framework.Controller):
    """Keeps the number of pods of each ReplicaSet."""

    name = "replicaset-controller"
    workers = 5
    kind: ClassVar[type[Workload]] = appsv1.ReplicaSet

    def __init__(self, context: framework.Context) -> None:
        super().__init__(context)
        self._replicasets = context.informers.of(self.kind)
        self._pods = context.informers.of(corev1.Pod)
        self._deleting: dict[str, set[str]] = {}
        self._replicasets.add_index("controller", framework.controller_index)
        self._pods.add_index("controller", framework.controller_index)
        self._replicasets.add_handler(self._replicaset_changed)
        self._pods.add_handler(self._pod_changed)

    def keys(self) -> Iterable[str]:
        return [objects.key_of(each) for each in self._replicasets.list()]

    def _replicaset_changed(self, change: str, old: Workload | None, new: Workload | None) -> None:
        each = new if new is not None else old
        assert each is not None
        self.enqueue(objects.key_of(each))

    def _pod_changed(self, change: str, old: corev1.Pod | None, new: corev1.Pod | None) -> None:
        if not self._running:
            return
        owners = {framework.owner_key(pod, self.kind.DESCRIPTOR.name) for pod in (old, new) if pod is not None}
        for key in owners - {None}:
            assert key is not None
            self.enqueue(key)
        if new is not None and objects.controller_of(new) is None and not pods.is_terminating(new):
            for each in self._replicasets.list(new.metadata.namespace):
                if selector_of(each).matches(new.metadata.labels):
                    self.enqueue(objects.key_of(each))

    async def reconcile(self, key: str) -> framework.Result:
        replicaset = self._replicasets.get_key(key)
        if replicaset is None:
            self._deleting.pop(key, None)
            return framework.nothing("gone")
        claim = ownership.claim(
            replicaset,
            selector_of(replicaset),
            self._pods.by_index("controller", replicaset.metadata.uid),
            self._pods.by_index("controller", f"orphan:{replicaset.metadata.namespace}"),
        )
        adopted = await self._claim(key, replicaset, claim)
        active = self._counted(key, [*claim.owned, *adopted])
        plan = decide(replicaset, active, self._related(replicaset), self.clock.now())
        failure = ""
        try:
            if plan.create:
                active = [*active, *await self._create(key, replicaset, plan.create)]
            elif plan.delete:
                gone = await self._delete(key, replicaset, plan.delete)
                active = [pod for pod in active if pod.metadata.uid not in gone]
        except _Stopped as stopped:
            failure = str(stopped.error)
            active = [*active, *stopped.created]
        written, again = await self._write_status(key, replicaset, active, failure)
        if failure:
            raise errors.ServiceUnavailable(failure)
        return _told(replicaset, claim, plan, written, again)

    async def _claim(self, key: str, replicaset: Workload, claim: ownership.Claim[corev1.Pod]) -> list[corev1.Pod]:
        adopted = []
        if claim.adopt:
            meta = replicaset.metadata
            fresh = await self.client.get(self.kind, meta.name, meta.namespace)
            if fresh.metadata.uid != meta.uid or fresh.metadata.HasField("deletionTimestamp"):
                found = objects.kind_of(replicaset)
                raise errors.conflict(found.group, found.resource, meta.name, "it is being deleted")
        for pod in claim.adopt:
            adopted.append(await ownership.carry_out(self.client, pod))
            self.wrote(key, adopted[-1])
        for pod in claim.release:
            self.wrote(key, await ownership.carry_out(self.client, pod))
        return adopted

    def _counted(self, key: str, owned: Sequence[corev1.Pod]) -> list[corev1.Pod]:
        """Return the active pods, without those whose deletion is asked for and not yet shown."""
        active = [pod for pod in owned if pods.is_active(pod)]
        deleting = self._deleting.get(key)
        if deleting is None:
            return active
        deleting &= {pod.metadata.uid for pod in active}
        if not deleting:
            del self._deleting[key]
        return [pod for pod in active if pod.metadata.uid not in deleting]

    def _related(self, replicaset: Workload) -> dict[str, int]:
        """Count the active pods of all ReplicaSets with the same owner on each node."""
        owner = objects.controller_of(replicaset)
        kin = self._replicasets.by_index("controller", owner.uid) if owner is not None else [replicaset]
        counts: dict[str, int] = {}
        for each in kin:
            for pod in self._pods.by_index("controller", each.metadata.uid):
                if pods.is_active(pod):
                    counts[pod.spec.nodeName] = counts.get(pod.spec.nodeName, 0) + 1
        return counts

    async def _create(self, key: str, replicaset: Workload, count: int) -> list[corev1.Pod]:
        """Create in batches of 1, 2, 4 and so on, so that a template that is refused costs few calls."""
        created: list[corev1.Pod] = []
        batch = 1
        while len(created) < count:
            size = min(batch, count - len(created))
            results = await asyncio.gather(
                *(self.client.create(new_pod(replicaset)) for _ in range(size)), return_exceptions=True
            )
            failed = [result for result in results if isinstance(result, BaseException)]
            for result in results:
                if isinstance(result, corev1.Pod):
                    created.append(result)
                    self.wrote(key, result)
                    self.recorder.normal(replicaset, "SuccessfulCreate", f"Created pod: {result.metadata.name}")
            if failed:
                if not isinstance(failed[0], errors.ApiError):
                    raise failed[0]
                self.recorder.warning(replicaset, "FailedCreate", f"Error creating: {failed[0]}")
                raise _Stopped(failed[0], created)
            batch *= 2
        return created

    async def _delete(self, key: str, replicaset: Workload, chosen: Sequence[corev1.Pod]) -> set[str]:
        gone = set()
        deleting = self._deleting.setdefault(key, set())
        for pod in chosen:
            meta = pod.metadata
            options = metav1.DeleteOptions(preconditions=metav1.Preconditions(uid=meta.uid))
            try:
                await self.client.delete(corev1.Pod, meta.name, meta.namespace, options=options)
            except errors.NotFound:
                pass
            except errors.ApiError as error:
                self.recorder.warning(replicaset, "FailedDelete", f"Error deleting: {error}")
                raise _Stopped(error, []) from error
            else:
                self.recorder.normal(replicaset, "SuccessfulDelete", f"Deleted pod: {meta.name}")
            deleting.add(meta.uid)
            gone.add(meta.uid)
        return gone

    async def _write_status(
        self, key: str, replicaset: Workload, active: Sequence[corev1.Pod], failure: str
    ) -> tuple[bool, float | None]:
        status, again = status_for(replicaset, active, failure, self.clock.now())
        if status == replicaset.status:
            return False, again
        fresh = objects.copy(replicaset)
        fresh.status.CopyFrom(status)  # type: ignore[arg-type]
        self.wrote(key, await self.client.update(fresh, subresource="status"))
        return True, again


class _Stopped(Exception):
    """Creating or deleting pods failed half-way."""

    def __init__(self, error: errors.ApiError, created: list[corev1.Pod]) -> None:
        super().__init__(str(error))
        self.error = error
        self.created = created


def _told(
    replicaset: Workload,
    claim: ownership.Claim[corev1.Pod],
    plan: Plan,
    written: bool,
    again: float | None,
) -> framework.Result:
    told = []
    if claim.adopt:
        told.append(f"adopted {len(claim.adopt)}")
    if claim.release:
        told.append(f"released {len(claim.release)}")
    if plan.create:
        told.append(f"created {plan.create}")
    if plan.delete:
        told.append(f"deleted {len(plan.delete)}")
    wanted = replicaset.spec.replicas
    if told:
        return framework.Result(f"{', '.join(told)} of {wanted} pods", again_seconds=again)
    if written:
        return framework.Result(f"wrote the status of {wanted} pods", again_seconds=again)
    return framework.nothing(f"has its {wanted} pods", again)
