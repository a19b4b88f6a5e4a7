"""A Deployment's ReplicaSets as its revisions: names, hashes, annotations, numbers.

The rollout is decided with these; pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from control.controllers import ownership
from fairlead.api import hashing, objects
from fairlead.api.pb import apps_v1_pb2 as appsv1
from fairlead.api.pb import core_v1_pb2 as corev1

REVISION = "deployment.kubernetes.io/revision"
REVISION_HISTORY = "deployment.kubernetes.io/revision-history"
DESIRED = "deployment.kubernetes.io/desired-replicas"
MAXIMUM = "deployment.kubernetes.io/max-replicas"
HASH_LABEL = "pod-template-hash"
_NOT_COPIED = frozenset(
    {
        "kubectl.kubernetes.io/last-applied-configuration",
        REVISION,
        REVISION_HISTORY,
        DESIRED,
        MAXIMUM,
        "deprecated.deployment.rollback.to",
    }
)


def comparable(template: corev1.PodTemplateSpec) -> corev1.PodTemplateSpec:
    """Return a template as it is compared: without the hash label, and empty parts of the metadata dropped."""
    fresh = objects.copy(template)
    fresh.metadata.labels.pop(HASH_LABEL, None)
    fresh.metadata.ClearField("creationTimestamp")
    fresh.metadata.SetInParent()
    return fresh


def newest(deployment: appsv1.Deployment, replicasets: Sequence[appsv1.ReplicaSet]) -> appsv1.ReplicaSet | None:
    """Return the oldest ReplicaSet whose template is the Deployment's, or None."""
    wanted = comparable(deployment.spec.template)
    return next((each for each in by_age(replicasets) if comparable(each.spec.template) == wanted), None)


def by_age(replicasets: Iterable[appsv1.ReplicaSet]) -> list[appsv1.ReplicaSet]:
    """Order ReplicaSets from the oldest to the newest."""
    return sorted(replicasets, key=lambda each: (each.metadata.creationTimestamp.seconds, each.metadata.name))


def number(replicaset: appsv1.ReplicaSet) -> int:
    """Return the revision number of a ReplicaSet; 0 where it has none."""
    return integer(replicaset, REVISION)


def integer(replicaset: appsv1.ReplicaSet, annotation: str) -> int:
    """Return an annotation as a number; 0 where it is absent or none."""
    text = replicaset.metadata.annotations.get(annotation, "")
    return int(text) if text.isascii() and text.isdigit() else 0


def following(replicasets: Iterable[appsv1.ReplicaSet]) -> int:
    """Return the revision number that comes after those of old ReplicaSets."""
    return max((number(each) for each in replicasets), default=0) + 1


def new_replicaset(deployment: appsv1.Deployment, revision: int, replicas: int, surge: int) -> appsv1.ReplicaSet:
    """Return the ReplicaSet of the Deployment's template, to be created."""
    spec = deployment.spec
    suffix = hashing.hash_of(comparable(spec.template), deployment.status.collisionCount)
    fresh = appsv1.ReplicaSet()
    meta = fresh.metadata
    meta.namespace, meta.name = deployment.metadata.namespace, f"{deployment.metadata.name}-{suffix}"
    meta.ownerReferences.append(ownership.reference_to(deployment))
    fresh.spec.template.CopyFrom(spec.template)
    fresh.spec.template.metadata.labels[HASH_LABEL] = suffix
    meta.labels.update(fresh.spec.template.metadata.labels)
    fresh.spec.selector.CopyFrom(spec.selector)
    fresh.spec.selector.matchLabels[HASH_LABEL] = suffix
    fresh.spec.minReadySeconds = spec.minReadySeconds
    fresh.spec.replicas = replicas
    annotate(fresh, deployment, revision)
    note_scale(fresh, spec.replicas, surge)
    return fresh


def annotate(replicaset: appsv1.ReplicaSet, deployment: appsv1.Deployment, revision: int) -> bool:
    """Give a ReplicaSet the Deployment's annotations and the revision if it is newer; returns whether it changed.

    A revision that is given up goes into the history annotation, as after `rollout undo`.
    """
    annotations = replicaset.metadata.annotations
    before = dict(annotations)
    for name, value in deployment.metadata.annotations.items():
        if name not in _NOT_COPIED:
            annotations[name] = value
    old = integer(replicaset, REVISION)
    if old < revision:
        annotations[REVISION] = str(revision)
        if old:
            history = [part for part in annotations.get(REVISION_HISTORY, "").split(",") if part]
            if str(old) not in history:
                annotations[REVISION_HISTORY] = ",".join([*history, str(old)])
    return dict(annotations) != before


def note_scale(replicaset: appsv1.ReplicaSet, desired: int, surge: int) -> bool:
    """Write down the Deployment's size, by which its next scaling is recognised; returns whether it changed."""
    annotations = replicaset.metadata.annotations
    wanted = {DESIRED: str(desired), MAXIMUM: str(desired + surge)}
    if all(annotations.get(name) == value for name, value in wanted.items()):
        return False
    annotations.update(wanted)
    return True
