"""The node's conditions, from faults that its parts report and pressures that are measured. Pure.

Types, reasons and texts are kubelet's. A condition keeps the time of its transition while its status stays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fairlead.api.pb import core_v1_pb2 as corev1

# Thresholds of kubelet's default hard evictions; the disk's is lower, because nothing is evicted here yet.
MEMORY_BYTES = 100 << 20
DISK_FRACTION = 0.05
DISK_RECOVERED_FRACTION = 0.07
PID_FRACTION = 0.05

RUNTIME = "runtime"
NETWORK = "network"
DISK = "disk"
PROXY = "proxy"


@dataclass(frozen=True, slots=True)
class Pressures:
    """What is left of the node's resources; fractions are 0 to 1."""

    memory_bytes: int
    disk_fraction: float
    pid_fraction: float = 1.0


AMPLE = Pressures(1 << 40, 1.0)


def conditions(
    before: Sequence[corev1.NodeCondition], faults: Mapping[str, str], left: Pressures, now: float
) -> list[corev1.NodeCondition]:
    """Return all conditions of the node. `faults` maps a part to what is wrong with it."""
    was = {condition.type: condition for condition in before}
    pressed = was.get("DiskPressure", corev1.NodeCondition()).status == "True"
    limit = DISK_RECOVERED_FRACTION if pressed else DISK_FRACTION
    disk = bool(faults.get(DISK)) or left.disk_fraction < limit
    memory, pids = left.memory_bytes < MEMORY_BYTES, left.pid_fraction < PID_FRACTION
    proxy = faults.get(PROXY, "")
    wanted = [
        _pressure("MemoryPressure", memory, "Memory", "insufficient memory", "sufficient memory"),
        _pressure("DiskPressure", disk, "Disk", "disk pressure", "no disk pressure"),
        _pressure("PIDPressure", pids, "PID", "insufficient PID", "sufficient PID"),
    ]
    if proxy or "NetworkUnavailable" in was:
        wanted.append(_network(proxy))
    wanted.append(_ready(faults))
    for condition in wanted:
        old = was.get(condition.type)
        if old is not None and old.status == condition.status:
            condition.lastTransitionTime.CopyFrom(old.lastTransitionTime)
        else:
            condition.lastTransitionTime.seconds = int(now)
        condition.lastHeartbeatTime.seconds = int(now)
    return wanted


def same(left: Sequence[corev1.NodeCondition], right: Sequence[corev1.NodeCondition]) -> bool:
    """Tell whether two lists say the same, times of heartbeats aside."""
    return _essence(left) == _essence(right)


def transitions(before: Sequence[corev1.NodeCondition], after: Sequence[corev1.NodeCondition]) -> list[str]:
    """Return the reasons of conditions whose status has changed: each is an event about the node."""
    was = {condition.type: condition.status for condition in before}
    found = []
    for condition in after:
        # a condition that is told only once it is bad was not bad before
        unsaid = "False" if before and condition.type == "NetworkUnavailable" else condition.status
        if was.get(condition.type, unsaid) == condition.status:
            continue
        if condition.type == "Ready":
            found.append("NodeReady" if condition.status == "True" else "NodeNotReady")
        else:
            found.append(_EVENTS.get(condition.reason, condition.reason))
    return found


_EVENTS = {
    "KubeletHasSufficientMemory": "NodeHasSufficientMemory",
    "KubeletHasInsufficientMemory": "NodeHasInsufficientMemory",
    "KubeletHasNoDiskPressure": "NodeHasNoDiskPressure",
    "KubeletHasDiskPressure": "NodeHasDiskPressure",
    "KubeletHasSufficientPID": "NodeHasSufficientPID",
    "KubeletHasInsufficientPID": "NodeHasInsufficientPID",
}


def _pressure(type_: str, pressed: bool, what: str, bad: str, good: str) -> corev1.NodeCondition:
    if what == "Disk":
        reason = "KubeletHasDiskPressure" if pressed else "KubeletHasNoDiskPressure"
    else:
        reason = f"KubeletHasInsufficient{what}" if pressed else f"KubeletHasSufficient{what}"
    message = f"kubelet has {bad if pressed else good}"
    if what != "Disk":
        message += " available"
    return corev1.NodeCondition(type=type_, status="True" if pressed else "False", reason=reason, message=message)


def _network(fault: str) -> corev1.NodeCondition:
    if fault:
        return corev1.NodeCondition(
            type="NetworkUnavailable", status="True", reason="ServiceRulesFailed", message=fault
        )
    return corev1.NodeCondition(
        type="NetworkUnavailable", status="False", reason="ServiceRulesWritten", message="service rules are written"
    )


def _ready(faults: Mapping[str, str]) -> corev1.NodeCondition:
    wrong = []
    if faults.get(RUNTIME):
        wrong.append(f"container runtime is down: {faults[RUNTIME]}")
    if faults.get(NETWORK):
        wrong.append(f"container runtime network not ready: {faults[NETWORK]}")
    if wrong:
        return corev1.NodeCondition(type="Ready", status="False", reason="KubeletNotReady", message="; ".join(wrong))
    return corev1.NodeCondition(
        type="Ready", status="True", reason="KubeletReady", message="kubelet is posting ready status"
    )


def _essence(conditions_: Sequence[corev1.NodeCondition]) -> list[tuple[str, ...]]:
    return sorted((c.type, c.status, c.reason, c.message) for c in conditions_)
