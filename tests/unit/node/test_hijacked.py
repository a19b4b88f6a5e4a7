"""Connections that become a process' streams, against a service that ends them in every way."""

from __future__ import annotations

import asyncio
import pathlib
import socket
from collections.abc import AsyncIterator, Callable

import pytest

from node.runtime import interface
from node.runtime.podman import streams

ANSWER = b"HTTP/1.1 101 UPGRADED\r\nUpgrade: tcp\r\n\r\n"
Serve = Callable[[socket.socket], None]


@pytest.fixture
async def service(tmp_path: pathlib.Path) -> AsyncIterator[Callable[[Serve], str]]:
    """Start a service that treats its one connection so; returns its socket's path."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "s"))
    listener.listen()
    tasks: list[asyncio.Task[None]] = []

    def serve(treat: Serve) -> None:
        end, _ = listener.accept()
        with end:
            end.recv(65536)
            treat(end)

    def start(treat: Serve) -> str:
        tasks.append(asyncio.create_task(asyncio.to_thread(serve, treat)))
        return str(tmp_path / "s")

    yield start
    await asyncio.gather(*tasks)
    listener.close()


async def test_words_before_a_reset_are_read(service: Callable[[Serve], str]) -> None:
    """Input that nobody reads resets the connection; what was written before it comes all the same."""
    written, closed = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def treat(end: socket.socket) -> None:
        end.sendall(ANSWER + b"last words")
        asyncio.run_coroutine_threadsafe(written.wait(), loop).result()
        end.close()
        loop.call_soon_threadsafe(closed.set)

    connection = await streams.hijack(service(treat), "exec/1/start", {})
    await connection.write(b"never read")
    written.set()
    await closed.wait()

    with pytest.raises(ConnectionError):
        await connection.write(b"more")
    assert await connection.read() == b"last words"
    assert await connection.read() == b""
    connection.end()
    connection.close()


async def test_frames_come_whole_and_a_cut_one_does_not(service: Callable[[Serve], str]) -> None:
    """Frames may come in any pieces; what is left of one that was cut is nothing."""
    frame = b"\x01\0\0\0\0\0\0\x05hello"

    def treat(end: socket.socket) -> None:
        for byte in ANSWER + frame + frame[:-1]:
            end.sendall(bytes([byte]))

    async def resize(width: int, height: int) -> None:
        raise AssertionError("there is no terminal")

    async def exit_code() -> int:
        return 0

    connection = await streams.hijack(service(treat), "exec/1/start", {})
    stream = streams.Hijacked(connection, raw=False, resize=resize, exit_code=exit_code)

    assert await stream.read() == interface.Chunk(b"hello")
    assert await stream.read() is None
    await stream.close()


@pytest.mark.parametrize(
    ("answer", "fault", "text"),
    [
        (b"HTTP/1.1 409 Conflict\r\n\r\n" + b'{"message": "not running"}', interface.Refused, "not running"),
        (b"HTTP/1.1 404 Not Found\r\n\r\n" + b'{"message": "gone"}', interface.NoSuchContainer, "gone"),
        (b"HTTP/1.1 101 UPG", interface.Unavailable, "the connection ended within the answer"),
        (b"", interface.Unavailable, "the connection ended within the answer"),
    ],
)
async def test_an_answer_that_is_no_stream_is_a_fault(
    service: Callable[[Serve], str], answer: bytes, fault: type[Exception], text: str
) -> None:
    """In Podman's words where it has some."""
    path = service(lambda end: end.sendall(answer))

    with pytest.raises(fault, match=text):
        await streams.hijack(path, "exec/1/start", {})


async def test_a_service_that_is_not_there_is_a_fault(tmp_path: pathlib.Path) -> None:
    """As for every other call."""
    with pytest.raises(interface.Unavailable, match=r"podman: POST exec/1/start: .*No such file"):
        await streams.hijack(str(tmp_path / "missing"), "exec/1/start", {})
