"""Allocation under contention: many Services at once through several API servers on one real etcd."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from control.apiserver.server import ApiServer
from control.store.etcd import EtcdStore
from fairlead.api import errors
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.testing import control
from tests.support import etcd

SERVICES = 500


@pytest.fixture
async def servers() -> AsyncIterator[list[ApiServer]]:
    """Three API servers, each with its own connection and cache."""
    with etcd.cluster() as running:
        async with contextlib.AsyncExitStack() as stack:
            made = []
            for _ in range(3):
                store = EtcdStore(running.urls)
                stack.push_async_callback(store.close)
                made.append(await stack.enter_async_context(control.memory_api(store)))
            yield made


def service(name: str, kind: str = "NodePort", **spec: str) -> corev1.Service:
    """A Service in `default`."""
    made = corev1.Service()
    made.metadata.name, made.metadata.namespace = name, "default"
    made.spec.type = kind
    made.spec.ports.add(port=80)
    for field, value in spec.items():
        setattr(made.spec, field, value)
    return made


async def test_500_services_at_once_through_three_servers_share_nothing_and_leak_nothing(
    servers: list[ApiServer],
) -> None:
    """No address or port twice; what failed creates had taken is free; after deletion all is free."""
    clients = [server.as_user(*control.ADMIN) for server in servers]
    taken = (await clients[0].create(service("taken"))).spec.clusterIP

    async def create(number: int) -> corev1.Service | None:
        client = clients[number % 3]
        if number % 10 == 0:  # one in ten fails after it has been given a port
            with pytest.raises(errors.Invalid, match="provided IP is already allocated"):
                await client.create(service(f"s{number}", clusterIP=taken))
            return None
        return await client.create(service(f"s{number}"))

    made = [one for one in await asyncio.gather(*(create(n) for n in range(SERVICES))) if one is not None]

    assert len(made) == SERVICES * 9 // 10
    assert len({one.spec.clusterIP for one in made} | {taken}) == len(made) + 1
    assert len({one.spec.ports[0].nodePort for one in made}) == len(made)
    assert await servers[0].repairs.repair() == "allocations are in order"
    await asyncio.gather(
        *(clients[n % 3].delete(corev1.Service, one.metadata.name, "default") for n, one in enumerate(made))
    )
    assert await servers[1].repairs.repair() == "allocations are in order"
    left = await clients[2].list(corev1.Service)
    assert sorted(one.metadata.name for one in left.items) == ["kubernetes", "taken"]


async def test_a_read_through_another_server_sees_what_was_written(servers: list[ApiServer]) -> None:
    """Get and List without a resourceVersion are linearizable across processes."""
    clients = [server.as_user(*control.ADMIN) for server in servers]
    for number in range(50):
        name = f"c{number}"
        obj = corev1.ConfigMap()
        obj.metadata.name, obj.metadata.namespace = name, "default"
        await clients[number % 3].create(obj)

        read = await clients[(number + 1) % 3].get(corev1.ConfigMap, name, "default")
        listed = await clients[(number + 2) % 3].list(corev1.ConfigMap, "default")

        assert read.metadata.name == name
        assert name in {one.metadata.name for one in listed.items}


async def test_the_service_kubernetes_has_the_ranges_first_address(servers: list[ApiServer]) -> None:
    """However many servers make it."""
    found = await servers[2].as_user(*control.ADMIN).get(corev1.Service, "kubernetes", "default")

    assert (found.spec.clusterIP, found.spec.ports[0].port) == ("10.96.0.1", 443)
