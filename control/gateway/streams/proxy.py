"""Proxies: `pods/NAME/proxy`, `services/NAME/proxy` and `nodes/NAME/proxy`, HTTP to what runs in the cluster.

A request is passed on over one connection through the agent's session, its body and the answer's as they come; an
upgrade (a WebSocket) becomes bytes both ways.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import ssl
import urllib.parse
from typing import Any

import aiohttp
import multidict
import yarl
from aiohttp import web
from aiohttp.client_proto import ResponseHandler

from control.apiserver import authn, dialing, relay, server, tcp
from control.apiserver.audit import event as audit
from control.gateway.rest import handlers, users
from control.gateway.streams import addresses, nodeproxy, requests, wire
from fairlead import supervise
from fairlead.api import errors
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import discovery_v1_pb2 as discoveryv1
from fairlead.client import interface

ANSWER_SECONDS = 300.0  # until a proxied server begins its answer
# Of one connection only (RFC 9110, 7.6.1), and what proves the caller to us and is nobody else's business.
HOP = ("connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer", "transfer-encoding")
OURS = ("authorization", "host", "expect")

Headers = multidict.CIMultiDict[str]


class Proxies:
    """The handlers, for the gateway's routes."""

    def __init__(self, api: server.ApiServer, streams: relay.Relay) -> None:
        self._api = api
        self._client: interface.Client = api.client(authn.SERVER)
        self._relay = streams
        self._random = random.Random()
        self._nodes = nodeproxy.Nodes(self._client, streams)

    async def pod(self, call: handlers.Call) -> web.StreamResponse:
        """Pass a request on to a pod."""
        what, path = call.target, await self._path(call, corev1.PodProxyOptions())
        name = addresses.parse(what.name, "pod")
        pod = await self._client.get(corev1.Pod, name.name, what.namespace)
        return await self._proxy(call, name.scheme, addresses.of_pod(pod, name.port), path)

    async def service(self, call: handlers.Call) -> web.StreamResponse:
        """Pass a request on to one of the pods behind a Service."""
        what, path = call.target, await self._path(call, corev1.ServiceProxyOptions())
        name = addresses.parse(what.name, "service")
        service = await self._client.get(corev1.Service, name.name, what.namespace)
        select = interface.Selection(labels=f"{dialing.SERVICE_LABEL}={name.name}")
        slices = await self._client.list(discoveryv1.EndpointSlice, what.namespace, select=select)
        found = addresses.of_service(service, slices.items, name.port, self._random)
        return await self._proxy(call, name.scheme, found, path)

    async def node(self, call: handlers.Call) -> web.StreamResponse:
        """Answer for a node what is known of it."""
        what, path = call.target, await self._path(call, corev1.NodeProxyOptions())
        name = addresses.parse(what.name, "node")
        return await self._nodes.answer(name.name, call.request.method, path)

    async def _path(self, call: handlers.Call, options: Any) -> str:
        """Return the path to ask for, as it was sent or as admission wants it; errors where the caller may not."""
        _, tail = addresses.split(call.request.rel_url.raw_path, call.target)
        options.path = asked = urllib.parse.unquote(tail)
        await requests.connect(self._api, call, options)
        return tail if options.path == asked else urllib.parse.quote(f"/{options.path.lstrip('/')}")

    async def _proxy(
        self, call: handlers.Call, scheme: str, to: addresses.Destination, tail: str
    ) -> web.StreamResponse:
        request = call.request
        prefix, _ = addresses.split(request.rel_url.raw_path, call.target)
        query = f"?{request.rel_url.raw_query_string}" if request.rel_url.raw_query_string else ""
        upgrading = "upgrade" in request.headers.get("Connection", "").lower()
        if not tail and request.method in ("GET", "HEAD") and not upgrading:
            # Relative links of a page at …/proxy would leave the proxy.
            return web.Response(status=301, headers={"Location": f"{prefix}/{query}"})
        url = yarl.URL(f"{scheme}://{to.host}{tail or '/'}{query}", encoded=True)
        async with (
            tcp.connection(self._relay, to.namespace, to.pod, to.port) as opened,
            _session(opened.near, to) as session,
        ):
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    answer = await session.request(
                        request.method,
                        url,
                        headers=outgoing(request, upgrading=upgrading),
                        data=request.content if request.body_exists else None,
                        allow_redirects=False,
                    )
            except (aiohttp.ClientError, OSError) as error:
                raise errors.ServiceUnavailable(f"error trying to reach service: {error}") from error
            async with answer:
                hosts = (to.host, request.host)
                headers = incoming(answer.headers, prefix, hosts, upgraded=answer.status == 101)
                if answer.status == 101:
                    return await _tunnel(request, answer, headers)
                return await _answer(request, answer, headers)


class _Given(aiohttp.BaseConnector):
    """A connector whose one connection is there already."""

    def __init__(self, opened: socket.socket, host: str) -> None:
        super().__init__(force_close=True)
        self._opened = opened
        self._host = host

    async def _create_connection(self, req: Any, traces: Any, timeout: Any) -> ResponseHandler:
        context = None
        if req.url.scheme == "https":
            # As Kubernetes: nobody knows what names a pod's certificate should have.
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        _, protocol = await asyncio.get_running_loop().create_connection(
            self._factory, sock=self._opened, ssl=context, server_hostname=self._host if context else None
        )
        return protocol


def _session(opened: socket.socket, to: addresses.Destination) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=_Given(opened, to.host.rpartition(":")[0]),
        auto_decompress=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None),
        skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
    )


def outgoing(request: web.BaseRequest, *, upgrading: bool) -> Headers:
    """Return the headers that a request goes on with."""
    headers = _end_to_end(request.headers)
    for name in list(headers):
        if name.lower() in OURS or name.lower().startswith("impersonate-"):
            headers.popall(name, None)
    users.without_tokens(headers)
    before = headers.get("X-Forwarded-For")
    headers["X-Forwarded-For"] = f"{before}, {request.remote}" if before else str(request.remote)
    headers["X-Forwarded-Host"] = request.host
    headers["X-Forwarded-Proto"] = request.scheme
    headers["X-Forwarded-Uri"] = request.rel_url.raw_path
    if upgrading and "Upgrade" in request.headers:
        headers["Connection"], headers["Upgrade"] = "Upgrade", request.headers["Upgrade"]
    return headers


def incoming(
    answered: multidict.MultiMapping[str], prefix: str, hosts: tuple[str, ...], *, upgraded: bool
) -> Headers:
    """Return the headers that an answer goes back with; redirects stay below the proxy's path."""
    headers = _end_to_end(answered)
    if "Location" in headers:
        headers["Location"] = addresses.relocated(headers["Location"], prefix, hosts)
    if upgraded and "Upgrade" in answered:
        headers["Upgrade"] = answered["Upgrade"]
    return headers


def _end_to_end(found: multidict.MultiMapping[str]) -> Headers:
    named = {name.strip().lower() for name in found.get("Connection", "").split(",")}
    dropped = {*HOP, "upgrade", *named}
    return multidict.CIMultiDict((name, value) for name, value in found.items() if name.lower() not in dropped)


async def _answer(request: web.BaseRequest, answer: aiohttp.ClientResponse, headers: Headers) -> web.StreamResponse:
    response = web.StreamResponse(status=answer.status, reason=answer.reason, headers=headers)
    await response.prepare(request)
    audit.started(response.status)
    try:
        async for chunk in answer.content.iter_any():
            await response.write(chunk)
    except (aiohttp.ClientError, OSError):
        if request.transport is not None:
            request.transport.close()  # the caller sees that the answer was cut
    return response


async def _tunnel(request: web.BaseRequest, answer: aiohttp.ClientResponse, headers: Headers) -> web.StreamResponse:
    """Carry bytes both ways after an upgrade that the proxied server agreed to."""
    far = wire.Joined(answer)
    near = await wire.take_over(request, headers)
    audit.started(near.response.status)
    with contextlib.suppress(ConnectionError):
        await supervise.first_of(wire.copy(near, far), wire.copy(far, near))
    await far.close()
    return near.response
