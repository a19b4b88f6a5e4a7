"""TCP relays between a test's agents and its control processes, which do what networks and
busy hosts do.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import Self

# What the kernel keeps for a connection that nobody reads, roughly.
ROOM_BYTES = 16 << 10
TAKEN_BYTES = 1 << 20


class Cuttable:
    """A TCP relay to a port. Once `cut`, nothing passes and nothing is closed."""

    def __init__(self, endpoint: str) -> None:
        host, _, port = endpoint.rpartition(":")
        self._target = (host, int(port))
        self._whole = asyncio.Event()
        self._whole.set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: list[asyncio.StreamWriter] = []
        self._server: asyncio.Server
        self.endpoint = ""

    async def __aenter__(self) -> Self:
        listening = socket.create_server(("127.0.0.1", 0))
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, ROOM_BYTES)
        self._server = await asyncio.start_server(self._accept, sock=listening)
        self.endpoint = f"127.0.0.1:{listening.getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for writer in self._writers:
            writer.close()

    def cut(self) -> None:
        """Let nothing pass."""
        self._whole.clear()

    def heal(self) -> None:
        """Let all pass that waits."""
        self._whole.set()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._whole.wait()
        there_reader, there_writer = await asyncio.open_connection(*self._target)
        self._writers += [writer, there_writer]
        for passing in (self._from_agent(reader, there_writer), self._pass(there_reader, writer)):
            self._tasks.add(asyncio.create_task(passing))

    async def _from_agent(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        await self._pass(source, target)

    async def _pass(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await source.read(65536):
                await self._whole.wait()
                target.write(data)
                await target.drain()
        target.close()


class Choked(Cuttable):
    """A relay that takes a mebibyte of each connection of an agent's, and then nothing more until it is `released`.

    The kernel acknowledges what it has room for, and then announces that there is none.
    """

    def __init__(self, endpoint: str) -> None:
        super().__init__(endpoint)
        self.choked = asyncio.Event()
        self.released = asyncio.Event()

    async def _from_agent(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        left = TAKEN_BYTES
        with contextlib.suppress(ConnectionError):
            while left > 0 and (data := await source.read(65536)):
                left -= len(data)
                target.write(data)
                await target.drain()
        if left <= 0:
            self.choked.set()
            await self.released.wait()
        await self._pass(source, target)
