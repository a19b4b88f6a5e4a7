"""Requests for aggregated APIs, passed on: authorised here, with the caller's name in headers; upgrades, too."""

from __future__ import annotations

import yarl
from aiohttp import web

from control.apiserver import authz, server
from control.apiserver.audit import event as audit
from control.gateway.aggregation import services as servicing
from control.gateway.rest import handlers, paths, queries
from control.gateway.streams import passing
from fairlead.api import errors

UNAVAILABLE = "the server is currently unable to handle the request"
GROUP_VERSION_SLASHES = 3  # of /apis/GROUP/VERSION, a path that is no resource's and is passed on
IDENTITY = "x-remote-"


class Forwarding:
    """The handlers of paths that are served elsewhere."""

    def __init__(self, api: server.ApiServer, services: servicing.Services) -> None:
        self._api = api
        self._services = services

    def handler(self, raw: str) -> handlers.Handler | None:
        """Return the handler of a path below /apis/GROUP/VERSION that a Service serves."""
        parts = raw.split("/")
        if len(parts) < 4 or parts[1] != "apis":
            return None
        found = self._services.get(parts[2], parts[3])
        if found is None:
            return None

        async def handle(call: handlers.Call) -> web.StreamResponse:
            path = paths.parse(raw)
            if path is None and raw.rstrip("/").count("/") > GROUP_VERSION_SLASHES:
                raise errors.no_resource()
            asked = _attributes(call, raw, path)
            self._api.authorize(asked)
            return await self.pass_on(call, found, lasting=asked.verb == "watch")

        return handle

    async def pass_on(
        self, call: handlers.Call, found: servicing.APIService, *, lasting: bool = False
    ) -> web.StreamResponse:
        """Pass an authorised request on; `lasting` is one whose answer goes on, as a watch's does."""
        if not servicing.is_available(found):
            raise errors.ServiceUnavailable(UNAVAILABLE)
        request = call.request
        if lasting:
            call.started()

        def begun(status: int) -> None:
            if status == 101:
                call.started()
            if lasting or status == 101:
                audit.started(status)

        try:
            sent = await self._services.session(found).request(
                request.method,
                yarl.URL(f"{servicing.base_url(found)}{request.raw_path}", encoded=True),
                headers=headers(call),
                data=request.content if request.can_read_body else None,
                allow_redirects=False,
            )
        except servicing.FAILURES as error:
            raise errors.ServiceUnavailable(f"error trying to reach service: {error}") from None
        async with sent as answer:
            return await passing.back(request, answer, passing.incoming(answer), begun)


def headers(call: handlers.Call) -> passing.Headers:
    """Return what is sent on: the caller's headers but for those that say who somebody is, and who the caller is."""
    sent = passing.outgoing(call.request)
    passing.drop(sent, IDENTITY)
    servicing.introduce(sent, call.user)
    return sent


def _attributes(call: handlers.Call, raw: str, path: paths.Path | None) -> authz.Attributes:
    """Return what a caller must be allowed: a verb on a resource, or on the path of a group's version."""
    if path is None:
        return authz.Attributes(call.user, call.request.method.lower(), path=raw)
    verb = paths.verb(call.request.method, path, queries.flag(call.request.query, "watch"))
    return authz.Attributes(call.user, verb, path.group, path.resource, path.subresource, path.namespace, path.name)
