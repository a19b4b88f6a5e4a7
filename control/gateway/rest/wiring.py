"""The gateway with all that it serves: resources, and the handlers beside them."""

from __future__ import annotations

from control.apiserver import relay, server
from control.gateway.aggregation import aggregation
from control.gateway.fairness import gate as gates
from control.gateway.rest import documents, gateway, handlers, logs, metrics, oidc, openapi, users
from control.gateway.streams import routes


def gateway_of(
    api: server.ApiServer,
    streams: relay.Relay,
    identify: users.Identify,
    *,
    url: str = "",
    front_proxy: tuple[str, str] = ("", ""),
    gate: gates.Gate | None = None,
) -> gateway.Gateway:
    """Return the gateway of an API server whose nodes are reached through a relay; callers reach it at `url`.

    `front_proxy` are the files of the certificate and key that aggregated APIs know it by. Requests pass a gate, its
    own if none is given.
    """
    table = handlers.Handlers()
    elsewhere = aggregation.Aggregation(api, table, *front_proxy)
    made = gateway.Gateway(api, identify, table, elsewhere, gate or gates.Gate(api.cache))
    table.add("pods", "log", ("get",), logs.Logs(api, streams))
    routes.add(table, api, streams)
    table.add_path(metrics.PREFIX, metrics.Metrics(api, streams))
    made.extra[metrics.GROUP, metrics.VERSION] = list(metrics.RESOURCES)
    openapi.register(table, api, elsewhere, documents.version()["gitVersion"])
    oidc.register(table, api, url)
    return made
