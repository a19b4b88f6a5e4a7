"""Streams of libpod: events, logs and pulls over aiohttp, exec and attach over a connection of their own.

None of them holds a thread, and each ends when its reader leaves.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import TypeVar

import aiohttp
import orjson

from node.runtime import interface
from node.runtime.podman import calls, records

CONNECT_SECONDS = 5.0
EVENTS = "events"
T = TypeVar("T")
_HEADER = struct.Struct(">BxxxL")
_STDERR = 2
_PREFIX = f"/v{calls.API_VERSION}/libpod"
# A line of an event or of a pull's progress is small; an event with many labels is not.
_LINE_BYTES = 1 << 20


class Http:
    """libpod over aiohttp."""

    def __init__(self, socket: str) -> None:
        self._socket = socket
        self._session: aiohttp.ClientSession | None = None

    async def lines(
        self,
        method: str,
        path: str,
        params: Mapping[str, str],
        *,
        headers: Mapping[str, str] | None = None,
        missing: type[interface.RuntimeFault] = interface.NoSuchContainer,
    ) -> AsyncIterator[bytes]:
        """Iterate over an answer's lines; the first item is empty and says that the service has answered."""
        async for chunk in self._content(method, path, params, headers or {}, missing, _by_line):
            yield chunk

    async def chunks(self, path: str, params: Mapping[str, str], *, raw: bool) -> AsyncIterator[interface.Chunk]:
        """Iterate over a container's output, framed by stream or (of a terminal) raw."""
        split = _raw if raw else _framed
        async for chunk in self._content("GET", path, params, {}, interface.NoSuchContainer, split):
            if isinstance(chunk, interface.Chunk):
                yield chunk

    async def wait(self, container: str, seconds: float) -> bool:
        """Wait until a container has ended; False where it has not after this long."""
        params = {"condition": "exited", "interval": "50ms"}
        timeout = aiohttp.ClientTimeout(total=max(seconds, 0.05))
        url = f"http://podman{_PREFIX}/containers/{container}/wait"
        try:
            async with self._open().post(url, params=params, timeout=timeout) as answer:
                content = await answer.read()
                if answer.status >= 400 and answer.status != 404:
                    raise calls.fault(answer.status, content, interface.NoSuchContainer)
                return True
        except TimeoutError:
            return False
        except (aiohttp.ClientError, OSError) as error:
            raise interface.Unavailable(f"podman: wait for {container}: {error}") from error

    async def close(self) -> None:
        """Close every stream."""
        if self._session is not None:
            await self._session.close()

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.UnixConnector(path=self._socket, limit=0)
            timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS)
            self._session = aiohttp.ClientSession(connector=connector, timeout=timeout, read_bufsize=_LINE_BYTES)
        return self._session

    async def _content(
        self,
        method: str,
        path: str,
        params: Mapping[str, str],
        headers: Mapping[str, str],
        missing: type[interface.RuntimeFault],
        split: Callable[[aiohttp.StreamReader], AsyncIterator[T]],
    ) -> AsyncIterator[T]:
        try:
            url = f"http://podman{_PREFIX}/{path}"
            async with contextlib.AsyncExitStack() as stack:
                # Events are answered at once; a log only when there is a line, a pull when there is progress.
                async with asyncio.timeout(calls.QUERY.seconds if path == EVENTS else None):
                    request = self._open().request(method, url, params=params, headers=headers)
                    answer = await stack.enter_async_context(request)
                if answer.status >= 400:
                    raise calls.fault(answer.status, await answer.read(), missing)
                async for item in split(answer.content):
                    yield item
        except (aiohttp.ClientError, OSError) as error:
            why = str(error) or "no answer in time"
            raise interface.Unavailable(f"podman: {method} {path}: {why}") from error


async def _by_line(content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    yield b""
    async for line in content:
        if line.strip():
            yield line


async def _raw(content: aiohttp.StreamReader) -> AsyncIterator[interface.Chunk]:
    async for data in content.iter_any():
        yield interface.Chunk(data)


async def _framed(content: aiohttp.StreamReader) -> AsyncIterator[interface.Chunk]:
    async for chunk in _unframe(content.readexactly):
        yield chunk


async def _unframe(read: Callable[[int], Awaitable[bytes]]) -> AsyncIterator[interface.Chunk]:
    while True:
        try:
            stream, size = _HEADER.unpack(await read(_HEADER.size))
            data = await read(size)
        except asyncio.IncompleteReadError:
            return
        yield interface.Chunk(data, stderr=stream == _STDERR)


class Hijacked:
    """A connection that has become a process' streams."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        raw: bool,
        resize: Callable[[int, int], Awaitable[None]],
        exit_code: Callable[[], Awaitable[int]],
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._frames = None if raw else _unframe(reader.readexactly)
        self._resize = resize
        self._exit_code = exit_code

    async def read(self) -> interface.Chunk | None:
        """Return what came next."""
        if self._frames is not None:
            return await anext(self._frames, None)
        data = await self._reader.read(64 * 1024)
        return interface.Chunk(data) if data else None

    async def write(self, data: bytes) -> None:
        """Write to the standard input; what cannot take it any more is no error."""
        try:
            self._writer.write(data)
            await self._writer.drain()
        except ConnectionError:
            return

    async def close_input(self) -> None:
        """End the standard input."""
        if self._writer.can_write_eof() and not self._writer.is_closing():
            self._writer.write_eof()

    async def resize(self, width: int, height: int) -> None:
        """Tell the terminal its size."""
        await self._resize(width, height)

    async def exit_code(self) -> int:
        """Return the process' exit status."""
        return await self._exit_code()

    async def close(self) -> None:
        """Close the connection."""
        self._writer.close()


async def hijack(socket: str, path: str, body: object = None) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Make a call that turns its connection into a stream of bytes in both directions."""
    # Without a body there must be no byte of one: attach would hand it to the process.
    content = orjson.dumps(body) if body is not None else b""
    head = (
        f"POST {_PREFIX}/{path} HTTP/1.1\r\nHost: podman\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            reader, writer = await asyncio.open_unix_connection(socket)
        writer.write(head.encode() + content)
        async with asyncio.timeout(calls.PROCESS.seconds):
            answer = await reader.readuntil(b"\r\n\r\n")
    except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
        raise interface.Unavailable(f"podman: POST {path}: {error}") from error
    status = int(answer.split(b" ", 2)[1])
    if status not in (101, 200):
        rest = await reader.read(_LINE_BYTES)
        writer.close()
        raise calls.fault(status, rest, interface.NoSuchContainer)
    return reader, writer


async def events(http: Http) -> AsyncIterator[interface.Event]:
    """Iterate over the changes of our containers."""
    async for line in http.lines("GET", EVENTS, {"stream": "true", "filters": '{"type":["container"]}'}):
        if not line:
            yield interface.Event("subscribed")
        elif (event := records.event(orjson.loads(line))) is not None:
            yield event
    raise interface.Unavailable("podman: the event stream ended")
