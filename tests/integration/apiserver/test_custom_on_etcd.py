"""Custom resources on a real etcd: the clients' contract, and two API servers on one store."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from control.apiserver.server import ApiServer
from control.store.etcd import EtcdStore
from fairlead.api import custom, errors
from fairlead.testing import control
from tests.contract.client.test_custom import *  # noqa: F403 - the same suite, other fixtures
from tests.support import definitions, etcd


@pytest.fixture
async def other(api: ApiServer, etcd_cluster: etcd.Cluster) -> AsyncIterator[ApiServer]:
    """Another API server on the same etcd."""
    store = EtcdStore(etcd_cluster.urls)
    async with control.memory_api(store) as made:
        yield made
    await store.close()


async def test_a_kind_defined_through_one_process_is_served_by_all(api: ApiServer, other: ApiServer) -> None:
    """As soon as it is established, any process reads, writes and watches its objects."""
    first, second = (each.as_user("admin", ["system:masters"]) for each in (api, other))
    (widget,) = await definitions.establish(api, first, definitions.version("v1"))

    kind = await other.kinds.resolve("example.com", "v1", "widgets")
    made = await second.create(definitions.widget(widget, "a", spec={"x": 1}))
    read = await first.get(widget, "a", "default")

    assert kind == widget.KIND
    assert read == made


async def test_a_kind_that_is_deleted_through_one_process_is_gone_from_all(api: ApiServer, other: ApiServer) -> None:
    """Watches of it end everywhere, its objects are gone, and its path is not found."""
    first, second = (each.as_user("admin", ["system:masters"]) for each in (api, other))
    (widget,) = await definitions.establish(api, first, definitions.version("v1"))
    await second.create(definitions.widget(widget, "a", spec={}))
    seen: list[Any] = []

    watch = second.watch(widget)
    async with contextlib.aclosing(watch) as batches:  # type: ignore[type-var]
        await anext(batches)
        await first.delete(custom.Definition, "widgets.example.com")
        async for batch in batches:
            seen += [event.type for event in batch if event.type != "BOOKMARK"]

    assert seen == ["DELETED"]
    await definitions.until_gone(second, custom.Definition, "widgets.example.com")
    with pytest.raises(errors.NotFound):
        await other.kinds.resolve("example.com", "v1", "widgets")


async def test_a_process_that_starts_later_knows_what_is_there(api: ApiServer, etcd_cluster: etcd.Cluster) -> None:
    """Definitions are read before their objects."""
    client = api.as_user("admin", ["system:masters"])
    (widget,) = await definitions.establish(api, client, definitions.version("v1"))
    made = await client.create(definitions.widget(widget, "a", spec={"x": 1}))
    store = EtcdStore(etcd_cluster.urls)

    async with control.memory_api(store) as late:
        read = await late.as_user("admin", ["system:masters"]).get(widget, "a", "default")
    await store.close()

    assert read == made
