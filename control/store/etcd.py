"""The store on a real etcd cluster, through etcd3's stubs on grpc.aio.

The control process makes one and shares it among everything. A call fails over between members by itself;
what `interface.Store` promises about time and unknown outcomes holds through the loss of any of them.
Progress notifications are never requested (etcd answers them ahead of events, etcd#15220), and a response's
header revision is never taken for progress: a catching-up watch carries a header that is ahead of its events.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import grpc
from etcd3 import etcdrpc

from control.store import endpoints, interface
from control.store.interface import Batch, Committed, Event, KeyValue, Page, Put, Refused, Write
from fairlead.api import errors

PAGE_ITEMS = 1_000  # of a list without a limit, read piece by piece at one revision
REWATCH_SECONDS = 0.2
CONNECT_SECONDS = 3.0

_MOD = 2  # Compare.CompareTarget
_EQUAL = 0  # Compare.CompareResult
_DELETE = 1  # mvccpb.Event.EventType


class EtcdStore:
    """A `Store` whose data survive any member of the cluster."""

    def __init__(self, urls: Sequence[str], tls: endpoints.Tls | None = None) -> None:
        self.endpoints = endpoints.Endpoints(urls, tls)

    async def get(self, key: str) -> tuple[KeyValue | None, int]:
        """Read a key linearizably; returns the value, and the store's revision at that read."""
        answer, _ = await self.endpoints.call("range", etcdrpc.RangeRequest(key=key.encode()))
        return (_key_value(answer.kvs[0]) if answer.kvs else None), answer.header.revision

    async def list(self, prefix: str, *, start: str = "", limit: int = 0, revision: int = 0) -> Page:
        """Read what lies under a prefix, from `start` on, at a revision (0: the newest)."""
        first = max(start, prefix).encode()
        if limit:
            return await self._page(first, range_end(prefix), limit, revision)
        items: list[KeyValue] = []
        while True:
            page = await self._page(first, range_end(prefix), PAGE_ITEMS, revision)
            items += page.items
            revision = page.revision
            if not page.remaining:
                return Page(items, revision, 0)
            first = items[-1].key.encode() + b"\0"

    async def commit(self, *writes: Write) -> Committed | Refused:
        """Apply all writes in one transaction if every expectation holds, else none.

        Where an attempt's fate is unknown the same transaction is sent again: its expectations let it happen
        once. If it is then refused, and the store holds exactly what it wanted to write, it was carried out.
        """
        answer, repeated = await self.endpoints.call("txn", _transaction(writes), write=True)
        if answer.succeeded:
            return Committed(answer.header.revision)
        found = [piece.response_range.kvs for piece in answer.responses]
        current = [_key_value(kvs[0]) if kvs else None for kvs in found]
        refused = Refused(answer.header.revision, tuple(current))
        return _resolve(writes, refused) if repeated else refused

    async def revision(self) -> int:
        """Return the newest revision, by a quorum read."""
        answer, _ = await self.endpoints.call("range", etcdrpc.RangeRequest(key=b"/", count_only=True))
        return int(answer.header.revision)

    async def watch(self, prefix: str, after: int, *, previous: bool = True) -> AsyncIterator[Batch]:
        """Iterate over the changes under a prefix with revisions above `after`, for ever.

        It goes on at another member where one fails, from the last revision that it has delivered.
        """
        while not self.endpoints.closed:
            endpoint = self.endpoints.current
            stream = endpoint.watch(metadata=endpoints.HAS_LEADER)
            endpoint.streams.add(stream)
            try:
                async with asyncio.timeout(CONNECT_SECONDS):
                    await stream.write(_watch_request(prefix, after, previous))
                    response = await stream.read()
                while response:  # gRPC ends a stream with an EOF that is false
                    batch = _batch(response, after)
                    if batch is not None:
                        after = batch.revision
                        yield batch
                    response = await stream.read()  # the channel's keepalive bounds it
            except grpc.aio.AioRpcError as error:
                if error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED:
                    raise errors.Expired(f"the changes do not fit into a message: {error.details()}") from None
            except (_Ended, TimeoutError):
                pass
            except asyncio.CancelledError:
                if endpoints.cancelled():
                    raise
            finally:
                endpoint.streams.discard(stream)
                stream.cancel()
            self.endpoints.failed(endpoint)
            await asyncio.sleep(REWATCH_SECONDS)
        raise errors.ServiceUnavailable("the store is closed")

    async def grant(self, seconds: int) -> int:
        """Return a new etcd lease."""
        answer, _ = await self.endpoints.call("grant", etcdrpc.LeaseGrantRequest(TTL=seconds))
        return int(answer.ID)

    async def compact(self, revision: int) -> None:
        """Forget history before a revision."""
        try:
            await self.endpoints.call("compact", etcdrpc.CompactionRequest(revision=revision))
        except errors.Expired:
            pass  # somebody was faster
        except errors.Timeout as error:
            raise errors.BadRequest(error.message) from None

    async def cluster_id(self) -> str:
        """Return the cluster's id in hexadecimal, as etcdctl prints it."""
        answer, _ = await self.endpoints.call("range", etcdrpc.RangeRequest(key=b"/", count_only=True))
        return f"{answer.header.cluster_id:x}"

    async def close(self) -> None:
        """Close the connections; watches end."""
        await self.endpoints.close()

    async def _page(self, first: bytes, end: bytes, limit: int, revision: int) -> Page:
        """Read at most `limit` items, fewer where they would not fit into a message."""
        while True:
            request = etcdrpc.RangeRequest(key=first, range_end=end, limit=limit, revision=revision)
            try:
                answer, _ = await self.endpoints.call("range", request)
            except errors.RequestEntityTooLarge:
                if limit == 1:
                    raise
                limit = max(1, limit // 4)
                continue
            items = tuple(map(_key_value, answer.kvs))
            return Page(items, revision or answer.header.revision, answer.count - len(items))


class _Ended(Exception):
    """The member has ended the watch for a reason of its own."""


def range_end(prefix: str) -> bytes:
    """Return the key after every key of a prefix; of the empty prefix, etcd's sign for no end."""
    encoded = prefix.encode()
    return encoded[:-1] + bytes([encoded[-1] + 1]) if encoded else b"\0"


def _key_value(found: Any) -> KeyValue:
    return KeyValue(found.key.decode(), found.value, found.mod_revision, found.create_revision)


def _transaction(writes: Sequence[Write]) -> Any:
    keys = [write.key.encode() for write in writes]
    return etcdrpc.TxnRequest(
        compare=[
            etcdrpc.Compare(key=key, target=_MOD, result=_EQUAL, mod_revision=write.expected)
            for key, write in zip(keys, writes, strict=True)
        ],
        success=[_operation(key, write) for key, write in zip(keys, writes, strict=True)],
        failure=[etcdrpc.RequestOp(request_range=etcdrpc.RangeRequest(key=key)) for key in keys],
    )


def _operation(key: bytes, write: Write) -> Any:
    if isinstance(write, Put):
        return etcdrpc.RequestOp(request_put=etcdrpc.PutRequest(key=key, value=write.value, lease=write.lease))
    return etcdrpc.RequestOp(request_delete_range=etcdrpc.DeleteRangeRequest(key=key))


def _resolve(writes: Sequence[Write], refused: Refused) -> Committed | Refused:
    """Return what happened to a transaction that was sent twice and refused the second time.

    Every key as it was to be written, at one revision: an earlier attempt was carried out. Anything else (a
    write that came before it, one that came after it) looks the same either way: errors.Timeout.
    """
    revisions = set()
    for write, found in zip(writes, refused.current, strict=True):
        if isinstance(write, Put) and found is not None and found.value == write.value:
            revisions.add(found.revision)
        elif isinstance(write, interface.Remove) and found is None and len(writes) > 1:
            continue
        else:
            raise errors.Timeout("etcd: the connection broke, and the outcome of the write is not known")
    if len(revisions) != 1:
        raise errors.Timeout("etcd: the connection broke, and the outcome of the write is not known")
    return Committed(revisions.pop())


def _watch_request(prefix: str, after: int, previous: bool) -> Any:
    key = prefix.encode() or b"\0"
    create = etcdrpc.WatchCreateRequest(
        key=key, range_end=range_end(prefix), start_revision=after + 1, prev_kv=previous
    )
    return etcdrpc.WatchRequest(create_request=create)


def _batch(response: Any, after: int) -> Batch | None:
    """Return a response's events; None where it carries none that are new."""
    if response.compact_revision:
        raise errors.Expired(f"too old resource version: {after} ({response.compact_revision})")
    if response.canceled:
        raise _Ended(response.cancel_reason)
    events = [_event(event) for event in response.events if event.kv.mod_revision > after]
    return Batch(events, events[-1].revision) if events else None


def _event(event: Any) -> Event:
    stored = event.kv
    current = None if event.type == _DELETE else _key_value(stored)
    previous = _key_value(event.prev_kv) if event.HasField("prev_kv") else None
    return Event(stored.key.decode(), stored.mod_revision, current, previous)
