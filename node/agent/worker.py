"""The worker of one pod: it looks, decides, acts, and reports, until nothing is left of the pod.

The pod manager makes one for each pod uid and wakes it when anything about the pod has changed. All that a worker
remembers can be lost: what exists is found again by looking.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Sequence

from fairlead.api.pb import core_v1_pb2 as corev1
from node.agent import context, hooks, messages, prober, starting
from node.agent.faults import StepFault
from node.agent.recorder import NORMAL, WARNING
from node.network import interface as network
from node.pods import admission, containers, fields, folders, lifecycle, model, sources, status, volumes
from node.pods.model import Action, Failure, Step
from node.runtime import interface as runtime

log = logging.getLogger(__name__)

# A step that failed is tried again after this, doubling.
FIRST_RETRY_SECONDS = 1.0
FIRST_IMAGE_RETRY_SECONDS = 10.0
MAX_RETRY_SECONDS = 300.0
# An error of our own: the worker goes on after this.
FAULT_SECONDS = 10.0
_START_ERROR_CODE = 128


class Worker:
    """One pod. `known` is its sandbox where it exists already; an orphan is a pod that is only to be removed."""

    def __init__(
        self, parts: context.Parts, pod: corev1.Pod, known: network.Sandbox | None = None, *, orphan: bool = False
    ) -> None:
        self._parts = parts
        self._pod = pod
        self._orphan = orphan
        self._sandbox = known
        self._folder = parts.folder(pod.metadata.uid)
        self._status = pod.status
        self._published: corev1.PodStatus | None = None
        self._terminating_since = 0.0
        self._volumes: list[volumes.Volume] | None = None
        self._sources_changed = False
        self._failures: dict[str, Failure] = {}
        self._stillborn: dict[str, runtime.Container] = {}
        self._replaced: set[str] = set()
        self._messages = messages.Messages(parts, self._folder)
        self._wake = asyncio.Event()
        self._steps: dict[str, asyncio.Task[None]] = {}
        self._context = {"namespace": pod.metadata.namespace, "pod": pod.metadata.name, "uid": pod.metadata.uid}

    @property
    def pod(self) -> corev1.Pod:
        """Return the newest desired state."""
        return self._pod

    @property
    def status(self) -> corev1.PodStatus | None:
        """Return the newest status, None before the first."""
        return self._published

    @property
    def sandbox(self) -> network.Sandbox | None:
        """Return the pod's sandbox."""
        return self._sandbox

    def update(self, pod: corev1.Pod) -> None:
        """Take a newer desired state."""
        sooner = model.grace_seconds(pod) < model.grace_seconds(self._pod)
        self._pod = pod
        self._status = status.with_conditions_of(self._status, pod.status)
        if sooner:
            # What stops with the longer grace is stopped anew with the shorter.
            self._cancel(Step.STOP)
        if model.deleting(pod):
            self._cancel(Step.START)
        self._wake.set()

    def remove(self) -> None:
        """Take the pod down: it is not desired any more."""
        self._orphan = True
        self._cancel(Step.START)
        self._wake.set()

    def changed(self) -> None:
        """Look again: a container changed."""
        self._wake.set()

    def sources_changed(self) -> None:
        """Look again: config maps, secrets, tokens or the node's own configuration changed."""
        self._sources_changed = True
        for name in [name for name, failure in self._failures.items() if failure.reason in _FIXED_BY_SOURCES]:
            del self._failures[name]
        self._wake.set()

    async def run(self) -> None:
        """Work until nothing is left of a pod that is to be deleted."""
        async with asyncio.TaskGroup() as group:
            probing = prober.Prober(self._parts, group, self._wake.set)
            while True:
                self._wake.clear()
                try:
                    await self._messages.catch_up(self._pod)
                    plan = self._look(probing)
                except Exception:
                    log.exception("a pod worker failed", extra=self._context)
                    await self._parts.clock.sleep(FAULT_SECONDS)
                    continue
                if plan.finished:
                    probing.keep_only(set())
                    break
                for action in plan.actions:
                    self._steps[action.key] = group.create_task(self._step(action), name=action.key)
                await self._rest(plan.wake_at)
        self._parts.devices.release(self._pod.metadata.uid)

    def _cancel(self, step: Step) -> None:
        for key, task in self._steps.items():
            if key.startswith(step.value):
                task.cancel()

    def _look(self, probing: prober.Prober) -> model.Plan:
        """Observe, decide, publish the status."""
        deleting = self._orphan or model.deleting(self._pod)
        if deleting and not self._terminating_since:
            self._terminating_since = self._parts.clock.now()
        found = self._containers()
        self._probe(probing, found, deleting=deleting)
        if self._sources_changed and self._volumes is not None and not deleting:
            self._sources_changed = False
            self._volumes = None if self._volumes_differ() else self._volumes
        observed = model.Observed(
            pod=self._pod,
            now=self._parts.clock.now(),
            containers=found,
            sandbox=self._sandbox,
            volumes_ready=self._volumes is not None,
            volumes_present=self._folder.exists(),
            status=self._status,
            deleting=deleting,
            terminating_since=self._terminating_since,
            failures=self._failures,
            probed=probing.results,
            messages=self._messages.read,
            busy=frozenset(self._steps),
            node_addresses=self._parts.node.addresses,
            refused=self._refusal(found),
            replaced=frozenset(self._replaced),
        )
        plan = lifecycle.decide(observed)
        if not self._orphan:
            self._publish(observed, plan)
        return plan

    def _containers(self) -> Sequence[runtime.Container]:
        """Return the pod's containers, those that never came up among them."""
        seen = list(self._parts.containers.of(self._pod.metadata.uid))
        for name, container in list(self._stillborn.items()):
            newest = max((model.attempt(one) for one in seen if _name(one) == name), default=-1)
            if newest > model.attempt(container):
                del self._stillborn[name]
        return [*seen, *self._stillborn.values()]

    def _refusal(self, found: Sequence[runtime.Container]) -> admission.Refusal | None:
        """Return why the pod may not begin; one that has begun goes on."""
        begun = found or self._sandbox is not None
        return None if begun else admission.refusal(self._pod, self._parts.node.allowed_sysctls)

    def _probe(self, probing: prober.Prober, found: Sequence[runtime.Container], *, deleting: bool) -> None:
        running = {one.id: one for one in found if one.state == "running"}
        probing.keep_only(set(running))
        if deleting:
            probing.only_readiness()
        specs = {one.name: one for one in (*self._pod.spec.initContainers, *self._pod.spec.containers)}
        for container in running.values():
            spec = specs.get(_name(container))
            if spec is not None and self._sandbox is not None and not deleting:
                probing.watch(hooks.Hook(self._parts, self._pod, spec, container.id, self._sandbox))

    def _publish(self, observed: model.Observed, plan: model.Plan) -> None:
        fresh = status.compute(observed, plan, self._status, self._parts.runtime.scheme)
        if fresh == self._published:
            return
        changed = fresh != self._status
        if observed.refused is not None and self._status.phase != fresh.phase:
            self._parts.recorder.record(self._pod, WARNING, observed.refused.reason, observed.refused.message)
        self._tell_of_waiting(self._status, fresh)
        self._status = self._published = fresh
        if changed:
            self._parts.sink.status(self._pod, status.reported(fresh))

    def _tell_of_waiting(self, before: corev1.PodStatus, after: corev1.PodStatus) -> None:
        """Record that a container has begun to wait for its next try."""
        listed = (*before.initContainerStatuses, *before.containerStatuses)
        known = {one.name: (one.state.waiting.reason, one.restartCount) for one in listed}
        for one in (*after.initContainerStatuses, *after.containerStatuses):
            reason = one.state.waiting.reason
            if known.get(one.name) == (reason, one.restartCount):
                continue
            if reason == lifecycle.CRASH_LOOP:
                text = f"Back-off restarting failed container {one.name} in pod {model.full_name(self._pod)}"
                self._parts.recorder.record(self._pod, WARNING, "BackOff", text, one.name)
            elif reason == "ImagePullBackOff":
                self._parts.recorder.record(
                    self._pod, NORMAL, "BackOff", f'Back-off pulling image "{one.image}"', one.name
                )
                self._parts.recorder.record(self._pod, WARNING, "Failed", "Error: ImagePullBackOff", one.name)

    async def _rest(self, wake_at: float) -> None:
        """Wait until something changes or the plan's time has come."""
        if not wake_at:
            await self._wake.wait()
            return
        timer = asyncio.ensure_future(self._parts.clock.sleep(max(0.0, wake_at - self._parts.clock.now())))
        waking = asyncio.ensure_future(self._wake.wait())
        try:
            await asyncio.wait((timer, waking), return_when=asyncio.FIRST_COMPLETED)
        finally:
            timer.cancel()
            waking.cancel()

    async def _step(self, action: Action) -> None:
        """Carry an action out; a failure is remembered with the time of the next try."""
        name = action.container if action.step is Step.START else action.key
        try:
            if await self._succeeds(action, name):
                self._failures.pop(name, None)
            elif action.step not in _PLANNED:
                # The plan would take it again at once: its place is held meanwhile.
                left = self._failures[name].retry_at - self._parts.clock.now()
                await self._parts.clock.sleep(min(left, _PAUSE_SECONDS))
        finally:
            self._steps.pop(action.key, None)
            self._wake.set()

    async def _succeeds(self, action: Action, name: str) -> bool:
        try:
            await self._act(action)
            log.info("a step is done", extra=self._context | {"step": action.key})
            return True
        except StepFault as error:
            for news in error.news:
                self._parts.recorder.record(self._pod, WARNING, news.reason, news.message, action.name)
            self._fail(name, error.reason, error.message)
        except runtime.RuntimeFault as error:
            self._fail(name, _REASONS.get(action.step, "RuntimeError"), str(error))
        except Exception as error:
            log.exception("a step failed", extra=self._context | {"step": action.key})
            self._fail(name, "InternalError", str(error))
        return False

    def _fail(self, name: str, reason: str, message: str) -> None:
        now = self._parts.clock.now()
        before = self._failures.get(name)
        count = before.count + 1 if before is not None and before.reason == reason else 1
        first = FIRST_IMAGE_RETRY_SECONDS if reason == "ErrImagePull" else FIRST_RETRY_SECONDS
        retry_at = now + min(first * 2 ** (count - 1), MAX_RETRY_SECONDS)
        self._failures[name] = Failure(reason, message, now, retry_at, count)
        log.info("a step will be tried again", extra=self._context | {"step": name, "reason": reason, "why": message})

    async def _act(self, action: Action) -> None:
        match action.step:
            case Step.PREPARE_VOLUMES:
                await self._prepare_volumes()
            case Step.MAKE_SANDBOX:
                await self._make_sandbox()
            case Step.START:
                await self._start(action)
            case Step.STOP:
                await self._stop(action)
            case Step.REMOVE:
                await self._remove(action)
            case Step.REMOVE_SANDBOX:
                await self._parts.network.remove(self._pod.metadata.uid)
                self._sandbox = None
            case Step.RELEASE_VOLUMES:
                await self._parts.in_thread(self._folder.release)
                self._volumes = None

    async def _prepare_volumes(self) -> None:
        try:
            made = volumes.volumes(self._facts(), self._parts.sources)
            context_ = self._pod.spec.securityContext
            group = context_.fsGroup if context_.HasField("fsGroup") else None
            await self._parts.in_thread(self._folder.prepare, made, group)
        except (sources.Missing, volumes.UnsupportedVolume, folders.FolderFault, OSError) as error:
            if not isinstance(error, sources.Awaited):
                self._parts.recorder.record(self._pod, WARNING, "FailedMount", str(error))
            raise StepFault("FailedMount", str(error)) from error
        self._volumes = made

    def _volumes_differ(self) -> bool:
        try:
            return volumes.volumes(self._facts(), self._parts.sources) != self._volumes
        except (sources.Missing, volumes.UnsupportedVolume):
            return False  # what runs keeps what it has

    def _facts(self) -> fields.PodFacts:
        addresses = self._sandbox.addresses if self._sandbox is not None else ()
        return fields.PodFacts(self._pod, addresses, self._parts.node.addresses, self._parts.allocatable)

    async def _make_sandbox(self) -> None:
        pod = self._pod
        try:
            wanted = containers.sandbox(pod, self._parts.cluster.cluster_domain)
            self._sandbox = await self._parts.network.create(wanted)
        except (containers.BadContainer, network.NetworkFault) as error:
            text = f"Failed to create pod sandbox: {error}"
            self._parts.recorder.record(pod, WARNING, "FailedCreatePodSandBox", text)
            raise StepFault("FailedCreatePodSandBox", text) from error

    async def _start(self, action: Action) -> None:
        pod = self._pod
        spec = next(one for one in model.every(pod) if one.name == action.container)
        if self._sandbox is None or self._volumes is None:
            return
        processes = self._processes_of(model.target_of(pod, spec.name))
        wanted = starting.Start(pod, spec, action, self._sandbox, self._volumes, self._folder, processes)
        try:
            await starting.start(self._parts, wanted)
        except starting.StartRefused as error:
            self._stillborn[spec.name] = self._ended_at_birth(action, spec, str(error))

    def _processes_of(self, target: str) -> str:
        """Return the process namespace of the container that another is to join; empty for none."""
        if not target:
            return ""
        running = (one for one in self._parts.containers.of(self._pod.metadata.uid) if one.state == "running")
        found = next((one for one in running if _name(one) == target), None)
        if found is None:
            raise StepFault("CreateContainerError", f'target container "{target}" is not running')
        return f"/proc/{found.pid}/ns/pid"

    def _ended_at_birth(self, action: Action, spec: corev1.Container, error: str) -> runtime.Container:
        """Return the record of a container whose process never came up, so that it counts as a restart."""
        now = self._parts.clock.now()
        labels = {
            runtime.CONTAINER_LABEL: action.container,
            runtime.RESTARTS_LABEL: str(action.attempt),
            runtime.HASH_LABEL: model.spec_hash(spec),
            model.BACKOFF_LABEL: f"{action.backoff:g}",
        }
        return runtime.Container(
            id="",
            name=action.container,
            image="",
            image_id="",
            labels=labels,
            state="exited",
            created_at=now,
            finished_at=now,
            exit_code=_START_ERROR_CODE,
            error=error,
        )

    async def _stop(self, action: Action) -> None:
        pod, clock = self._pod, self._parts.clock
        if action.replace:
            self._replaced.add(action.container)
        self._parts.recorder.record(pod, NORMAL, "Killing", action.reason, action.name)
        deadline = clock.monotonic() + action.grace
        spec = next((one for one in model.every(pod) if one.name == action.name), None)
        if spec is not None and spec.lifecycle.HasField("preStop") and action.grace > 0 and self._sandbox is not None:
            hook = hooks.Hook(self._parts, pod, spec, action.container, self._sandbox)
            try:
                await hook.run(spec.lifecycle.preStop, action.grace)
            except hooks.HookFailed as error:
                self._parts.recorder.record(
                    pod, WARNING, "FailedPreStopHook", f"PreStopHook failed: {error}", spec.name
                )
        with contextlib.suppress(runtime.NoSuchContainer):
            await self._parts.runtime.stop(action.container, max(0.0, deadline - clock.monotonic()))
        await self._parts.containers.refresh(action.container)

    async def _remove(self, action: Action) -> None:
        known = [one for one in self._parts.containers.of(self._pod.metadata.uid) if one.id == action.container]
        await self._parts.readers.wait_over(action.container)
        await self._parts.runtime.remove(action.container)
        await self._parts.containers.refresh(action.container)
        self._replaced.discard(action.container)
        for container in known:
            self._messages.forget(container)


# What a container waits for where the runtime itself fails at a step.
_REASONS = {Step.START: "CreateContainerError"}
# Steps whose next try the plan itself puts off.
_PLANNED = (Step.START, Step.PREPARE_VOLUMES, Step.MAKE_SANDBOX)
_PAUSE_SECONDS = 10.0
_FIXED_BY_SOURCES = ("FailedMount", starting.CONFIG_ERROR, "FailedCreatePodSandBox")


def _name(container: runtime.Container) -> str:
    return container.labels.get(runtime.CONTAINER_LABEL, "")
