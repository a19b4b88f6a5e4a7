"""Callers that are slow, greedy or broken, and containers that end in the middle."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import json
import logging
import time

import pytest

from control.gateway.streams import portforward
from control.gateway.streams.spdy import connection, frames
from node.runtime import interface as runtime
from node.runtime import memory as runtimes
from tests.integration.dispatcher import harness
from tests.support import streaming
from tests.unit.gateway.streams import test_remotecommand

EXEC = f"{streaming.PODS}/web/exec?stdout=true"
V5, V4 = "v5.channel.k8s.io", "v4.channel.k8s.io"
SUCCESS = {"metadata": {}, "status": "Success"}
KILLED = "command terminated with non-zero exit code: 137"
LOOKS = 50
HELD_BYTES = 64 << 20  # for one caller, in buffers of gRPC, of ours and of the kernel (up to 36 MiB if it is busy)
PIECE = bytes(range(256)) * 256


class Talking(runtimes.MemoryRuntime):
    """Execs that write as many pieces as their command says, and then end."""

    def __init__(self) -> None:
        super().__init__(images=[streaming.IMAGE])
        self.taken = 0

    async def exec(self, container: str, options: runtime.ExecOptions) -> runtime.Stream:
        """Start one."""
        if options.command[0] != "pieces":
            return await super().exec(container, options)
        return Pieces(self, int(options.command[1]))


class Sized(runtimes.MemoryRuntime):
    """Execs whose terminal does not take its size; they end once they were told one."""

    async def exec(self, container: str, options: runtime.ExecOptions) -> runtime.Stream:
        """Start one."""
        return Unsizable(Talking(), 0)


class Pieces:
    """A process that writes."""

    def __init__(self, of: Talking, left: int) -> None:
        self._of = of
        self._left = left

    async def read(self) -> runtime.Chunk | None:
        """Return the next piece."""
        if not self._left:
            return None
        await asyncio.sleep(0)
        self._left -= 1
        self._of.taken += 1
        return runtime.Chunk(PIECE)

    async def write(self, data: bytes) -> None:
        """Pass over input."""

    async def close_input(self) -> None:
        """There is none."""

    async def resize(self, width: int, height: int) -> None:
        """There is no terminal."""

    async def exit_code(self) -> int:
        """Return success."""
        return 0

    async def close(self) -> None:
        """Leave."""


class Unsizable(Pieces):
    """A process whose terminal cannot be told its size."""

    def __init__(self, of: Talking, left: int) -> None:
        super().__init__(of, left)
        self._told = asyncio.Event()

    async def read(self) -> runtime.Chunk | None:
        """End once somebody has tried."""
        await self._told.wait()
        return await super().read()

    async def resize(self, width: int, height: int) -> None:
        """Fail."""
        self._told.set()
        raise runtime.Unavailable("podman: POST resize: no answer in time")


async def received(client: connection.Connection, dialled: streaming.Dialled) -> tuple[dict[int, bytes], list[int]]:
    """Return what streams carried, and which were reset, up to the end of the conversation."""
    got: dict[int, bytes] = collections.defaultdict(bytes)
    reset: list[int] = []
    while data := await dialled.read():
        for event in client.receive(data):
            match event:
                case connection.Received(stream, piece):
                    got[stream] += piece
                case connection.Reset(stream):
                    reset.append(stream)
                case connection.GoneAway():
                    return got, reset
    return got, reset


async def test_a_slow_caller_that_pings_has_the_last_words() -> None:
    """What is under way to it when its process has ended is not lost, also where it still sends 3 s later."""
    async with streaming.cluster(containers=Talking()) as made:
        path = f"{EXEC}&command=pieces&command=8"
        _, _, dialled = await streaming.dial_spdy(made.url, path, V4, room=4096)
        client = connection.Connection(server=False)
        error, stdout = (client.open({"streamType": name}) for name in ("error", "stdout"))
        await dialled.write(client.outgoing())
        await made.until_quiet()
        ended = time.monotonic()

        async def probe() -> str:
            left = 3.0 - (time.monotonic() - ended)
            return f"does nothing for another {left:.1f} s" if left > 0 else ""

        await harness.wait_until(probe)
        client.ping()
        await dialled.write(client.outgoing())
        got, _ = await received(client, dialled)
        await dialled.close()

        assert got[stdout] == PIECE * 8
        assert json.loads(got[error]) == SUCCESS


async def test_a_terminal_that_does_not_take_its_size_goes_on() -> None:
    """A command does not fail because Podman was slow to hear of a window."""
    async with streaming.cluster(containers=Sized(images=[streaming.IMAGE])) as made:
        url = f"{made.url}{EXEC}&stdin=true&tty=true&command=sh"
        async with made.http.ws_connect(url, protocols=[V5]) as socket:
            await socket.send_bytes(b'\x04{"Width":80,"Height":24}')
            got = await test_remotecommand.conversation(socket)

        assert json.loads(got[3]) == SUCCESS


@pytest.mark.parametrize("ends", ["exits", "removed"])
async def test_an_exec_in_a_container_that_ends_has_the_status_of_what_was_killed(ends: str) -> None:
    """Its output until then has arrived."""
    async with streaming.cluster() as made:
        async with made.http.ws_connect(f"{made.url}{EXEC}&stdin=true&command=cat", protocols=[V5]) as socket:
            await socket.send_bytes(b"\0said")
            await socket.receive_bytes()
            said = await socket.receive_bytes()
            [container] = await made.runtime.containers()
            if ends == "exits":
                made.runtime.end(container.id, 1)
            else:
                await made.runtime.remove(container.id)
            got = await test_remotecommand.conversation(socket)

        assert said == b"\x01said"
        assert json.loads(got[3])["message"] == KILLED
        await made.until_quiet()


async def test_input_after_its_end_is_passed_over() -> None:
    """Over a WebSocket: the process has had its end, and its output arrives."""
    async with streaming.cluster() as made:
        async with made.http.ws_connect(f"{made.url}{EXEC}&stdin=true&command=cat", protocols=[V5]) as socket:
            for message in (b"\0one", b"\xff\0", b"\0two", b"\xff\0"):
                await socket.send_bytes(message)
            got = await test_remotecommand.conversation(socket)

        assert (got[1], json.loads(got[3])) == (b"one", SUCCESS)


async def test_input_after_its_end_resets_a_stream_of_spdy() -> None:
    """That one alone: output and status arrive."""
    async with streaming.cluster() as made:
        _, _, dialled = await streaming.dial_spdy(made.url, f"{EXEC}&stdin=true&command=cat", V4)
        client, encoder = connection.Connection(server=False), frames.Encoder()
        error, stdin, stdout = (client.open({"streamType": name}) for name in ("error", "stdin", "stdout"))
        await dialled.write(client.outgoing())
        for frame in (frames.Data(stdin, b"one", fin=True), frames.Data(stdin, b"two"), frames.Data(99, b"x")):
            await dialled.write(encoder.encode(frame))
        got, reset = await received(client, dialled)
        await dialled.close()

        assert (got[stdout], json.loads(got[error])) == (b"one", SUCCESS)
        assert reset == [stdin]


async def test_fifty_conversations_go_on_beside_callers_that_never_read() -> None:
    """What is written for those stops once their buffers are full."""
    async with streaming.cluster(containers=Talking()) as made, contextlib.AsyncExitStack() as stack:
        endless = f"{EXEC}&command=pieces&command=1000000"
        for _ in range(5):
            _, _, dialled = await streaming.dial_spdy(made.url, endless, V4, room=4096)
            stack.callback(lambda one=dialled: one.writer.transport.abort())
            client = connection.Connection(server=False)
            for name in ("error", "stdout"):
                client.open({"streamType": name})
            await dialled.write(client.outgoing())
            socket = await stack.enter_async_context(made.http.ws_connect(made.url + endless, protocols=[V5]))
            stack.callback(socket._response.connection.transport.abort)
        before, looks = -1, 0

        async def still() -> str:
            nonlocal before, looks
            before, looks, was = made.runtime.taken, looks + 1, before
            if was != before:
                looks = 0
            return "" if looks == LOOKS else f"{before} pieces were written"

        await harness.wait_until(still, 30.0)

        async def converse(number: int) -> bytes:
            url = f"{made.url}{EXEC}&command=echo&command={number}"
            async with made.http.ws_connect(url, protocols=[V5]) as socket:
                return (await test_remotecommand.conversation(socket))[1]

        got = await asyncio.gather(*(converse(number) for number in range(50)))

        assert got == [f"{number}\n".encode() for number in range(50)]
        assert made.runtime.taken == before
        assert before * len(PIECE) < 10 * HELD_BYTES
    await made.until_quiet()


@pytest.mark.parametrize("upgrade", ["websocket", "SPDY/3.1"])
@pytest.mark.parametrize("what", ["exec?stdout=true&command=pieces&command=9", "portforward?ports=80"])
async def test_a_caller_that_leaves_before_the_upgrade_is_no_fault(
    upgrade: str, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    """However far its request has come by then; nothing is left of it."""
    protocol = "portforward.k8s.io" if what.startswith("port") else V4
    head = (
        f"GET {streaming.PODS}/web/{what} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: {upgrade}\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        f"X-Stream-Protocol-Version: {protocol}\r\n\r\n"
    )
    async with streaming.cluster(containers=Talking()) as made:
        host, port = made.url.removeprefix("http://").split(":")
        for turns in range(60):
            _, writer = await asyncio.open_connection(host, int(port))
            writer.write(head.encode())
            for _ in range(turns):
                await asyncio.sleep(0)
            writer.transport.abort()
        await made.until_quiet()

    assert [one.getMessage() for one in caplog.records if one.levelno >= logging.ERROR] == []


async def test_a_port_that_closes_without_reading_has_its_last_words() -> None:
    """As a server that refuses a body has: the reset that follows ends that connection, without an error."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(1)
        writer.write(b"too large")
        await writer.drain()
        writer.transport.abort()

    async with streaming.cluster() as made, await asyncio.start_server(refuse, "127.0.0.1", 0) as listening:
        made.network.port = listening.sockets[0].getsockname()[1]
        path = f"{streaming.PODS}/web/portforward"
        async with streaming.spdy(made.url, path, portforward.PROTOCOL) as session:
            error = await session.open({"requestID": "1", "port": "80", "streamType": "error"})
            data = await session.open({"requestID": "1", "port": "80", "streamType": "data"})
            for _ in range(16):
                await data.write(PIECE)

            got = [await streaming.read_all(stream.read) for stream in (data, error)]

    assert got == [b"too large", b""]


async def test_a_followed_log_ends_when_its_container_is_removed() -> None:
    """Well: what was written has come, and so has the end."""
    async with streaming.cluster() as made:
        async with made.http.get(f"{made.url}{streaming.PODS}/web/log?follow=true") as answer:
            first = await answer.content.readline()
            [container] = await made.runtime.containers()
            await made.runtime.remove(container.id)
            rest = await answer.content.read()

        assert (first, rest) == (b"started\n", b"")
        await made.until_quiet()
