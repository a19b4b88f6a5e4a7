"""The node's report: host, GPUs and pods in one NodeMetrics, every ten seconds.

Run by the agent as one of its root tasks; calls psutil and NVML in threads of its own and the pods' source that it
is given. Promises: a source that hangs or fails delays nobody: its part is left out and the rest is reported.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, Protocol, TypeVar, cast

from fairlead import clock as clocks
from fairlead.api.pb import metrics_pb2
from node.metrics import nvml, psutil_source
from node.runtime import interface as runtime

PERIOD_SECONDS = 10.0
FIRST_WINDOW_SECONDS = 1.0
"""The first report comes after this, so that a new node is not unknown for a whole period."""

SOURCE_TIMEOUT_SECONDS = 5.0

PodSource = Callable[[], Awaitable[Sequence[metrics_pb2.PodMetrics]]]

T = TypeVar("T")

_log = logging.getLogger(__name__)


class GpuSource(Protocol):
    """Where the GPUs' figures come from; called in one thread."""

    def read(self) -> nvml.Report:
        """Read them now."""
        ...

    def close(self) -> None:
        """Let the driver go."""
        ...


async def no_pods() -> Sequence[metrics_pb2.PodMetrics]:
    """Return nothing: the source of a node without pods."""
    return ()


class Collector:
    """One node's reports."""

    def __init__(
        self,
        node: str,
        clock: clocks.Clock,
        *,
        host: Callable[[float], psutil_source.Sample] = psutil_source.read,
        gpus: GpuSource | None = None,
        pods: PodSource = no_pods,
        timeout_seconds: float = SOURCE_TIMEOUT_SECONDS,
        first_window_seconds: float = FIRST_WINDOW_SECONDS,
    ) -> None:
        self._node = node
        self._clock = clock
        self._gpus = nvml.Nvml() if gpus is None else gpus
        self._read_host = host
        self._pods = pods
        self._host_thread: _Thread[psutil_source.Sample] = _Thread("metrics-host", timeout_seconds)
        self._gpu_thread: _Thread[nvml.Report] = _Thread("metrics-gpu", timeout_seconds)
        self._timeout = timeout_seconds
        self._first_window = first_window_seconds
        self._before: psutil_source.Sample | None = None

    async def run(self, send: Callable[[metrics_pb2.NodeMetrics], None]) -> None:
        """Hand a report to `send` every period, until cancelled."""
        try:
            while True:
                began = self._clock.monotonic()
                send(await self.collect())
                await self._clock.sleep(began + PERIOD_SECONDS - self._clock.monotonic())
        finally:
            self.close()

    async def collect(self) -> metrics_pb2.NodeMetrics:
        """Return a report with the pods that the source gives; see `measure`."""
        return await self.measure(await self._pod_list())

    async def measure(self, pods: Sequence[metrics_pb2.PodMetrics]) -> metrics_pb2.NodeMetrics:
        """Return a report with these pods, and rates over the time since the call before.

        The first call waits for the first window, so that it too has rates.
        """
        report = metrics_pb2.NodeMetrics(node=self._node)
        if self._before is None:
            self._before = await self._host()
            await self._clock.sleep(self._first_window)
        host, gpus = await asyncio.gather(self._host(), self._gpu_report())
        now = self._clock.now()
        report.timestamp.seconds = int(now)
        report.timestamp.nanos = int(now % 1 * 1_000_000_000)
        if host is not None:
            psutil_source.report(self._before or host, host, report)
            self._before = host
        report.gpus.extend(gpus.gpus)
        report.gpu_message = gpus.message
        report.pods.extend(pods)
        return report

    def close(self) -> None:
        """Let the driver go, without waiting for one that hangs."""
        threading.Thread(target=self._gpus.close, name="metrics-close", daemon=True).start()

    async def _host(self) -> psutil_source.Sample | None:
        sample = await self._host_thread.ask(lambda: self._read_host(self._clock.monotonic()))
        if sample is None:
            _log.warning("the host's figures did not come in time")
        return sample

    async def _gpu_report(self) -> nvml.Report:
        report = await self._gpu_thread.ask(self._gpus.read)
        return report or nvml.Report(message=f"NVML did not answer within {self._timeout:g} s")

    async def _pod_list(self) -> Sequence[metrics_pb2.PodMetrics]:
        try:
            async with asyncio.timeout(self._timeout):
                return await self._pods()
        except (OSError, TimeoutError, runtime.RuntimeFault) as error:
            _log.warning("the pods' figures are missing", extra={"error": str(error)})
            return ()


class _Thread(Generic[T]):
    """A thread for one kind of blocking call, one call at a time.

    A call that hangs is waited for again at the next question instead of being joined by another, and does not
    keep the process from ending.
    """

    def __init__(self, name: str, timeout_seconds: float) -> None:
        self._name = name
        self._timeout = timeout_seconds
        self._running: asyncio.Future[T] | None = None

    async def ask(self, call: Callable[[], T]) -> T | None:
        """Return the call's value; None where it does not come in time."""
        if self._running is None:
            self._running = self._start(call)
        done, _ = await asyncio.wait([self._running], timeout=self._timeout)
        if not done:
            return None
        future, self._running = self._running, None
        return future.result()

    def _start(self, call: Callable[[], T]) -> asyncio.Future[T]:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()

        def settle(value: T | None, error: BaseException | None) -> None:
            if future.done():
                return
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(cast(T, value))

        def work() -> None:
            value, error = None, None
            try:
                value = call()
            except BaseException as caught:  # whatever it is, it belongs to who asked
                error = caught
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody asks any more
                loop.call_soon_threadsafe(settle, value, error)

        threading.Thread(target=work, name=self._name, daemon=True).start()
        return future
