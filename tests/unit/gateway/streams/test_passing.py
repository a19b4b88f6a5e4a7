"""Bytes both ways between two wires, of which one ends."""

from __future__ import annotations

import asyncio

import pytest

from control.gateway.streams import passing


class Near:
    """A caller: what it has said, of which nothing more will come."""

    ended = True

    def __init__(self, *said: bytes) -> None:
        self._said = [*said, b""]

    async def read(self) -> bytes:
        """Return what it said next."""
        return self._said.pop(0)

    async def write(self, data: bytes) -> None:
        """Take what nobody hears."""

    async def close(self) -> None:
        """Be gone."""


class Slow:
    """A server that says nothing, and takes what it is told when it may."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self.hearing, self.may = asyncio.Event(), asyncio.Event()

    async def read(self) -> bytes:
        """Say nothing."""
        await asyncio.Event().wait()
        raise AssertionError

    async def write(self, data: bytes) -> None:
        """Take what has come; the next one has to wait."""
        self.heard.append(data)
        self.hearing.set()
        await self.may.wait()

    async def close(self) -> None:
        """Be gone."""


async def test_who_hangs_up_before_a_slow_server_has_heard_everything_has_said_it() -> None:
    """The request's task is cancelled with the caller's connection; what came over it goes on, and then it ends."""
    near, far = Near(b"first", b"second", b"last"), Slow()
    carrying = asyncio.create_task(passing.carry(near, far))
    await far.hearing.wait()

    carrying.cancel()
    far.may.set()
    with pytest.raises(asyncio.CancelledError):
        await carrying

    assert far.heard == [b"first", b"second", b"last"]


async def test_a_server_that_never_takes_the_last_words_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that nobody is at the end of is given up."""
    monkeypatch.setattr(passing, "LAST_SECONDS", 0.01)
    near, far = Near(b"first", b"second", b"last"), Slow()
    carrying = asyncio.create_task(passing.carry(near, far))
    await far.hearing.wait()

    carrying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await carrying

    assert far.heard == [b"first", b"second"]
