"""etcd's members as one callee: a channel to each, the one in use, and where to turn when it fails.

`etcd.py` makes every call through here. Calls ask for a leader (`hasleader`), so that a member without one
says so at once instead of keeping the request until its own timeout.
"""

from __future__ import annotations

import asyncio
import enum
import logging
import pathlib
import urllib.parse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import grpc
from etcd3 import etcdrpc

from control.store import interface
from fairlead.api import errors

MESSAGE_BYTES = 64 * 1024 * 1024
DEADLINE_SECONDS = interface.UNAVAILABLE_SECONDS - 0.3  # what is left is the caller's, to report in time
ATTEMPT_SECONDS = 2.0  # two members that swallow packets leave time for a third
PAUSE_SECONDS = 0.1  # between rounds over all members; doubles
MAX_PAUSE_SECONDS = 0.8

HAS_LEADER = (("hasleader", "true"),)

OPTIONS: Sequence[tuple[str, int]] = (
    ("grpc.max_receive_message_length", MESSAGE_BYTES),
    ("grpc.max_send_message_length", MESSAGE_BYTES),
    ("grpc.keepalive_time_ms", 6_000),  # etcd closes connections that ping more often than every 5 s
    ("grpc.keepalive_timeout_ms", 2_000),
    ("grpc.http2.ping_timeout_ms", 2_000),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.min_reconnect_backoff_ms", 1_000),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    ("grpc.enable_retries", 0),  # which attempts are safe to repeat is decided here
    ("grpc.enable_http_proxy", 0),
    ("grpc.use_local_subchannel_pool", 1),
)

Rpc = Callable[..., Any]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Tls:
    """Paths of PEM files: etcd's authority, and the certificate and key that this process shows."""

    authority: pathlib.Path
    certificate: pathlib.Path
    key: pathlib.Path

    @classmethod
    def in_folder(cls, folder: pathlib.Path) -> Tls:
        """Return the files by their usual names: ca.crt, client.crt, client.key."""
        return cls(folder / "ca.crt", folder / "client.crt", folder / "client.key")


class Fate(enum.Enum):
    """What a failed call means for the request."""

    FINAL = "the request is answered; another member would say the same"
    UNSENT = "the request was not carried out; another member may"
    UNKNOWN = "the request may or may not have been carried out"


class Endpoint:
    """One member, with the calls that the store makes."""

    def __init__(self, url: str, tls: Tls | None) -> None:
        self.url = url
        parts = urllib.parse.urlsplit(url)
        if parts.scheme == "https":
            assert tls is not None, "an https endpoint needs certificates"
            credentials = grpc.ssl_channel_credentials(
                tls.authority.read_bytes(), tls.key.read_bytes(), tls.certificate.read_bytes()
            )
            self.channel = grpc.aio.secure_channel(parts.netloc, credentials, OPTIONS)
        else:
            self.channel = grpc.aio.insecure_channel(parts.netloc, OPTIONS)
        key_value, lease = etcdrpc.KVStub(self.channel), etcdrpc.LeaseStub(self.channel)
        self.range: Rpc = key_value.Range
        self.txn: Rpc = key_value.Txn
        self.compact: Rpc = key_value.Compact
        self.grant: Rpc = lease.LeaseGrant
        self.watch: Rpc = etcdrpc.WatchStub(self.channel).Watch
        maintenance = etcdrpc.MaintenanceStub(self.channel)
        self.status: Rpc = maintenance.Status
        self.snapshot: Rpc = maintenance.Snapshot
        self.members: Rpc = etcdrpc.ClusterStub(self.channel).MemberList
        self.streams: set[Any] = set()

    def drop_streams(self) -> None:
        """End the watches on this member; they go on elsewhere."""
        for stream in list(self.streams):
            stream.cancel()


class Endpoints:
    """The members, one of which is in use until it fails."""

    def __init__(self, urls: Sequence[str], tls: Tls | None = None) -> None:
        self.all = [Endpoint(url, tls) for url in urls]
        self._index = 0
        self.closed = False

    @property
    def current(self) -> Endpoint:
        """The member in use."""
        return self.all[self._index]

    def failed(self, endpoint: Endpoint) -> None:
        """Turn to the next member, unless somebody has done so already."""
        if self.current is endpoint and len(self.all) > 1:
            self._index = (self._index + 1) % len(self.all)
            _log.info("turned to another etcd member", extra={"left": endpoint.url, "member": self.current.url})
            endpoint.drop_streams()

    async def call(self, name: str, request: Any, *, write: bool = False) -> tuple[Any, bool]:
        """Make a unary call on whichever member answers; returns the answer and whether it is a repetition.

        A repetition follows an attempt whose fate is unknown. Where none answers in time: ServiceUnavailable,
        but errors.Timeout for a write that may have been carried out.
        """
        loop = asyncio.get_running_loop()
        end = loop.time() + DEADLINE_SECONDS
        pause, attempts, unknown = PAUSE_SECONDS, 0, False
        while True:
            endpoint = self.current
            timeout = min(ATTEMPT_SECONDS, end - loop.time())
            try:
                answer = await getattr(endpoint, name)(request, timeout=timeout, metadata=HAS_LEADER)
                return answer, unknown
            except grpc.aio.AioRpcError as error:
                fate = judge(error.code(), error.details() or "")
                if fate is Fate.FINAL:
                    raise translate(error) from None
                unknown = unknown or fate is Fate.UNKNOWN
                failure = error
            except (grpc.aio.UsageError, asyncio.CancelledError):
                if self.closed and not cancelled():
                    raise errors.ServiceUnavailable("the store is closed") from None
                raise
            self.failed(endpoint)
            attempts += 1
            if attempts % len(self.all) == 0:
                await asyncio.sleep(max(0.0, min(pause, end - loop.time())))
                pause = min(2 * pause, MAX_PAUSE_SECONDS)
            if self.closed or end - loop.time() <= 0.01:
                reason = errors.Timeout if write and unknown else errors.ServiceUnavailable
                raise reason(f"etcd: {failure.details()}", retry_after_seconds=1)

    async def close(self) -> None:
        """Close every channel; calls under way fail."""
        self.closed = True
        for endpoint in self.all:
            endpoint.drop_streams()
            await endpoint.channel.close(None)


def cancelled() -> bool:
    """Whether this task is meant by a CancelledError: gRPC raises one, too, where a call is cancelled."""
    task = asyncio.current_task()
    return task is None or bool(task.cancelling())


# What etcd or gRPC says of a request that has not been carried out. "leader changed", "request timed out" and a
# connection that broke are not here: the request may have been proposed.
_UNSENT = (
    "etcdserver: no leader",
    "etcdserver: not leader",
    "etcdserver: too many requests",
    "etcdserver: rpc not supported for learner",
    "failed to connect to all addresses",
    "connections to all backends failing",
    "etcdserver: not capable",
)
_UNKNOWN_CODES = (
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.ABORTED,
    grpc.StatusCode.UNKNOWN,
    grpc.StatusCode.INTERNAL,
)


def judge(code: grpc.StatusCode, details: str) -> Fate:
    """Return what a failed call means for its request."""
    if details.startswith(_UNSENT):
        return Fate.UNSENT
    return Fate.UNKNOWN if code in _UNKNOWN_CODES else Fate.FINAL


_BY_TEXT: Sequence[tuple[str, type[errors.ApiError]]] = (
    ("required revision has been compacted", errors.Expired),
    ("required revision is a future revision", errors.Timeout),
    ("requested lease not found", errors.NotFound),
    ("request is too large", errors.RequestEntityTooLarge),
    ("larger than max", errors.RequestEntityTooLarge),
    ("database space exceeded", errors.ServiceUnavailable),
)


def translate(error: grpc.aio.AioRpcError) -> errors.ApiError:
    """Return the API's error for etcd's final answer."""
    details = error.details() or ""
    for text, kind in _BY_TEXT:
        if text in details:
            return kind(details)
    return errors.InternalError(f"etcd: {error.code().name}: {details}")
