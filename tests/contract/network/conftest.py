"""The networks that one suite holds equal."""

from __future__ import annotations

import contextlib
import pathlib
from collections.abc import AsyncIterator, Iterator

import pytest

from node.network import interface, memory, netlink
from tests.support import isolation

CONFIG = interface.NetworkConfig(
    node_addresses=(isolation.NODE_ADDRESS,),
    pod_cidrs=("10.128.3.0/24",),
    cluster_cidrs=("10.128.0.0/11",),
    service_cidrs=("10.96.0.0/12",),
)


@pytest.fixture
def pins(request: pytest.FixtureRequest) -> Iterator[pathlib.Path]:
    """A folder for pins and a network of the test's own, where the real network is tested."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(isolation.private_network())
        yield stack.enter_context(isolation.pins())


@pytest.fixture(params=["memory", "netlink"])
async def network(request: pytest.FixtureRequest) -> AsyncIterator[interface.Network]:
    """Each network in turn, configured, without sandboxes."""
    made: interface.Network
    if request.param == "memory":
        made = memory.MemoryNetwork(CONFIG)
    else:
        made = netlink.NetlinkNetwork(CONFIG, str(request.getfixturevalue("pins")))
    await made.configure(CONFIG)
    yield made
    for sandbox in await made.sandboxes():
        await made.remove(sandbox.uid)
    await made.close()
