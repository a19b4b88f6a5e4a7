"""Work in slices: between them, others run."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Iterator

from fairlead import slices


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


def test_loops_that_go_on_at_once_take_shorter_slices() -> None:
    """Ten of them soon take as long together as one alone may, times two; one alone takes the longest."""
    many = alone = slices.FIRST_SECONDS
    for _ in range(20):
        many = slices.next_length(many, 10 * many)
        alone = slices.next_length(alone, alone)

    assert 10 * many <= slices.PASS_SECONDS
    assert alone == slices.LONGEST_SECONDS
    assert slices.next_length(alone, 10.0) == slices.SHORTEST_SECONDS


async def test_a_long_loop_lets_others_run() -> None:
    """Whatever it iterates over arrives in order."""
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    def items() -> Iterator[int]:
        for number in range(40):
            until = time.monotonic() + slices.FIRST_SECONDS / 4
            while time.monotonic() < until:
                pass
            yield number

    beside = asyncio.create_task(other())
    assert [item async for item in slices.sliced(items())] == list(range(40))
    beside.cancel()
    assert turns > 1
