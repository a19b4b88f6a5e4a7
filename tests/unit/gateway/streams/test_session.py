"""What a SPDY session keeps of a caller that sends and sends."""

from __future__ import annotations

import asyncio
import tracemalloc

import pytest

from control.gateway.streams import session as sessions
from control.gateway.streams import spdychannels
from control.gateway.streams.spdy import connection, frames

PIECES = 4000


class Wire:
    """A wire whose other side has all its bytes ready, and takes what it is sent."""

    def __init__(self, pieces: list[bytes]) -> None:
        self.pieces = pieces
        self.read_pieces = 0

    async def read(self) -> bytes:
        """Return the next piece."""
        await asyncio.sleep(0)
        if self.read_pieces == len(self.pieces):
            return b""
        self.read_pieces += 1
        return self.pieces[self.read_pieces - 1]

    async def write(self, data: bytes) -> None:
        """Take what is sent."""

    async def close(self) -> None:
        """Close."""

    async def until_still(self) -> int:
        """Wait until nobody reads any more; returns how many pieces were read."""
        before = -1
        while before != self.read_pieces:
            before = self.read_pieces
            for _ in range(100):
                await asyncio.sleep(0)
        return before


class Deaf(Wire):
    """A wire whose other side takes nothing."""

    async def write(self, data: bytes) -> None:
        """Wait for ever."""
        await asyncio.Event().wait()


@pytest.mark.parametrize("frame", [frames.Ping(1), frames.Data(99, b"x"), frames.SynStream(1, {"streamtype": "x"})])
async def test_a_caller_that_does_not_read_its_answers_is_not_read(frame: frames.Frame) -> None:
    """Pings, data of streams that nobody began and streams that are begun twice: each would be owed an answer."""
    encoder = frames.Encoder()
    wire = Deaf([encoder.encode(frame) for _ in range(PIECES)])
    session = sessions.Session(wire)
    running = asyncio.create_task(session.run())

    read = await wire.until_still()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)

    assert read <= 2


def begun_and_reset(named: dict[str, str]) -> list[bytes]:
    """Return many streams of a caller, each of which it resets at once."""
    client = connection.Connection(server=False)
    pieces = []
    for number in range(PIECES):
        client.reset(client.open({**named, "requestid": str(number)}))
        pieces.append(client.outgoing())
    return pieces


async def test_streams_that_nobody_has_taken_hold_the_caller_back() -> None:
    """As many wait as a caller opens at once; as they are taken, the next are read."""
    wire = Wire(begun_and_reset({"streamtype": "data"}))
    session = sessions.Session(wire)
    running = asyncio.create_task(session.run())

    held = await wire.until_still()
    taken = 0
    while await session.begun() is not None:
        taken += 1
    await running

    assert held <= sessions.HELD_STREAMS + 1
    assert (taken, wire.read_pieces) == (PIECES, PIECES)


async def test_all_that_is_unread_is_bounded() -> None:
    """However many streams it is spread over."""
    client, pieces = connection.Connection(server=False), []
    for _ in range(200):
        client.send(client.open({"streamtype": "data"}), bytes(sessions.HELD_BYTES // 2))
        pieces.append(client.outgoing())
    wire = Wire(pieces)
    session = sessions.Session(wire)
    running = asyncio.create_task(session.run())
    waiting = [asyncio.create_task(session.begun()) for _ in pieces]

    held = await wire.until_still()
    for task in (running, *waiting):
        task.cancel()
    await asyncio.gather(running, *waiting, return_exceptions=True)

    assert held == 2 * sessions.HELD_ALTOGETHER // sessions.HELD_BYTES + 1


@pytest.mark.parametrize("kind", ["data", "error"])
async def test_streams_that_were_reset_wait_for_no_partner(kind: str) -> None:
    """A caller of port-forward that begins and resets streams leaves nothing behind."""
    wire = Wire(begun_and_reset({"streamtype": kind, "port": "80", "x": "x" * 4000}))
    session = sessions.Session(wire)
    pairs = spdychannels.Pairs(session)
    running = asyncio.create_task(session.run())
    tracemalloc.start()

    pair = await pairs.next()
    kept = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    await running

    assert pair is None
    assert wire.read_pieces == PIECES
    assert kept < 1 << 20
