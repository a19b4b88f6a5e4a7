"""The whole report: what it joins, when it is sent, and what a failing source does to it."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import threading
from collections.abc import Callable, Sequence

from fairlead import clock as clocks
from fairlead.api.pb import metrics_pb2
from node.metrics import collector, nvml
from node.runtime import interface as runtime
from tests.unit.metrics.test_psutil_source import BEFORE

POD = metrics_pb2.PodMetrics(namespace="default", name="web-1", uid="u1")


class Gpus:
    """GPUs that answer what they are told, once they are let."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.calls = 0
        self.done = 0

    def read(self) -> nvml.Report:
        """Answer when the gate is open."""
        self.calls += 1
        self.gate.wait(60)
        self.done += 1
        return nvml.Report((metrics_pb2.Gpu(index=0, name="NVIDIA H200"),))

    def close(self) -> None:
        """Do nothing."""


async def pods() -> Sequence[metrics_pb2.PodMetrics]:
    """Return one pod."""
    return [POD]


def make(
    clock: clocks.FakeClock,
    gpus: Gpus | None = None,
    source: collector.PodSource = pods,
    timeout_seconds: float = 30.0,
    first_window_seconds: float = 0.0,
) -> collector.Collector:
    """Return a collector on a host whose processors are busy half of the time."""
    return collector.Collector(
        "node-1",
        clock,
        host=lambda moment: dataclasses.replace(BEFORE, moment=moment, busy_seconds=moment / 2),
        gpus=gpus or Gpus(),
        pods=source,
        timeout_seconds=timeout_seconds,
        first_window_seconds=first_window_seconds,
    )


async def until(probe: Callable[[], bool]) -> None:
    """Wait for what threads do, which no fake clock moves."""
    async with asyncio.timeout(10):
        while not probe():  # noqa: ASYNC110 -- threads and the collector's task set no event for tests
            await asyncio.sleep(0.001)


async def test_report_joins_host_gpus_and_pods() -> None:
    """One message has the node's name, the time, rates, GPUs and pods."""
    clock = clocks.FakeClock(now=1_700_000_000.5)
    subject = make(clock, first_window_seconds=1.0)
    first = asyncio.create_task(subject.collect())
    await until(lambda: clock.sleepers == 1)
    clock.advance(1)
    await first
    clock.advance(9)

    got = await subject.collect()

    assert (got.node, got.timestamp.seconds, got.timestamp.nanos) == ("node-1", 1_700_000_010, 500_000_000)
    assert (got.window_seconds, got.cpu.used_cores) == (9.0, 0.5)
    assert [gpu.name for gpu in got.gpus] == ["NVIDIA H200"]
    assert list(got.pods) == [POD]


async def test_first_report_comes_soon_and_then_every_period() -> None:
    """A new node is known after a second; afterwards reports come every ten."""
    clock = clocks.FakeClock()
    sent: list[metrics_pb2.NodeMetrics] = []
    gpus = Gpus()
    task = asyncio.create_task(make(clock, gpus, first_window_seconds=1.0).run(sent.append))

    await until(lambda: clock.sleepers == 1)
    clock.advance(1)
    await until(lambda: len(sent) == 1 and clock.sleepers == 1)
    clock.advance(collector.PERIOD_SECONDS)
    await until(lambda: len(sent) == 2)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task

    assert [report.window_seconds for report in sent] == [1.0, 10.0]


async def test_failing_pods_leave_the_rest() -> None:
    """While Podman does not answer, host and GPUs are reported."""

    async def unavailable() -> Sequence[metrics_pb2.PodMetrics]:
        raise runtime.Unavailable("no answer from /run/podman/podman.sock")

    got = await make(clocks.FakeClock(), source=unavailable).collect()

    assert (len(got.pods), len(got.gpus), got.memory.total) == (0, 1, BEFORE.memory_total)


async def test_hanging_driver_is_asked_once_and_reported() -> None:
    """A driver that hangs is named in each report and keeps no second thread waiting."""
    gpus = Gpus()
    gpus.gate.clear()
    subject = make(clocks.FakeClock(), gpus, timeout_seconds=0.05)

    first = await subject.collect()
    second = await subject.collect()
    gpus.gate.set()
    await until(lambda: gpus.done == 1)
    third = await subject.collect()

    assert [bool(report.gpu_message) for report in (first, second, third)] == [True, True, False]
    assert gpus.calls == 1
    assert (len(first.gpus), len(third.gpus)) == (0, 1)
