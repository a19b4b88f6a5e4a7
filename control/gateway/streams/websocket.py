"""Channels over a WebSocket: each message begins with the number of its channel.

In the base64 variants a message is text: a digit, then the data encoded.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import struct
from collections.abc import AsyncIterator, Sequence

from aiohttp import web

from control.gateway.streams import channels, terminal, upgrade
from fairlead import supervise
from fairlead.api.pb import cluster_pb2 as cluster

STDIN, STDOUT, STDERR, ERROR, RESIZE, CLOSE = 0, 1, 2, 3, 4, 255


class Messages:
    """A WebSocket's messages, by channel."""

    def __init__(self, socket: web.WebSocketResponse, offer: upgrade.Offer) -> None:
        self._socket = socket
        self._encoded = offer.encoded

    async def receive(self) -> tuple[int, bytes] | None:
        """Return the next message's channel and data; None once the caller has gone or sent nonsense."""
        while True:
            message = await self._socket.receive()
            if message.type is web.WSMsgType.BINARY or message.type is web.WSMsgType.TEXT:
                read = self._read(message.data)
                if read is not None:
                    return read
            else:
                return None

    def _read(self, data: str | bytes) -> tuple[int, bytes] | None:
        raw = data.encode() if isinstance(data, str) else data
        if not raw:
            return None
        if not self._encoded:
            return raw[0], raw[1:]
        try:
            data = base64.b64decode(raw[1:], validate=True)
        except binascii.Error:
            return None
        channel = raw[0] - ord("0")
        return (channel, data) if channel >= 0 else None

    async def send(self, channel: int, data: bytes) -> None:
        """Send data on a channel."""
        if self._encoded:
            await self._socket.send_str(chr(ord("0") + channel) + base64.b64encode(data).decode())
        else:
            await self._socket.send_bytes(bytes((channel,)) + data)

    async def ping(self) -> None:
        """Ping for ever; ConnectionError once the caller has gone."""
        while True:
            await asyncio.sleep(channels.PING_SECONDS)
            await self._socket.ping()

    async def close(self) -> None:
        """Say good-bye."""
        await self._socket.close()


class RemoteCommand:
    """The channels of exec and attach."""

    def __init__(self, messages: Messages, protocol: str, start: cluster.StreamStart) -> None:
        self._messages = messages
        self._protocol = protocol
        self._start = start
        self._queue: asyncio.Queue[cluster.ClientFrame] = asyncio.Queue(channels.QUEUED_FRAMES)
        self._sizes = bytearray()
        self._ended = not start.stdin

    async def open(self) -> None:
        """Tell the caller that the stream is there, by an empty message on the first channel that it reads."""
        first = STDOUT if self._start.stdout else STDERR if self._start.stderr else ERROR
        await self._messages.send(first, b"")

    async def frames(self) -> AsyncIterator[cluster.ClientFrame]:
        """Iterate over what the caller sends."""
        while True:
            yield await self._queue.get()

    async def send(self, frame: cluster.ServerFrame) -> None:
        """Send output or the final status."""
        match frame.WhichOneof("frame"):
            case "data" if frame.data and self._start.stdout:
                await self._messages.send(STDOUT, frame.data)
            case "stderr" if frame.stderr and self._start.stderr:
                await self._messages.send(STDERR, frame.stderr)
            case "status":
                if said := terminal.result(frame.status, self._protocol):
                    await self._messages.send(ERROR, said)

    async def finish(self) -> None:
        """Close the WebSocket."""
        await self._messages.close()

    async def gone(self) -> None:
        """Read until the caller has gone."""
        await supervise.first_of(self._read(), self._messages.ping())

    async def _read(self) -> None:
        while (message := await self._messages.receive()) is not None:
            for frame in self._taken(*message):
                await self._queue.put(frame)

    def _taken(self, channel: int, data: bytes) -> Sequence[cluster.ClientFrame]:
        if channel == STDIN and not self._ended:
            return channels.data_frames(data)
        if channel == RESIZE:
            self._sizes += data
            return terminal.sizes(self._sizes)
        if channel == CLOSE and data[:1] == bytes((STDIN,)) and not self._ended and self._protocol[:3] == "v5.":
            self._ended = True
            return [cluster.ClientFrame(end=True)]
        return ()


class Ports:
    """Port-forward: two channels a port, data and errors, each of which first says the port's number."""

    def __init__(self, messages: Messages, ports: Sequence[int]) -> None:
        self._messages = messages
        self.ports = [Port(messages, index, port) for index, port in enumerate(ports)]

    async def open(self) -> None:
        """Say which channel is which port's."""
        for port in self.ports:
            number = struct.pack("<H", port.port)
            await self._messages.send(port.data, number)
            await self._messages.send(port.error, number)

    async def run(self) -> None:
        """Read until the caller has gone."""
        await supervise.first_of(self._read(), self._messages.ping())

    async def _read(self) -> None:
        while (message := await self._messages.receive()) is not None:
            channel, data = message
            if channel % 2 == 0 and channel // 2 < len(self.ports):
                await self.ports[channel // 2].take(data)

    async def close(self) -> None:
        """Close the WebSocket."""
        await self._messages.close()


class Port:
    """The channels of one forwarded port."""

    def __init__(self, messages: Messages, index: int, port: int) -> None:
        self.port = port
        self.data, self.error = 2 * index, 2 * index + 1
        self._messages = messages
        self._queue: asyncio.Queue[cluster.ClientFrame] = asyncio.Queue(channels.QUEUED_FRAMES)
        self._over = asyncio.Event()

    async def take(self, data: bytes) -> None:
        """Take data of the caller's, waiting for room; dropped once the connection is over."""
        for frame in channels.data_frames(data):
            if not self._over.is_set():
                await supervise.first_of(self._queue.put(frame), self._over.wait())

    async def frames(self) -> AsyncIterator[cluster.ClientFrame]:
        """Iterate over what the caller sends to the port."""
        while True:
            yield await self._queue.get()

    async def send(self, frame: cluster.ServerFrame) -> None:
        """Send bytes of the port, or why there are none."""
        if frame.data:
            await self._messages.send(self.data, frame.data)
        elif frame.WhichOneof("frame") == "status":
            await self._messages.send(self.error, frame.status.message.encode())

    async def finish(self) -> None:
        """Take no more data; a WebSocket has no half-close of one channel."""
        self._over.set()

    async def gone(self) -> None:
        """Wait for ever: `Ports.run` knows when the caller has gone."""
        await asyncio.Event().wait()
