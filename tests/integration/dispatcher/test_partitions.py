"""Connections that go silent without being closed, as when a link is cut."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys

from tests.integration.dispatcher import cut, harness


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

    async def __aenter__(self) -> Cuttable:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.endpoint = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
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
        for source, target in ((reader, there_writer), (there_reader, writer)):
            task = asyncio.create_task(self._pass(source, target))
            self._tasks.add(task)

    async def _pass(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await source.read(65536):
                await self._whole.wait()
                target.write(data)
                await target.drain()
        target.close()


def test_agent_behind_a_cut_link_has_another_session_within_3_s() -> None:
    """TCP gives up what nobody acknowledges before the node's grace of 3 s ends."""
    command = ["unshare", "--net", "sh", "-c", f"ip link set lo up; {sys.executable} -m {cut.__name__}"]

    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)

    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 3.0


async def test_agent_leaves_a_control_process_that_hangs() -> None:
    """TCP still acknowledges, but heartbeats are not answered: after 15 of them the agent goes elsewhere."""
    async with harness.world() as world:
        first, second = await world.control("one"), await world.control("two")
        async with Cuttable(first.endpoint) as cable:
            first.endpoint = cable.endpoint
            made = world.agent("node-1", first)
            await made.session.synced.wait()
            made.session.endpoints.learn([cable.endpoint, second.endpoint])

            cable.cut()

            async def probe() -> str:
                return "" if second.dispatcher.session_of("node-1") else "no session with the second process"

            await harness.wait_until(probe, 3.0)
            await harness.until_ready(second.client, "node-1")


async def test_node_behind_a_cut_link_is_declared_and_comes_back_when_it_heals() -> None:
    """Its only control process declares it within a grace; after the link heals it is Ready again."""
    async with harness.world() as world:
        control = await world.control("one")
        async with Cuttable(control.endpoint) as cable:
            control.endpoint = cable.endpoint
            world.agent("node-1", control)
            await harness.until_ready(control.client, "node-1")

            cable.cut()
            await harness.until_ready(control.client, "node-1", "Unknown", 3.0)
            cable.heal()

            await harness.until_ready(control.client, "node-1")
