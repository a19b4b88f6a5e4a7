"""How late an event loop is at worst: the gauge of every benchmark that serves."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

from tests.bench import report

NAP_SECONDS = 0.002
TARGET_MILLISECONDS = 50


@dataclass(frozen=True, slots=True)
class Worst:
    """The longest time, in milliseconds, that a task waited for its turn, and what of it the loop itself computed.

    What other processes take of the cores is in the first alone: on a busy machine the second says more.
    """

    milliseconds: float
    computing: float


class Lag:
    """The worst since the last `reset`: how late a task wakes that sleeps a few milliseconds at a time."""

    def __init__(self) -> None:
        self._late = self._computing = 0.0

    async def run(self) -> None:
        """Nap for ever."""
        while True:
            began, computed = time.perf_counter(), time.thread_time()
            await asyncio.sleep(NAP_SECONDS)
            self._late = max(self._late, time.perf_counter() - began - NAP_SECONDS)
            self._computing = max(self._computing, time.thread_time() - computed - NAP_SECONDS)

    def reset(self) -> Worst:
        """Return the worst since the last time."""
        worst = Worst(self._late * 1000, self._computing * 1000)
        self._late = self._computing = 0.0
        return worst


@contextlib.asynccontextmanager
async def gauge() -> AsyncIterator[Lag]:
    """Measure this loop's lag within the context."""
    lag = Lag()
    napping = asyncio.create_task(lag.run())
    try:
        yield lag
    finally:
        napping.cancel()


def row(worst: Worst, what: str = "  worst loop lag") -> report.Row:
    """Return the row of a lag."""
    beside = f"of it computing: {worst.computing:.0f} ms"
    return report.Row(what, worst.milliseconds, "ms", TARGET_MILLISECONDS, "less", beside=beside)
