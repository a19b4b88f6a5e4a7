"""What a pod's ended containers left to be said of them: their termination messages.

The pod worker has them read before it looks, so that a container's end and its message become known together.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from fairlead.api.pb import core_v1_pb2 as corev1
from node.agent import context
from node.pods import model
from node.runtime import interface as runtime

FALLBACK = "FallbackToLogsOnError"
# So much of the end of a log stands in for a message (Kubernetes' documentation of terminationMessagePolicy).
LOG_LINES = 80
LOG_BYTES = 2048
LOG_SECONDS = 5.0


class Messages:
    """The messages of one pod's containers, each read once."""

    def __init__(self, parts: context.Parts, folder: context.Folder) -> None:
        self._parts = parts
        self._folder = folder
        self._read: dict[str, str] = {}

    @property
    def read(self) -> Mapping[str, str]:
        """Return what was read, by container id."""
        return self._read

    async def catch_up(self, pod: corev1.Pod) -> None:
        """Read what is unread; afterwards no container is known to have ended whose message is not."""
        while unread := self._unread(pod):
            for container in unread:
                self._read[container.id] = await self._message(pod, container)

    def forget(self, container: runtime.Container) -> None:
        """Remove the message of a container that is gone."""
        self._read.pop(container.id, None)
        self._folder.forget_message(_name(container), model.attempt(container))

    def _unread(self, pod: corev1.Pod) -> Sequence[runtime.Container]:
        seen = self._parts.containers.of(pod.metadata.uid)
        return [one for one in seen if one.state == "exited" and one.id not in self._read]

    async def _message(self, pod: corev1.Pod, container: runtime.Container) -> str:
        """Return the message that a container wrote or, where its policy says so, the end of its log."""
        written = self._folder.message(_name(container), model.attempt(container))
        spec = next((one for one in model.every(pod) if one.name == _name(container)), None)
        falls_back = spec is not None and spec.terminationMessagePolicy == FALLBACK and container.exit_code != 0
        if written or not falls_back:
            return written
        end = b""
        try:
            async with asyncio.timeout(LOG_SECONDS):
                # All of it: Podman's own `tail` loses a last line that has no end.
                async for chunk in self._parts.runtime.logs(container.id, runtime.LogOptions()):
                    end = (end + chunk.data)[-LOG_BYTES:]
        except (runtime.RuntimeFault, TimeoutError) as error:
            return f"Error on reading termination message from logs: {error}"
        return b"".join(end.splitlines(keepends=True)[-LOG_LINES:]).decode(errors="replace")


def _name(container: runtime.Container) -> str:
    return container.labels.get(runtime.CONTAINER_LABEL, "")
