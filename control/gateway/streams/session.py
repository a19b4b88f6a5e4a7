"""A SPDY connection over a wire: one task reads, any number use its streams."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Mapping

from control.gateway.streams import channels, wire
from control.gateway.streams.spdy import connection, frames, headers
from fairlead import supervise

# What is kept unread; with more the connection is not read.
HELD_BYTES = 256 << 10  # of one stream
HELD_ALTOGETHER = 8 << 20
HELD_STREAMS = 64  # begun, that nobody has looked at
# How long a caller may take to receive the last words. One that still sends once its connection is closed (pings) is
# answered with a reset, which takes away what is under way to it.
LINGER_SECONDS = 30.0
NOISE_SECONDS = 2.0  # of one that does not speak SPDY


class Stream:
    """One stream: bytes both ways, each of which can end."""

    def __init__(self, session: Session, number: int, named: Mapping[str, str]) -> None:
        self.number = number
        self.headers = named
        self.over = asyncio.Event()  # reset, or the connection is
        self.held = 0
        self._session = session
        self._pieces: deque[bytes] = deque()
        self._ended = False
        self._ignored = False
        self._moved = asyncio.Event()

    async def read(self) -> bytes:
        """Return what came next, nothing at the end."""
        while not self._pieces:
            if self._ended or self.over.is_set():
                return b""
            self._moved.clear()
            await self._moved.wait()
        piece = self._pieces.popleft()
        self.held -= len(piece)
        await self._session.consumed(self, len(piece))
        return piece

    async def write(self, data: bytes) -> None:
        """Send bytes, waiting while the caller does not read; dropped where the stream is over."""
        await self._session.send(self, data, fin=False)

    async def end(self) -> None:
        """Send nothing more."""
        await self._session.send(self, b"", fin=True)

    async def accept(self) -> None:
        """Take a stream that the caller began."""
        await self._session.accept(self)

    async def reset(self) -> None:
        """End the stream at once."""
        await self._session.reset(self)

    async def ignore(self) -> None:
        """Read nothing more: what came and comes is dropped, so that it holds up no other stream."""
        self._ignored = True
        self._pieces.clear()
        dropped, self.held = self.held, 0
        await self._session.consumed(self, dropped)

    def take(self, data: bytes) -> bool:
        """Keep what came; False where nobody will read it."""
        if self._ignored:
            return False
        self._pieces.append(data)
        self.held += len(data)
        self._moved.set()
        return True

    def take_end(self, *, over: bool) -> None:
        """Learn that nothing more comes, and with `over` that nothing can be sent."""
        self._ended = True
        if over:
            self.over.set()
        self._moved.set()


class Session:
    """The streams of a connection. `run` is its one reader; once it has ended, every stream is over."""

    def __init__(self, carrier: wire.Wire, *, server: bool = True) -> None:
        self._wire = carrier
        self._connection = connection.Connection(server=server)
        self._streams: dict[int, Stream] = {}
        self._begun: asyncio.Queue[Stream | None] = asyncio.Queue()
        self._room = asyncio.Event()
        self._linger = LINGER_SECONDS

    async def run(self) -> None:
        """Read until the caller has gone or breaks the protocol."""
        try:
            await supervise.first_of(self._read(), self._ping())
        except headers.ProtocolError:
            self._linger = NOISE_SECONDS
            with contextlib.suppress(ConnectionError):
                await self._flush()
        finally:
            for stream in self._streams.values():
                stream.take_end(over=True)
            self._streams.clear()
            self._begun.put_nowait(None)

    async def begun(self) -> Stream | None:
        """Return the next stream that the caller began; None once it has gone."""
        found = await self._begun.get()
        self._room.set()
        return found

    async def open(self, named: Mapping[str, str]) -> Stream:
        """Begin a stream."""
        stream = Stream(self, self._connection.open(named), named)
        self._streams[stream.number] = stream
        await self._flush()
        return stream

    async def accept(self, stream: Stream) -> None:
        """Take a stream."""
        self._connection.reply(stream.number)
        await self._flush()

    async def send(self, stream: Stream, data: bytes, *, fin: bool) -> None:
        """Send bytes on a stream, in pieces between which others have their turn."""
        for start in range(0, max(len(data), 1), frames.DATA_BYTES):
            piece = data[start : start + frames.DATA_BYTES]
            self._connection.send(stream.number, piece, fin=fin and start + frames.DATA_BYTES >= len(data))
            await self._flush()

    async def reset(self, stream: Stream) -> None:
        """End a stream at once."""
        self._connection.reset(stream.number)
        self._drop(stream.number)
        await self._flush()

    async def consumed(self, stream: Stream, size: int) -> None:
        """Make room for more of a stream."""
        self._connection.consumed(stream.number, size)
        self._room.set()
        with contextlib.suppress(ConnectionError):
            await self._flush()

    async def finish(self) -> None:
        """Say good-bye and read what is still under way, so that the last words are not lost; after `run` ended."""
        self._connection.go_away()
        await self._flush()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._linger):
                while await self._wire.read():
                    pass
        await self._wire.close()

    async def _read(self) -> None:
        while data := await self._wire.read():
            for event in self._connection.receive(data):
                self._take(event)
            await self._flush()
            while self._holds_too_much():
                self._room.clear()
                await self._room.wait()

    def _holds_too_much(self) -> bool:
        held = [stream.held for stream in self._streams.values()]
        return max(held, default=0) > HELD_BYTES or sum(held) > HELD_ALTOGETHER or self._begun.qsize() > HELD_STREAMS

    async def _ping(self) -> None:
        while True:
            await asyncio.sleep(channels.PING_SECONDS)
            self._connection.ping()
            await self._flush()

    async def _flush(self) -> None:
        data = self._connection.outgoing()
        if data:
            await self._wire.write(data)

    def _take(self, event: connection.Event) -> None:
        match event:
            case connection.Opened(number, named):
                self._streams[number] = Stream(self, number, named)
                self._begun.put_nowait(self._streams[number])
            case connection.Received(number, data) if number in self._streams:
                if not self._streams[number].take(data):
                    self._connection.consumed(number, len(data))
            case connection.Ended(number) if number in self._streams:
                self._streams[number].take_end(over=False)
            case connection.Reset(number):
                self._drop(number)

    def _drop(self, number: int) -> None:
        stream = self._streams.pop(number, None)
        if stream is not None:
            stream.take_end(over=True)
            self._room.set()
