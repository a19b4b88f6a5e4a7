"""The work queue hands each key to one worker, once."""

from __future__ import annotations

import asyncio

from fairlead import clock as clocks
from fairlead.client import workqueue
from tests.unit.client.waiting import settle


async def test_added_twice_waits_once() -> None:
    """A key that waits already is not queued again."""
    queue = workqueue.Queue[str]()
    queue.add("a")
    queue.add("b")
    queue.add("a")
    assert [await queue.get(), await queue.get()] == ["a", "b"]
    assert len(queue) == 0


async def test_added_while_worked_on_comes_after_done() -> None:
    """No two workers hold one key; what was added meanwhile is worked on afterwards."""
    queue = workqueue.Queue[str]()
    queue.add("a")
    key = await queue.get()
    queue.add("a")
    assert len(queue) == 0
    queue.done(key)
    assert await queue.get() == "a"


async def test_waiting_worker_gets_the_key() -> None:
    """A worker that waits is woken; a cancelled one passes its turn on."""
    queue = workqueue.Queue[str]()
    first, second = asyncio.create_task(queue.get()), asyncio.create_task(queue.get())
    await settle()
    queue.add("a")
    first.cancel()
    assert await asyncio.wait_for(second, 5) == "a"


async def test_failures_double_the_pause() -> None:
    """Pauses are 5, 10, 20 ms ... up to the cap, and start again once the work succeeded."""
    clock = clocks.FakeClock()
    queue = workqueue.Queue[str](clock=clock, longest_retry_seconds=0.03)
    pauses = []
    for _ in range(5):
        pauses.append(queue.retry("a"))
        clock.advance(1)
        queue.done(await queue.get())
    assert pauses == [0.005, 0.01, 0.02, 0.03, 0.03]
    queue.forget("a")
    assert queue.retry("a") == 0.005


async def test_earliest_of_several_delays_counts() -> None:
    """A key added for later twice becomes ready once, at the earlier time."""
    clock = clocks.FakeClock()
    queue = workqueue.Queue[str](clock=clock)
    queue.add_after("a", 10)
    queue.add_after("a", 2)
    queue.add_after("a", 5)
    clock.advance(1.9)
    assert len(queue) == 0
    clock.advance(0.1)
    assert len(queue) == 1
    queue.done(await queue.get())
    clock.advance(20)
    assert len(queue) == 0
