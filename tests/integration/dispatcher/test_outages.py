"""The store is gone, and comes back."""

from __future__ import annotations

import asyncio

from tests.integration.dispatcher import harness


async def test_sessions_outlive_the_store() -> None:
    """While etcd is away sessions stay and nobody is declared; what was reported meanwhile is written afterwards."""
    async with harness.world() as world:
        control = await world.control("one")
        made = world.agent("node-1", control)
        await harness.until_ready(control.client, "node-1")
        await harness.create_pod(control.client, "web", "node-1")
        await harness.until_phase(control.client, "web", "Running")
        pod, status = made.pods.statuses()[0]
        status.phase = "Succeeded"

        world.store.available = False
        made.reports.status(pod, status)
        await asyncio.sleep(3 * harness.GRACE_SECONDS)  # that something does not happen takes time to see
        held = control.dispatcher.session_of("node-1")
        world.store.available = True

        assert held is not None
        assert held.epoch == 1
        await harness.until_phase(control.client, "web", "Succeeded")
        await harness.until_ready(control.client, "node-1")


async def test_node_that_dies_while_the_store_is_away_is_declared_when_it_is_back() -> None:
    """The judgement waits for the API."""
    async with harness.world() as world:
        control = await world.control("one")
        world.agent("node-1", control)
        await harness.until_ready(control.client, "node-1")

        world.store.available = False
        await world.kill_agent("node-1")
        await asyncio.sleep(2 * harness.GRACE_SECONDS)  # the grace ends meanwhile
        world.store.available = True

        await harness.until_ready(control.client, "node-1", "Unknown", 5.0)
