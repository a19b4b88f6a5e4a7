"""A network whose sandboxes only pretend: hollow nodes and tests run on it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from node.network import addresses, interface
from node.network.interface import NetworkConfig, Sandbox, SandboxSpec


class MemoryNetwork:
    """Sandboxes in a dictionary; addresses are chosen as the real network does.

    `broken`, where set, is the text that making a sandbox fails with.
    """

    def __init__(self, config: NetworkConfig | None = None) -> None:
        self.config = config or NetworkConfig(node_addresses=("127.0.0.1",))
        self.broken = ""
        self._sandboxes: dict[str, Sandbox] = {}
        self._made = 0
        self._last = ""

    async def configure(self, config: NetworkConfig) -> None:
        """Take what is known of the cluster."""
        self.config = config

    async def create(self, spec: SandboxSpec) -> Sandbox:
        """Make a sandbox."""
        if spec.uid in self._sandboxes:
            return self._sandboxes[spec.uid]
        if self.broken:
            raise interface.NetworkFault(self.broken)
        given: tuple[str, ...] = ()
        if not spec.host_network:
            used = {address for one in self._sandboxes.values() for address in one.addresses}
            given = addresses.choose(self.config.pod_cidrs, used, self._last)
            self._last = given[0]
        self._made += 1
        root = f"/memory/{spec.uid}"
        sandbox = Sandbox(
            uid=spec.uid,
            id=f"sandbox-{self._made}",
            net="" if spec.host_network else f"{root}/net",
            ipc="" if spec.host_ipc else f"{root}/ipc",
            uts="" if spec.host_network else f"{root}/uts",
            addresses=self.config.node_addresses if spec.host_network else given,
            host_network=spec.host_network,
        )
        self._sandboxes[spec.uid] = sandbox
        return sandbox

    async def remove(self, uid: str) -> None:
        """Forget a sandbox."""
        self._sandboxes.pop(uid, None)

    async def sandboxes(self) -> Sequence[Sandbox]:
        """Return every sandbox."""
        return list(self._sandboxes.values())

    async def connect(
        self, uid: str, port: int, *, to_address: bool = False
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Refuse: nothing listens in a sandbox that only pretends."""
        raise interface.NetworkFault(f"connect to port {port}: connection refused")

    async def close(self) -> None:
        """Nothing is open."""
