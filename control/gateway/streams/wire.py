"""Bytes both ways after an upgrade: a connection taken over from aiohttp, or binary messages of a WebSocket.

SPDY and whatever a proxied server speaks run over one of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Protocol

import aiohttp
import aiohttp.http
from aiohttp import web

from control.gateway.streams import upgrade

BUFFER_BYTES = 64 << 10


class Wire(Protocol):
    """Bytes both ways."""

    async def read(self) -> bytes:
        """Return what came next, nothing at the end."""
        ...

    async def write(self, data: bytes) -> None:
        """Write, waiting while the other side does not read; ConnectionError where it has gone."""
        ...

    async def close(self) -> None:
        """End the connection."""
        ...


class Upgraded:
    """A connection of aiohttp's server after its answer 101.

    aiohttp hands what comes to a parser that is set on its protocol, as it does for WebSockets: this one feeds a
    StreamReader, which stops the transport while nobody reads.
    """

    def __init__(self, response: web.StreamResponse, feed: _Feed) -> None:
        self.response = response
        self._feed = feed
        self._reader = feed.reader

    @property
    def ended(self) -> bool:
        """Whether nothing more will come than what is here to be read."""
        return self._feed.ended

    async def read(self) -> bytes:
        """Return what came next."""
        try:
            return await self._reader.read(BUFFER_BYTES)
        except ConnectionError:
            return b""

    async def write(self, data: bytes) -> None:
        """Write."""
        await self.response.write(data)

    async def close(self) -> None:
        """Leave it to aiohttp, which closes what it cannot keep alive."""


class _Feed:
    """What aiohttp takes for a parser."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self.reader = reader
        self.ended = False

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        """Take bytes; never says that the message is over."""
        self.reader.feed_data(data)
        return False, b""

    def feed_eof(self) -> None:
        """Learn that the connection is lost."""
        self.ended = True
        self.reader.feed_eof()

    def set_exception(self, error: BaseException, *_: Any) -> None:
        """Learn why the connection is lost."""
        self.feed_eof()


async def take_over(request: web.BaseRequest, headers: Mapping[str, str]) -> Upgraded:
    """Answer 101 with headers (`Upgrade` among them) and return the connection."""
    with upgrade.unless_gone():
        transport = request.transport
        if transport is None:
            raise ConnectionResetError
        response = web.StreamResponse(status=101, headers={"Connection": "Upgrade", **headers})
        response.force_close()
        await response.prepare(request)
        reader = asyncio.StreamReader(limit=BUFFER_BYTES)
        reader.set_transport(transport)
        feed = _Feed(reader)
        request.protocol.set_parser(feed)  # type: ignore[arg-type]
        request.protocol.keep_alive(False)
        await response.write(b"")
    return Upgraded(response, feed)


class Tunnel:
    """A WebSocket whose binary messages are pieces of one stream of bytes."""

    def __init__(self, socket: web.WebSocketResponse) -> None:
        self.response: web.StreamResponse = socket
        self._socket = socket

    async def read(self) -> bytes:
        """Return what came next."""
        while True:
            message = await self._socket.receive()
            if message.type is not web.WSMsgType.BINARY:
                return b""
            if message.data:
                return bytes(message.data)

    async def write(self, data: bytes) -> None:
        """Write."""
        await self._socket.send_bytes(data)

    async def close(self) -> None:
        """End the WebSocket."""
        await self._socket.close()


class Joined:
    """A connection of aiohttp's client after its answer 101."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        opened = answer.connection
        if opened is None or opened.protocol is None or opened.transport is None:
            raise ConnectionResetError("the connection is lost")
        self._opened = opened
        self._reader = asyncio.StreamReader(limit=BUFFER_BYTES)
        self._reader.set_transport(opened.transport)
        opened.protocol.set_parser(_Feed(self._reader), None)
        self._writer = aiohttp.http.StreamWriter(opened.protocol, asyncio.get_running_loop())

    async def read(self) -> bytes:
        """Return what came next."""
        try:
            return await self._reader.read(BUFFER_BYTES)
        except ConnectionError:
            return b""

    async def write(self, data: bytes) -> None:
        """Write."""
        await self._writer.write(data)

    async def close(self) -> None:
        """End the connection."""
        self._opened.close()


async def copy(source: Wire, destination: Wire) -> None:
    """Carry bytes one way to the end."""
    while data := await source.read():
        await destination.write(data)
