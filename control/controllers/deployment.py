"""The Deployment controller: a ReplicaSet for each template, sized step by step.

It reads Deployments, their ReplicaSets and, to recreate, pods; `rollout`, `revisions` and `progress` decide; this
module writes. Each reconcile makes one step and is called again when its effects show.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from control.controllers import framework, ownership, progress, revisions
from control.controllers import rollout as rollouts
from fairlead.api import errors, objects, pods, selectors
from fairlead.api.pb import apps_v1_pb2 as appsv1
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import meta_v1_pb2 as metav1


class DeploymentController(framework.Controller):
    """Rolls Deployments out."""

    name = "deployment-controller"
    workers = 5

    def __init__(self, context: framework.Context) -> None:
        super().__init__(context)
        self._deployments = context.informers.of(appsv1.Deployment)
        self._replicasets = context.informers.of(appsv1.ReplicaSet)
        self._pods = context.informers.of(corev1.Pod)
        self._deployments.add_handler(self._deployment_changed)
        self._replicasets.add_index("controller", framework.controller_index)
        self._replicasets.add_handler(self._replicaset_changed)
        self._pods.add_index("controller", framework.controller_index)
        self._pods.add_handler(self._pod_changed)

    def keys(self) -> Iterable[str]:
        return [objects.key_of(each) for each in self._deployments.list()]

    def _deployment_changed(self, change: str, old: appsv1.Deployment | None, new: appsv1.Deployment | None) -> None:
        each = new if new is not None else old
        assert each is not None
        self.enqueue(objects.key_of(each))

    def _replicaset_changed(self, change: str, old: appsv1.ReplicaSet | None, new: appsv1.ReplicaSet | None) -> None:
        if not self._running:
            return
        for each in (old, new):
            key = framework.owner_key(each, "Deployment") if each is not None else None
            if key is not None:
                self.enqueue(key)
        if new is not None and objects.controller_of(new) is None:
            for deployment in self._deployments.list(new.metadata.namespace):
                if selectors.of_message(deployment.spec.selector).matches(new.metadata.labels):
                    self.enqueue(objects.key_of(deployment))

    def _pod_changed(self, change: str, old: corev1.Pod | None, new: corev1.Pod | None) -> None:
        """Recreation waits for the last old pod to go."""
        if change != "DELETED" or old is None or not self._running:
            return
        owner = framework.owner_key(old, "ReplicaSet")
        replicaset = self._replicasets.get_key(owner) if owner is not None else None
        key = framework.owner_key(replicaset, "Deployment") if replicaset is not None else None
        deployment = self._deployments.get_key(key) if key is not None else None
        if key is not None and deployment is not None and deployment.spec.strategy.type == rollouts.RECREATE:
            self.enqueue(key)

    async def reconcile(self, key: str) -> framework.Result:
        deployment = self._deployments.get_key(key)
        if deployment is None:
            return framework.nothing("gone")
        selector = selectors.of_message(deployment.spec.selector)
        if selector.empty:
            why = "This deployment is selecting all pods. A non-empty selector is required."
            self.recorder.warning(deployment, "SelectingAll", why)
            return framework.nothing("selects every pod, which is refused")
        rollout = await self._survey(key, deployment, selector)
        if deployment.metadata.HasField("deletionTimestamp"):
            return await self._conclude(key, rollout, [])
        old_pods_run = self._old_pods_run(rollout)
        if rollout.new is None and _may_create(rollout, old_pods_run):
            return await self._create(key, rollout)
        kept = await self._keep_revision(key, rollout)
        if kept:
            return framework.Result(kept)
        sizes = rollouts.decide(rollout, old_pods_run)
        surge = rollouts.bounds(deployment).surge
        told = []
        for each in rollout.all:
            told += await self._resize(key, deployment, each, sizes.get(each.metadata.name), surge)
        if not told and (deployment.spec.paused or rollouts.is_complete(deployment, deployment.status)):
            told += await self._forget(key, rollout)
        return await self._conclude(key, rollout, told)

    async def _survey(
        self, key: str, deployment: appsv1.Deployment, selector: selectors.Selector
    ) -> rollouts.Rollout:
        claim = ownership.claim(
            deployment,
            selector,
            self._replicasets.by_index("controller", deployment.metadata.uid),
            self._replicasets.by_index("controller", f"orphan:{deployment.metadata.namespace}"),
        )
        owned = list(claim.owned)
        for each in claim.adopt:
            owned.append(await ownership.carry_out(self.client, each))
            self.wrote(key, owned[-1])
        for each in claim.release:
            self.wrote(key, await ownership.carry_out(self.client, each))
        new = revisions.newest(deployment, owned)
        old = [each for each in owned if each is not new]
        return rollouts.Rollout(deployment, new, revisions.by_age(old))

    def _old_pods_run(self, rollout: rollouts.Rollout) -> bool:
        """Whether recreation has to wait for pods of old ReplicaSets."""
        if rollout.deployment.spec.strategy.type != rollouts.RECREATE:
            return False
        return any(
            not pods.is_finished(pod)
            for each in rollout.old
            for pod in self._pods.by_index("controller", each.metadata.uid)
        )

    async def _create(self, key: str, rollout: rollouts.Rollout) -> framework.Result:
        deployment, now = rollout.deployment, self.clock.now()
        size = rollouts.new_size(rollout, 0)
        revision = revisions.following(rollout.old)
        fresh = revisions.new_replicaset(deployment, revision, size, rollouts.bounds(deployment).surge)
        name = fresh.metadata.name
        status = progress.status_for(rollout, now)
        try:
            created = await self.client.create(fresh)
        except errors.AlreadyExists:
            return await self._collided(key, deployment, name)
        except errors.ApiError as error:
            why = f'Failed to create new replica set "{name}": {error}'
            self.recorder.warning(deployment, "ReplicaSetCreateError", why)
            progress.put(status, progress.PROGRESSING, "False", "ReplicaSetCreateError", str(error), now)
            await self._write_status(key, deployment, status)
            raise
        self.wrote(key, created)
        if size:
            self.recorder.normal(deployment, "ScalingReplicaSet", f"Scaled up replica set {name} from 0 to {size}")
        if progress.deadline(deployment) is not None:
            why = f'Created new replica set "{name}"'
            progress.put(status, progress.PROGRESSING, "True", "NewReplicaSetCreated", why, now)
        await self._write_status(key, deployment, status)
        return framework.Result(f"created {name} with {size} replicas")

    async def _collided(self, key: str, deployment: appsv1.Deployment, name: str) -> framework.Result:
        """Another template's ReplicaSet has the name: count it, so that the next attempt takes another one."""
        found = await self.client.get(appsv1.ReplicaSet, name, deployment.metadata.namespace)
        owner = objects.controller_of(found)
        ours = owner is not None and owner.uid == deployment.metadata.uid
        if ours and revisions.newest(deployment, [found]) is not None:
            self.wrote(key, found)
            return framework.nothing(f"{name} is there already", again_seconds=0)
        status = objects.copy(deployment.status)
        status.collisionCount += 1
        await self._write_status(key, deployment, status)
        return framework.Result(f"the name {name} is taken: trying another")

    async def _keep_revision(self, key: str, rollout: rollouts.Rollout) -> str:
        """Keep the new ReplicaSet's annotations and the Deployment's revision right; returns what was done."""
        if rollout.new is None:
            return ""
        deployment, fresh = rollout.deployment, objects.copy(rollout.new)
        changed = revisions.annotate(fresh, deployment, revisions.following(rollout.old))
        if fresh.spec.minReadySeconds != deployment.spec.minReadySeconds:
            fresh.spec.minReadySeconds = deployment.spec.minReadySeconds
            changed = True
        if changed:
            self.wrote(key, await self.client.update(fresh))
            return f"annotated {fresh.metadata.name} as revision {revisions.number(fresh)}"
        revision = str(revisions.number(fresh))
        if deployment.metadata.annotations.get(revisions.REVISION) == revision:
            return ""
        noted = objects.copy(deployment)
        noted.metadata.annotations[revisions.REVISION] = revision
        self.wrote(key, await self.client.update(noted, subresource="status"))
        return f"is at revision {revision}"

    async def _resize(
        self, key: str, deployment: appsv1.Deployment, each: appsv1.ReplicaSet, size: int | None, surge: int
    ) -> list[str]:
        """Write a ReplicaSet's size, and the Deployment's beside it, where either differs."""
        before, fresh = each.spec.replicas, objects.copy(each)
        size = before if size is None else size
        if not size and not before:
            return []
        noted = revisions.note_scale(fresh, deployment.spec.replicas, surge)
        fresh.spec.replicas = size
        if size == before:
            if not noted:
                return []
            self.wrote(key, await self.client.update(fresh))
            return [f"noted the size at {each.metadata.name}"]
        self.wrote(key, await self.client.update(fresh))
        told = f"caled {'up' if size > before else 'down'} replica set {each.metadata.name} from {before} to {size}"
        self.recorder.normal(deployment, "ScalingReplicaSet", f"S{told}")
        return [f"s{told}"]

    async def _forget(self, key: str, rollout: rollouts.Rollout) -> list[str]:
        """Delete revisions beyond the history limit."""
        told = []
        for each in rollouts.surplus_history(rollout):
            meta = each.metadata
            options = metav1.DeleteOptions(
                preconditions=metav1.Preconditions(uid=meta.uid, resourceVersion=meta.resourceVersion)
            )
            try:
                await self.client.delete(appsv1.ReplicaSet, meta.name, meta.namespace, options=options)
            except errors.NotFound:
                continue
            told.append(f"deleted {meta.name}, revision {revisions.number(each)}")
        return told

    async def _conclude(self, key: str, rollout: rollouts.Rollout, told: Sequence[str]) -> framework.Result:
        """Write the status, where it differs, and say what was done."""
        deployment, now = rollout.deployment, self.clock.now()
        status = progress.status_for(rollout, now)
        again = progress.overdue_in(deployment, status, now)
        written = await self._write_status(key, deployment, status)
        if told:
            return framework.Result("; ".join(told), again_seconds=again)
        ready = f"{status.availableReplicas} of {deployment.spec.replicas} replicas available"
        return framework.Result(ready, acted=written, again_seconds=again)

    async def _write_status(self, key: str, deployment: appsv1.Deployment, status: appsv1.DeploymentStatus) -> bool:
        if status == deployment.status:
            return False
        fresh = objects.copy(deployment)
        fresh.status.CopyFrom(status)
        self.wrote(key, await self.client.update(fresh, subresource="status"))
        return True


def _may_create(rollout: rollouts.Rollout, old_pods_run: bool) -> bool:
    """Whether the template's ReplicaSet is due: recreation waits for the old pods, a pause for its end."""
    if rollout.deployment.spec.paused or rollouts.is_scaling(rollout):
        return False
    if rollout.deployment.spec.strategy.type != rollouts.RECREATE:
        return True
    return not old_pods_run and not any(each.spec.replicas for each in rollout.old)
