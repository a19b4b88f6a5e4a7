"""What a node's conditions mean for its taints and its pods.

Source: Kubernetes' documentation, "Nodes", "Taints and Tolerations". Pure: the node lifecycle controller acts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fairlead.api import conditions, objects, taints, times
from fairlead.api.pb import core_v1_pb2 as corev1

READY = "Ready"
JUDGED = (READY, "MemoryPressure", "DiskPressure", "PIDPressure")
DISRUPTION = "DisruptionTarget"
# Taints of effect NoSchedule that follow from a condition's status; who else sets them is overruled.
_BY_CONDITION = {
    (READY, conditions.FALSE): taints.NOT_READY,
    (READY, conditions.UNKNOWN): taints.UNREACHABLE,
    ("MemoryPressure", conditions.TRUE): "node.kubernetes.io/memory-pressure",
    ("DiskPressure", conditions.TRUE): "node.kubernetes.io/disk-pressure",
    ("PIDPressure", conditions.TRUE): "node.kubernetes.io/pid-pressure",
    ("NetworkUnavailable", conditions.TRUE): "node.kubernetes.io/network-unavailable",
}
_OWNED_NO_SCHEDULE = frozenset(_BY_CONDITION.values()) | {taints.UNSCHEDULABLE}
_OWNED_NO_EXECUTE = frozenset({taints.NOT_READY, taints.UNREACHABLE})


def ready_status(node: corev1.Node) -> str:
    """Return the status of the node's Ready condition; empty where it has none yet."""
    condition = conditions.get(node.status.conditions, READY)
    return condition.status if condition is not None else ""


def wanted_taints(node: corev1.Node, now: float) -> list[corev1.Taint] | None:
    """Return the node's taints as its conditions want them, None where they are so already.

    Foreign taints stay. A node that has not reported yet may run nothing new, but loses nothing.
    """
    wanted: list[tuple[str, str]] = []
    for condition in node.status.conditions:
        key = _BY_CONDITION.get((condition.type, condition.status))
        if key is not None:
            wanted.append((key, taints.NO_SCHEDULE))
    ready = ready_status(node)
    if not ready:
        wanted.append((taints.NOT_READY, taints.NO_SCHEDULE))
    if node.spec.unschedulable:
        wanted.append((taints.UNSCHEDULABLE, taints.NO_SCHEDULE))
    driving_out = _BY_CONDITION.get((READY, ready))
    if driving_out is not None:
        wanted.append((driving_out, taints.NO_EXECUTE))
    kept = [taint for taint in node.spec.taints if not _is_owned(taint) or (taint.key, taint.effect) in wanted]
    present = {(taint.key, taint.effect) for taint in kept}
    added = [_taint(key, effect, now) for key, effect in wanted if (key, effect) not in present]
    if not added and len(kept) == len(node.spec.taints):
        return None
    return [*kept, *added]


def _is_owned(taint: corev1.Taint) -> bool:
    if taint.effect == taints.NO_SCHEDULE:
        return taint.key in _OWNED_NO_SCHEDULE
    return taint.effect == taints.NO_EXECUTE and taint.key in _OWNED_NO_EXECUTE


def _taint(key: str, effect: str, now: float) -> corev1.Taint:
    taint = corev1.Taint(key=key, effect=effect)
    if effect == taints.NO_EXECUTE:
        taint.timeAdded.CopyFrom(times.from_seconds(now))
    return taint


def stay_seconds(node_taints: Iterable[corev1.Taint], tolerations: Sequence[corev1.Toleration]) -> float | None:
    """Return how long a pod may stay on a node with these taints: 0 for not at all, None for ever."""
    limits: list[float] = []
    for taint in node_taints:
        if taint.effect != taints.NO_EXECUTE:
            continue
        covering = [each for each in tolerations if taints.tolerates(each, taint)]
        if not covering:
            return 0.0
        limits += [max(0.0, float(each.tolerationSeconds)) for each in covering if each.HasField("tolerationSeconds")]
    return min(limits, default=None)


def unknown(node: corev1.Node, now: float) -> corev1.Node | None:
    """Return the node as it is when nobody hears from it, None where it says so already."""
    fresh = objects.copy(node)
    stamp, changed = times.from_seconds(now), False
    for kind in JUDGED:
        known = conditions.get(fresh.status.conditions, kind)
        reason, message = "NodeStatusUnknown", "Kubelet stopped posting node status."
        if known is None:
            reason, message = "NodeStatusNeverUpdated", "Kubelet never posted node status."
        elif known.status == conditions.UNKNOWN:
            continue
        changed |= conditions.set_condition(
            fresh.status.conditions, kind, conditions.UNKNOWN, stamp, reason=reason, message=message
        )
    return fresh if changed else None


def unready(pod: corev1.Pod, now: float) -> corev1.Pod | None:
    """Return a pod of a node that is not ready as not ready itself, None where it is so already."""
    if not conditions.is_true(pod.status.conditions, READY):
        return None
    fresh = objects.copy(pod)
    conditions.set_condition(fresh.status.conditions, READY, conditions.FALSE, times.from_seconds(now))
    return fresh


def disrupted(pod: corev1.Pod, reason: str, message: str, now: float) -> corev1.Pod | None:
    """Return a pod with the condition that says why it will be deleted, None where it says so already."""
    fresh = objects.copy(pod)
    stamp = times.from_seconds(now)
    changed = conditions.set_condition(
        fresh.status.conditions, DISRUPTION, conditions.TRUE, stamp, reason=reason, message=message
    )
    return fresh if changed else None
