"""Exec and attach: `pods/NAME/exec` and `pods/NAME/attach`."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable

from aiohttp import web

from control.apiserver import relay, server
from control.apiserver.audit import event as audit
from control.gateway.rest import handlers
from control.gateway.streams import channels, requests, spdychannels, upgrade, websocket, wire
from control.gateway.streams import session as sessions
from fairlead.api.pb import cluster_pb2 as cluster

V5, V4, V1 = "v5.channel.k8s.io", "v4.channel.k8s.io", "channel.k8s.io"
SOCKETS = (V5, V4, "v4.base64.channel.k8s.io", V1, "base64.channel.k8s.io")
SPDY = (V4, "v3.channel.k8s.io", "v2.channel.k8s.io", V1)

Run = Callable[
    [cluster.StreamStart, AsyncIterator[cluster.ClientFrame]],
    AsyncIterator[cluster.ServerFrame],
]


class RemoteCommand:
    """The handlers, for the gateway's routes."""

    def __init__(self, api: server.ApiServer, streams: relay.Relay) -> None:
        self._api = api
        self._relay = streams

    async def exec(self, call: handlers.Call) -> web.StreamResponse:
        """Run a command in a container."""
        return await self._serve(call, self._relay.exec)

    async def attach(self, call: handlers.Call) -> web.StreamResponse:
        """Join the streams of a container's main process."""
        return await self._serve(call, self._relay.attach)

    async def _serve(self, call: handlers.Call, run: Run) -> web.StreamResponse:
        """Upgrade the connection once the process is there: what fails before is a plain answer."""
        what = call.target
        options = requests.command(call.request.query, what.subresource)
        await requests.connect(self._api, call, options)
        await requests.pod(self._api, what, options.container)
        try:
            offer = upgrade.negotiate(call.request.headers, SOCKETS, SPDY)
        except upgrade.NotNegotiated as error:
            return error.response()
        start = requests.start(options, what)
        later = channels.Later()
        async with contextlib.aclosing(run(start, later.frames())) as output:  # type: ignore[type-var]
            first = await anext(output)
            response, opened = await _open(call.request, offer, start)
            audit.started(response.status)
            later.open(opened)
            await channels.carry(_after(first, output), opened)
        return response


async def _open(
    request: web.BaseRequest, offer: upgrade.Offer, start: cluster.StreamStart
) -> tuple[web.StreamResponse, channels.Channels]:
    if offer.socket:
        socket = await upgrade.open_socket(request, offer)
        over_socket = websocket.RemoteCommand(websocket.Messages(socket, offer), offer.protocol, start)
        with upgrade.unless_gone():
            await over_socket.open()
        return socket, over_socket
    taken = await wire.take_over(request, offer.spdy_headers())
    return taken.response, spdychannels.RemoteCommand(sessions.Session(taken), offer.protocol, start)


async def _after(
    first: cluster.ServerFrame, output: AsyncIterator[cluster.ServerFrame]
) -> AsyncIterator[cluster.ServerFrame]:
    yield first
    async for frame in output:
        yield frame
