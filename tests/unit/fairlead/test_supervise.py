"""Root tasks fall together."""

from __future__ import annotations

import asyncio

import pytest

from fairlead import supervise


async def for_ever() -> None:
    await asyncio.Event().wait()


async def test_a_root_task_that_fails_takes_the_others_with_it() -> None:
    """The error propagates; no task is left behind."""
    cancelled = asyncio.Event()

    async def other() -> None:
        try:
            await for_ever()
        finally:
            cancelled.set()

    async def fails() -> None:
        await asyncio.sleep(0)
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        await supervise.supervise({"other": other(), "fails": fails()})

    assert cancelled.is_set()


async def test_a_root_task_that_returns_is_an_error() -> None:
    """A program with a part missing does not go on."""

    async def returns() -> None:
        return

    with pytest.raises(supervise.RootTaskEnded, match="root task returns ended"):
        await supervise.supervise({"returns": returns(), "other": for_ever()})


async def test_a_stop_ends_all_without_an_error() -> None:
    """SIGTERM is no failure."""
    stop = asyncio.Event()
    stop.set()

    await supervise.supervise({"other": for_ever()}, stop)
