"""Who reads a log is waited for before the log goes."""

from __future__ import annotations

import asyncio

from node.agent import readers


async def test_nobody_reads_nobody_waits() -> None:
    """The removal of a container whose log nobody reads is not held up."""
    known = readers.Readers()
    with known.reading("other"):
        async with asyncio.timeout(1.0):
            await known.wait_over("main", 60.0)


async def test_the_last_of_several_readers_is_waited_for() -> None:
    """Each has its own end."""
    known = readers.Readers()
    with known.reading("main"):
        with known.reading("main"):
            waiting = asyncio.create_task(known.wait_over("main"))
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        early = waiting.done()
    await waiting

    assert not early


async def test_who_does_not_read_is_not_waited_for_without_end() -> None:
    """A caller that takes nothing must not keep a pod."""
    known = readers.Readers()
    with known.reading("main"):
        await known.wait_over("main", 0.01)
