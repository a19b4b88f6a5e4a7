"""GET pods/log: a container's log as plain text, through the relay, as long as it is followed."""

from __future__ import annotations

import contextlib
import http

from aiohttp import web

from control.apiserver import authz, field, relay, server
from control.apiserver.audit import event as audit
from control.apiserver.validation import podlogs
from control.gateway.rest import queries
from control.gateway.rest.handlers import Call
from fairlead.api import codec, errors
from fairlead.api.pb import core_v1_pb2 as corev1

_FLAGS = ("follow", "previous", "timestamps")
_NUMBERS = ("sinceSeconds", "tailLines", "limitBytes")


class Logs:
    """The handler of `pods/log`."""

    def __init__(self, api: server.ApiServer, streams: relay.Relay) -> None:
        self._api = api
        self._relay = streams

    async def __call__(self, call: Call) -> web.StreamResponse:
        """Answer a log; the relay's first chunk, which is empty, says that there is one, and is absent for none."""
        target = call.target
        self._api.authorize(authz.Attributes(call.user, call.verb, "", "pods", "log", target.namespace, target.name))
        asked = options(call.request.query)
        field.refuse(podlogs.validate(asked), "", "PodLogOptions", target.name)
        response = web.StreamResponse()
        response.content_type = "text/plain"
        chunks = self._relay.logs(target.namespace, target.name, asked)
        async with contextlib.aclosing(chunks):  # type: ignore[type-var]
            try:
                async for chunk in chunks:
                    if not response.prepared:
                        await response.prepare(call.request)
                        audit.started(response.status)
                    if chunk:
                        await response.write(chunk)
            except errors.ApiError:
                if not response.prepared or call.request.transport is None:
                    raise
                # What is missing must not look like the end: without the last chunk the caller notices.
                call.request.transport.close()
        return response if response.prepared else web.Response(status=http.HTTPStatus.NO_CONTENT)


def options(query: queries.Query) -> corev1.PodLogOptions:
    """Return what a query asks of a log."""
    document: dict[str, object] = {name: queries.flag(query, name) for name in _FLAGS}
    document |= {name: queries.number(query, name) for name in _NUMBERS}
    document |= {name: query.get(name) or None for name in ("container", "sinceTime", "stream")}
    given = {name: value for name, value in document.items() if value is not None}
    try:
        return codec.from_json(given, corev1.PodLogOptions)
    except codec.DecodeError as error:
        raise errors.BadRequest(str(error)) from None
