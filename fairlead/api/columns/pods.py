"""The columns of pods, and what their STATUS says. Pure."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence

from google.protobuf.message import Message

from fairlead.api.columns import layout
from fairlead.api.pb import core_v1_pb2 as corev1


def pod_status(pod: corev1.Pod) -> tuple[str, int, int]:
    """Return what kubectl's STATUS column says of a pod, its ready containers and its restarts."""
    reason = pod.status.reason or pod.status.phase
    restarts = 0
    initialising = False
    total = len(pod.spec.initContainers)
    sidecars = {c.name for c in pod.spec.initContainers if c.restartPolicy == "Always"}
    for index, status in enumerate(pod.status.initContainerStatuses):
        restarts += status.restartCount
        state = status.state
        if state.HasField("terminated") and state.terminated.exitCode == 0:
            continue
        if status.name in sidecars and status.started:
            continue
        reason, initialising = f"Init:{_init_reason(state) or f'{index}/{total}'}", True
        break
    ready = 0
    if not initialising:
        restarts = sum(s.restartCount for s in pod.status.initContainerStatuses if s.name in sidecars)
        running = False
        for status in reversed(pod.status.containerStatuses):
            restarts += status.restartCount
            reason = _state_reason(status.state) or reason
            if status.ready and status.state.HasField("running"):
                running, ready = True, ready + 1
        if reason == "Completed" and running:
            reason = "Running" if layout.condition(pod.status.conditions, "Ready") == "True" else "NotReady"
    if pod.metadata.HasField("deletionTimestamp"):
        reason = "Unknown" if pod.status.reason == "NodeLost" else "Terminating"
    return reason, ready, restarts


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


def _pod(pod: corev1.Pod, now: datetime.datetime) -> Sequence[str]:
    reason, ready, restarts = pod_status(pod)
    last = max((s.lastState.terminated.finishedAt.seconds for s in pod.status.containerStatuses), default=0)
    ago = f" ({layout.human_duration(now.timestamp() - last)} ago)" if restarts and last else ""
    gates = [layout.condition(pod.status.conditions, gate.conditionType) for gate in pod.spec.readinessGates]
    return (
        pod.metadata.name,
        f"{ready}/{len(pod.spec.containers)}",
        reason,
        f"{restarts}{ago}",
        layout.created(pod, now),
        pod.status.podIP or layout.NONE,
        pod.spec.nodeName or layout.NONE,
        pod.status.nominatedNodeName or layout.NONE,
        f"{gates.count('True')}/{len(gates)}" if gates else layout.NONE,
    )


LAYOUTS: Mapping[type[Message], layout.Layout] = {
    corev1.Pod: layout.layout("Name|Ready|Status|Restarts|Age|+IP|+Node|+Nominated Node|+Readiness Gates", _pod),
}
