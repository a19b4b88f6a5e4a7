"""Evictions: deletions of pods that their disruption budgets allow.

The subresource `eviction` comes here once plugins have changed what was posted; they may refuse it once the pod is
known. Allowing one disruption less is a compare-and-swap on the budget, which also notes the pod, so that the
disruption controller does not count it until it is gone.
"""

from __future__ import annotations

from collections.abc import Callable

from control.apiserver import authn, reading, registry
from control.apiserver.admission import plugin
from control.store.entry import Entry
from fairlead.api import conditions, disruption, errors, objects, pods, scheme, times
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import meta_v1_pb2 as metav1
from fairlead.api.pb import policy_v1_pb2 as policyv1

MAX_DISRUPTED = 2000  # noted pods that the controller has not dealt with; Kubernetes' number
AGAIN_SECONDS = 10
ATTEMPTS = 20
VIOLATION = "Cannot evict pod as it would violate the pod's disruption budget."
SEVERAL = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
UNGUARDED = frozenset({pods.PENDING, pods.SUCCEEDED, pods.FAILED})


class Evictions:
    """Evicts pods through their registry."""

    def __init__(
        self,
        registries: Callable[[scheme.Kind], registry.Registry],
        admission: plugin.Chain,
        now: Callable[[], float],
    ) -> None:
        self._registries = registries
        self._admission = admission
        self._now = now

    async def evict(self, actor: registry.Actor, request: plugin.Request) -> Entry:
        """Delete a pod as its eviction asks; TooManyRequests where a budget forbids it now."""
        eviction: policyv1.Eviction = request.obj
        namespace, name = request.namespace, request.name
        if eviction.metadata.name != name:
            raise errors.BadRequest("name in URL does not match name in Eviction object")
        found = self._registries(request.kind)
        await found.get(namespace, name)
        await self._admission.validate(request)
        options = objects.copy(eviction.deleteOptions)
        dry_run = actor.dry_run or bool(options.dryRun)
        actor = registry.Actor(actor.user, dry_run, actor.manager, admitted=True)
        pinned = options.preconditions.HasField("resourceVersion")
        for attempt in range(ATTEMPTS):
            try:
                return await self._evict(actor, found, namespace, name, options)
            except errors.Conflict:
                if pinned or attempt == ATTEMPTS - 1:
                    raise
        raise AssertionError("unreachable")

    async def _evict(
        self,
        actor: registry.Actor,
        found: registry.Registry,
        namespace: str,
        name: str,
        options: metav1.DeleteOptions,
    ) -> Entry:
        pod = (await found.get(namespace, name)).object
        assert isinstance(pod, corev1.Pod)
        ended = pods.is_finished(pod) or pods.is_terminating(pod)
        if ended or pod.status.phase in UNGUARDED:
            return await self._delete(actor, found, pod, options, as_it_is=not ended)
        budgets = await self._budgets(pod)
        if len(budgets) > 1:
            raise errors.InternalError(SEVERAL)
        if not budgets:
            return await self._delete(actor, found, pod, options, as_it_is=False)
        (budget,) = budgets
        if not pods.is_ready(pod) and _unready_may_go(budget):
            try:
                return await self._delete(actor, found, pod, options, as_it_is=True)
            except errors.Conflict:
                raise _refusal(_being_processed(budget), AGAIN_SECONDS) from None
        await self._spend(actor, budget, name)
        return await self._delete(actor, found, pod, options, as_it_is=False)

    async def _budgets(self, pod: corev1.Pod) -> list[policyv1.PodDisruptionBudget]:
        """Return the budgets that select a pod: an empty selector selects all, an absent one none."""
        reader = self._registries(scheme.DEFAULT.of(policyv1.PodDisruptionBudget))
        listing = await reader.list(reading.ListQuery(pod.metadata.namespace))
        guarding = []
        for entry in listing.entries:
            budget = entry.object
            assert isinstance(budget, policyv1.PodDisruptionBudget)
            if disruption.selects(budget, pod.metadata.labels):
                guarding.append(budget)
        return guarding

    async def _spend(self, actor: registry.Actor, budget: policyv1.PodDisruptionBudget, pod: str) -> None:
        """Take one of the disruptions that a budget allows, and note the pod in it."""
        found = self._registries(scheme.DEFAULT.of(policyv1.PodDisruptionBudget))
        now = times.from_seconds(self._now())

        def change(old: policyv1.PodDisruptionBudget) -> policyv1.PodDisruptionBudget:
            return spent(old, pod, now)

        server = registry.Actor(authn.SERVER, actor.dry_run)
        await found.update(server, budget.metadata.namespace, budget.metadata.name, change, "status")

    async def _delete(
        self,
        actor: registry.Actor,
        found: registry.Registry,
        pod: corev1.Pod,
        options: metav1.DeleteOptions,
        *,
        as_it_is: bool,
    ) -> Entry:
        """Tell in the pod that it is evicted, and delete it; with `as_it_is` only what was decided on."""
        meta = pod.metadata
        wanted = objects.copy(options)
        pinned = wanted.preconditions.HasField("resourceVersion")
        version = wanted.preconditions.resourceVersion if pinned else meta.resourceVersion if as_it_is else ""
        if not actor.dry_run and not pods.is_terminating(pod):
            now = times.from_seconds(self._now())
            server = registry.Actor(authn.SERVER, admitted=True)

            def change(old: corev1.Pod) -> corev1.Pod:
                fresh = _targeted(old, now)
                fresh.metadata.resourceVersion = version
                return fresh

            written = await found.update(server, meta.namespace, meta.name, change, "status")
            version = str(written.revision) if version else ""
        if version:
            wanted.preconditions.resourceVersion = version
        elif not wanted.preconditions.ListFields():
            wanted.ClearField("preconditions")
        entry, _ = await found.delete(actor, meta.namespace, meta.name, wanted)
        return entry


def _unready_may_go(budget: policyv1.PodDisruptionBudget) -> bool:
    """Say whether a pod that is not ready may go without being counted."""
    status = budget.status
    if budget.spec.unhealthyPodEvictionPolicy == "AlwaysAllow":
        return True
    return status.currentHealthy >= status.desiredHealthy > 0


def _targeted(old: corev1.Pod, now: metav1.Time) -> corev1.Pod:
    pod = objects.copy(old)
    conditions.set_condition(
        pod.status.conditions,
        disruption.TARGET,
        conditions.TRUE,
        now,
        reason="EvictionByEvictionAPI",
        message="Eviction API: evicting",
    )
    return pod


def spent(old: policyv1.PodDisruptionBudget, pod: str, now: metav1.Time) -> policyv1.PodDisruptionBudget:
    """Return a budget with one disruption less and the pod noted; TooManyRequests where none is allowed. Pure."""
    status, name = old.status, old.metadata.name
    if status.observedGeneration < old.metadata.generation:
        raise _refusal(_being_processed(old), AGAIN_SECONDS)
    if status.disruptionsAllowed < 0:
        raise errors.forbidden("policy", "poddisruptionbudget", name, "pdb disruptions allowed is negative")
    if len(status.disruptedPods) > MAX_DISRUPTED:
        why = "DisruptedPods map too big - too many evictions not confirmed by PDB controller"
        raise errors.forbidden("policy", "poddisruptionbudget", name, why)
    if status.disruptionsAllowed == 0:
        why = (
            f"The disruption budget {name} needs {status.desiredHealthy} healthy pods"
            f" and has {status.currentHealthy} currently"
        )
        raise _refusal(why, 0)
    budget = objects.copy(old)
    budget.status.disruptionsAllowed -= 1
    if not budget.status.disruptionsAllowed:
        disruption.tell_allowed(budget.status, now)
    budget.status.disruptedPods[pod].CopyFrom(now)
    return budget


def _being_processed(budget: policyv1.PodDisruptionBudget) -> str:
    return f"The disruption budget {budget.metadata.name} is still being processed by the server."


def _refusal(why: str, again_seconds: int) -> errors.TooManyRequests:
    cause = errors.Cause(disruption.CAUSE, why, "")
    return errors.TooManyRequests(VIOLATION, causes=[cause], retry_after_seconds=again_seconds)
