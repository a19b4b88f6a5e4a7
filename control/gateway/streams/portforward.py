"""Port-forward: `pods/NAME/portforward`, any number of TCP connections over one upgraded connection.

Over SPDY, and SPDY inside a WebSocket, the caller opens a pair of streams for each connection; over a plain WebSocket
each port of the query is one connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

from aiohttp import web

from control.apiserver import relay, server
from control.apiserver.audit import event as audit
from control.gateway.rest import handlers
from control.gateway.streams import channels, requests, spdychannels, upgrade, websocket, wire
from control.gateway.streams import session as sessions
from fairlead import supervise
from fairlead.api import errors
from fairlead.api.pb import cluster_pb2 as cluster
from fairlead.api.pb import core_v1_pb2 as corev1

PROTOCOL = "portforward.k8s.io"
TUNNEL = upgrade.TUNNEL_PREFIX + PROTOCOL
SOCKETS = (TUNNEL, "v4.channel.k8s.io", "v4.base64.channel.k8s.io", PROTOCOL)


class PortForward:
    """The handler, for the gateway's routes."""

    def __init__(self, api: server.ApiServer, streams: relay.Relay) -> None:
        self._api = api
        self._relay = streams

    async def serve(self, call: handlers.Call) -> web.StreamResponse:
        """Carry connections to a pod's ports until the caller has gone."""
        request, what = call.request, call.target
        options = corev1.PodPortForwardOptions(ports=requests.ports(request.query))
        await requests.connect(self._api, call, options)
        pod = await requests.pod(self._api, what)
        try:
            offer = upgrade.negotiate(request.headers, SOCKETS, (PROTOCOL,))
        except upgrade.NotNegotiated as error:
            return error.response()
        if offer.socket and not offer.tunnel:
            return await self._over_socket(request, offer, pod, options.ports)
        carrier: wire.Tunnel | wire.Upgraded
        if offer.tunnel:
            carrier = wire.Tunnel(await upgrade.open_socket(request, offer))
        else:
            carrier = await wire.take_over(request, offer.spdy_headers())
        audit.started(carrier.response.status)
        await self._over_spdy(carrier, pod)
        return carrier.response

    async def _over_socket(
        self, request: web.BaseRequest, offer: upgrade.Offer, pod: corev1.Pod, numbers: Sequence[int]
    ) -> web.StreamResponse:
        if not numbers:
            raise errors.BadRequest('query parameter "port" is required')
        if len(numbers) > (most := offer.most_channels // 2):
            text = f"{len(numbers)} ports are more than the {most} that one WebSocket has channels for"
            raise errors.BadRequest(text)
        socket = await upgrade.open_socket(request, offer)
        audit.started(socket.status)
        ports = websocket.Ports(websocket.Messages(socket, offer), numbers)

        async def all_of_them() -> None:
            await asyncio.gather(*(self._forward(pod, port.port, port) for port in ports.ports))

        try:
            await ports.open()
            await supervise.first_of(all_of_them(), ports.run())
            await ports.close()
        except ConnectionError:
            pass
        return socket

    async def _over_spdy(self, carrier: wire.Wire, pod: corev1.Pod) -> None:
        session = sessions.Session(carrier)
        try:
            await supervise.first_of(session.run(), self._connections(session, pod))
            await session.finish()
        except ConnectionError:
            pass

    async def _connections(self, session: sessions.Session, pod: corev1.Pod) -> None:
        """Begin a task for each connection that the caller opens; all end with this one."""
        pairs = spdychannels.Pairs(session)
        running: set[asyncio.Task[None]] = set()
        try:
            while (pair := await pairs.next()) is not None:
                task = asyncio.create_task(self._forward(pod, pair.port, pair), name="port-forward connection")
                running.add(task)
                task.add_done_callback(running.discard)
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def _forward(self, pod: corev1.Pod, port: int, opened: channels.Channels) -> None:
        start = cluster.StreamStart(namespace=pod.metadata.namespace, pod=pod.metadata.name, port=port)
        output = self._relay.port_forward(start, opened.frames())
        try:
            await channels.carry(_worded(output, pod, port), opened)
        finally:
            await output.aclose()  # type: ignore[attr-defined]


async def _worded(
    output: AsyncIterator[cluster.ServerFrame], pod: corev1.Pod, port: int
) -> AsyncIterator[cluster.ServerFrame]:
    """Iterate over frames; an error says as kubelet does what could not be forwarded."""
    try:
        async for frame in output:
            yield frame
    except errors.ApiError as error:
        what = f"error forwarding port {port} to pod {pod.metadata.name}, uid {pod.metadata.uid}"
        raise errors.InternalError(f"{what}: {error.message}") from error
