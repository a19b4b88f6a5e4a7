"""A pod's folder that only pretends: hollow nodes keep nothing on a disk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fairlead.api.pb import core_v1_pb2 as corev1
from node.pods.volumes import Volume
from node.runtime.interface import Mount


class MemoryFolder:
    """What `folders.PodFolder` does, on nothing. `messages` holds what containers are said to have left."""

    def __init__(self, root: str, uid: str) -> None:
        self.path = f"{root}/pods/{uid}"
        self.messages: dict[tuple[str, int], str] = {}
        self._exists = False

    def exists(self) -> bool:
        """Tell whether there is something to release."""
        return self._exists

    def prepare(self, volumes: Sequence[Volume], group: int | None) -> None:
        """Note that the volumes are made."""
        self._exists = True

    def release(self) -> None:
        """Note that everything is gone."""
        self._exists = False

    def write(self, name: str, text: str) -> str:
        """Return the path that a file would have."""
        return f"{self.path}/{name}"

    def shared_memory(self) -> str:
        """Return the path that the pod's /dev/shm would have."""
        return f"{self.path}/shm"

    def message_file(self, container: str, attempt: int) -> str:
        """Return the path that a termination message would have."""
        return f"{self.path}/messages/{container}-{attempt}"

    def message(self, container: str, attempt: int) -> str:
        """Return what a container is said to have left."""
        return self.messages.get((container, attempt), "")

    def forget_message(self, container: str, attempt: int) -> None:
        """Forget a message."""
        self.messages.pop((container, attempt), None)

    def mounts(self, container: corev1.Container, volumes: Sequence[Volume], env: Mapping[str, str]) -> list[Mount]:
        """Return the mounts as if the volumes were there."""
        return [
            Mount(f"{self.path}/volumes/{one.name}", one.mountPath, one.readOnly) for one in container.volumeMounts
        ]
