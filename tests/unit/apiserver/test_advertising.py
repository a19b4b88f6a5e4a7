"""The endpoints of the Service `kubernetes`: added on start, kept, and removed when a process is dead."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from control.apiserver import advertising, authn
from control.apiserver.server import ApiServer
from fairlead import clock as clocks
from fairlead.api import errors
from fairlead.api.pb import coordination_v1_pb2 as coordinationv1
from fairlead.api.pb import discovery_v1_pb2 as discoveryv1
from fairlead.client.interface import Client
from fairlead.testing import control


@pytest.fixture
async def api() -> AsyncIterator[ApiServer]:
    """An API server."""
    async with control.memory_api() as made:
        yield made


@pytest.fixture
def client(api: ApiServer) -> Client:
    """The API server's own user."""
    return api.as_user("system:apiserver", [authn.MASTERS])


def process(api: ApiServer, client: Client, number: int, clock: clocks.Clock) -> advertising.Advertiser:
    """Return the part of a control process at 10.0.0.<number>."""
    return advertising.Advertiser(api, client, f"c{number}", (f"10.0.0.{number}", 6443), clock)


async def addresses(client: Client) -> list[str]:
    """Return where the Service leads."""
    found = await client.get(discoveryv1.EndpointSlice, "kubernetes", "default")
    return [address for endpoint in found.endpoints for address in endpoint.addresses]


async def test_the_first_process_makes_the_slice(api: ApiServer, client: Client) -> None:
    """Whole, as Kubernetes' API server writes it; a second step changes nothing."""
    one = process(api, client, 1, clocks.FakeClock())
    said = await one.step()
    made = await client.get(discoveryv1.EndpointSlice, "kubernetes", "default")
    await one.step()
    again = await client.get(discoveryv1.EndpointSlice, "kubernetes", "default")
    wanted = advertising.slice_of(["10.0.0.1"], 6443)
    assert said == "the API is at 10.0.0.1"
    assert (made.addressType, list(made.endpoints), list(made.ports)) == (
        "IPv4",
        list(wanted.endpoints),
        list(wanted.ports),
    )
    assert dict(made.metadata.labels) == {"kubernetes.io/service-name": "kubernetes"}
    assert again.metadata.resourceVersion == made.metadata.resourceVersion


async def test_a_dead_process_is_removed_after_its_lease(api: ApiServer, client: Client) -> None:
    """Judged by one's own clock: 29 s after its last sign it is there, 30 s after it is gone, with its Lease."""
    clock = clocks.FakeClock()
    first, second = process(api, client, 1, clock), process(api, client, 2, clock)
    await first.step()
    await second.step()
    both = await addresses(client)
    clock.advance(29)
    await second.step()
    still = await addresses(client)
    clock.advance(1)
    said = await second.step()
    assert (both, still) == (["10.0.0.1", "10.0.0.2"], ["10.0.0.1", "10.0.0.2"])
    assert (said, await addresses(client)) == ("the API is at 10.0.0.2", ["10.0.0.2"])
    leases = await client.list(coordinationv1.Lease, "kube-system")
    assert [lease.metadata.annotations[advertising.ADDRESS] for lease in leases.items] == ["10.0.0.2"]


async def test_a_process_that_comes_back_is_added_again(api: ApiServer, client: Client) -> None:
    """Its next step makes its Lease anew and writes its address."""
    clock = clocks.FakeClock()
    first, second = process(api, client, 1, clock), process(api, client, 2, clock)
    await first.step()
    await second.step()
    clock.advance(30)
    await second.step()
    said = await first.step()
    assert (said, await addresses(client)) == ("the API is at 10.0.0.1, 10.0.0.2", ["10.0.0.1", "10.0.0.2"])


async def test_a_lease_that_was_just_renewed_is_not_removed(api: ApiServer, client: Client) -> None:
    """The removal is of the revision that was judged."""
    clock = clocks.FakeClock()
    first, second = process(api, client, 1, clock), process(api, client, 2, clock)
    await first.step()
    await second.step()
    old = (await client.list(coordinationv1.Lease, "kube-system")).items[0]
    clock.advance(30)
    await first.step()
    await second.step()
    with pytest.raises(errors.Conflict):
        await second._remove(old)
    assert await addresses(client) == ["10.0.0.1", "10.0.0.2"]
