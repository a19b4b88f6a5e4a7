"""What to do next for a pod: `decide(observed) -> Plan`, pure.

The order is kubelet's: volumes, sandbox, ephemeral containers, init containers one after the other, then all others
at once. What a worker was told before is not remembered: everything follows from what is observed, restarts' waiting
times included, which the containers themselves carry.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from fairlead.api import times
from fairlead.api.pb import core_v1_pb2 as corev1
from node.pods import model
from node.pods.model import Action, History, Observed, Plan, Step, Waiting
from node.runtime import interface as runtime

FIRST_BACKOFF_SECONDS = 10.0
MAX_BACKOFF_SECONDS = 300.0
# A container that ran this long starts over with its waiting times.
BACKOFF_RESET_SECONDS = 600.0
# An image that could not be pulled shows its error this long, then that it waits.
IMAGE_ERROR_SECONDS = 5.0
# Beyond the grace, when a container is still there: it is killed.
KILL_SLACK_SECONDS = 2.0

CRASH_LOOP = "CrashLoopBackOff"


def decide(observed: Observed) -> Plan:
    """Return the actions that bring the pod nearer to what it should be."""
    pod = observed.pod
    inits = model.histories(pod.spec.initContainers, observed.containers)
    mains = model.histories(pod.spec.containers, observed.containers)
    if observed.deleting:
        return _idle(observed, _take_down(observed, inits, mains))
    terminal, reason, message = _terminal(observed, inits, mains)
    if terminal:
        return _idle(observed, _settle(observed, terminal, reason, message, inits, mains))
    plan = _Planning(observed, inits, mains, model.histories(model.ephemerals(pod), observed.containers))
    plan.go()
    return _idle(observed, plan.result())


def next_backoff(container: runtime.Container) -> float:
    """Return the wait that the successor of an ended container leaves behind."""
    waited = model.label_seconds(container, model.BACKOFF_LABEL, 0.0)
    if waited == 0.0 or container.finished_at - container.created_at > BACKOFF_RESET_SECONDS:
        return FIRST_BACKOFF_SECONDS
    return min(waited * 2, MAX_BACKOFF_SECONDS)


def restart_at(container: runtime.Container) -> float:
    """Return when an ended container may be followed by another; the first restart is immediate."""
    if container.finished_at - container.created_at > BACKOFF_RESET_SECONDS:
        return container.finished_at
    return container.finished_at + model.label_seconds(container, model.BACKOFF_LABEL, 0.0)


def restarts(pod: corev1.Pod, spec: corev1.Container, container: runtime.Container, *, init: bool) -> bool:
    """Tell whether an ended container is to be started again."""
    if model.is_sidecar(spec):
        return True
    if init:
        return container.exit_code != 0 and pod.spec.restartPolicy != "Never"
    if pod.spec.restartPolicy == "Never":
        return False
    return pod.spec.restartPolicy != "OnFailure" or container.exit_code != 0


def _idle(observed: Observed, plan: Plan) -> Plan:
    """Leave out what is under way already."""
    actions = [action for action in plan.actions if action.key not in observed.busy]
    return Plan(actions, plan.waiting, plan.wake_at, plan.terminal, plan.finished, plan.reason, plan.message)


class _Planning:
    """One decision about a pod that should run."""

    def __init__(
        self,
        observed: Observed,
        inits: Sequence[History],
        mains: Sequence[History],
        ephemerals: Sequence[History] = (),
    ) -> None:
        self._observed = observed
        self._inits = inits
        self._mains = mains
        self._ephemerals = ephemerals
        self._actions: list[Action] = []
        self._waiting: dict[str, Waiting] = {}
        self._wakes: list[float] = []

    def go(self) -> None:
        """Take the first stage that is not complete."""
        observed = self._observed
        if due := _deadline(observed):
            self._wakes.append(due)
        first = "PodInitializing" if self._inits else "ContainerCreating"
        for history in (*self._inits, *self._mains):
            if not history.running and not history.exited:
                self._waiting[history.name] = Waiting("PodInitializing" if history in self._inits else first)
        self._prune()
        if self._replace_strangers():
            return
        for step, ready in (
            (Step.PREPARE_VOLUMES, observed.volumes_ready),
            (Step.MAKE_SANDBOX, observed.sandbox is not None),
        ):
            if not ready:
                self._retry(Action(step), step.value)
                return
        for history in self._ephemerals:
            self._begin(history)
        if self._initialize():
            for history in self._mains:
                self._keep(history, init=False)

    def _begin(self, history: History) -> None:
        """See to it that an ephemeral container is started, once."""
        if history.current is None and not self._was_there(history.name):
            self._start(history)
        elif history.current is not None and history.current.state == "created":
            self._keep(history, init=False)

    def _was_there(self, name: str) -> bool:
        """Tell whether an ephemeral container has run before, of which the node has no trace any more."""
        listed = self._observed.status.ephemeralContainerStatuses
        return any(one.name == name and one.containerID for one in listed)

    def result(self) -> Plan:
        """Return what was decided."""
        return Plan(self._actions, self._waiting, min(self._wakes, default=0.0))

    def _prune(self) -> None:
        for history in (*self._inits, *self._mains):
            self._actions += [_remove(one) for one in history.older if one.state != "running" and one.id]

    def _replace_strangers(self) -> bool:
        """Stop what runs in a sandbox that is not the pod's any more; True while there is any."""
        current = self._observed.sandbox.id if self._observed.sandbox else ""
        strangers = [
            one
            for one in self._observed.containers
            if one.state == "running" and one.labels.get(runtime.SANDBOX_LABEL, "") != current
        ]
        for one in strangers:
            self._actions.append(_stop(self._observed, one, "Pod sandbox changed, it will be killed and re-created."))
        return bool(strangers)

    def _retry(self, action: Action, name: str) -> None:
        failure = self._observed.failures.get(name)
        if failure is not None and failure.retry_at > self._observed.now:
            self._wakes.append(failure.retry_at)
        else:
            self._actions.append(action)

    def _initialize(self) -> bool:
        """Take init containers in order; True when all have done their work."""
        for history in self._inits:
            here = history.current is not None and _in_sandbox(self._observed, history.current)
            if model.is_sidecar(history.spec):
                self._keep(history, init=True)
                if not (history.running and self._started(history)):
                    return False
            elif here and history.exited and history.current is not None and history.current.exit_code == 0:
                continue
            elif history.exited and not here and history.current is not None and history.current.exit_code == 0:
                self._start(history)
                return False
            else:
                self._keep(history, init=True)
                return False
        return True

    def _started(self, history: History) -> bool:
        probed = self._observed.probed.get(history.current.id) if history.current else None
        return probed is not None and probed.started

    def _keep(self, history: History, *, init: bool) -> None:
        """See to it that a container runs, or has ended for good."""
        container = history.current
        if container is None:
            self._start(history)
        elif container.state == "created":
            # Somebody was killed between creating and starting it; a start under way is left alone.
            if f"{Step.START.value} {history.name}" not in self._observed.busy:
                self._actions.append(_remove(container))
        elif container.state == "running":
            self._check(history, container)
        elif _follows(self._observed, history.spec, container, init=init):
            self._restart(history, container)

    def _check(self, history: History, container: runtime.Container) -> None:
        probed = self._observed.probed.get(container.id)
        if _changed(history.spec, container):
            reason = f"Container {history.name} definition changed, will be restarted"
            self._actions.append(dataclasses.replace(_stop(self._observed, container, reason), replace=True))
        elif probed is not None and probed.unhealthy:
            self._actions.append(_stop(self._observed, container, probed.unhealthy, probed.grace))

    def _restart(self, history: History, container: runtime.Container) -> None:
        if container.id in self._observed.replaced:
            # It has not ended for good: the API lets no container run again that has, by some restart policies.
            self._waiting[history.name] = Waiting("ContainerCreating")
        due = restart_at(container)
        if due > self._observed.now and not _changed(history.spec, container):
            backoff = model.label_seconds(container, model.BACKOFF_LABEL, 0.0)
            text = f"back-off {_duration(backoff)} restarting failed container={history.name}"
            self._waiting[history.name] = Waiting(CRASH_LOOP, f"{text} pod={model.full_name(self._observed.pod)}")
            self._wakes.append(due)
        else:
            self._start(history)

    def _start(self, history: History) -> None:
        failure = self._observed.failures.get(history.name)
        if failure is not None:
            self._waiting[history.name] = _why(failure, history.spec.image, self._observed.now)
            if failure.retry_at > self._observed.now:
                self._wakes.append(failure.retry_at)
                if failure.reason == "ErrImagePull" and self._observed.now < failure.at + IMAGE_ERROR_SECONDS:
                    self._wakes.append(failure.at + IMAGE_ERROR_SECONDS)
                return
        ended = history.current if history.exited else None
        backoff = next_backoff(ended) if ended is not None and not _changed(history.spec, ended) else 0.0
        number = (
            history.attempt + 1 if history.current is not None else _recorded(self._observed.status, history.name)
        )
        self._actions.append(Action(Step.START, history.name, history.name, number, backoff))


def _take_down(observed: Observed, inits: Sequence[History], mains: Sequence[History]) -> Plan:
    """End a pod that is being deleted: its containers, then what they stood on."""
    stops = _stops(observed, inits, mains, "Stopping container {}")
    if stops:
        return Plan(stops, wake_at=_kill_at(observed))
    if any(key.startswith(Step.START.value) for key in observed.busy):
        return Plan()
    if observed.containers:
        return Plan([_remove(one) for one in observed.containers if one.id])
    if observed.sandbox is not None:
        return Plan([Action(Step.REMOVE_SANDBOX)])
    if observed.volumes_present:
        return Plan([Action(Step.RELEASE_VOLUMES)])
    return Plan(finished=not observed.busy)


def _settle(
    observed: Observed, terminal: str, reason: str, message: str, inits: Sequence[History], mains: Sequence[History]
) -> Plan:
    """Keep a pod that has ended as it is: nothing runs, its address is free, its logs can be read."""
    stops = _stops(observed, inits, mains, "Stopping container {}")
    actions = stops
    if not stops and observed.sandbox is not None and not observed.busy:
        actions = [Action(Step.REMOVE_SANDBOX)]
    return Plan(
        actions, wake_at=_kill_at(observed) if stops else 0.0, terminal=terminal, reason=reason, message=message
    )


def _stops(observed: Observed, inits: Sequence[History], mains: Sequence[History], text: str) -> list[Action]:
    """Stop the main containers together, then the sidecars, the last started first."""
    by_name = {history.name: history for history in (*inits, *mains)}
    running = [one for one in observed.containers if one.state == "running"]
    ordinary = {history.name for history in mains} | {one.name for one in inits if not model.is_sidecar(one.spec)}
    first = [one for one in running if one.labels.get(runtime.CONTAINER_LABEL) in ordinary]
    unknown = [one for one in running if one.labels.get(runtime.CONTAINER_LABEL) not in by_name]
    chosen = [*first, *unknown]
    if not chosen:
        order = [history.name for history in inits]
        chosen = sorted(running, key=lambda one: order.index(one.labels[runtime.CONTAINER_LABEL]))[-1:]
    return [_stop(observed, one, text.format(one.labels.get(runtime.CONTAINER_LABEL, ""))) for one in chosen]


def _terminal(observed: Observed, inits: Sequence[History], mains: Sequence[History]) -> tuple[str, str, str]:
    """Return the phase that a pod stays in for good, with reason and message; three empty texts while it lives."""
    status = observed.status
    if status.phase in model.FINAL_PHASES:
        return status.phase, status.reason, status.message
    if observed.refused is not None:
        return "Failed", observed.refused.reason, f"Pod was rejected: {observed.refused.message}"
    if (due := _deadline(observed)) and observed.now >= due:
        return "Failed", "DeadlineExceeded", "Pod was active on the node longer than the specified deadline"
    if any(_failed_for_good(observed, history) for history in inits):
        return "Failed", "", ""
    ended = [history.current for history in mains if history.current is not None and history.exited]
    if len(ended) < len(mains) or any(
        _follows(observed, history.spec, container, init=False)
        for history, container in zip(mains, ended, strict=True)
    ):
        return "", "", ""
    return ("Succeeded" if all(one.exit_code == 0 for one in ended) else "Failed"), "", ""


def _deadline(observed: Observed) -> float:
    """Return when the pod may not be active any more; 0.0 for never."""
    start, spec = times.to_seconds(observed.status.startTime), observed.pod.spec
    return start + spec.activeDeadlineSeconds if start and spec.HasField("activeDeadlineSeconds") else 0.0


def _changed(spec: corev1.Container, container: runtime.Container) -> bool:
    """Tell whether a container is of an older definition: its successor does not wait for what that one did."""
    return container.labels.get(runtime.HASH_LABEL, "") != model.spec_hash(spec)


def _follows(observed: Observed, spec: corev1.Container, container: runtime.Container, *, init: bool) -> bool:
    """Tell whether another follows a container that has ended."""
    return container.id in observed.replaced or restarts(observed.pod, spec, container, init=init)


def _failed_for_good(observed: Observed, history: History) -> bool:
    container = history.current
    if container is None or container.state != "exited" or model.is_sidecar(history.spec):
        return False
    return container.exit_code != 0 and not _follows(observed, history.spec, container, init=True)


def _why(failure: model.Failure, image: str, now: float) -> Waiting:
    if failure.reason == "ErrImagePull" and now >= failure.at + IMAGE_ERROR_SECONDS:
        return Waiting("ImagePullBackOff", f'Back-off pulling image "{image}": ErrImagePull: {failure.message}')
    return Waiting(failure.reason, failure.message)


def _recorded(known: corev1.PodStatus, name: str) -> int:
    """Return the number of a container's next start where the node has no trace of earlier ones."""
    for status in (*known.initContainerStatuses, *known.containerStatuses):
        if status.name == name and status.containerID:
            return status.restartCount + 1
    return 0


def _in_sandbox(observed: Observed, container: runtime.Container) -> bool:
    return observed.sandbox is not None and container.labels.get(runtime.SANDBOX_LABEL) == observed.sandbox.id


def _stop(observed: Observed, container: runtime.Container, reason: str, own_grace: float | None = None) -> Action:
    grace = model.grace_seconds(observed.pod) if own_grace is None else own_grace
    name = container.labels.get(runtime.CONTAINER_LABEL, "")
    if observed.deleting and observed.terminating_since:
        left = observed.terminating_since + grace - observed.now
        grace = max(0.0, min(grace, left))
    return Action(Step.STOP, container.id, name, grace=grace, reason=reason)


def _kill_at(observed: Observed) -> float:
    since = observed.terminating_since or observed.now
    due = since + model.grace_seconds(observed.pod) + KILL_SLACK_SECONDS
    return due if due > observed.now else 0.0


def _remove(container: runtime.Container) -> Action:
    return Action(Step.REMOVE, container.id, container.labels.get(runtime.CONTAINER_LABEL, ""))


def _duration(seconds: float) -> str:
    return times.format_duration(int(seconds * 1_000_000_000))
