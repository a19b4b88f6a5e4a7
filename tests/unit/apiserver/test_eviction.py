"""Evictions: what a disruption budget allows, and how a refusal reads."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from control.apiserver import eviction
from control.apiserver.server import ApiServer
from fairlead.api import conditions, errors, objects, times
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import meta_v1_pb2 as metav1
from fairlead.api.pb import policy_v1_pb2 as policyv1
from fairlead.testing import control
from tests.unit.apiserver import yamls

NOW = 1000.0
PDB = "{metadata: {name: web, namespace: default}, spec: {minAvailable: 1, selector: {matchLabels: {app: web}}}}"


@pytest.fixture
async def api() -> AsyncIterator[ApiServer]:
    """An API server with the built-in objects."""
    async with control.memory_api(now=lambda: NOW) as made:
        yield made


async def pod(admin: Any, name: str, *, phase: str = "Running", ready: bool = True) -> corev1.Pod:
    """Make a pod on a node, as it runs."""
    text = (
        "{metadata: {namespace: default, labels: {app: web}}, spec: {nodeName: n, containers: [{name: m, image: i}]}}"
    )
    new = yamls.read(text, corev1.Pod)
    new.metadata.name = name
    made = objects.copy(await admin.create(new))
    made.status.phase = phase
    status = conditions.TRUE if ready else conditions.FALSE
    conditions.set_condition(made.status.conditions, "Ready", status, times.from_seconds(1))
    return await admin.update(made, subresource="status")


async def budget(admin: Any, *, allowed: int, healthy: int = 2, desired: int = 1) -> policyv1.PodDisruptionBudget:
    """Make a budget whose controller has counted."""
    made = objects.copy(await admin.create(yamls.read(PDB, policyv1.PodDisruptionBudget)))
    made.status.observedGeneration = 1
    made.status.disruptionsAllowed = allowed
    made.status.currentHealthy, made.status.desiredHealthy = healthy, desired
    return await admin.update(made, subresource="status")


async def evict(admin: Any, name: str, **options: Any) -> None:
    """Evict a pod."""
    body = policyv1.Eviction(deleteOptions=metav1.DeleteOptions(**options))
    body.metadata.name, body.metadata.namespace = name, "default"
    await admin.post(corev1.Pod, name, "default", "eviction", body)


async def state(admin: Any) -> policyv1.PodDisruptionBudget:
    """Return the budget as it is."""
    return await admin.get(policyv1.PodDisruptionBudget, "web", "default")


async def test_a_budget_that_selects_everything_guards_everything(admin: Any) -> None:
    """An empty selector of policy/v1; in v1beta1 it selected nothing."""
    await pod(admin, "web-1")
    made = await budget(admin, allowed=0)
    fresh = objects.copy(made)
    fresh.spec.selector.Clear()
    fresh = objects.copy(await admin.update(fresh))
    fresh.status.observedGeneration = fresh.metadata.generation
    await admin.update(fresh, subresource="status")

    with pytest.raises(errors.TooManyRequests):
        await evict(admin, "web-1")


async def test_an_eviction_names_the_pod(admin: Any) -> None:
    """As its URL does."""
    await pod(admin, "web-1")

    with pytest.raises(errors.BadRequest, match="name in URL does not match name in Eviction object"):
        await admin.post(corev1.Pod, "web-1", "default", "eviction", policyv1.Eviction())


async def test_an_eviction_takes_one_disruption_and_notes_the_pod(admin: Any) -> None:
    """The pod is being deleted and says why; the budget says that no more may go."""
    await pod(admin, "web-1")
    await budget(admin, allowed=1)

    await evict(admin, "web-1")

    gone = await admin.get(corev1.Pod, "web-1", "default")
    assert gone.metadata.HasField("deletionTimestamp")
    told = conditions.get(gone.status.conditions, "DisruptionTarget")
    assert told is not None
    assert (told.status, told.reason, told.message) == ("True", "EvictionByEvictionAPI", "Eviction API: evicting")
    status = (await state(admin)).status
    assert (status.disruptionsAllowed, status.disruptedPods["web-1"].seconds) == (0, NOW)
    condition = conditions.get(status.conditions, "DisruptionAllowed")
    assert condition is not None
    assert (condition.status, condition.reason, condition.observedGeneration) == ("False", "InsufficientPods", 1)


async def test_an_eviction_that_the_budget_forbids_is_too_many_requests(admin: Any) -> None:
    """With the text that kubectl drain waits for, and the cause DisruptionBudget."""
    await pod(admin, "web-1")
    await budget(admin, allowed=0, healthy=1)

    with pytest.raises(errors.TooManyRequests) as caught:
        await evict(admin, "web-1")

    status = caught.value.status()
    assert status.message == "Cannot evict pod as it would violate the pod's disruption budget."
    (cause,) = status.details.causes
    assert (cause.reason, cause.message) == (
        "DisruptionBudget",
        "The disruption budget web needs 1 healthy pods and has 1 currently",
    )
    assert not (await admin.get(corev1.Pod, "web-1", "default")).metadata.HasField("deletionTimestamp")


async def test_a_budget_that_was_not_counted_yet_allows_nothing(admin: Any) -> None:
    """The caller is told to come back in ten seconds."""
    await pod(admin, "web-1")
    await admin.create(yamls.read(PDB, policyv1.PodDisruptionBudget))

    with pytest.raises(errors.TooManyRequests) as caught:
        await evict(admin, "web-1")

    assert caught.value.retry_after_seconds == eviction.AGAIN_SECONDS
    assert caught.value.causes[0].message == "The disruption budget web is still being processed by the server."


async def test_concurrent_evictions_take_no_more_than_is_allowed(admin: Any) -> None:
    """Five at once, two allowed: two go."""
    for number in range(5):
        await pod(admin, f"web-{number}")
    await budget(admin, allowed=2, healthy=5, desired=3)

    results = await asyncio.gather(*(evict(admin, f"web-{number}") for number in range(5)), return_exceptions=True)

    assert [type(result) for result in results].count(errors.TooManyRequests) == 3
    assert results.count(None) == 2
    status = (await state(admin)).status
    assert (status.disruptionsAllowed, len(status.disruptedPods)) == (0, 2)


@pytest.mark.parametrize("phase", ["Pending", "Succeeded", "Failed"])
async def test_a_pod_that_does_not_run_goes_without_a_budget(admin: Any, phase: str) -> None:
    """It is no loss."""
    await pod(admin, "web-1", phase=phase, ready=False)
    await budget(admin, allowed=0)

    await evict(admin, "web-1")

    assert not (await state(admin)).status.disruptedPods


async def test_an_unready_pod_goes_where_enough_others_are_healthy(admin: Any) -> None:
    """It is not among those that the budget counts."""
    await pod(admin, "web-1", ready=False)
    await budget(admin, allowed=0, healthy=1, desired=1)

    await evict(admin, "web-1")

    assert not (await state(admin)).status.disruptedPods


async def test_a_dry_run_changes_nothing(admin: Any) -> None:
    """Neither the pod nor the budget."""
    await pod(admin, "web-1")
    await budget(admin, allowed=1)

    await evict(admin, "web-1", dryRun=["All"])

    assert (await state(admin)).status.disruptionsAllowed == 1
    assert not (await admin.get(corev1.Pod, "web-1", "default")).metadata.HasField("deletionTimestamp")


async def test_two_budgets_of_one_pod_forbid_its_eviction(admin: Any) -> None:
    """Kubernetes cannot spend from two objects at once either."""
    await pod(admin, "web-1")
    await budget(admin, allowed=1)
    other = yamls.read(PDB, policyv1.PodDisruptionBudget)
    other.metadata.name = "other"
    await admin.create(other)

    with pytest.raises(errors.InternalError, match="more than one PodDisruptionBudget"):
        await evict(admin, "web-1")


async def test_the_name_of_an_eviction_is_the_pods(admin: Any) -> None:
    """Another name is a bad request."""
    await pod(admin, "web-1")
    body = policyv1.Eviction()
    body.metadata.name = "web-2"

    with pytest.raises(errors.BadRequest, match="name in URL does not match name in Eviction object"):
        await admin.post(corev1.Pod, "web-1", "default", "eviction", body)
