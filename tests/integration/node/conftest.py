"""A node on real parts: Podman, the kernel's network, real folders; nothing of it outlives the test."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator

import pytest

from fairlead import clock as clocks
from node import mounts
from node.network import interface as network
from node.network import netlink
from node.pods import folders
from node.runtime.podman import runtime as podman_runtime
from tests.support import isolation, podman, pods

CONFIG = network.NetworkConfig(
    node_addresses=(isolation.NODE_ADDRESS,),
    pod_cidrs=("10.128.3.0/24",),
    cluster_cidrs=("10.128.0.0/11",),
    service_cidrs=("10.96.0.0/12",),
)


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[podman.Service]:
    """A Podman service on a network of its own, with the folders that it shares with the agent."""
    if reason := podman.missing():
        pytest.fail(f"a node cannot be tested: {reason}")
    with contextlib.ExitStack() as stack:
        stack.enter_context(isolation.private_network())
        root = stack.enter_context(isolation.folder())
        # Before the service copies the mount namespace: what is mounted there later reaches it.
        mounts.share(root / "ns")
        mounts.share(root / folders.PODS)
        yield stack.enter_context(podman.service(root))


@pytest.fixture
async def node(host: podman.Service) -> AsyncIterator[pods.Node]:
    """A node whose agent runs."""
    made = pods.Node(
        podman_runtime.PodmanRuntime(host.socket),
        netlink.NetlinkNetwork(CONFIG, str(host.root / "ns")),
        clocks.SystemClock(),
        root=str(host.root),
    )
    async with pods.running_node(made):
        try:
            yield made
        finally:
            made.assign()
            await pods.wait_until(lambda: ", ".join(str(one.pod.metadata.name) for one in made.workers()))
