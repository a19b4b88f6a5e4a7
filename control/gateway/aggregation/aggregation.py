"""All that the gateway needs of aggregated APIs, over connections that they share."""

from __future__ import annotations

from control.apiserver import server
from control.gateway.aggregation import discovery, forwarding
from control.gateway.aggregation import services as servicing


class Aggregation:
    """The parts; `certificate` and `key` are files of the client that those servers know."""

    def __init__(self, api: server.ApiServer, certificate: str = "", key: str = "") -> None:
        self.services = servicing.Services(api, certificate, key)
        self.forwarding = forwarding.Forwarding(api, self.services)
        self.discovery = discovery.Discovery(self.services)

    async def close(self) -> None:
        """Close every connection."""
        await self.services.close()
