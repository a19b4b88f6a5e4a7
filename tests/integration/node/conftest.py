"""A node on real parts: Podman, the kernel's network, real folders; nothing of it outlives the test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from fairlead import clock as clocks
from node.network import interface as network
from node.network import netlink
from node.runtime.podman import runtime as podman_runtime
from tests.support import host as hosts
from tests.support import isolation, podman, pods

CONFIG = network.NetworkConfig(
    node_addresses=(isolation.NODE_ADDRESS,),
    pod_cidrs=("10.128.3.0/24",),
    cluster_cidrs=("10.128.0.0/11",),
    service_cidrs=("10.96.0.0/12",),
)


@pytest.fixture(scope="module")
def host() -> Iterator[podman.Service]:
    """A Podman service on a network of its own, with the folders that it shares with the agent."""
    with hosts.alone() as made:
        yield made


@pytest.fixture
async def node(host: podman.Service) -> AsyncIterator[pods.Node]:
    """A node whose agent runs."""
    made = pods.Node(
        podman_runtime.PodmanRuntime(host.socket),
        netlink.NetlinkNetwork(CONFIG, str(host.root / hosts.NAMESPACES)),
        clocks.SystemClock(),
        root=str(host.root),
    )
    async with pods.running_node(made):
        try:
            yield made
        finally:
            made.assign()
            await pods.wait_until(lambda: ", ".join(str(one.pod.metadata.name) for one in made.workers()))
