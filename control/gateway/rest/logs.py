"""GET pods/log: a container's log as plain text, or as messages of a WebSocket, as long as it is followed."""

from __future__ import annotations

import base64
import contextlib
import http
from collections.abc import AsyncIterator

import aiohttp
from aiohttp import web

from control.apiserver import authz, field, relay, server
from control.apiserver.audit import event as audit
from control.apiserver.validation import podlogs
from control.gateway.rest import queries
from control.gateway.rest.handlers import Call
from control.gateway.streams import upgrade
from fairlead import supervise
from fairlead.api import codec, errors
from fairlead.api.pb import core_v1_pb2 as corev1

PROTOCOLS = ("binary.k8s.io", "base64.binary.k8s.io")
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
        chunks = self._relay.logs(target.namespace, target.name, asked)
        if upgrade.is_socket(call.request.headers):
            return await _messages(call, chunks)
        response = web.StreamResponse()
        response.content_type = "text/plain"
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


async def _messages(call: Call, chunks: AsyncIterator[bytes]) -> web.StreamResponse:
    """Send a log over a WebSocket, which ends with it; an error before its first chunk is a plain answer."""
    offer = upgrade.negotiate(call.request.headers, PROTOCOLS, ())
    async with contextlib.aclosing(chunks):  # type: ignore[type-var]
        await anext(chunks, b"")
        socket = await upgrade.open_socket(call.request, offer)
        audit.started(socket.status)
        with contextlib.suppress(ConnectionError):
            code = await supervise.first_of(_send(socket, chunks, encoded=offer.encoded), _gone(socket))
            await socket.close(code=code)
    return socket


async def _send(socket: web.WebSocketResponse, chunks: AsyncIterator[bytes], *, encoded: bool) -> int:
    """Send what comes, after an empty message, which says that the log is there; return how to close then."""
    await _put(socket, b"", encoded=encoded)
    try:
        async for chunk in chunks:
            await _put(socket, chunk, encoded=encoded)
    except errors.ApiError:
        return aiohttp.WSCloseCode.INTERNAL_ERROR  # what is missing must not look like the end
    return aiohttp.WSCloseCode.OK


async def _put(socket: web.WebSocketResponse, data: bytes, *, encoded: bool) -> None:
    await (socket.send_str(base64.b64encode(data).decode()) if encoded else socket.send_bytes(data))


async def _gone(socket: web.WebSocketResponse) -> int:
    """Read, for nobody, until the caller has gone."""
    while (await socket.receive()).type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
        pass
    return aiohttp.WSCloseCode.OK


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
