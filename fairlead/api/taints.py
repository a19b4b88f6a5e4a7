"""Taints and tolerations: which pods a node's taints keep away or drive out.

Scheduler and node lifecycle controller ask. Source: Kubernetes' documentation, "Taints and Tolerations". Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fairlead.api.pb import core_v1_pb2 as corev1

NO_SCHEDULE, PREFER_NO_SCHEDULE, NO_EXECUTE = "NoSchedule", "PreferNoSchedule", "NoExecute"
NOT_READY = "node.kubernetes.io/not-ready"
UNREACHABLE = "node.kubernetes.io/unreachable"
UNSCHEDULABLE = "node.kubernetes.io/unschedulable"


def tolerates(toleration: corev1.Toleration, taint: corev1.Taint) -> bool:
    """Whether one toleration covers a taint; an empty key with Exists covers all, an empty effect every effect."""
    if toleration.effect and toleration.effect != taint.effect:
        return False
    if toleration.key and toleration.key != taint.key:
        return False
    if toleration.operator == "Exists":
        return True
    return toleration.operator in ("", "Equal") and bool(toleration.key) and toleration.value == taint.value


def tolerated(taint: corev1.Taint, tolerations: Iterable[corev1.Toleration]) -> bool:
    """Whether any toleration covers a taint."""
    return any(tolerates(toleration, taint) for toleration in tolerations)


def untolerated(
    taints: Iterable[corev1.Taint], tolerations: Sequence[corev1.Toleration], effects: Sequence[str]
) -> corev1.Taint | None:
    """Return the first taint of these effects that no toleration covers, or None."""
    for taint in taints:
        if taint.effect in effects and not tolerated(taint, tolerations):
            return taint
    return None
