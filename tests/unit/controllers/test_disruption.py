"""How many pods of a budget may go, counted and over the real API."""

from __future__ import annotations

import pytest

from control.controllers import disruption
from fairlead.api import conditions, errors, intstr, pods, times
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import policy_v1_pb2 as policyv1
from fairlead.testing import samples
from tests.unit.controllers import cluster as clusters

NOW = 1000.0


def budget(**bounds: int | str) -> policyv1.PodDisruptionBudget:
    """Return a budget for the pods of `web`."""
    made = policyv1.PodDisruptionBudget()
    made.metadata.name, made.metadata.namespace, made.metadata.generation = "web", "default", 3
    made.spec.selector.matchLabels["app"] = "web"
    for name, value in bounds.items():
        getattr(made.spec, name).CopyFrom(intstr.of(value))
        getattr(made.spec, name).SetInParent()
    return made


def pod(number: int, *, ready: bool = True, terminating: bool = False) -> corev1.Pod:
    """Return a pod of the ReplicaSet `web`."""
    made = samples.pod(f"web-{number}", labels={"app": "web"}, owner="web")
    status = conditions.TRUE if ready else conditions.FALSE
    conditions.set_condition(made.status.conditions, "Ready", status, times.from_seconds(1))
    if terminating:
        made.metadata.deletionTimestamp.seconds = 1
    return made


def scale_of_five(pod: corev1.Pod) -> tuple[str, int]:
    """Return a workload of five replicas."""
    return "uid-web", 5


@pytest.mark.parametrize(
    ("bounds", "healthy", "want"),
    [
        ({"minAvailable": 2}, 4, (4, 4, 2, 2)),
        ({"minAvailable": 4}, 4, (4, 4, 4, 0)),
        ({"minAvailable": 9}, 4, (4, 4, 9, 0)),
        ({"minAvailable": "50%"}, 4, (5, 4, 3, 1)),
        ({"maxUnavailable": 1}, 5, (5, 5, 4, 1)),
        ({"maxUnavailable": 1}, 4, (5, 4, 4, 0)),
        ({"maxUnavailable": "30%"}, 5, (5, 5, 3, 2)),
        ({"maxUnavailable": 0}, 5, (5, 5, 5, 0)),
        ({"minAvailable": 0}, 0, (0, 0, 0, 0)),
    ],
)
def test_a_budget_is_counted(bounds: dict[str, int | str], healthy: int, want: tuple[int, ...]) -> None:
    """Expected, healthy, desired, allowed; percentages of the workload's replicas, rounded up."""
    made = disruption.decide(budget(**bounds), [pod(number) for number in range(healthy)], scale_of_five, NOW)

    assert (made.expected, made.healthy, made.desired, made.allowed) == want


def test_pods_that_are_unready_terminating_or_noted_are_not_healthy() -> None:
    """A noted pod counts again once its eviction is two minutes old."""
    noted = budget(minAvailable=1)
    noted.status.disruptedPods["web-2"].seconds = int(NOW - 60)
    noted.status.disruptedPods["web-3"].seconds = int(NOW - 121)
    some = [pod(0), pod(1, ready=False), pod(2), pod(3), pod(4, terminating=True)]

    made = disruption.decide(noted, some, scale_of_five, NOW)

    assert (made.healthy, list(made.disrupted), made.again_seconds) == (2, ["web-2"], 60.0)


def test_the_status_tells_the_generation_that_it_is_of() -> None:
    """And in a condition whether pods may go."""
    status = disruption.status_for(budget(), disruption.Decision(2, 2, 1, 1, {}, None), NOW)

    (condition,) = status.conditions
    assert (status.observedGeneration, condition.observedGeneration) == (3, 3)
    assert (condition.type, condition.status, condition.reason) == ("DisruptionAllowed", "True", "SufficientPods")


def test_a_budget_that_cannot_be_counted_allows_nothing() -> None:
    """The condition says why."""
    before = budget(maxUnavailable=1)
    before.status.disruptionsAllowed = 3

    status = disruption.failed_status(before, "jobs.batch does not implement the scale subresource", NOW)

    (condition,) = status.conditions
    assert (status.disruptionsAllowed, condition.status, condition.reason) == (0, "False", "SyncFailed")
    assert condition.message == "jobs.batch does not implement the scale subresource"


async def test_evictions_wait_for_replacements() -> None:
    """Of three pods with two that must be available a second goes only once the first has a successor."""
    async with clusters.cluster(watched=[policyv1.PodDisruptionBudget]) as cluster:
        await cluster.client.create(clusters.deployment("web", 3))
        await cluster.rolled_out("web")
        wanted = budget(minAvailable=2)
        wanted.metadata.ClearField("generation")
        await cluster.client.create(wanted)

        def allows() -> str:
            found = cluster.all(policyv1.PodDisruptionBudget)
            return "" if found and found[0].status.disruptionsAllowed else f"{[one.status for one in found]}"

        async def evicted(name: str) -> bool:
            body = policyv1.Eviction()
            body.metadata.name = name
            try:
                await cluster.client.post(corev1.Pod, name, "default", "eviction", body)
            except errors.TooManyRequests:
                return False
            return True

        await clusters.wait_until(allows)
        first, second, _ = cluster.pods()
        cluster.kubelets.hold.add("web:1")

        assert await evicted(first.metadata.name)
        assert not await evicted(second.metadata.name)

        cluster.kubelets.hold.clear()
        for each in cluster.pods():
            cluster.kubelets.changed("", None, each)
        await clusters.wait_until(allows)
        assert await evicted(second.metadata.name)
        listed = (await cluster.client.list(corev1.Pod, "default")).items
        assert sum(pods.is_ready(one) and not pods.is_terminating(one) for one in listed) >= 2
