"""gRPC servers: ports, TLS, limits, reflection and health.

`control/__main__.py` starts one for each port: 7443 asks for a client certificate, 7444 shows only its own. What is
served on a port is a list of `Service`s, the gateway's and the dispatcher's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1._async import HealthServicer
from grpc_reflection.v1alpha import reflection

from fairlead.api.pb import cluster_pb2, cluster_pb2_grpc

MESSAGE_BYTES = 16 * 1024 * 1024
STREAMS_PER_CONNECTION = 1000

OPTIONS: Sequence[tuple[str, int]] = (
    ("grpc.max_receive_message_length", MESSAGE_BYTES),
    ("grpc.max_send_message_length", MESSAGE_BYTES),
    ("grpc.max_concurrent_streams", STREAMS_PER_CONNECTION),
    # what is kept of a stream that its caller does not take; left to itself gRPC measures how much a link could
    # carry, and keeps some 4 MiB of each on a fast one
    ("grpc.http2.bdp_probe", 0),
    ("grpc.http2.lookahead_bytes", 1 << 20),
    ("grpc.so_reuseport", 0),  # a second process on the port must fail, not share it
    # a peer that vanished without a word is noticed, one that is too busy to read is borne (it is TCP's user timeout,
    # too), and clients may ask often whether we are there
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 1_000),
    ("grpc.http2.max_ping_strikes", 0),
)


@dataclass(frozen=True, slots=True)
class Service:
    """A gRPC service: its full name, and the function that adds it to a server."""

    name: str
    add: Callable[[grpc.aio.Server], Any]


def cluster(servicer: cluster_pb2_grpc.ClusterServicer) -> Service:
    """Return `fairlead.v1.Cluster`."""
    name = cluster_pb2.DESCRIPTOR.services_by_name["Cluster"].full_name
    return Service(name, lambda server: cluster_pb2_grpc.add_ClusterServicer_to_server(servicer, server))


def bootstrap(servicer: cluster_pb2_grpc.BootstrapServicer) -> Service:
    """Return `fairlead.v1.Bootstrap`."""
    name = cluster_pb2.DESCRIPTOR.services_by_name["Bootstrap"].full_name
    return Service(name, lambda server: cluster_pb2_grpc.add_BootstrapServicer_to_server(servicer, server))


def credentials(certificate: bytes, key: bytes, authority: bytes, *, require_client: bool) -> grpc.ServerCredentials:
    """Return TLS credentials from PEM; with `require_client` a caller must show a certificate of the authority."""
    if require_client:
        return grpc.ssl_server_credentials([(key, certificate)], authority, require_client_auth=True)
    return grpc.ssl_server_credentials([(key, certificate)])


@dataclass(frozen=True, slots=True)
class Listening:
    """A server that runs: its port, and its health, which is SERVING until `stop`."""

    server: grpc.aio.Server
    port: int
    health: HealthServicer

    async def stop(self, grace_seconds: float = 1.0) -> None:
        """Say NOT_SERVING, take no more calls, and end those that last longer than the grace."""
        await self.health.enter_graceful_shutdown()
        await self.server.stop(grace_seconds)


async def serve(address: str, services: Sequence[Service], tls: grpc.ServerCredentials | None = None) -> Listening:
    """Listen on `host:port` (port 0: any) and return once calls are taken; without TLS only in tests.

    OSError where the address cannot be had.
    """
    server = grpc.aio.server(options=OPTIONS)
    for service in services:
        service.add(server)
    health = HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(health, server)
    names = [service.name for service in services]
    health_name = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name
    reflection.enable_server_reflection((*names, health_name, reflection.SERVICE_NAME), server)
    try:
        port = server.add_secure_port(address, tls) if tls is not None else server.add_insecure_port(address)
    except RuntimeError as error:
        raise OSError(f"cannot listen on {address}: {error}") from None
    await server.start()
    for name in ("", *names):
        await health.set(name, health_pb2.HealthCheckResponse.SERVING)
    return Listening(server, port, health)
