"""A controller, tested: it runs in the test's own event loop, against the real API."""

import asyncio
import contextlib

import pytest

from fairlead.api import objects
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.client.interface import Client
from fairlead.testing import cluster


async def name_teams(client: Client) -> None:
    """Give every namespace a label `team`, its own name; the controller under test."""
    async for batch in client.watch(corev1.Namespace):
        for event in batch:
            if event.type in ("ADDED", "MODIFIED") and "team" not in event.object.metadata.labels:
                fresh = objects.copy(event.object)
                fresh.metadata.labels["team"] = fresh.metadata.name
                await client.update(fresh)


@pytest.mark.asyncio  # of pytest-asyncio
async def test_a_new_namespace_gets_its_team() -> None:
    """The controller sees a namespace that is made after it has begun."""
    settings = cluster.Settings(scheduler=False, controllers=False)
    async with cluster.serving(settings) as running, running.connect() as client:
        controller = asyncio.create_task(name_teams(client))
        await client.create(corev1.Namespace(metadata={"name": "blue"}))

        async with asyncio.timeout(10):
            async for batch in client.watch(corev1.Namespace):
                if any(event.object.metadata.labels.get("team") == "blue" for event in batch):
                    break

        controller.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await controller
