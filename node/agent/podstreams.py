"""Logs, exec, attach and port-forward of pods: finds the container, words the refusals as kubelet does.

The pod manager inherits it; the session calls it for each stream that the control plane opens.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping

from fairlead.api import errors, pods, times
from fairlead.api.pb import core_v1_pb2 as corev1
from node.agent import context, worker
from node.network import interface as network
from node.pods import model
from node.runtime import interface as runtime

# What kubelet says of a container without a log, where it does not say the reason itself.
IMAGE_WORDS = {"ErrImagePull": "image can't be pulled", "ImagePullBackOff": "trying and failing to pull image"}


class Streams:
    """Streams of the pods that the workers run."""

    _parts: context.Parts
    _workers: Mapping[str, worker.Worker]

    async def logs(self, uid: str, options: corev1.PodLogOptions) -> AsyncIterator[bytes]:
        """Iterate over a container's log."""
        pod = self._worker(uid).pod
        history = self._history(pod, options.container)
        container = history.previous if options.previous else history.current
        if container is None or not container.id or container.state == "created":
            raise _no_log(pod, history.name, self._waiting(uid, history.name), previous=options.previous)
        since = times.to_seconds(options.sinceTime)
        if options.HasField("sinceSeconds"):
            since = self._parts.clock.now() - options.sinceSeconds
        wanted = runtime.LogOptions(
            follow=options.follow,
            tail=options.tailLines if options.HasField("tailLines") else None,
            since=since,
            timestamps=options.timestamps,
        )
        yield b""  # the log is there, whether or not there is anything in it
        left = options.limitBytes if options.HasField("limitBytes") else None
        try:
            with self._parts.readers.reading(container.id):
                async for chunk in self._parts.runtime.logs(container.id, wanted):
                    if options.stream in ("Stdout", "Stderr") and chunk.stderr != (options.stream == "Stderr"):
                        continue
                    data = chunk.data if left is None else chunk.data[:left]
                    yield data
                    if left is not None:
                        left -= len(data)
                        if left <= 0:
                            return
        except runtime.RuntimeFault as error:
            raise _translated(error) from error

    async def exec(self, uid: str, container: str, options: runtime.ExecOptions) -> runtime.Stream:
        """Run a command in a container."""
        found = self._running(uid, container)
        try:
            return await self._parts.runtime.exec(found.id, options)
        except runtime.RuntimeFault as error:
            raise _translated(error) from error

    async def attach(self, uid: str, container: str, *, stdin: bool, tty: bool) -> runtime.Stream:
        """Connect to a container's main process; whether it has a terminal is the container's business."""
        found = self._running(uid, container)
        specs = model.every(self._worker(uid).pod)
        tty = next((one.tty for one in specs if one.name == found.labels[runtime.CONTAINER_LABEL]), tty)
        try:
            return await self._parts.runtime.attach(found.id, stdin=stdin, tty=tty)
        except runtime.RuntimeFault as error:
            raise _translated(error) from error

    async def port_forward(
        self, uid: str, port: int, *, to_address: bool = False
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect to a port inside a pod."""
        if self._worker(uid).sandbox is None:
            raise errors.BadRequest(f"pod {self._worker(uid).pod.metadata.name} does not run")
        try:
            return await self._parts.network.connect(uid, port, to_address=to_address)
        except network.NetworkFault as error:
            raise errors.InternalError(str(error)) from error

    def _worker(self, uid: str) -> worker.Worker:
        found = self._workers.get(uid)
        if found is None:
            raise errors.NotFound(f"pod {uid} does not exist on this node", kind="pods", name=uid)
        return found

    def _history(self, pod: corev1.Pod, name: str) -> model.History:
        wanted = pods.container_of(pod, name)
        specs = [*pod.spec.containers, *pod.spec.initContainers, *model.ephemerals(pod)]
        containers = self._parts.containers.of(pod.metadata.uid)
        return next(one for one in model.histories(specs, containers) if one.name == wanted)

    def _waiting(self, uid: str, name: str) -> str:
        """Return the reason why a container waits, as the pod's status has it."""
        status = self._worker(uid).status or corev1.PodStatus()
        listed = (*status.containerStatuses, *status.initContainerStatuses, *status.ephemeralContainerStatuses)
        return next((one.state.waiting.reason for one in listed if one.name == name), "")

    def _running(self, uid: str, name: str) -> runtime.Container:
        history = self._history(self._worker(uid).pod, name)
        if history.current is None or not history.running:
            raise errors.BadRequest(f'container not found ("{history.name}")')
        return history.current


def _no_log(pod: corev1.Pod, container: str, reason: str, *, previous: bool) -> errors.ApiError:
    named = f'container "{container}" in pod "{pod.metadata.name}"'
    if previous:
        return errors.BadRequest(f"previous terminated {named} not found")
    why = IMAGE_WORDS.get(reason, reason or "ContainerCreating")
    return errors.BadRequest(f"{named} is waiting to start: {why}")


def _translated(error: runtime.RuntimeFault) -> errors.ApiError:
    if isinstance(error, runtime.Unavailable):
        return errors.ServiceUnavailable(str(error))
    return (
        errors.NotFound(str(error)) if isinstance(error, runtime.NoSuchContainer) else errors.BadRequest(str(error))
    )
