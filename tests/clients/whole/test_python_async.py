"""The official Python client in its asynchronous form."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from kubernetes import aio

from fairlead.testing import cluster as testing


@pytest.fixture
async def core(cluster: testing.Threaded) -> AsyncIterator[Any]:
    """The core API."""
    client = await aio.config.new_client_from_config(str(cluster.kubeconfig))
    async with client:
        yield aio.client.CoreV1Api(client)


async def test_a_pod_is_made_watched_and_deleted(core: Any) -> None:
    """Until it runs, and until it is gone."""
    body = {"metadata": {"name": "web"}, "spec": {"containers": [{"name": "main", "image": "web:1"}]}}

    made = await core.create_namespaced_pod("default", body)
    seen = []
    async with aio.watch.Watch().stream(
        core.list_namespaced_pod, "default", resource_version=made.metadata.resource_version, timeout_seconds=30
    ) as events:
        async for event in events:
            seen.append((event["type"], event["object"].status.phase))
            if seen[-1] == ("MODIFIED", "Running"):
                await core.delete_namespaced_pod("web", "default")
            if seen[-1][0] == "DELETED":
                break

    assert seen[-1][0] == "DELETED"
    assert (await core.list_namespaced_pod("default")).items == []


async def test_a_refusal_is_an_exception_with_kubernetes_words(core: Any) -> None:
    """As in the blocking client."""
    with pytest.raises(aio.client.ApiException) as caught:
        await core.read_namespaced_pod("nothing", "default")

    assert (caught.value.status, 'pods \\"nothing\\" not found' in caught.value.body) == (404, True)
