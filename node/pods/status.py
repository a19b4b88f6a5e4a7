"""A pod's status from what is observed: phase, conditions, containers' states. Pure.

The wording and the order of the conditions are kubelet's (Kubernetes' documentation, "Pod Lifecycle").
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fairlead.api import quantity, times
from fairlead.api.pb import core_v1_pb2 as corev1
from node.pods import model
from node.pods.model import History, Observed, Plan
from node.runtime import interface as runtime

READY_TO_START = "PodReadyToStartContainers"
INITIALIZED, READY, CONTAINERS_READY, SCHEDULED = "Initialized", "Ready", "ContainersReady", "PodScheduled"
_OURS = (READY_TO_START, INITIALIZED, READY, CONTAINERS_READY, SCHEDULED)
# A container that vanished, or whose end nobody saw: the exit status that kubelet reports.
_UNKNOWN_EXIT_CODE = 137
_UNKNOWN_REASON = "ContainerStatusUnknown"
_UNKNOWN_TEXT = "The container could not be located when the pod was terminated"
_QOS_RESOURCES = ("cpu", "memory")


def compute(observed: Observed, plan: Plan, previous: corev1.PodStatus, scheme: str) -> corev1.PodStatus:
    """Return the pod's status; `previous` gives start time and the moments when conditions changed last.

    Conditions that are not kubelet's are kept. `scheme` prefixes container ids.
    """
    pod = observed.pod
    inits = model.histories(pod.spec.initContainers, observed.containers)
    mains = model.histories(pod.spec.containers, observed.containers)
    status = corev1.PodStatus(qosClass=qos_class(pod))
    start = previous.startTime if not times.is_zero(previous.startTime) else times.from_seconds(observed.now)
    status.startTime.CopyFrom(start)
    for histories, target in ((inits, status.initContainerStatuses), (mains, status.containerStatuses)):
        for history in histories:
            target.append(_container(observed, plan, history, previous, scheme, init=histories is inits))
    for history in model.histories(model.ephemerals(pod), observed.containers):
        one = _container(observed, plan, history, previous, scheme, init=False)
        one.ready = False
        one.ClearField("started")
        status.ephemeralContainerStatuses.append(one)
    status.phase = plan.terminal or _phase(observed, status, inits, mains)
    status.reason, status.message = plan.reason, plan.message
    ends = (plan.terminal or observed.deleting) and all(one.state != "running" for one in observed.containers)
    if status.phase in model.FINAL_PHASES and previous.phase not in model.FINAL_PHASES and not ends:
        # Whoever sees a pod's end takes what it had for free: nothing of it runs any more then, or will.
        status.phase = previous.phase or "Pending"
        status.reason, status.message = previous.reason, previous.message
    _addresses(observed, previous, status)
    _conditions(observed, status, previous, inits)
    return status


def with_conditions_of(own: corev1.PodStatus, others: corev1.PodStatus) -> corev1.PodStatus:
    """Return the node's status with the conditions that others set (readiness gates, disruption) as they are now."""
    foreign = [one for one in others.conditions if one.type not in _OURS]
    if foreign == [one for one in own.conditions if one.type not in _OURS]:
        return own
    merged = corev1.PodStatus()
    merged.CopyFrom(own)
    del merged.conditions[:]
    merged.conditions.extend([*(one for one in own.conditions if one.type in _OURS), *foreign])
    return merged


def reported(own: corev1.PodStatus) -> corev1.PodStatus:
    """Return a copy of the node's status without the conditions that others set: theirs may be other by now."""
    told = corev1.PodStatus()
    told.CopyFrom(own)
    del told.conditions[:]
    told.conditions.extend(one for one in own.conditions if one.type in _OURS)
    return told


def qos_class(pod: corev1.Pod) -> str:
    """Return Guaranteed, Burstable or BestEffort, as Kubernetes classes the pod's requests and limits."""
    guaranteed, any_given = True, False
    for container in (*pod.spec.initContainers, *pod.spec.containers):
        requests = quantity.amounts(container.resources.requests)
        limits = quantity.amounts(container.resources.limits)
        for name in _QOS_RESOURCES:
            limit, request = limits.get(name), requests.get(name, limits.get(name))
            any_given = any_given or bool(limit) or bool(request)
            guaranteed = guaranteed and bool(limit) and limit == request
    if not any_given:
        return "BestEffort"
    return "Guaranteed" if guaranteed else "Burstable"


def _container(
    observed: Observed, plan: Plan, history: History, previous: corev1.PodStatus, scheme: str, *, init: bool
) -> corev1.ContainerStatus:
    status = corev1.ContainerStatus(name=history.name, image=history.spec.image, started=False)
    for part in (status.state, status.lastState, status.resources):
        part.SetInParent()
    current = history.current
    if current is None or current.state == "created":
        known = _known(previous, history.name)
        if known is not None and known.containerID:
            return _vanished(known, plan.waiting.get(history.name), observed)
        first = "PodInitializing" if observed.pod.spec.initContainers else "ContainerCreating"
        waiting = plan.waiting.get(history.name) or model.Waiting(first)
        status.state.waiting.reason, status.state.waiting.message = waiting.reason, waiting.message
        return status
    status.restartCount = history.attempt
    status.imageID = current.labels.get(model.IMAGE_LABEL, current.image_id)
    status.containerID = f"{scheme}://{current.id}" if current.id else ""
    if current.state == "running":
        probed = observed.probed.get(current.id, model.Probed())
        status.state.running.startedAt.CopyFrom(times.from_seconds(current.started_at))
        status.started = probed.started
        status.ready = probed.ready and (not init or model.is_sidecar(history.spec))
    else:
        _ended(status, current, plan.waiting.get(history.name), observed.messages, scheme)
        sidecar = model.is_sidecar(history.spec)
        status.ready = init and not sidecar and current.exit_code == 0
    if history.previous is not None and not status.lastState.HasField("terminated"):
        before = history.previous
        status.lastState.terminated.CopyFrom(_terminated(before, observed.messages.get(before.id, ""), scheme))
    return status


def _ended(
    status: corev1.ContainerStatus,
    container: runtime.Container,
    waiting: model.Waiting | None,
    messages: Mapping[str, str],
    scheme: str,
) -> None:
    terminated = _terminated(container, messages.get(container.id, ""), scheme)
    if waiting is None:
        status.state.terminated.CopyFrom(terminated)
    else:
        status.state.waiting.reason, status.state.waiting.message = waiting.reason, waiting.message
        status.lastState.terminated.CopyFrom(terminated)


def _terminated(container: runtime.Container, message: str, scheme: str) -> corev1.ContainerStateTerminated:
    if container.oom_killed:
        reason = "OOMKilled"
    elif container.error:
        reason, message = "StartError", message or container.error
    elif container.exit_code == 0:
        reason = "Completed"
    else:
        reason = "Error"
    return corev1.ContainerStateTerminated(
        exitCode=container.exit_code,
        reason=reason,
        message=message,
        startedAt=times.from_seconds(container.started_at),
        finishedAt=times.from_seconds(container.finished_at),
        containerID=f"{scheme}://{container.id}" if container.id else "",
    )


def _known(previous: corev1.PodStatus, name: str) -> corev1.ContainerStatus | None:
    listed = (*previous.initContainerStatuses, *previous.containerStatuses, *previous.ephemeralContainerStatuses)
    return next((one for one in listed if one.name == name), None)


def _vanished(
    known: corev1.ContainerStatus, waiting: model.Waiting | None, observed: Observed
) -> corev1.ContainerStatus:
    """Return the status of a container of which the node has no trace any more."""
    status = corev1.ContainerStatus()
    status.CopyFrom(known)
    status.ready, status.started = False, False
    if known.state.HasField("running"):
        status.state.Clear()
        terminated = corev1.ContainerStateTerminated(
            exitCode=_UNKNOWN_EXIT_CODE,
            reason=_UNKNOWN_REASON,
            message=_UNKNOWN_TEXT,
            startedAt=known.state.running.startedAt,
            finishedAt=times.from_seconds(observed.now),
            containerID=known.containerID,
        )
        status.state.terminated.CopyFrom(terminated)
    if waiting is not None and status.state.HasField("terminated"):
        status.lastState.terminated.CopyFrom(status.state.terminated)
        status.state.Clear()
        status.state.waiting.reason, status.state.waiting.message = waiting.reason, waiting.message
    return status


def _phase(observed: Observed, status: corev1.PodStatus, inits: Sequence[History], mains: Sequence[History]) -> str:
    policy = observed.pod.spec.restartPolicy
    states = list(status.containerStatuses)
    running = sum(one.state.HasField("running") for one in states)
    stopped = [one for one in states if one.state.HasField("terminated") or one.lastState.HasField("terminated")]
    stopped = [one for one in stopped if not one.state.HasField("running")]
    waiting = len(states) - running - len(stopped)
    pending_init = any(
        not (history.exited and history.current is not None and history.current.exit_code == 0)
        for history in inits
        if not model.is_sidecar(history.spec)
    )
    if (pending_init and not running and not stopped) or waiting:
        return "Pending"
    if running:
        return "Running"
    succeeded = all(one.state.terminated.exitCode == 0 and one.state.HasField("terminated") for one in stopped)
    if observed.deleting:
        return "Succeeded" if succeeded else "Failed"
    if policy in ("Always", ""):
        return "Running"
    if succeeded:
        return "Succeeded"
    return "Failed" if policy == "Never" else "Running"


def _addresses(observed: Observed, previous: corev1.PodStatus, status: corev1.PodStatus) -> None:
    for address in observed.node_addresses:
        status.hostIPs.add(ip=address)
    if observed.node_addresses:
        status.hostIP = observed.node_addresses[0]
    # A pod that has ended keeps the address that it had.
    own = observed.sandbox.addresses if observed.sandbox else tuple(one.ip for one in previous.podIPs)
    if observed.sandbox is not None and observed.sandbox.host_network:
        own = observed.node_addresses
    for address in own:
        status.podIPs.add(ip=address)
    if own:
        status.podIP = own[0]


def _conditions(
    observed: Observed, status: corev1.PodStatus, previous: corev1.PodStatus, inits: Sequence[History]
) -> None:
    done = status.phase in ("Succeeded", "Failed")
    ended = {"Succeeded": "PodCompleted", "Failed": "PodFailed"}.get(status.phase, "")
    unready = [one.name for one in status.containerStatuses if not one.ready]
    unready += [
        one.name
        for one, history in zip(status.initContainerStatuses, inits, strict=True)
        if model.is_sidecar(history.spec) and not one.ready
    ]
    incomplete = [
        one.name
        for one, history in zip(status.initContainerStatuses, inits, strict=True)
        if not (one.started if model.is_sidecar(history.spec) else one.ready)
    ]
    containers = ("True", "", "")
    if done:
        containers = ("False", ended, "")
    elif unready:
        containers = ("False", "ContainersNotReady", f"containers with unready status: [{' '.join(unready)}]")
    initialized = ("True", "", "")
    if status.phase == "Succeeded":
        initialized = ("True", "PodCompleted", "")
    elif incomplete and not any(one.containerID for one in status.containerStatuses):
        text = f"containers with incomplete status: [{' '.join(incomplete)}]"
        initialized = ("False", "ContainersNotInitialized", text)
    sandboxed = "True" if observed.sandbox is not None else "False"
    found = {
        READY_TO_START: (sandboxed, "", ""),
        INITIALIZED: initialized,
        READY: gated(observed.pod, previous, containers),
        CONTAINERS_READY: containers,
        SCHEDULED: ("True", "", ""),
    }
    before = {one.type: one for one in previous.conditions}
    for name in _OURS:
        _append(status, name, found[name], before.get(name), observed.now)
    status.conditions.extend(one for one in previous.conditions if one.type not in _OURS)


def gated(pod: corev1.Pod, previous: corev1.PodStatus, containers: tuple[str, str, str]) -> tuple[str, str, str]:
    """Return status, reason and message of Ready: that of the containers, if all readiness gates are open."""
    if containers[0] != "True":
        return containers
    known = {one.type: one.status for one in previous.conditions}
    faults = []
    for gate in pod.spec.readinessGates:
        name = gate.conditionType
        if name not in known:
            faults.append(f'corresponding condition of pod readiness gate "{name}" does not exist.')
        elif known[name] != "True":
            faults.append(f'the status of pod readiness gate "{name}" is not "True", but {known[name]}')
    return ("False", "ReadinessGatesNotReady", ", ".join(faults)) if faults else containers


def _append(
    status: corev1.PodStatus, name: str, found: tuple[str, str, str], before: corev1.PodCondition | None, now: float
) -> None:
    value, reason, message = found
    condition = status.conditions.add(type=name, status=value, reason=reason, message=message)
    condition.lastProbeTime.SetInParent()
    if before is not None and before.status == value and not times.is_zero(before.lastTransitionTime):
        condition.lastTransitionTime.CopyFrom(before.lastTransitionTime)
    else:
        condition.lastTransitionTime.CopyFrom(times.from_seconds(now))
