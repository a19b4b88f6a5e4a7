"""How many replicas each ReplicaSet of a Deployment should have now.

Rolling updates, recreation and proportional scaling, as Kubernetes does them. Pure: the Deployment controller
reads, asks `decide`, and writes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from control.controllers import revisions
from fairlead.api import intstr
from fairlead.api.pb import apps_v1_pb2 as appsv1

ROLLING, RECREATE = "RollingUpdate", "Recreate"


@dataclass(frozen=True, slots=True)
class Bounds:
    """By how many pods a rolling update may exceed, and fall short of, the replicas."""

    surge: int
    unavailable: int


@dataclass(frozen=True, slots=True)
class Rollout:
    """What is decided on: the Deployment, its newest ReplicaSet if there is one, and the old ones by age."""

    deployment: appsv1.Deployment
    new: appsv1.ReplicaSet | None
    old: Sequence[appsv1.ReplicaSet]

    @property
    def all(self) -> Sequence[appsv1.ReplicaSet]:
        """Return every ReplicaSet."""
        return [*self.old, self.new] if self.new is not None else self.old


# Wanted replicas by the name of the ReplicaSet.
Sizes = Mapping[str, int]
UNCHANGED: Sizes = {}


def bounds(deployment: appsv1.Deployment) -> Bounds:
    """Return the bounds in pods: percentages of the replicas, surge rounded up, never both zero."""
    if deployment.spec.strategy.type == RECREATE:
        return Bounds(0, 0)
    rolling, replicas = deployment.spec.strategy.rollingUpdate, deployment.spec.replicas
    surge = intstr.scaled(rolling.maxSurge, replicas, round_up=True)
    unavailable = intstr.scaled(rolling.maxUnavailable, replicas, round_up=False)
    if surge == 0 and unavailable == 0:
        unavailable = 1
    return Bounds(surge, unavailable)


def max_unavailable(deployment: appsv1.Deployment) -> int:
    """Return how many replicas may be missing while the Deployment counts as available."""
    if deployment.spec.strategy.type == RECREATE or deployment.spec.replicas == 0:
        return 0
    return min(bounds(deployment).unavailable, deployment.spec.replicas)


def is_scaling(rollout: Rollout) -> bool:
    """Whether the Deployment's replicas changed since its ReplicaSets were sized."""
    return any(
        revisions.DESIRED in each.metadata.annotations
        and revisions.integer(each, revisions.DESIRED) != rollout.deployment.spec.replicas
        for each in rollout.all
        if each.spec.replicas > 0
    )


def decide(rollout: Rollout, old_pods_run: bool) -> Sizes:
    """Return the sizes to set now: one step of the rollout; the next follows when its effects show.

    `old_pods_run` says whether pods of old ReplicaSets still exist, which recreation waits for.
    """
    if rollout.deployment.spec.paused or is_scaling(rollout):
        return scale(rollout)
    if rollout.deployment.spec.strategy.type == RECREATE:
        return recreate(rollout, old_pods_run)
    return roll(rollout)


def recreate(rollout: Rollout, old_pods_run: bool) -> Sizes:
    """Stop all old pods, then start the new ones."""
    stopping = {each.metadata.name: 0 for each in rollout.old if each.spec.replicas > 0}
    if stopping or old_pods_run or rollout.new is None:
        return stopping
    return _if_changed(rollout.new, rollout.deployment.spec.replicas)


def roll(rollout: Rollout) -> Sizes:
    """Grow the new ReplicaSet as far as the surge allows, else shrink old ones as availability allows."""
    if rollout.new is None:
        return UNCHANGED
    grown = _if_changed(rollout.new, new_size(rollout, rollout.new.spec.replicas))
    return grown or shrink_old(rollout, rollout.new)


def new_size(rollout: Rollout, current: int) -> int:
    """Return the size of the new ReplicaSet, which has `current` replicas."""
    wanted = rollout.deployment.spec.replicas
    if current >= wanted or rollout.deployment.spec.strategy.type == RECREATE:
        return wanted
    total = sum(each.spec.replicas for each in rollout.old) + current
    room = wanted + bounds(rollout.deployment).surge - total
    return current + max(0, min(room, wanted - current))


def shrink_old(rollout: Rollout, new: appsv1.ReplicaSet) -> Sizes:
    """Shrink old ReplicaSets: first by their pods that are not available, then by what can be spared."""
    deployment = rollout.deployment
    least = deployment.spec.replicas - bounds(deployment).unavailable
    new_missing = new.spec.replicas - new.status.availableReplicas
    spare = sum(each.spec.replicas for each in rollout.all) - least - new_missing
    if spare <= 0 or not any(each.spec.replicas for each in rollout.old):
        return UNCHANGED
    sizes = {each.metadata.name: each.spec.replicas for each in rollout.old}
    for each in rollout.old:
        unhealthy = max(0, each.spec.replicas - each.status.availableReplicas)
        cut = min(spare, unhealthy)
        sizes[each.metadata.name] -= cut
        spare -= cut
    available = sum(each.status.availableReplicas for each in rollout.all)
    spare = available - least
    for each in rollout.old:
        cut = max(0, min(spare, sizes[each.metadata.name]))
        sizes[each.metadata.name] -= cut
        spare -= cut
    return {each.metadata.name: sizes[each.metadata.name] for each in rollout.old
            if sizes[each.metadata.name] != each.spec.replicas}  # fmt: skip


def scale(rollout: Rollout) -> Sizes:
    """Spread a change of the replicas over the ReplicaSets, in proportion to their sizes."""
    deployment, new = rollout.deployment, rollout.new
    wanted = deployment.spec.replicas
    active = [each for each in rollout.all if each.spec.replicas > 0]
    if len(active) <= 1:
        only = active[0] if active else new or (rollout.old[-1] if rollout.old else None)
        return _if_changed(only, wanted) if only is not None else UNCHANGED
    if new is not None and _is_saturated(new, wanted):
        return {each.metadata.name: 0 for each in rollout.old if each.spec.replicas > 0}
    if deployment.spec.strategy.type == RECREATE:
        return UNCHANGED
    return _proportional(rollout, active)


def _proportional(rollout: Rollout, active: Sequence[appsv1.ReplicaSet]) -> Sizes:
    wanted, surge = rollout.deployment.spec.replicas, bounds(rollout.deployment).surge
    allowed = wanted + surge if wanted > 0 else 0
    to_add = allowed - sum(each.spec.replicas for each in active)
    aged = revisions.by_age(active)
    # by size, the largest first; of equals the newer grows and the older shrinks
    order = sorted(reversed(aged) if to_add > 0 else aged, key=lambda each: -each.spec.replicas)
    sizes, added = {each.metadata.name: each.spec.replicas for each in order}, 0
    for each in order:
        share = _share(rollout.deployment, each, allowed)
        left = to_add - added
        change = min(share, left) if to_add > 0 else max(share, left)
        if to_add == 0:
            change = 0
        sizes[each.metadata.name] += change
        added += change
    first = order[0].metadata.name
    sizes[first] = max(0, sizes[first] + to_add - added)
    return sizes


def _share(deployment: appsv1.Deployment, replicaset: appsv1.ReplicaSet, allowed: int) -> int:
    if deployment.spec.replicas == 0:
        return -replicaset.spec.replicas
    before = revisions.integer(replicaset, revisions.MAXIMUM) or deployment.status.replicas
    if before == 0:
        return 0
    return int(replicaset.spec.replicas * allowed / before + 0.5) - replicaset.spec.replicas


def _is_saturated(new: appsv1.ReplicaSet, wanted: int) -> bool:
    noted = revisions.integer(new, revisions.DESIRED)
    return new.spec.replicas == noted == new.status.availableReplicas == wanted


def _if_changed(replicaset: appsv1.ReplicaSet, size: int) -> Sizes:
    return {replicaset.metadata.name: size} if replicaset.spec.replicas != size else UNCHANGED


def is_complete(deployment: appsv1.Deployment, status: appsv1.DeploymentStatus) -> bool:
    """Whether every replica is of the new template and available, and no old one is left."""
    wanted = deployment.spec.replicas
    return (
        status.updatedReplicas == status.replicas == status.availableReplicas == wanted
        and status.observedGeneration >= deployment.metadata.generation
    )


def surplus_history(rollout: Rollout) -> Sequence[appsv1.ReplicaSet]:
    """Return the old ReplicaSets beyond the history limit, the oldest revisions; all must be empty and settled."""
    spec = rollout.deployment.spec
    if not spec.HasField("revisionHistoryLimit"):
        return []
    settled = [each for each in rollout.old if not each.metadata.HasField("deletionTimestamp")]
    surplus = len(settled) - spec.revisionHistoryLimit
    if surplus <= 0:
        return []
    return [
        each
        for each in sorted(settled, key=revisions.number)[:surplus]
        if each.spec.replicas == 0
        and each.status.replicas == 0
        and each.status.observedGeneration >= each.metadata.generation
    ]
