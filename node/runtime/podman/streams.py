"""Streams of libpod: events, logs and pulls over aiohttp, exec and attach over a connection of their own.

None of them holds a thread, and each ends when its reader leaves.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
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
_CHUNK_BYTES = 64 << 10
# What Podman puts on stderr where a process has ended without reading its input, which is no error of anybody's.
_LEFT_UNREAD = re.compile(rb"Error: (read|write) unix\S* \S+/attach: \1: (broken pipe|connection reset by peer)\n")
_HEAD_END = b"\r\n\r\n"


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
    async def exactly(size: int) -> bytes:
        try:
            return await content.readexactly(size)
        except asyncio.IncompleteReadError as ended:
            return ended.partial

    async for chunk in _unframe(exactly):
        yield chunk


async def _unframe(read: Callable[[int], Awaitable[bytes]]) -> AsyncIterator[interface.Chunk]:
    """Split framed output; `read` returns as many bytes as it is asked for, fewer at the end."""
    while len(header := await read(_HEADER.size)) == _HEADER.size:
        stream, size = _HEADER.unpack(header)
        if len(data := await read(size)) < size:
            return
        yield interface.Chunk(data, stderr=stream == _STDERR)


class Connection:
    """A connection whose directions fail apart: what has arrived is read, also where nothing can be written any more.

    Whoever ends without having read its input resets the connection; asyncio's streams would drop the last words.
    """

    def __init__(self, end: socket.socket) -> None:
        self._loop = asyncio.get_running_loop()
        self._socket = end
        self._arrived = bytearray()

    @classmethod
    async def open(cls, path: str) -> Connection:
        """Connect to a socket in the file system; OSError."""
        end = socket.socket(socket.AF_UNIX)
        try:
            end.setblocking(False)
            await asyncio.get_running_loop().sock_connect(end, path)
        except BaseException:
            end.close()
            raise
        return cls(end)

    async def read(self) -> bytes:
        """Return what came next; empty at the end, a reset being one."""
        if not self._arrived:
            await self._fill()
        return self._take(len(self._arrived))

    async def exactly(self, size: int) -> bytes:
        """Return so many bytes; fewer at the end."""
        while len(self._arrived) < size and await self._fill():
            pass
        return self._take(min(size, len(self._arrived)))

    async def until(self, separator: bytes, limit: int) -> bytes:
        """Return what comes up to a separator and with it; what there is, at the end or after `limit` bytes."""
        while separator not in self._arrived and len(self._arrived) < limit and await self._fill():
            pass
        found = self._arrived.find(separator)
        return self._take(found + len(separator) if found >= 0 else len(self._arrived))

    async def write(self, data: bytes) -> None:
        """Write all; OSError."""
        await self._loop.sock_sendall(self._socket, data)

    def end(self) -> None:
        """Write no more."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Close both directions."""
        self._socket.close()

    async def _fill(self) -> bool:
        try:
            data = await self._loop.sock_recv(self._socket, _CHUNK_BYTES)
        except ConnectionError:
            return False
        self._arrived += data
        return bool(data)

    def _take(self, size: int) -> bytes:
        taken = bytes(self._arrived[:size])
        del self._arrived[:size]
        return taken


class Hijacked:
    """A connection that has become a process' streams."""

    def __init__(
        self,
        connection: Connection,
        *,
        raw: bool,
        resize: Callable[[int, int], Awaitable[None]],
        exit_code: Callable[[], Awaitable[int]],
    ) -> None:
        self._connection = connection
        self._frames = None if raw else _unframe(connection.exactly)
        self._resize = resize
        self._exit_code = exit_code

    async def read(self) -> interface.Chunk | None:
        """Return what came next."""
        if self._frames is not None:
            chunk = await anext(self._frames, None)
            return chunk if chunk is None or not _LEFT_UNREAD.fullmatch(chunk.data) else await self.read()
        data = await self._connection.read()
        return interface.Chunk(data) if data else None

    async def write(self, data: bytes) -> None:
        """Write to the standard input; what cannot take it any more is no error."""
        with contextlib.suppress(ConnectionError):
            await self._connection.write(data)

    async def close_input(self) -> None:
        """End the standard input."""
        self._connection.end()

    async def resize(self, width: int, height: int) -> None:
        """Tell the terminal its size."""
        await self._resize(width, height)

    async def exit_code(self) -> int:
        """Return the process' exit status."""
        return await self._exit_code()

    async def close(self) -> None:
        """Close the connection."""
        self._connection.close()


async def hijack(service: str, path: str, body: object = None) -> Connection:
    """Make a call that turns its connection into a stream of bytes in both directions."""
    # Without a body there must be no byte of one: attach would hand it to the process.
    content = orjson.dumps(body) if body is not None else b""
    head = (
        f"POST {_PREFIX}/{path} HTTP/1.1\r\nHost: podman\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            connection = await Connection.open(service)
    except (OSError, TimeoutError) as error:
        raise interface.Unavailable(f"podman: POST {path}: {error}") from error
    try:
        await _ask(connection, path, head.encode() + content)
    except BaseException:
        connection.close()
        raise
    return connection


async def _ask(connection: Connection, path: str, request: bytes) -> None:
    """Make a request and read the head of its answer, after which the connection is the process'."""
    try:
        async with asyncio.timeout(calls.PROCESS.seconds):
            await connection.write(request)
            answer = await connection.until(_HEAD_END, _LINE_BYTES)
    except (OSError, TimeoutError) as error:
        raise interface.Unavailable(f"podman: POST {path}: {error}") from error
    if not answer.endswith(_HEAD_END):
        raise interface.Unavailable(f"podman: POST {path}: the connection ended within the answer")
    status = int(answer.split(b" ", 2)[1])
    if status not in (101, 200):
        raise calls.fault(status, await connection.read(), interface.NoSuchContainer)


async def events(http: Http) -> AsyncIterator[interface.Event]:
    """Iterate over the changes of our containers."""
    async for line in http.lines("GET", EVENTS, {"stream": "true", "filters": '{"type":["container"]}'}):
        if not line:
            yield interface.Event("subscribed")
        elif (event := records.event(orjson.loads(line))) is not None:
            yield event
    raise interface.Unavailable("podman: the event stream ended")
