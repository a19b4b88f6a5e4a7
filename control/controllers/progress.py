"""A Deployment's status and conditions, with Kubernetes' reasons and messages. Pure."""

from __future__ import annotations

from control.controllers import rollout as rollouts
from fairlead.api import conditions, times
from fairlead.api.pb import apps_v1_pb2 as appsv1

AVAILABLE, PROGRESSING, FAILURE = "Available", "Progressing", "ReplicaFailure"
NEW_AVAILABLE, TIMED_OUT = "NewReplicaSetAvailable", "ProgressDeadlineExceeded"
PAUSED, RESUMED = "DeploymentPaused", "DeploymentResumed"
# Kubernetes' word for "no deadline".
NO_DEADLINE = 2**31 - 1


def status_for(rollout: rollouts.Rollout, now: float) -> appsv1.DeploymentStatus:
    """Return the status that the ReplicaSets and the time make."""
    deployment, every = rollout.deployment, rollout.all
    status = appsv1.DeploymentStatus(observedGeneration=deployment.metadata.generation)
    status.replicas = sum(each.status.replicas for each in every)
    status.updatedReplicas = rollout.new.status.replicas if rollout.new is not None else 0
    status.readyReplicas = sum(each.status.readyReplicas for each in every)
    status.availableReplicas = sum(each.status.availableReplicas for each in every)
    status.unavailableReplicas = max(0, sum(each.spec.replicas for each in every) - status.availableReplicas)
    if deployment.status.HasField("collisionCount"):
        status.collisionCount = deployment.status.collisionCount
    status.conditions.extend(deployment.status.conditions)
    _judge_availability(deployment, status, now)
    _judge_progress(rollout, status, now)
    _judge_failure(rollout, status, now)
    return status


def put(status: appsv1.DeploymentStatus, kind: str, verdict: str, reason: str, message: str, now: float) -> None:
    """Set a condition; one of the same status and reason stays as it is, its times included."""
    known = conditions.get(status.conditions, kind)
    if known is None or (known.status, known.reason) != (verdict, reason):
        stamp = times.from_seconds(now)
        conditions.set_condition(status.conditions, kind, verdict, stamp, reason=reason, message=message)


def deadline(deployment: appsv1.Deployment) -> float | None:
    """Return the seconds that a rollout may take without progress; None where there is no limit."""
    spec = deployment.spec
    if not spec.HasField("progressDeadlineSeconds") or spec.progressDeadlineSeconds == NO_DEADLINE:
        return None
    return float(spec.progressDeadlineSeconds)


def overdue_in(deployment: appsv1.Deployment, status: appsv1.DeploymentStatus, now: float) -> float | None:
    """Return in how many seconds the rollout counts as stuck; None where it cannot."""
    limit, condition = deadline(deployment), conditions.get(status.conditions, PROGRESSING)
    if limit is None or condition is None or deployment.spec.paused:
        return None
    if condition.reason in (NEW_AVAILABLE, TIMED_OUT) or rollouts.is_complete(deployment, status):
        return None
    return max(0.0, times.to_seconds(condition.lastUpdateTime) + limit - now) + 1.0


def _judge_availability(deployment: appsv1.Deployment, status: appsv1.DeploymentStatus, now: float) -> None:
    if status.availableReplicas >= deployment.spec.replicas - rollouts.max_unavailable(deployment):
        why = "Deployment has minimum availability."
        put(status, AVAILABLE, conditions.TRUE, "MinimumReplicasAvailable", why, now)
    else:
        why = "Deployment does not have minimum availability."
        put(status, AVAILABLE, conditions.FALSE, "MinimumReplicasUnavailable", why, now)


def _judge_progress(rollout: rollouts.Rollout, status: appsv1.DeploymentStatus, now: float) -> None:
    deployment = rollout.deployment
    if deadline(deployment) is None:
        conditions.remove(status.conditions, PROGRESSING)
        return
    known = conditions.get(status.conditions, PROGRESSING)
    reason = known.reason if known is not None else ""
    if _judge_pause(deployment, status, reason, now):
        return
    if reason == NEW_AVAILABLE and status.replicas == status.updatedReplicas:
        return
    name = rollout.new.metadata.name if rollout.new is not None else deployment.metadata.name
    kind = "ReplicaSet" if rollout.new is not None else "Deployment"
    if rollouts.is_complete(deployment, status):
        why = f'{kind} "{name}" has successfully progressed.'
        put(status, PROGRESSING, conditions.TRUE, NEW_AVAILABLE, why, now)
    elif _has_moved(deployment.status, status):
        _progressed(status, f'{kind} "{name}" is progressing.', now)
    elif known is not None and _is_overdue(deployment, known, now):
        why = f'{kind} "{name}" has timed out progressing.'
        put(status, PROGRESSING, conditions.FALSE, TIMED_OUT, why, now)
    elif known is None and rollout.new is not None:
        why = f'Found new replica set "{name}"'
        put(status, PROGRESSING, conditions.TRUE, "FoundNewReplicaSet", why, now)


def _judge_pause(deployment: appsv1.Deployment, status: appsv1.DeploymentStatus, reason: str, now: float) -> bool:
    """Note that the Deployment was paused or resumed; returns whether that is all there is to say."""
    if deployment.spec.paused:
        if reason not in (PAUSED, TIMED_OUT):
            put(status, PROGRESSING, conditions.UNKNOWN, PAUSED, "Deployment is paused", now)
        return True
    if reason == PAUSED:
        put(status, PROGRESSING, conditions.UNKNOWN, RESUMED, "Deployment is resumed", now)
    return False


def _progressed(status: appsv1.DeploymentStatus, message: str, now: float) -> None:
    stamp = times.from_seconds(now)
    conditions.set_condition(
        status.conditions, PROGRESSING, conditions.TRUE, stamp, reason="ReplicaSetUpdated", message=message
    )
    condition = conditions.get(status.conditions, PROGRESSING)
    assert condition is not None
    # progress is what the deadline counts from, also where the message stays
    condition.lastUpdateTime.CopyFrom(stamp)


def _has_moved(before: appsv1.DeploymentStatus, after: appsv1.DeploymentStatus) -> bool:
    return (
        after.updatedReplicas > before.updatedReplicas
        or after.replicas - after.updatedReplicas < before.replicas - before.updatedReplicas
        or after.readyReplicas > before.readyReplicas
        or after.availableReplicas > before.availableReplicas
    )


def _is_overdue(deployment: appsv1.Deployment, condition: appsv1.DeploymentCondition, now: float) -> bool:
    limit = deadline(deployment)
    if condition.reason == TIMED_OUT:
        return True
    if condition.reason == NEW_AVAILABLE or limit is None:
        return False
    return times.to_seconds(condition.lastUpdateTime) + limit < now


def _judge_failure(rollout: rollouts.Rollout, status: appsv1.DeploymentStatus, now: float) -> None:
    failing = [
        condition
        for each in ([rollout.new] if rollout.new is not None else rollout.old)
        for condition in each.status.conditions
        if condition.type == FAILURE
    ]
    if failing:
        first = failing[0]
        put(status, FAILURE, first.status, first.reason, first.message, now)
    else:
        conditions.remove(status.conditions, FAILURE)
