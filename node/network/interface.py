"""The `Network` protocol: sandboxes of pods, their addresses, and the routes between nodes.

The pod workers make and remove sandboxes; the pod manager tells the network what it learns of the cluster.
`netlink.py` carries it out in the kernel, `memory.py` pretends; tests/contract/network holds them equal.
A sandbox is network, IPC and UTS namespaces that are pinned under /run/fairlead, so that they outlive the agent:
what exists is found again by looking. Pod addresses reach every node without address translation; only what
leaves the cluster's address ranges is masqueraded.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

POD_INTERFACE = "eth0"


class NetworkFault(Exception):
    """The kernel, or a lack of addresses, keeps a sandbox from being made; the text says why."""


class NotConfigured(NetworkFault):
    """The node has no pod CIDR yet, so that a pod cannot get an address."""


@dataclass(frozen=True, slots=True)
class Peer:
    """Another node: where packets to its pods go."""

    name: str
    addresses: tuple[str, ...]
    pod_cidrs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NetworkConfig:
    """What the node knows of the cluster's addresses.

    `node_addresses` are this node's own; whatever leaves `cluster_cidrs` (pods') and `service_cidrs` is
    masqueraded.
    """

    node_addresses: tuple[str, ...]
    pod_cidrs: tuple[str, ...] = ()
    cluster_cidrs: tuple[str, ...] = ()
    service_cidrs: tuple[str, ...] = ()
    peers: tuple[Peer, ...] = ()


@dataclass(frozen=True, slots=True)
class HostPort:
    """A port of the node that leads to a pod's; `address` empty means every address of the node."""

    protocol: str
    port: int
    container_port: int
    address: str = ""


@dataclass(frozen=True, slots=True)
class SandboxSpec:
    """A sandbox to be made. With `host_network` the pod has the node's network and host name."""

    uid: str
    hostname: str
    domain: str = ""
    host_network: bool = False
    host_ipc: bool = False
    host_ports: tuple[HostPort, ...] = ()
    sysctls: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A sandbox that exists. A path is empty where the pod uses the node's own namespace.

    `id` differs for each sandbox that was ever made, also for the same pod.
    """

    uid: str
    id: str
    net: str
    ipc: str
    uts: str
    addresses: tuple[str, ...]
    host_network: bool = False


class Network(Protocol):
    """The node's pod network."""

    async def configure(self, config: NetworkConfig) -> None:
        """Bring routes and masquerading in line with what is known; idempotent."""
        ...

    async def create(self, spec: SandboxSpec) -> Sandbox:
        """Make a sandbox, or return the pod's that exists. Half-made ones are made anew."""
        ...

    async def remove(self, uid: str) -> None:
        """Remove a pod's sandbox, its address and its host ports; one that is gone is no error."""
        ...

    async def sandboxes(self) -> Sequence[Sandbox]:
        """Return every whole sandbox on the node."""
        ...

    async def connect(
        self, uid: str, port: int, *, to_address: bool = False
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open a connection to a TCP port on the pod's own loopback (port-forward), or on its address (proxies)."""
        ...

    async def close(self) -> None:
        """Close sockets; sandboxes stay."""
        ...
