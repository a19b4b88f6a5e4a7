"""What a control process and its operator ask of etcd itself: identity, members, health, snapshots."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Sequence
from dataclasses import dataclass

import grpc
from etcd3 import etcdrpc

from control.store import endpoints, etcd
from fairlead.api import errors

SNAPSHOT_SECONDS = 600.0
STATUS_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Member:
    """A member as the cluster knows it; one that has not started has no name."""

    id: int
    name: str
    peer_urls: Sequence[str]
    client_urls: Sequence[str]


@dataclass(frozen=True, slots=True)
class Status:
    """How one endpoint is; `error` is empty where it answers and knows a leader."""

    url: str
    version: str = ""
    size_bytes: int = 0
    leader: bool = False
    raft_index: int = 0
    raft_term: int = 0
    error: str = ""


async def members(store: etcd.EtcdStore) -> Sequence[Member]:
    """Return the cluster's members; ServiceUnavailable without a leader."""
    answer, _ = await store.endpoints.call("members", etcdrpc.MemberListRequest())
    return [
        Member(member.ID, member.name, tuple(member.peerURLs), tuple(member.clientURLs)) for member in answer.members
    ]


async def statuses(store: etcd.EtcdStore) -> Sequence[Status]:
    """Return how each endpoint is, in their order; none is left out for not answering."""
    return [await _status(endpoint) for endpoint in store.endpoints.all]


async def _status(endpoint: endpoints.Endpoint) -> Status:
    try:
        answer = await endpoint.status(etcdrpc.StatusRequest(), timeout=STATUS_SECONDS)
    except grpc.aio.AioRpcError as error:
        return Status(endpoint.url, error=error.details() or error.code().name)
    return Status(
        endpoint.url,
        version=answer.version,
        size_bytes=answer.dbSize,
        leader=bool(answer.leader) and answer.leader == answer.header.member_id,
        raft_index=answer.raftIndex,
        raft_term=answer.raftTerm,
        error="" if answer.leader else "no leader",
    )


async def snapshot(store: etcd.EtcdStore, path: pathlib.Path) -> int:
    """Save all of etcd's data to a file, whole or not at all; returns its size in bytes.

    The file is what `etcdctl snapshot restore` takes. It holds every Secret: only its owner can read it.
    """
    partial = path.with_name(path.name + ".part")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            stream = store.endpoints.current.snapshot(etcdrpc.SnapshotRequest(), timeout=SNAPSHOT_SECONDS)
            async for piece in stream:
                file.write(piece.blob)
            file.flush()
            os.fsync(file.fileno())
            size = file.tell()
        os.replace(partial, path)
    except grpc.aio.AioRpcError as error:
        raise errors.ServiceUnavailable(f"etcd: {error.details()}") from None
    finally:
        partial.unlink(missing_ok=True)
    return size
