"""How late an event loop is at worst: the gauge of every benchmark that serves."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

from tests.bench import report

NAP_SECONDS = 0.002
TARGET_MILLISECONDS = 50


class Lag:
    """The worst since the last `reset`: how late a task wakes that sleeps a few milliseconds at a time."""

    def __init__(self) -> None:
        self._worst = 0.0

    async def run(self) -> None:
        """Nap for ever."""
        while True:
            before = time.perf_counter()
            await asyncio.sleep(NAP_SECONDS)
            self._worst = max(self._worst, time.perf_counter() - before - NAP_SECONDS)

    def reset(self) -> float:
        """Return the worst since the last time, in milliseconds."""
        worst, self._worst = self._worst, 0.0
        return worst * 1000


@contextlib.asynccontextmanager
async def gauge() -> AsyncIterator[Lag]:
    """Measure this loop's lag within the context."""
    lag = Lag()
    napping = asyncio.create_task(lag.run())
    try:
        yield lag
    finally:
        napping.cancel()


def row(milliseconds: float, what: str = "  worst loop lag") -> report.Row:
    """Return the row of a lag."""
    return report.Row(what, milliseconds, "ms", TARGET_MILLISECONDS, "less")
