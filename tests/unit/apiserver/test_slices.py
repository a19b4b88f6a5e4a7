"""Work in slices: between them, others run."""

from __future__ import annotations

import asyncio
import itertools

from control.apiserver import slices


async def test_tasks_that_wake_at_once_take_turns() -> None:
    """Five in a pass of the loop, then others that are ready. All get their turn, in order, but the cancelled."""
    turns = slices.Turns(5)
    log: list[str] = []

    async def work(number: int) -> None:
        await turns.turn()
        log.append(f"task {number}")

    async def other() -> None:
        while True:
            log.append("other")
            await asyncio.sleep(0)

    tasks = [asyncio.create_task(work(number)) for number in range(40)]
    beside = asyncio.create_task(other())
    await asyncio.sleep(0)
    tasks[20].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    beside.cancel()

    runs = [len(list(found)) for kind, found in itertools.groupby(log, lambda one: one == "other") if not kind]
    assert [one for one in log if one != "other"] == [f"task {number}" for number in range(40) if number != 20]
    assert max(runs) == 5
