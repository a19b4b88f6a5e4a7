"""Control processes that live and are too busy to read what a node sends them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

from fairlead.api.pb import cluster_pb2 as cluster
from tests.integration.dispatcher import cables, harness, test_streams

# Longer than TCP bears it on the session's connection (node.agent.link).
BUSY_SECONDS = 3.0
MESSAGE = bytes(range(256)) * 128


async def test_a_session_outlasts_an_agent_that_was_stopped() -> None:
    """Its patience is with the control process, whose answers have waited for it."""
    async with harness.world() as world:
        control = await world.control("one", grace_seconds=20.0)
        made = world.agent("node-1", control)
        await made.session.synced.wait()
        held = control.dispatcher.session_of("node-1")

        time.sleep(2 * 15 * harness.HEARTBEAT_SECONDS)  # noqa: ASYNC251 - nothing in this process does anything
        await asyncio.sleep(6 * harness.HEARTBEAT_SECONDS)  # that something does not happen takes time to see

        assert control.dispatcher.session_of("node-1") is held


async def test_megabytes_outlast_a_control_process_that_does_not_read_for_3_s() -> None:
    """TCP gives up a connection that has no room after its user timeout, which the session's bears for 1.5 s only."""

    async def sent() -> AsyncIterator[cluster.ClientFrame]:
        for _ in range(256):
            yield cluster.ClientFrame(data=MESSAGE)
        yield cluster.ClientFrame(end=True)

    async with harness.world() as world:
        control = await world.control("one", grace_seconds=20.0)
        async with cables.Choked(control.endpoint) as relay:
            control.endpoint = relay.endpoint
            await test_streams.running_on(world, control)
            held = control.dispatcher.session_of("node-1")
            output = control.relay.exec(test_streams.command("cat", stdin=True), sent())

            async def collected() -> list[cluster.ServerFrame]:
                return [frame async for frame in output]

            collecting = asyncio.create_task(collected())
            await relay.choked.wait()
            begun = time.monotonic()

            async def probe() -> str:
                left = BUSY_SECONDS - (time.monotonic() - begun)
                return f"to be busy for another {left:.1f} s" if left > 0 and not collecting.done() else ""

            await harness.wait_until(probe)
            relay.released.set()
            got = await collecting

            assert b"".join(frame.data for frame in got) == MESSAGE * 256
            assert got[-1].status.status == "Success"
            assert control.dispatcher.session_of("node-1") is held
