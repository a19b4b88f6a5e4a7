"""What to write of the statuses that agents report, given what is stored. Pure.

The agent's newest word is the desired state, the stored object the observed one; `pod` and `node` return the object
to write, or None where nothing would change. Others write conditions, too (the scheduler PodScheduled, an eviction
DisruptionTarget, the node lifecycle Ready=False): theirs stay unless the agent reports the same type.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import TypeVar

from google.protobuf.message import Message

from fairlead.api import objects
from fairlead.api.pb import core_v1_pb2 as corev1

FINAL_PHASES = ("Succeeded", "Failed")
DIGEST_BYTES = 16

READY = "Ready"
UNKNOWN_REASON = "NodeStatusUnknown"
UNKNOWN_MESSAGE = "Kubelet stopped posting node status."
NEVER_REASON = "NodeStatusNeverUpdated"
JUDGED = (READY, "MemoryPressure", "DiskPressure", "PIDPressure")
COUNTED_DEVICES = frozenset({"nvidia.com/gpu"})  # of the extended resources those that agents count themselves


C = TypeVar("C", corev1.PodCondition, corev1.NodeCondition)


def pod(stored: corev1.Pod, reported: corev1.PodStatus) -> corev1.Pod | None:
    """Return the pod with the status that the agent reports, or None.

    A pod that has reached a final phase stays there.
    """
    if stored.status.phase in FINAL_PHASES and reported.phase not in FINAL_PHASES:
        return None
    status = corev1.PodStatus()
    status.CopyFrom(reported)
    theirs = [
        one for one in stored.status.conditions if one.type not in {given.type for given in reported.conditions}
    ]
    merged = {one.type: one for one in _conditions(stored.status.conditions, reported.conditions)}
    del status.conditions[:]
    # As a kubelet writes them: what others have set, then its own in the order of a pod's life.
    status.conditions.extend([*theirs, *(merged[one.type] for one in reported.conditions)])
    status.qosClass = status.qosClass or stored.status.qosClass
    status.nominatedNodeName = status.nominatedNodeName or stored.status.nominatedNodeName
    if stored.status.HasField("startTime"):
        status.startTime.CopyFrom(stored.status.startTime)
    if status == stored.status:
        return None
    fresh = objects.copy(stored)
    fresh.status.CopyFrom(status)
    return fresh


def node(stored: corev1.Node, reported: corev1.NodeStatus) -> corev1.Node | None:
    """Return the Node with the status that the agent reports, or None. Times of heartbeats alone are no change."""
    fresh = objects.copy(stored)
    status = fresh.status
    merged = _conditions(status.conditions, reported.conditions)
    del status.conditions[:]
    status.conditions.extend(merged)
    _take_amounts(status, reported)
    for repeated, given_items in ((status.addresses, reported.addresses), (status.images, reported.images)):
        if given_items:
            del repeated[:]
            repeated.extend(given_items)  # type: ignore[arg-type]
    if reported.HasField("nodeInfo"):
        status.nodeInfo.CopyFrom(reported.nodeInfo)
    if reported.HasField("daemonEndpoints"):
        status.daemonEndpoints.CopyFrom(reported.daemonEndpoints)
    return None if _without_heartbeats(status) == _without_heartbeats(stored.status) else fresh


def _take_amounts(status: corev1.NodeStatus, reported: corev1.NodeStatus) -> None:
    """Take what the agent counts. Devices that others advertise in the capacity stay there, and can be allocated."""
    for quantities, given in ((status.capacity, reported.capacity), (status.allocatable, reported.allocatable)):
        if given:
            for name in [name for name in quantities if name not in given and not _is_advertised(name)]:
                del quantities[name]
            for name, quantity in given.items():
                quantities[name].CopyFrom(quantity)
    for name in [name for name in status.allocatable if name not in status.capacity and _is_advertised(name)]:
        del status.allocatable[name]
    for name, quantity in status.capacity.items():
        if _is_advertised(name):
            status.allocatable[name].CopyFrom(quantity)


def _is_advertised(name: str) -> bool:
    """Say whether a resource is a device that an agent does not count, but somebody else."""
    return "/" in name and "kubernetes.io/" not in name and name not in COUNTED_DEVICES


def overlaid(before: corev1.NodeStatus, news: corev1.NodeStatus) -> corev1.NodeStatus:
    """Return what an agent has reported so far, with its newest report on top."""
    stored = corev1.Node(status=before)
    fresh = node(stored, news)
    return (fresh or stored).status


def metadata(stored: corev1.Node, wanted: corev1.Node) -> corev1.Node | None:
    """Return the Node with the labels and annotations that its agent registers, others kept, or None."""
    labels = dict(stored.metadata.labels) | dict(wanted.metadata.labels)
    annotations = dict(stored.metadata.annotations) | dict(wanted.metadata.annotations)
    if labels == stored.metadata.labels and annotations == stored.metadata.annotations:
        return None
    fresh = objects.copy(stored)
    fresh.metadata.labels.update(labels)
    fresh.metadata.annotations.update(annotations)
    return fresh


def unknown(stored: corev1.Node, now: float) -> corev1.Node | None:
    """Return the Node as it is when its agent is no longer heard of, or None where it says so already."""
    fresh = objects.copy(stored)
    present = {condition.type: condition for condition in fresh.status.conditions}
    changed = False
    for type_ in JUDGED:
        condition = present.get(type_)
        if condition is None:
            condition = fresh.status.conditions.add(type=type_, reason=NEVER_REASON)
            condition.message = "Kubelet never posted node status."
        elif condition.status == "Unknown":
            continue
        else:
            condition.reason, condition.message = UNKNOWN_REASON, UNKNOWN_MESSAGE
        condition.status = "Unknown"
        condition.lastTransitionTime.seconds = int(now)
        changed = True
    return fresh if changed else None


def digest(status: Message) -> bytes:
    """Return what is equal for equal statuses, and takes little memory."""
    return hashlib.blake2b(status.SerializeToString(deterministic=True), digest_size=DIGEST_BYTES).digest()


def node_digest(status: corev1.NodeStatus) -> bytes:
    """Return what is equal for Nodes that need no other write: with equal conditions and amounts."""
    kept = corev1.NodeStatus(conditions=status.conditions, capacity=status.capacity, allocatable=status.allocatable)
    return digest(kept)


def _conditions(stored: Iterable[C], reported: Iterable[C]) -> list[C]:
    """Merge by type, in the stored order; a status that stays keeps the time of its last transition."""
    given: dict[str, C] = {condition.type: condition for condition in reported}
    before: dict[str, C] = {condition.type: condition for condition in stored}
    merged: list[C] = []
    for type_ in [*before, *(type_ for type_ in given if type_ not in before)]:
        old, new = before.get(type_), given.get(type_)
        if new is None:
            assert old is not None
            merged.append(old)
            continue
        fresh = type(new)()
        fresh.CopyFrom(new)
        if old is not None and old.status == new.status and old.HasField("lastTransitionTime"):
            fresh.lastTransitionTime.CopyFrom(old.lastTransitionTime)
        merged.append(fresh)
    return merged


def _without_heartbeats(status: corev1.NodeStatus) -> bytes:
    fresh = corev1.NodeStatus()
    fresh.CopyFrom(status)
    for condition in fresh.conditions:
        condition.ClearField("lastHeartbeatTime")
    return fresh.SerializeToString(deterministic=True)
