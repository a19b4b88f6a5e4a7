"""gRPC channels to the control plane: TLS, several endpoints, limits.

One channel knows every control process and moves to another by itself when its own is gone.
"""

from __future__ import annotations

import ipaddress
import json
import random
from collections.abc import Sequence

import grpc

MESSAGE_BYTES = 16 * 1024 * 1024
KEEPALIVE_MILLISECONDS = 10_000  # a process whose host is cut off answers no FIN: ping it
KEEPALIVE_TIMEOUT_MILLISECONDS = 3_000
# TCP's user timeout, which gRPC derives from it, also ends a connection whose other side lives and is too busy to
# read. Between control processes megabytes of streams pass, and nothing waits for the news that a host is cut off.
PEERS_TIMEOUT_MILLISECONDS = 20_000
CONNECT_MILLISECONDS = 3_000  # how long one try may take, TLS included; gRPC calls it the minimal back-off
# Every control process' certificate carries this name, so that one channel can accept each of them.
SERVER_NAME = "kubernetes"
# Reads may be sent again; a write that may have been carried out is the caller's to judge.
_RETRIED = [{"service": "fairlead.v1.Cluster", "method": method} for method in ("Get", "List", "Top")]
_SERVICE_CONFIG = json.dumps(
    {
        "methodConfig": [
            {
                "name": _RETRIED,
                "retryPolicy": {
                    "maxAttempts": 4,
                    "initialBackoff": "0.1s",
                    "maxBackoff": "1s",
                    "backoffMultiplier": 2,
                    "retryableStatusCodes": ["UNAVAILABLE"],
                },
            }
        ]
    }
)
OPTIONS: tuple[tuple[str, str | int], ...] = (
    ("grpc.max_receive_message_length", MESSAGE_BYTES),
    ("grpc.max_send_message_length", MESSAGE_BYTES),
    ("grpc.ssl_target_name_override", SERVER_NAME),
    ("grpc.keepalive_time_ms", KEEPALIVE_MILLISECONDS),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.min_reconnect_backoff_ms", CONNECT_MILLISECONDS),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    ("grpc.service_config", _SERVICE_CONFIG),
)


def target(endpoints: Sequence[str]) -> str:
    """Return gRPC's name for a set of endpoints, in random order so that clients spread over them.

    Several endpoints must be addresses; a single one may be a host name.
    """
    if len(endpoints) == 1:
        return endpoints[0]
    shuffled = random.sample(list(endpoints), len(endpoints))
    hosts = [ipaddress.ip_address(endpoint.rpartition(":")[0].strip("[]")) for endpoint in shuffled]
    family = "ipv6" if hosts[0].version == 6 else "ipv4"
    return f"{family}:{','.join(shuffled)}"


def connect(
    endpoints: Sequence[str],
    authority: bytes,
    certificate: bytes = b"",
    key: bytes = b"",
    *,
    timeout_milliseconds: int = KEEPALIVE_TIMEOUT_MILLISECONDS,
) -> grpc.aio.Channel:
    """Return a channel under an authority, as the holder of a certificate if one is given (all PEM).

    A connection ends where the other side acknowledges nothing, or has no room, for the timeout.
    """
    credentials = grpc.ssl_channel_credentials(authority, key or None, certificate or None)
    options = (*OPTIONS, ("grpc.keepalive_timeout_ms", timeout_milliseconds))
    return grpc.aio.secure_channel(target(endpoints), credentials, options=options)
