"""Connections to Services of the cluster: those of webhooks, and of aggregated APIs.

`name.namespace.svc` leads to one of the Service's ready endpoints: to a pod through the session of its node's agent,
because a control host runs no proxy of Services and may have no way to a pod's address; to any other endpoint
directly. Source: kube-apiserver's option --enable-aggregator-routing.
"""

from __future__ import annotations

import asyncio
import random
import socket
import ssl
from collections.abc import Iterator, Sequence
from typing import Any

import aiohttp
from aiohttp.client_proto import ResponseHandler

from control.apiserver import relay, tcp
from control.apiserver.admission import lookup
from control.store import cache as caches
from fairlead.api import errors
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import discovery_v1_pb2 as discoveryv1

SUFFIX = ".svc"
DEFAULT_PORT = 443
SERVICE_LABEL = "kubernetes.io/service-name"
CONNECT_SECONDS = 10.0


class Unreachable(OSError):
    """A Service that cannot be reached; the text says why."""


class Dialer:
    """Finds Services and connects to what is behind them; `relay` is set once there are sessions to go through."""

    def __init__(self, cache: caches.Cache) -> None:
        self.relay: relay.Relay = relay.NoRelay()
        self._services = lookup.Lookup(cache, corev1.Service)
        self._slices = lookup.Lookup(cache, discoveryv1.EndpointSlice)
        self._random = random.Random()
        self._carrying: set[asyncio.Task[None]] = set()

    def connector(self, context: ssl.SSLContext, *, idle_seconds: float = 15.0) -> aiohttp.TCPConnector:
        """Return a connector of aiohttp for `https://name.namespace.svc:port`, and for other hosts as they are."""
        return Connector(self, context, idle_seconds)

    def service(self, name: str, namespace: str) -> corev1.Service | None:
        """Return a Service as the cache has it, or None."""
        return self._services.get(name, namespace)

    async def connect(self, name: str, namespace: str, port: int) -> socket.socket | tuple[str, int]:
        """Return a connection to a Service's port, or the address to connect to; Unreachable."""
        service = self.service(name, namespace)
        if service is None:
            raise Unreachable(f'service "{name}" not found')
        if service.spec.type == "ExternalName":
            return service.spec.externalName, port
        found = [one.name for one in service.spec.ports if one.port == port]
        if not found:
            raise Unreachable(f'no service port {port} found for service "{name}"')
        slices = [one for one in self._slices.all(namespace) if one.metadata.labels.get(SERVICE_LABEL) == name]
        ready = list(endpoints(slices, found[0]))
        if not ready:
            raise Unreachable(f'no endpoints available for service "{name}"')
        endpoint, target = self._random.choice(ready)
        if endpoint.targetRef.kind == "Pod":
            return await self._through_session(namespace, endpoint.targetRef.name, target)
        return endpoint.addresses[0], target

    async def _through_session(self, namespace: str, pod: str, port: int) -> socket.socket:
        opened: asyncio.Future[socket.socket] = asyncio.get_running_loop().create_future()
        carrying = asyncio.create_task(self._carry(namespace, pod, port, opened), name="connection to a Service")
        self._carrying.add(carrying)
        carrying.add_done_callback(self._carrying.discard)
        try:
            return await opened
        except BaseException:
            carrying.cancel()
            if opened.done() and not opened.cancelled() and opened.exception() is None:
                opened.result().close()
            raise

    async def _carry(self, namespace: str, pod: str, port: int, opened: asyncio.Future[socket.socket]) -> None:
        try:
            async with tcp.connection(self.relay, namespace, pod, port) as connection:
                if not opened.done():
                    opened.set_result(connection.take())
                await connection.ended.wait()
        except errors.ApiError as error:
            if not opened.done():
                opened.set_exception(Unreachable(error.message))

    async def close(self) -> None:
        """End every connection through a session."""
        carrying = list(self._carrying)
        for task in carrying:
            task.cancel()
        await asyncio.gather(*carrying, return_exceptions=True)


class Connector(aiohttp.TCPConnector):
    """Connects to Services by their names in the cluster."""

    def __init__(self, dialer: Dialer, context: ssl.SSLContext, idle_seconds: float) -> None:
        # no limit: watches and streams keep their connections, and whoever asks beside them must not wait for these
        super().__init__(ssl=context, keepalive_timeout=idle_seconds, limit=0)
        self._dialer = dialer
        self._context = context

    async def _create_connection(self, req: Any, traces: Any, timeout: Any) -> ResponseHandler:
        name = str(req.url.host)
        if name.count(".") != 2 or not name.endswith(SUFFIX):
            return await super()._create_connection(req, traces, timeout)
        async with asyncio.timeout(timeout.sock_connect or CONNECT_SECONDS):
            service, namespace, _ = name.split(".")
            found = await self._dialer.connect(service, namespace, req.url.port)
            if isinstance(found, socket.socket):
                return await self._over(name, sock=found)
            host, port = found
            try:
                return await self._over(name, host=host, port=port)
            except ConnectionRefusedError:
                raise Unreachable(f"dial tcp {host}:{port}: connect: connection refused") from None
            except socket.gaierror as error:
                raise Unreachable(f"dial tcp: lookup {host}: {error.strerror}") from None

    async def _over(self, name: str, **where: Any) -> ResponseHandler:
        """Speak TLS with whom the certificate names, over a connection or to an address."""
        loop = asyncio.get_running_loop()
        try:
            _, protocol = await loop.create_connection(
                self._factory, ssl=self._context, server_hostname=name, **where
            )
        except ssl.SSLCertVerificationError as error:
            raise Unreachable(f"tls: failed to verify certificate: {error.verify_message}") from None
        return protocol


def endpoints(slices: Sequence[discoveryv1.EndpointSlice], port: str) -> Iterator[tuple[discoveryv1.Endpoint, int]]:
    """Iterate over the ready endpoints of a port's name, with the port's number there; unknown counts as ready."""
    for slice_ in slices:
        for one in slice_.ports:
            for endpoint in slice_.endpoints if one.name == port else ():
                ready = not endpoint.conditions.HasField("ready") or endpoint.conditions.ready
                if ready and endpoint.addresses:
                    yield endpoint, one.port
