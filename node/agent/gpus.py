"""NVIDIA GPUs, handed out whole to containers that ask for `nvidia.com/gpu`.

A grant is noted as a label of its container, so that an agent that restarts knows which are taken.
"""

from __future__ import annotations

import pathlib
from collections.abc import Callable, Iterable, Sequence

from fairlead.api import quantity
from fairlead.api.pb import core_v1_pb2 as corev1
from node.agent import context
from node.pods import model
from node.runtime import interface as runtime

RESOURCE = "nvidia.com/gpu"
_CDI_FOLDERS = ("/etc/cdi", "/var/run/cdi")
_SHARED = ("/dev/nvidiactl", "/dev/nvidia-uvm", "/dev/nvidia-uvm-tools", "/dev/nvidia-modeset")


class Gpus:
    """The node's GPUs. `running` gives every container on the node; `cdi`: the host has a CDI specification."""

    def __init__(
        self, indexes: Sequence[int], running: Callable[[], Iterable[runtime.Container]], *, cdi: bool
    ) -> None:
        self._indexes = tuple(indexes)
        self._running = running
        self._cdi = cdi
        self._granted: dict[tuple[str, str], tuple[int, ...]] = {}

    def grant(self, pod: corev1.Pod, container: corev1.Container) -> context.Grant:
        """Return what a container gets, the same at each restart; NoDevices where too few are free."""
        limits = quantity.amounts(container.resources.limits)
        count = limits[RESOURCE].value() if RESOURCE in limits else 0
        if count == 0:
            return context.Grant()
        owner = (pod.metadata.uid, container.name)
        taken = self._taken()
        chosen = taken.get(owner, ())
        if len(chosen) != count:
            used = {index for indexes in taken.values() for index in indexes}
            free = [index for index in self._indexes if index not in used]
            if len(free) < count:
                raise context.NoDevices(f"{RESOURCE}: {count} wanted, {len(free)} of {len(self._indexes)} free")
            chosen = tuple(free[:count])
        self._granted[owner] = chosen
        return self._grant(chosen)

    def release(self, uid: str) -> None:
        """Take back what a pod had."""
        for owner in [owner for owner in self._granted if owner[0] == uid]:
            del self._granted[owner]

    def _taken(self) -> dict[tuple[str, str], tuple[int, ...]]:
        found = dict(self._granted)
        for container in self._running():
            label = container.labels.get(model.DEVICES_LABEL, "")
            owner = (container.labels.get(runtime.UID_LABEL, ""), container.labels.get(runtime.CONTAINER_LABEL, ""))
            if label and owner not in found:
                found[owner] = tuple(int(index) for index in label.split(","))
        return found

    def _grant(self, chosen: Sequence[int]) -> context.Grant:
        label = ",".join(str(index) for index in chosen)
        if self._cdi:
            devices = tuple(runtime.Device(f"{RESOURCE}={index}") for index in chosen)
            return context.Grant(devices, label=label)
        shared = [path for path in _SHARED if pathlib.Path(path).exists()]
        nodes = [f"/dev/nvidia{index}" for index in chosen]
        env = {"NVIDIA_VISIBLE_DEVICES": label, "NVIDIA_DRIVER_CAPABILITIES": "compute,utility"}
        return context.Grant(tuple(runtime.Device(path) for path in (*nodes, *shared)), env=env, label=label)


def has_cdi(folders: Sequence[str] = _CDI_FOLDERS) -> bool:
    """Tell whether the host has a CDI specification for NVIDIA's GPUs."""
    files = (
        file for folder in folders for file in pathlib.Path(folder).glob("*") if file.suffix in (".yaml", ".json")
    )
    return any(RESOURCE in file.read_text(errors="replace") for file in files)


def count_nodes() -> int:
    """Return how many GPUs the kernel shows as /dev/nvidia<number>."""
    return sum(path.name.removeprefix("nvidia").isdigit() for path in pathlib.Path("/dev").glob("nvidia*"))
