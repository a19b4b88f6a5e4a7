"""The two stores that the suite holds equal; one real etcd serves every test of a session."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Iterator

import pytest

from control.store.etcd import EtcdStore
from control.store.interface import Store
from control.store.memory import MemoryStore
from tests.support import etcd

_numbers = itertools.count()


@pytest.fixture(scope="session")
def cluster() -> Iterator[etcd.Cluster]:
    """One member, without TLS."""
    with etcd.cluster() as running:
        yield running


@pytest.fixture(params=["memory", "etcd"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    """Each store in turn."""
    made: Store
    if request.param == "memory":
        made = MemoryStore()
    else:
        made = EtcdStore(request.getfixturevalue("cluster").urls)
    yield made
    await made.close()


@pytest.fixture
def prefix() -> str:
    """A part of the keys that belongs to one test."""
    return f"/test/{next(_numbers)}/"
