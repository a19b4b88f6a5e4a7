"""Connections to the control plane: which process to dial next, how, and after what pause."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any, Protocol

import grpc

from fairlead.api.pb import agent_pb2 as agent
from fairlead.api.pb import cluster_pb2 as cluster
from fairlead.client import channel as channels
from node.agent import config as configs

Options = tuple[tuple[str, int | str], ...]

_COMMON: Options = (
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.max_receive_message_length", 16 << 20),
    ("grpc.max_send_message_length", 16 << 20),
    # Every control process' certificate carries this name, whatever address it is dialled by.
    ("grpc.ssl_target_name_override", channels.SERVER_NAME),
    # A new session gets a new connection.
    ("grpc.use_local_subchannel_pool", 1),
    # The agent chooses and paces its dials itself.
    ("grpc.enable_retries", 0),
)
# With keepalive on, gRPC sets TCP's user timeout to `keepalive_timeout_ms`: where a link is cut, the first heartbeat
# that is not acknowledged ends the connection after that time, which lies below a node's grace.
SESSION: Options = (*_COMMON, ("grpc.keepalive_time_ms", 5000), ("grpc.keepalive_timeout_ms", 1500))
# TCP's user timeout also ends a connection whose other side acknowledges, but has no room for so long. A session's
# few bytes always find room; megabytes of a stream do not where that side is busy, which is no reason to cut it off.
STREAMS: Options = (
    *_COMMON,
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    # as control/gateway/listening.py has it for the other direction
    ("grpc.http2.bdp_probe", 0),
    ("grpc.http2.lookahead_bytes", 1 << 20),
)

# The first tries fall within the grace that a closed session has; the later ones spare a control plane that starts.
FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 3.0
STABLE_SECONDS = 5.0


# What `read` returns when the other side has ended a call.
EOF: Any = grpc.aio.EOF  # type: ignore[attr-defined]


class Link(Protocol):
    """How a control process is reached."""

    def channel(self, endpoint: str, options: Options) -> grpc.aio.Channel:
        """Return a new channel to host:port."""
        ...


class TlsLink:
    """Mutual TLS with the node's certificate, read at each dial: a renewed one is used without a restart."""

    def __init__(self, config: configs.Config) -> None:
        self._pki = config.pki

    def channel(self, endpoint: str, options: Options) -> grpc.aio.Channel:
        """Return a new channel to host:port."""
        credentials = grpc.ssl_channel_credentials(
            (self._pki / "ca.crt").read_bytes(),
            (self._pki / "node.key").read_bytes(),
            (self._pki / "node.crt").read_bytes(),
        )
        return grpc.aio.secure_channel(endpoint, credentials, options=options)


class Endpoints:
    """The control processes in a random order; each failure moves on to the next."""

    def __init__(self, endpoints: Sequence[str], choose: random.Random | None = None) -> None:
        self._random = choose or random.Random()
        self._order: list[str] = []
        self._failures = 0
        self.learn(endpoints)

    def learn(self, endpoints: Sequence[str]) -> None:
        """Take the list that a control process gives; the one in use stays first."""
        if not endpoints or set(endpoints) == set(self._order):
            return
        current = self._order[:1]
        others = [endpoint for endpoint in dict.fromkeys(endpoints) if endpoint not in current]
        self._random.shuffle(others)
        self._order = [endpoint for endpoint in current if endpoint in endpoints] + others

    @property
    def current(self) -> str:
        """Return the endpoint to dial."""
        return self._order[0]

    def lasted(self, seconds: float) -> None:
        """Take how long a session was held. One that ends at once counts as a failure.

        Else two agents of one name would drive each other out without a pause.
        """
        if seconds >= STABLE_SECONDS:
            self._failures = 0

    def failed(self) -> float:
        """Move on to the next; returns how many seconds to wait before dialling it."""
        self._order.append(self._order.pop(0))
        rounds = self._failures // len(self._order)
        self._failures += 1
        pause = min(FIRST_PAUSE_SECONDS * 2**rounds, LONGEST_PAUSE_SECONDS)
        return float(pause * self._random.uniform(0.5, 1.0))


class Stub:
    """`NodeAgent`'s two calls on a channel."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        name = agent.DESCRIPTOR.services_by_name["NodeAgent"].full_name
        self.session: Any = channel.stream_stream(
            f"/{name}/Session",
            request_serializer=agent.AgentMessage.SerializeToString,
            response_deserializer=agent.ControlMessage.FromString,
        )
        self.stream: Any = channel.stream_stream(
            f"/{name}/Stream",
            request_serializer=agent.AgentFrame.SerializeToString,
            response_deserializer=cluster.ClientFrame.FromString,
        )
