"""Proxies: `pods/NAME/proxy`, `services/NAME/proxy` and `nodes/NAME/proxy`, HTTP to what runs in the cluster.

A request is passed on over one connection through the agent's session, its body and the answer's as they come; an
upgrade (a WebSocket) becomes bytes both ways.
"""

from __future__ import annotations

import asyncio
import functools
import random
import socket
import ssl
import urllib.parse
from typing import Any

import aiohttp
import yarl
from aiohttp import web
from aiohttp.client_proto import ResponseHandler

from control.apiserver import authn, dialing, relay, server, tcp
from control.apiserver.audit import event as audit
from control.gateway.rest import handlers
from control.gateway.streams import addresses, links, nodeproxy, passing, requests
from fairlead.api import errors
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import discovery_v1_pb2 as discoveryv1
from fairlead.client import interface

ANSWER_SECONDS = 300.0  # until a proxied server begins its answer


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
        if not tail and request.method in ("GET", "HEAD") and not passing.is_upgrade(request):
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
                        headers=passing.outgoing(request),
                        data=request.content if request.body_exists else None,
                        allow_redirects=False,
                    )
            except (aiohttp.ClientError, OSError) as error:
                raise errors.ServiceUnavailable(f"error trying to reach service: {error}") from error
            async with answer:
                headers = passing.incoming(answer)
                hosts = (to.host, request.host)
                below = functools.partial(addresses.relocated, prefix=prefix, hosts=hosts)
                if "Location" in headers:
                    headers["Location"] = below(headers["Location"])
                page = links.Rewriter(below) if _is_page(request, answer) else None
                return await passing.back(request, answer, headers, audit.started, page)


def _is_page(request: web.BaseRequest, answer: aiohttp.ClientResponse) -> bool:
    """Say whether an answer has a body of HTML that can be read: a compressed one is passed on as it is."""
    told = answer.content_type == "text/html" and not answer.headers.get("Content-Encoding")
    return told and request.method != "HEAD" and answer.status not in (101, 204, 304)


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
        skip_auto_headers=passing.UNASKED,
    )
