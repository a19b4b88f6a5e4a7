"""The contract suite's fixtures over a real etcd, which is emptied before each test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from control.apiserver.server import ApiServer
from control.store.etcd import EtcdStore
from control.store.interface import Remove
from fairlead.testing import control
from tests.contract.client.conftest import authority, client, client_for
from tests.support import etcd

__all__ = ["authority", "client", "client_for"]


@pytest.fixture(scope="session")
def etcd_cluster() -> Iterator[etcd.Cluster]:
    """One member, without TLS."""
    with etcd.cluster() as running:
        yield running


@pytest.fixture
async def api(etcd_cluster: etcd.Cluster) -> AsyncIterator[ApiServer]:
    """An API server with the built-in objects, on an etcd that had nothing."""
    store = EtcdStore(etcd_cluster.urls)
    for item in (await store.list("/registry/")).items:
        await store.commit(Remove(item.key, item.revision))
    async with control.memory_api(store) as made:
        yield made
    await store.close()
