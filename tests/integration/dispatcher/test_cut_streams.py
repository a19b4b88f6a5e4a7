"""Streams whose caller or whose process leaves while the other side still has something to say."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator

import grpc
import pytest

from fairlead.api.pb import agent_pb2 as agent
from fairlead.api.pb import cluster_pb2 as cluster
from fairlead.testing import nodes
from node.agent import link
from node.runtime import interface
from node.runtime import memory as runtimes
from tests.integration.dispatcher import harness
from tests.support import streaming


class Deaf(runtimes.MemoryRuntime):
    """Execs that never take their input nor say anything."""

    def __init__(self) -> None:
        super().__init__(images=[streaming.IMAGE])
        self.open: set[DeafStream] = set()

    async def exec(self, container: str, options: interface.ExecOptions) -> interface.Stream:
        """Start one."""
        made = DeafStream(self.open)
        self.open.add(made)
        return made


class DeafStream:
    """A process that sleeps."""

    def __init__(self, open_: set[DeafStream]) -> None:
        self._open = open_

    async def read(self) -> interface.Chunk | None:
        """Say nothing."""
        await asyncio.Event().wait()
        return None

    async def write(self, data: bytes) -> None:
        """Take nothing."""
        await asyncio.Event().wait()

    async def close_input(self) -> None:
        """Nothing was taken."""

    async def resize(self, width: int, height: int) -> None:
        """There is no terminal."""

    async def exit_code(self) -> int:
        """Return nothing's status."""
        return 0

    async def close(self) -> None:
        """Leave."""
        self._open.discard(self)


async def flood() -> AsyncIterator[cluster.ClientFrame]:
    """Send more than every buffer holds."""
    while True:
        yield cluster.ClientFrame(data=bytes(32 << 10))


async def test_a_caller_that_leaves_with_input_held_back_leaves_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """The node learns that its caller has gone although it reads nothing more of it; nothing is wrong with that."""
    deaf = Deaf()
    async with streaming.cluster(containers=deaf) as made:
        start = cluster.StreamStart(namespace="default", pod="web", command=["x"], stdin=True, stdout=True)
        output = made.control.relay.exec(start, flood())
        await anext(output)
        exchanges = made.control.dispatcher.exchanges

        seen = 0

        async def full() -> str:
            nonlocal seen
            (exchange,) = exchanges._open.values()
            seen = seen + 1 if len(exchange.to_agent._items) == 16 else 0
            return "" if seen == 25 else "what is sent is still taken"

        await harness.wait_until(full)
        await output.aclose()  # type: ignore[attr-defined]

        async def probe() -> str:
            return f"{len(deaf.open)} processes are still open" if deaf.open else ""

        await harness.wait_until(probe)
        await made.until_quiet()

    assert [one.getMessage() for one in caplog.records if one.levelno >= logging.ERROR] == []


async def test_a_call_ends_although_its_first_write_was_cut_off(caplog: pytest.LogCaptureFixture) -> None:
    """The headers that would go with a first frame have gone before: without them no status could follow."""
    async with harness.world() as world:
        control = await world.control("one")
        exchanges = control.dispatcher.exchanges
        async with nodes.Link(world.authority, "node-1").channel(control.endpoint, link.STREAMS) as channel:
            for _ in range(20):
                exchange = exchanges.open("node-1")
                call = link.Stub(channel).stream()
                await call.write(agent.AgentFrame(id=exchange.id))
                await exchange.arrived.wait()

                await exchange.to_agent.put(cluster.ClientFrame(data=bytes(1 << 20)))
                exchanges.close(exchange)
                await call.done_writing()

                async with asyncio.timeout(harness.GIVE_UP_SECONDS):
                    while await call.read() is not link.EOF:
                        pass
                    assert await call.code() is grpc.StatusCode.OK

    assert [one.getMessage() for one in caplog.records if one.levelno >= logging.ERROR] == []
