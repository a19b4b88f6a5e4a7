"""The seam between the proxy and the kernel's packet filter.

Called by the proxy. The real one is `node.proxy.iptables`; the tests' one walks packets.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Protocol

Flows = Mapping[tuple[str, int], frozenset[tuple[str, int]]]
"""UDP destinations (address, or empty for any of the node's own; port) and the endpoints that they lead to."""


class KernelError(Exception):
    """The packet filter refused, or did not answer in time; the text says what it said."""


class Kernel(Protocol):
    """The packet filter of one network namespace. Every call raises KernelError where it fails."""

    @property
    def section_lines(self) -> int:
        """The lines of one part of a restore text that suit this packet filter; 0: any number."""
        ...

    async def prepare(self, *, localhost_node_ports: bool) -> None:
        """Set what the rules rely on; called before each full sync."""
        ...

    async def save(self) -> str:
        """Return the tables as iptables-save writes them."""
        ...

    async def restore(self, text: str) -> None:
        """Apply a text as `iptables-restore --noflush` does: each part up to a COMMIT wholly or not at all."""
        ...

    async def rules(self, table: str, chain: str) -> list[str]:
        """Return one chain's rules as iptables-save writes them, cheaply; none where there is no such chain."""
        ...

    async def forget_flows(self, flows: Flows) -> int:
        """Delete the connection-tracking entries of UDP flows to these destinations that go anywhere else.

        Returns how many. Packets of a known flow skip the nat table: a client that sends on from the same
        port would be led to an endpoint that is gone for as long as it sends.
        """
        ...

    async def forget_attempts(self, addresses: Collection[str]) -> int:
        """Delete the connection-tracking entries of TCP connections to these endpoints that nobody has answered.

        Returns how many. Such an entry outlives its client by two minutes, and leads whoever happens to get the same
        port meanwhile to an endpoint that is gone. Connections that were answered are left alone.
        """
        ...
