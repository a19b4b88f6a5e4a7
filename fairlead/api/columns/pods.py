"""The columns of pods, and what their STATUS says. Pure."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import Message

from fairlead.api.columns import layout
from fairlead.api.pb import core_v1_pb2 as corev1

GATED = "SchedulingGated"
# The phases of pods that have ended, and what a table's row says of them.
ENDED = {"Succeeded": "The pod has completed successfully.", "Failed": "The pod failed."}


@dataclass(slots=True)
class Summary:
    """What kubectl says of a pod's containers: STATUS, READY, and RESTARTS with the time of the last one, 0 for none.

    `initialising`: an init container is at work, or has failed.
    """

    reason: str
    total: int
    ready: int = 0
    restarts: int = 0
    last: int = 0
    initialising: bool = False

    def restarted(self, status: corev1.ContainerStatus) -> None:
        """Count a container's restarts."""
        self.restarts += status.restartCount
        self.last = max(self.last, status.lastState.terminated.finishedAt.seconds)


def summary(pod: corev1.Pod) -> Summary:
    """Return what kubectl says of a pod."""
    conditions = pod.status.conditions
    sidecars = {c.name for c in pod.spec.initContainers if c.restartPolicy == "Always"}
    found = Summary(pod.status.reason or pod.status.phase, len(pod.spec.containers) + len(sidecars))
    if any(one.type == "PodScheduled" and one.reason == GATED for one in conditions):
        found.reason = GATED
    begun = _initialise(found, pod, sidecars)
    if not found.initialising or layout.condition(conditions, "Initialized") == "True":
        found.restarts = found.last = 0
        for status in begun:
            if status.name in sidecars:
                found.restarted(status)
        running = _count(found, pod)
        if found.reason == "Completed" and running:
            found.reason = "Running" if layout.condition(conditions, "Ready") == "True" else "NotReady"
    if pod.metadata.HasField("deletionTimestamp"):
        if pod.status.reason == "NodeLost":
            found.reason = "Unknown"
        elif pod.status.phase not in ENDED:
            found.reason = "Terminating"
    return found


def _initialise(found: Summary, pod: corev1.Pod, sidecars: Set[str]) -> Sequence[corev1.ContainerStatus]:
    """Return the init containers up to the first that is at work or has failed; count sidecars that are ready."""
    for index, status in enumerate(pod.status.initContainerStatuses):
        found.restarted(status)
        state = status.state
        if state.HasField("terminated") and state.terminated.exitCode == 0:
            continue
        if status.name in sidecars and status.started:
            found.ready += status.ready
            continue
        found.reason = f"Init:{_init_reason(state) or f'{index}/{len(pod.spec.initContainers)}'}"
        found.initialising = True
        return pod.status.initContainerStatuses[: index + 1]
    return pod.status.initContainerStatuses


def _count(found: Summary, pod: corev1.Pod) -> bool:
    """Count containers, the first one's reason last; say whether any is ready."""
    running = False
    for status in reversed(pod.status.containerStatuses):
        found.restarted(status)
        reason = _state_reason(status.state)
        if reason:
            found.reason = reason
        elif status.ready and status.state.HasField("running"):
            running = True
            found.ready += 1
    return running


def row_conditions(obj: Any) -> Sequence[Mapping[str, str]]:
    """Return the conditions of an object's row in a table: that a pod has ended."""
    message = ENDED.get(obj.status.phase) if isinstance(obj, corev1.Pod) else None
    if message is None:
        return ()
    return [{"type": "Completed", "status": "True", "reason": obj.status.phase, "message": message}]


def _init_reason(state: corev1.ContainerState) -> str:
    if state.HasField("terminated"):
        return _state_reason(state)
    if state.HasField("waiting") and state.waiting.reason != "PodInitializing":
        return state.waiting.reason
    return ""


def _state_reason(state: corev1.ContainerState) -> str:
    if state.waiting.reason:
        return state.waiting.reason
    if not state.HasField("terminated"):
        return ""
    ended = state.terminated
    return ended.reason or (f"Signal:{ended.signal}" if ended.signal else f"ExitCode:{ended.exitCode}")


def _pod(pod: corev1.Pod, now: datetime.datetime) -> layout.Row:
    found = summary(pod)
    ago = f" ({layout.human_duration(now.timestamp() - found.last)} ago)" if found.restarts and found.last else ""
    gates = [layout.condition(pod.status.conditions, gate.conditionType) for gate in pod.spec.readinessGates]
    return (
        pod.metadata.name,
        f"{found.ready}/{found.total}",
        found.reason,
        f"{found.restarts}{ago}",
        layout.created(pod, now),
        pod.status.podIP or next((one.ip for one in pod.status.podIPs), "") or layout.NONE,
        pod.spec.nodeName or layout.NONE,
        pod.status.nominatedNodeName or layout.NONE,
        f"{gates.count('True')}/{len(gates)}" if gates else layout.NONE,
    )


LAYOUTS: Mapping[type[Message], layout.Layout] = {
    corev1.Pod: layout.layout("Name|Ready|Status|Restarts|Age|+IP|+Node|+Nominated Node|+Readiness Gates", _pod),
}
