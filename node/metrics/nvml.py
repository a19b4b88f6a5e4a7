"""The node's NVIDIA GPUs, read through NVML.

Called by the collector, in a thread, and by the agent for the node's capacity. A machine without a GPU or its
driver is no fault: the report then says why in NVML's words. A query that a GPU does not support leaves its field
zero; a driver that comes, goes or is restarted is found at the next report.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import psutil
import pynvml

from fairlead.api.pb import metrics_pb2

RESOURCE = "nvidia.com/gpu"
"""The resource's name in a node's capacity and in pods' limits."""

NO_GPU = "no GPU found"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Report:
    """The GPUs of a node, and why there are none, or which of them cannot be read."""

    gpus: tuple[metrics_pb2.Gpu, ...] = ()
    message: str = ""


class Nvml:
    """A connection to the driver. Not to be shared between threads."""

    def __init__(self) -> None:
        self._started = False

    def read(self) -> Report:
        """Read every GPU's figures now; blocks for as long as the driver takes."""
        gpus: list[metrics_pb2.Gpu] = []
        faults: list[str] = []
        try:
            self._start()
            for index in range(pynvml.nvmlDeviceGetCount()):
                try:
                    gpus.append(_read_gpu(index))
                except pynvml.NVMLError as error:
                    faults.append(f"GPU {index}: {error}")
        except pynvml.NVMLError as error:
            faults.append(str(error))
        if faults:
            self.close()
        elif not gpus:
            faults.append(NO_GPU)
        return Report(tuple(gpus), "; ".join(faults))

    def capacity(self) -> dict[str, int]:
        """Return what the GPUs add to the node's capacity: nothing where there is none."""
        try:
            self._start()
            count = pynvml.nvmlDeviceGetCount()
        except pynvml.NVMLError:
            self.close()
            return {}
        return {RESOURCE: count} if count else {}

    def close(self) -> None:
        """Let the driver go; the next read starts anew."""
        if self._started:
            self._started = False
            _optional(pynvml.nvmlShutdown, None)

    def _start(self) -> None:
        if not self._started:
            pynvml.nvmlInit()
            self._started = True


def _read_gpu(index: int) -> metrics_pb2.Gpu:
    """Read one GPU. Without its handle there is nothing to say of it, and that is an error."""
    handle = pynvml.nvmlDeviceGetHandleByIndex(index)
    memory = _optional(lambda: pynvml.nvmlDeviceGetMemoryInfo(handle), None)
    return metrics_pb2.Gpu(
        index=index,
        name=_optional(lambda: str(pynvml.nvmlDeviceGetName(handle)), ""),
        uuid=_optional(lambda: str(pynvml.nvmlDeviceGetUUID(handle)), ""),
        utilisation=_optional(lambda: int(pynvml.nvmlDeviceGetUtilizationRates(handle).gpu), 0),
        memory_total=memory.total if memory else 0,
        memory_used=memory.used if memory else 0,
        temperature=_optional(lambda: int(pynvml.nvmlDeviceGetTemperature(handle, pynvml.NVML_TEMPERATURE_GPU)), 0),
        # The driver counts in milliwatts.
        power=_optional(lambda: float(pynvml.nvmlDeviceGetPowerUsage(handle)) / 1000, 0.0),
        processes=_processes(handle),
    )


def _processes(handle: Any) -> Iterator[metrics_pb2.GpuProcess]:
    """Read who uses a GPU, for computing or graphics, once each."""
    listed: list[Any] = _optional(lambda: list(pynvml.nvmlDeviceGetComputeRunningProcesses(handle)), [])
    listed += _optional(lambda: list(pynvml.nvmlDeviceGetGraphicsRunningProcesses(handle)), [])
    found: dict[int, int] = {}
    for process in listed:
        found[process.pid] = max(found.get(process.pid, 0), process.usedGpuMemory or 0)
    for pid, used in sorted(found.items()):
        yield metrics_pb2.GpuProcess(pid=pid, name=_process_name(pid), memory_used=used)


def _process_name(pid: int) -> str:
    """Return a process' name as the host knows it, else as the driver does; empty where neither does."""
    try:
        return psutil.Process(pid).name()
    except psutil.Error:
        return os.path.basename(_optional(lambda: str(pynvml.nvmlSystemGetProcessName(pid)), ""))


def _optional(ask: Callable[[], T], otherwise: T) -> T:
    """Ask for what a GPU, its mode or its driver may not support.

    That the whole GPU is lost is another matter: the error passes on, and the report says so in its place.
    """
    try:
        return ask()
    except (pynvml.NVMLError_GpuIsLost, pynvml.NVMLError_Uninitialized):
        raise
    except pynvml.NVMLError:
        return otherwise
