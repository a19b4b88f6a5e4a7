"""The gateway with all that it serves: resources, and the handlers beside them."""

from __future__ import annotations

from control.apiserver import relay, server
from control.gateway.aggregation import aggregation
from control.gateway.fairness import gate as gates
from control.gateway.rest import documents, gateway, logs, metrics, oidc, openapi, users
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
    made = gateway.Gateway(api, identify, aggregation.Aggregation(api, *front_proxy), gate or gates.Gate(api.cache))
    made.handlers.add("pods", "log", ("get",), logs.Logs(api, streams))
    routes.add(made.handlers, api, streams)
    made.handlers.add_path(metrics.PREFIX, metrics.Metrics(api, streams))
    made.extra[metrics.GROUP, metrics.VERSION] = list(metrics.RESOURCES)
    openapi.register(made.handlers, api, documents.version()["gitVersion"])
    oidc.register(made.handlers, api, url)
    return made
