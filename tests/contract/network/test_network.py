"""What every network promises: the protocol's sentences, one test each."""

from __future__ import annotations

import dataclasses

import pytest

from node.network import interface
from tests.contract.network import conftest

WEB = interface.SandboxSpec(uid="11111111-2222-3333-4444-555555555555", hostname="web-1")
OTHER = dataclasses.replace(WEB, uid="99999999-2222-3333-4444-555555555555", hostname="web-2")


async def test_a_sandbox_has_an_address_of_the_nodes_range(network: interface.Network) -> None:
    """The first address belongs to the range itself, the second by custom to the node."""
    sandbox = await network.create(WEB)
    assert sandbox.addresses == ("10.128.3.2",)
    assert all((sandbox.net, sandbox.ipc, sandbox.uts, sandbox.id))
    assert await network.sandboxes() == [sandbox]


async def test_creating_again_returns_what_exists(network: interface.Network) -> None:
    """A worker that was interrupted asks again."""
    assert await network.create(WEB) == await network.create(WEB)


async def test_no_address_is_given_twice_at_a_time(network: interface.Network) -> None:
    """And one that was given back rests while others are free."""
    first, second = await network.create(WEB), await network.create(OTHER)
    assert first.addresses != second.addresses
    await network.remove(WEB.uid)
    again = await network.create(WEB)
    assert again.addresses == ("10.128.3.4",)
    assert again.id != first.id


async def test_removing_is_complete_and_idempotent(network: interface.Network) -> None:
    """A pod that is gone has nothing left."""
    await network.create(WEB)
    await network.remove(WEB.uid)
    await network.remove(WEB.uid)
    assert await network.sandboxes() == []


async def test_a_pod_on_the_hosts_network_has_its_addresses(network: interface.Network) -> None:
    """It shares the node's network and host name, not its IPC."""
    sandbox = await network.create(dataclasses.replace(WEB, host_network=True))
    assert (sandbox.net, sandbox.uts) == ("", "")
    assert sandbox.ipc
    assert sandbox.addresses == conftest.CONFIG.node_addresses
    assert sandbox.host_network


async def test_without_a_range_there_is_no_address(network: interface.Network) -> None:
    """The worker waits until the node has its pod CIDR."""
    await network.configure(dataclasses.replace(conftest.CONFIG, pod_cidrs=()))
    with pytest.raises(interface.NotConfigured, match="the node has no pod CIDR yet"):
        await network.create(WEB)


async def test_a_full_range_is_said(network: interface.Network) -> None:
    """A /30 has one address for pods."""
    await network.configure(dataclasses.replace(conftest.CONFIG, pod_cidrs=("10.128.3.0/30",)))
    await network.create(WEB)
    with pytest.raises(interface.NetworkFault, match="no free IPv4 address is left in 10.128.3.0/30"):
        await network.create(OTHER)


async def test_connecting_where_nothing_listens_is_refused(network: interface.Network) -> None:
    """Port-forward says so instead of hanging."""
    await network.create(WEB)
    with pytest.raises(interface.NetworkFault, match="refused"):
        await network.connect(WEB.uid, 8080)
