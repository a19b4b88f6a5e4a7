"""Sizes of ReplicaSets in rollouts and scalings, and what a Deployment's status says, as tables."""

from __future__ import annotations

import pytest

from control.controllers import progress, revisions
from control.controllers import rollout as rollouts
from fairlead.api import conditions, intstr, times
from fairlead.api.pb import apps_v1_pb2 as appsv1

NOW = 1_700_001_000.0


def _deployment(
    replicas: int, surge: int | str = "25%", unavailable: int | str = "25%", kind: str = "RollingUpdate"
) -> appsv1.Deployment:
    fresh = appsv1.Deployment()
    fresh.metadata.name, fresh.metadata.namespace, fresh.metadata.generation = "web", "default", 1
    fresh.spec.replicas = replicas
    fresh.spec.progressDeadlineSeconds = 600
    fresh.spec.strategy.type = kind
    if kind == "RollingUpdate":
        fresh.spec.strategy.rollingUpdate.maxSurge.CopyFrom(intstr.of(surge))
        fresh.spec.strategy.rollingUpdate.maxUnavailable.CopyFrom(intstr.of(unavailable))
    return fresh


def _replicaset(
    name: str, size: int, available: int, noted: tuple[int, int] | None = None, age: int = 0
) -> appsv1.ReplicaSet:
    fresh = appsv1.ReplicaSet()
    fresh.metadata.name = name
    fresh.metadata.creationTimestamp.seconds = 1000 - age
    fresh.spec.replicas = size
    fresh.status.replicas, fresh.status.readyReplicas, fresh.status.availableReplicas = size, available, available
    if noted is not None:
        fresh.metadata.annotations[revisions.DESIRED] = str(noted[0])
        fresh.metadata.annotations[revisions.MAXIMUM] = str(noted[1])
    return fresh


@pytest.mark.parametrize(
    ("replicas", "surge", "unavailable", "want"),
    [
        (10, "25%", "25%", (3, 2)),
        (3, "25%", "25%", (1, 0)),
        (1, "25%", "25%", (1, 0)),
        (10, 0, 0, (0, 1)),
        (4, "0%", "10%", (0, 1)),
        (5, 2, "100%", (2, 5)),
    ],
)
def test_bounds_round_surge_up_and_unavailability_down(
    replicas: int, surge: int | str, unavailable: int | str, want: tuple[int, int]
) -> None:
    """Percentages are of the replicas; both zero would stand still, so one may be unavailable."""
    got = rollouts.bounds(_deployment(replicas, surge, unavailable))
    assert (got.surge, got.unavailable) == want


@pytest.mark.parametrize(
    ("new", "old", "want"),
    [
        ((0, 0), (10, 10), {"new": 3}),
        ((3, 0), (10, 10), {"old": 8}),
        ((3, 0), (8, 8), {"new": 5}),
        ((5, 0), (8, 8), {}),
        ((5, 3), (8, 8), {"old": 5}),
        ((5, 5), (8, 8), {"old": 3}),
        ((3, 0), (10, 6), {"old": 8}),
        ((10, 10), (3, 3), {"old": 0}),
        ((10, 10), (0, 0), {}),
    ],
)
def test_rolling_update_of_ten(new: tuple[int, int], old: tuple[int, int], want: dict[str, int]) -> None:
    """With 25 % each way: at most 13 pods, at least 8 available; old pods that are not available go first."""
    got = rollouts.roll(rollouts.Rollout(_deployment(10), _replicaset("new", *new), [_replicaset("old", *old)]))
    assert got == want


@pytest.mark.parametrize(
    ("new", "old", "old_pods_run", "want"),
    [
        ((0, 0), (3, 3), True, {"old": 0}),
        ((0, 0), (0, 0), True, {}),
        ((0, 0), (0, 0), False, {"new": 3}),
        ((3, 3), (0, 0), False, {}),
    ],
)
def test_recreation_of_three(
    new: tuple[int, int], old: tuple[int, int], old_pods_run: bool, want: dict[str, int]
) -> None:
    """First the old ones stop, then their pods go, then the new ones start."""
    rollout = rollouts.Rollout(_deployment(3, kind="Recreate"), _replicaset("new", *new), [_replicaset("old", *old)])
    assert rollouts.decide(rollout, old_pods_run) == want


@pytest.mark.parametrize(
    ("replicas", "new", "old", "want"),
    [
        (20, (5, 5), (8, 8), {"old": 15, "new": 10}),
        (5, (5, 5), (8, 8), {"old": 4, "new": 3}),
        (0, (5, 5), (8, 8), {"old": 0, "new": 0}),
    ],
)
def test_scaling_in_mid_rollout_is_proportional(
    replicas: int, new: tuple[int, int], old: tuple[int, int], want: dict[str, int]
) -> None:
    """A Deployment of 10 (13 with surge) that is resized resizes both ReplicaSets by their shares."""
    rollout = rollouts.Rollout(
        _deployment(replicas), _replicaset("new", *new, (10, 13)), [_replicaset("old", *old, (10, 13), age=60)]
    )
    assert rollouts.is_scaling(rollout)
    assert rollouts.decide(rollout, False) == want


def test_scaling_without_a_rollout_resizes_the_one() -> None:
    """The only ReplicaSet with pods takes the whole size."""
    rollout = rollouts.Rollout(_deployment(7), _replicaset("new", 3, 3, (3, 4)), [_replicaset("old", 0, 0)])
    assert rollouts.decide(rollout, False) == {"new": 7}


def test_paused_deployment_scales_and_does_not_roll() -> None:
    """While it is paused the template waits, the size does not."""
    deployment = _deployment(5)
    deployment.spec.paused = True
    rollout = rollouts.Rollout(deployment, None, [_replicaset("old", 3, 3, (3, 4))])
    assert rollouts.decide(rollout, False) == {"old": 5}


def test_history_keeps_the_newest_revisions() -> None:
    """Beyond the limit the oldest revisions go, if they are empty."""
    deployment = _deployment(3)
    deployment.spec.revisionHistoryLimit = 1
    old = [_replicaset(f"r{number}", 0, 0) for number in (1, 2, 3)]
    for number, each in enumerate(old, 1):
        each.metadata.annotations[revisions.REVISION] = str(number)
    old[1].spec.replicas = 1
    got = rollouts.surplus_history(rollouts.Rollout(deployment, _replicaset("new", 3, 3), old))
    assert [each.metadata.name for each in got] == ["r1"]


def _told(status: appsv1.DeploymentStatus, kind: str) -> tuple[str, str, str]:
    found = conditions.get(status.conditions, kind)
    return (found.status, found.reason, found.message) if found is not None else ("", "", "")


def test_complete_rollout_says_so() -> None:
    """Available and progressed, in Kubernetes' words."""
    rollout = rollouts.Rollout(_deployment(3), _replicaset("web-1", 3, 3), [])
    status = progress.status_for(rollout, NOW)
    counts = (status.replicas, status.updatedReplicas, status.availableReplicas, status.unavailableReplicas)
    assert counts == (3, 3, 3, 0)
    assert _told(status, "Available") == ("True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
    want = ("True", "NewReplicaSetAvailable", 'ReplicaSet "web-1" has successfully progressed.')
    assert _told(status, "Progressing") == want


def test_rollout_that_stands_still_times_out() -> None:
    """Without progress for progressDeadlineSeconds the rollout counts as failed; before, the time left is known."""
    deployment = _deployment(3)
    deployment.status.replicas = deployment.status.updatedReplicas = 3
    conditions.set_condition(
        deployment.status.conditions, "Progressing", "True", times.from_seconds(NOW), reason="ReplicaSetUpdated"
    )
    rollout = rollouts.Rollout(deployment, _replicaset("web-1", 3, 0), [])

    early = progress.status_for(rollout, NOW + 590)
    assert _told(early, "Progressing")[1] == "ReplicaSetUpdated"
    assert progress.overdue_in(deployment, early, NOW + 590) == 11.0
    late = progress.status_for(rollout, NOW + 601)
    want = ("False", "ProgressDeadlineExceeded", 'ReplicaSet "web-1" has timed out progressing.')
    assert _told(late, "Progressing") == want
    assert _told(late, "Available")[1] == "MinimumReplicasUnavailable"


def test_pods_lost_after_completion_are_not_a_failed_rollout() -> None:
    """A complete rollout whose pods fail later keeps Progressing=True."""
    deployment = _deployment(3)
    conditions.set_condition(
        deployment.status.conditions, "Progressing", "True", times.from_seconds(NOW), reason="NewReplicaSetAvailable"
    )
    status = progress.status_for(rollouts.Rollout(deployment, _replicaset("web-1", 3, 0), []), NOW + 10_000)
    assert _told(status, "Progressing")[:2] == ("True", "NewReplicaSetAvailable")


def test_pause_and_resumption_are_told() -> None:
    """Progressing is Unknown while paused, and after."""
    deployment = _deployment(3)
    deployment.spec.paused = True
    rollout = rollouts.Rollout(deployment, _replicaset("web-1", 3, 0), [])
    paused = progress.status_for(rollout, NOW)
    assert _told(paused, "Progressing") == ("Unknown", "DeploymentPaused", "Deployment is paused")
    deployment.spec.paused = False
    deployment.status.CopyFrom(paused)
    resumed = progress.status_for(rollout, NOW)
    assert _told(resumed, "Progressing") == ("Unknown", "DeploymentResumed", "Deployment is resumed")


def test_failing_replicaset_shows_in_the_deployment() -> None:
    """What keeps the ReplicaSet from creating pods is the Deployment's ReplicaFailure."""
    new = _replicaset("web-1", 3, 0)
    new.status.conditions.add(type="ReplicaFailure", status="True", reason="FailedCreate", message="forbidden")
    status = progress.status_for(rollouts.Rollout(_deployment(3), new, []), NOW)
    assert _told(status, "ReplicaFailure") == ("True", "FailedCreate", "forbidden")
