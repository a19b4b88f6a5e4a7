"""The node's metrics on a machine that has NVIDIA GPUs: `python -m pytest tests/gpu --gpu`.

Needs the generated messages, protobuf, psutil and nvidia-ml-py; nothing else of the project.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import re
import shutil
import subprocess
from collections.abc import Iterator

import pytest

from fairlead import clock as clocks
from node.metrics import __main__ as program
from node.metrics import collector, nvml

pytestmark = pytest.mark.gpu

HELD_BYTES = 512 * 2**20


def smi(query: str) -> list[list[str]]:
    """Return what nvidia-smi says of each GPU."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        pytest.skip("nvidia-smi is not installed: there is nothing to compare with")
    command = [tool, f"--query-gpu={query}", "--format=csv,noheader,nounits"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    return [[cell.strip() for cell in line.split(",")] for line in listed.splitlines() if line.strip()]


@contextlib.contextmanager
def held_memory() -> Iterator[None]:
    """Hold memory of the first GPU in this process, through the driver's own interface."""
    cuda = ctypes.CDLL("libcuda.so.1")
    device, context, memory = ctypes.c_int(), ctypes.c_void_p(), ctypes.c_uint64()
    assert cuda.cuInit(0) == 0
    assert cuda.cuDeviceGet(ctypes.byref(device), 0) == 0
    assert cuda.cuDevicePrimaryCtxRetain(ctypes.byref(context), device) == 0
    assert cuda.cuCtxSetCurrent(context) == 0
    assert cuda.cuMemAlloc_v2(ctypes.byref(memory), ctypes.c_size_t(HELD_BYTES)) == 0
    try:
        yield
    finally:
        cuda.cuMemFree_v2(memory)
        cuda.cuDevicePrimaryCtxRelease_v2(device)


def test_every_gpu_has_plausible_figures() -> None:
    """Name, uuid, memory, temperature and power are those of a real GPU."""
    report = nvml.Nvml().read()

    assert report.message == ""
    for gpu in report.gpus:
        assert gpu.name
        assert re.fullmatch(r"(GPU|MIG)-[0-9a-f-]{36}", gpu.uuid)
        assert 0 <= gpu.utilisation <= 100
        assert 0 < gpu.memory_used < gpu.memory_total
        assert 5 < gpu.temperature < 110
        assert 5 < gpu.power < 2000


def test_figures_are_nvidia_smis() -> None:
    """NVML tells us what it tells nvidia-smi: identity and size exactly, the temperature nearly."""
    want = smi("index,name,uuid,memory.total,temperature.gpu")

    gpus = nvml.Nvml().read().gpus

    assert [[str(gpu.index), gpu.name, gpu.uuid] for gpu in gpus] == [row[:3] for row in want]
    for gpu, row in zip(gpus, want, strict=True):
        assert gpu.memory_total // 2**20 == int(row[3])
        assert abs(gpu.temperature - int(row[4])) <= 5


def test_capacity_counts_the_gpus() -> None:
    """The node offers as many GPUs as there are."""
    source = nvml.Nvml()

    assert source.capacity() == {nvml.RESOURCE: len(source.read().gpus)}


def test_memory_that_a_process_holds_is_seen() -> None:
    """A process that takes memory raises what is in use, and is listed with its name and share."""
    source = nvml.Nvml()
    before = source.read().gpus[0]

    with held_memory():
        gpu = source.read().gpus[0]

    assert gpu.memory_used - before.memory_used >= HELD_BYTES
    own = [process for process in gpu.processes if process.pid == os.getpid()]
    if not own and os.path.exists("/.dockerenv"):
        pytest.skip(f"the driver lists pids of another process namespace: {list(gpu.processes)}")
    assert own
    assert own[0].name
    assert own[0].memory_used == 0 or own[0].memory_used >= HELD_BYTES


def test_report_is_made_within_the_sources_timeout() -> None:
    """Reading all GPUs takes less than what the collector waits for."""
    report = asyncio.run(program.one_report(0.5))

    assert report.gpus
    assert report.gpu_message == ""
    assert 0.5 <= report.window_seconds < 0.5 + collector.SOURCE_TIMEOUT_SECONDS


def test_a_hundred_reports_leak_nothing() -> None:
    """The driver's connection is kept, and no descriptor is left open per report."""

    async def collect() -> tuple[int, int]:
        metrics = collector.Collector("gpu-node", clocks.SystemClock())
        await metrics.collect()
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(100):
            await metrics.collect()
        after = len(os.listdir("/proc/self/fd"))
        metrics.close()
        return before, after

    before, after = asyncio.run(collect())

    assert after <= before
