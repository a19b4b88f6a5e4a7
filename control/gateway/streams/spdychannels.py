"""Channels over SPDY: a stream each, told apart by the header `streamType`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from control.gateway.streams import channels, requests, terminal
from control.gateway.streams import session as sessions
from fairlead import supervise
from fairlead.api.pb import cluster_pb2 as cluster

CREATION_SECONDS = 30.0  # for a caller to open the streams that its query asks for
STREAM_TYPE, REQUEST_ID, PORT = "streamtype", "requestid", "port"
STDIN, STDOUT, STDERR, ERROR, RESIZE, DATA = "stdin", "stdout", "stderr", "error", "resize", "data"


class RemoteCommand:
    """The channels of exec and attach."""

    def __init__(self, session: sessions.Session, protocol: str, start: cluster.StreamStart) -> None:
        self._session = session
        self._protocol = protocol
        asked = {STDIN: start.stdin, STDOUT: start.stdout, STDERR: start.stderr and not start.tty, ERROR: True}
        self._wanted = {name for name, wanted in asked.items() if wanted}
        self._streams: dict[str, sessions.Stream] = {}
        self._ready = asyncio.Event()
        self._queue: asyncio.Queue[cluster.ClientFrame] = asyncio.Queue(channels.QUEUED_FRAMES)

    async def frames(self) -> AsyncIterator[cluster.ClientFrame]:
        """Iterate over what the caller sends."""
        while True:
            yield await self._queue.get()

    async def send(self, frame: cluster.ServerFrame) -> None:
        """Send output or the final status, once the caller has opened its streams."""
        await self._ready.wait()
        match frame.WhichOneof("frame"):
            case "data" if frame.data and STDOUT in self._streams:
                await self._streams[STDOUT].write(frame.data)
            case "stderr" if frame.stderr and STDERR in self._streams:
                await self._streams[STDERR].write(frame.stderr)
            case "status":
                if said := terminal.result(frame.status, self._protocol):
                    await self._streams[ERROR].write(said)

    async def finish(self) -> None:
        """End every stream, then the connection."""
        for stream in self._streams.values():
            await stream.end()
        await self._session.finish()

    async def gone(self) -> None:
        """Read until the caller has gone, or has not opened its streams in time."""
        await supervise.first_of(self._session.run(), self._collect())

    async def _collect(self) -> None:
        readers: list[asyncio.Task[None]] = []
        try:
            async with asyncio.timeout(CREATION_SECONDS) as patience:
                while (stream := await self._session.begun()) is not None:
                    await self._take(stream, readers)
                    if self._wanted <= self._streams.keys():
                        self._ready.set()
                        patience.reschedule(None)
        except TimeoutError:
            return
        finally:
            for reader in readers:
                reader.cancel()
            await asyncio.gather(*readers, return_exceptions=True)

    async def _take(self, stream: sessions.Stream, readers: list[asyncio.Task[None]]) -> None:
        kind = stream.headers.get(STREAM_TYPE, "")
        if kind not in {*self._wanted, RESIZE} or kind in self._streams:
            await stream.reset()
            return
        self._streams[kind] = stream
        await stream.accept()
        if kind == STDIN:
            readers.append(asyncio.create_task(self._read_input(stream), name="spdy stdin"))
        elif kind == RESIZE:
            readers.append(asyncio.create_task(self._read_sizes(stream), name="spdy resize"))
        else:
            await stream.ignore()

    async def _read_input(self, stream: sessions.Stream) -> None:
        while data := await stream.read():
            for frame in channels.data_frames(data):
                await self._queue.put(frame)
        await self._queue.put(cluster.ClientFrame(end=True))

    async def _read_sizes(self, stream: sessions.Stream) -> None:
        buffer = bytearray()
        while data := await stream.read():
            buffer += data
            for frame in terminal.sizes(buffer):
                await self._queue.put(frame)


class Pair:
    """The channels of one forwarded connection: a stream of data and one of errors."""

    def __init__(self, port: int, data: sessions.Stream, error: sessions.Stream) -> None:
        self.port = port
        self._data = data
        self._error = error

    async def frames(self) -> AsyncIterator[cluster.ClientFrame]:
        """Iterate over what the caller sends; its end is a half-close."""
        while data := await self._data.read():
            for frame in channels.data_frames(data):
                yield frame

    async def send(self, frame: cluster.ServerFrame) -> None:
        """Send bytes of the port, its half-close, or why there are none."""
        match frame.WhichOneof("frame"):
            case "data" if frame.data:
                await self._data.write(frame.data)
            case "end":
                await self._data.end()
            case "status":
                await self._error.write(frame.status.message.encode())

    async def finish(self) -> None:
        """End both streams; what the caller still sends goes nowhere."""
        await self._data.ignore()
        await self._error.ignore()
        await self._data.end()
        await self._error.end()

    async def gone(self) -> None:
        """Wait until the caller has reset the data or has gone."""
        await self._data.over.wait()


class Pairs:
    """Puts together the streams that a caller opens for connections, by `requestID`."""

    def __init__(self, session: sessions.Session) -> None:
        self._session = session
        self._waiting: dict[str, tuple[float, sessions.Stream]] = {}

    async def next(self) -> Pair | None:
        """Return the next pair that is complete; None once the caller has gone."""
        while (stream := await self._session.begun()) is not None:
            kind, port = stream.headers.get(STREAM_TYPE, ""), requests.port_of(stream.headers.get(PORT, ""))
            if kind not in (DATA, ERROR) or port is None:
                await stream.reset()
                continue
            await self._forget()
            key = stream.headers.get(REQUEST_ID) or str(stream.number - (2 if kind == DATA else 0))
            known = self._waiting.pop(key, None)
            if known is not None and known[1].headers[STREAM_TYPE] == kind:
                await stream.reset()
                await known[1].reset()
                continue
            await stream.accept()
            if known is None:
                self._waiting[key] = asyncio.get_running_loop().time(), stream
                continue
            data, error = (stream, known[1]) if kind == DATA else (known[1], stream)
            return Pair(port, data, error)
        return None

    async def _forget(self) -> None:
        """Reset the streams whose partner did not come, and drop those that the caller has reset."""
        now = asyncio.get_running_loop().time()
        for key in [key for key, (_, stream) in self._waiting.items() if stream.over.is_set()]:
            del self._waiting[key]
        late = [key for key, (since, _) in self._waiting.items() if now - since > CREATION_SECONDS]
        for key in late:
            await self._waiting.pop(key)[1].reset()
