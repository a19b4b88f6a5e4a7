"""OIDC discovery: how others verify the cluster's service account tokens (OpenID Connect Discovery 1.0)."""

from __future__ import annotations

from typing import Any

import orjson
from aiohttp import web

from control.apiserver import authz, server
from control.gateway.rest import handlers as handling

CONFIGURATION = "/.well-known/openid-configuration"
KEYS = "/openid/v1/jwks"
MAX_AGE = "public, max-age=3600"


def register(handlers: handling.Handlers, api: server.ApiServer, url: str) -> None:
    """Serve the documents of an API server's issuer, which others reach at a URL; nothing where it has none."""
    issuer = api.issuer
    if issuer is None:
        return

    async def configuration(call: handling.Call) -> web.StreamResponse:
        return _document(call, issuer.discovery(url + KEYS), "application/json")

    async def keys(call: handling.Call) -> web.StreamResponse:
        return _document(call, issuer.keys(), "application/jwk-set+json")

    def _document(call: handling.Call, document: dict[str, Any], content: str) -> web.Response:
        api.authorize(authz.Attributes(call.user, call.verb, path=call.rest))
        return web.Response(body=orjson.dumps(document), headers={"Content-Type": content, "Cache-Control": MAX_AGE})

    handlers.add_path(CONFIGURATION, configuration)
    handlers.add_path(KEYS, keys)
