"""What wakes one task."""

from __future__ import annotations

import asyncio

from fairlead import bells


async def test_a_bell_wakes_who_waits_and_who_comes_later() -> None:
    """Until it is cleared."""
    bell = bells.Bell()
    first = asyncio.create_task(bell.wait())
    await asyncio.sleep(0)
    assert not first.done()

    bell.set()
    await first
    await bell.wait()
    bell.clear()
    second = asyncio.create_task(bell.wait())
    await asyncio.sleep(0)

    assert not second.done()
    bell.set()
    await second


async def test_a_waiter_that_is_cancelled_leaves_the_bell_to_others() -> None:
    """Setting it afterwards wakes the next."""
    bell = bells.Bell()
    gone = asyncio.create_task(bell.wait())
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.gather(gone, return_exceptions=True)

    waiting = asyncio.create_task(bell.wait())
    await asyncio.sleep(0)
    bell.set()

    await waiting
