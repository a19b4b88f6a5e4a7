"""All that the gateway needs of aggregated APIs, over connections that they share."""

from __future__ import annotations

from control.apiserver import server
from control.gateway.aggregation import discovery, forwarding, specs
from control.gateway.aggregation import services as servicing
from control.gateway.rest import handlers


class Aggregation:
    """The parts. `table` has what this server answers itself; the others know it by a certificate and a key."""

    def __init__(self, api: server.ApiServer, table: handlers.Handlers, certificate: str = "", key: str = "") -> None:
        self.services = servicing.Services(api, table, certificate, key)
        self.forwarding = forwarding.Forwarding(api, self.services)
        self.discovery = discovery.Discovery(self.services)
        self.specs = specs.Specs(self.services)

    async def close(self) -> None:
        """Close every connection."""
        await self.services.close()
