"""The store in one process' memory, with etcd's semantics.

Tests build control planes on it; tests/contract/store holds it equal to `etcd.py`. `available` cuts it off as
a lost quorum would, and `expire` lets leases end when an injected clock has moved.
"""

from __future__ import annotations

import asyncio
import bisect
import itertools
import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field

from control.store import interface
from control.store.interface import Batch, Committed, Event, KeyValue, Page, Put, Refused, Write
from fairlead.api import errors

FIRST_REVISION = 1  # an empty etcd says 1; its first write gets 2


@dataclass(slots=True)
class _Record:
    """The history of one key: revisions in order, beside each what was then stored (None: deleted)."""

    revisions: list[int] = field(default_factory=list)
    values: list[KeyValue | None] = field(default_factory=list)

    def at(self, revision: int) -> KeyValue | None:
        index = bisect.bisect_right(self.revisions, revision)
        return self.values[index - 1] if index else None

    def forget(self, revision: int) -> None:
        """Drop what nobody may read any more: everything older than what holds at the revision."""
        index = bisect.bisect_right(self.revisions, revision) - 1
        if index > 0:
            del self.revisions[:index], self.values[:index]


class MemoryStore:
    """A `Store` that lives and ends with the process."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._available = True
        self._cluster_id = f"{secrets.randbits(64):x}"
        self._clock = clock
        self._revision = FIRST_REVISION
        self._compacted = 0
        self._keys: list[str] = []
        self._records: dict[str, _Record] = {}
        self._log: list[Event] = []
        self._log_revisions: list[int] = []
        self._leases: dict[int, tuple[float, set[str]]] = {}
        self._lease_of: dict[str, int] = {}
        self._lease_ids = itertools.count(1)
        self._waiting: set[asyncio.Future[None]] = set()
        self._closed = False

    @property
    def available(self) -> bool:
        """Whether a leader answers; a test sets it False to cut the store off."""
        return self._available

    @available.setter
    def available(self, value: bool) -> None:
        self._available = value
        self._wake()

    async def get(self, key: str) -> tuple[KeyValue | None, int]:
        """Read a key; returns the value and the store's revision."""
        await self._arrive()
        return self._current(key), self._revision

    async def list(self, prefix: str, *, start: str = "", limit: int = 0, revision: int = 0) -> Page:
        """Read what lies under a prefix, from `start` on, at a revision (0: the newest)."""
        await self._arrive()
        at = revision or self._revision
        if at > self._revision:
            raise errors.too_large_resource_version(at, self._revision)
        if at < self._compacted:
            raise _expired(at, self._compacted)
        found = [value for value in self._values_at(prefix, max(start, prefix), at) if value is not None]
        items = found[:limit] if limit else found
        return Page(tuple(items), at, len(found) - len(items))

    async def commit(self, *writes: Write) -> Committed | Refused:
        """Apply all writes at one revision if every expectation holds, else none."""
        await self._arrive()
        current = [self._current(write.key) for write in writes]
        if any(
            (value.revision if value else 0) != write.expected for value, write in zip(current, writes, strict=True)
        ):
            return Refused(self._revision, tuple(current))
        for write in writes:
            if isinstance(write, Put) and write.lease and write.lease not in self._leases:
                raise errors.NotFound("etcdserver: requested lease not found")
        self._apply(writes)
        return Committed(self._revision)

    async def revision(self) -> int:
        """Return the newest revision."""
        await self._arrive()
        return self._revision

    async def watch(self, prefix: str, after: int, *, previous: bool = True) -> AsyncIterator[Batch]:
        """Iterate over the changes under a prefix with revisions above `after`, for ever."""
        while True:
            if self._closed:
                raise errors.ServiceUnavailable("the store is closed")
            self.expire()
            if after + 1 < self._compacted:
                raise _expired(after, self._compacted)
            events = [event for event in self._log_after(after) if event.key.startswith(prefix)]
            if events and self._available:
                after = events[-1].revision
                yield Batch(tuple(events), after)
            else:
                if self._available and not events:
                    after = max(after, self._revision)
                await self._changed()

    async def grant(self, seconds: int) -> int:
        """Return a new lease; its keys go when the clock has passed its end."""
        await self._arrive()
        lease = next(self._lease_ids)
        self._leases[lease] = (self._clock() + seconds, set())
        asyncio.get_running_loop().call_later(seconds, self.expire)
        return lease

    async def compact(self, revision: int) -> None:
        """Forget history before a revision."""
        await self._arrive()
        if revision > self._revision:
            raise errors.BadRequest("etcdserver: mvcc: required revision is a future revision")
        if revision <= self._compacted:
            return
        self._compacted = revision
        for record in self._records.values():
            record.forget(revision)
        gone = [
            key
            for key, record in self._records.items()
            if record.values[-1] is None and record.revisions[-1] < revision
        ]
        for key in gone:
            del self._records[key]
        self._keys = [key for key in self._keys if key in self._records]
        index = bisect.bisect_left(self._log_revisions, revision)
        del self._log[:index], self._log_revisions[:index]
        self._wake()

    async def cluster_id(self) -> str:
        """Return a number that no other store of this process' time has."""
        await self._arrive()
        return self._cluster_id

    async def close(self) -> None:
        """End every watch; later calls raise."""
        self._closed = True
        self._wake()

    def expire(self) -> None:
        """Remove the keys of leases that the clock has passed; whoever moves an injected clock calls this."""
        now = self._clock()
        for lease, (deadline, keys) in list(self._leases.items()):
            if deadline <= now:
                del self._leases[lease]
                removals = [interface.Remove(key, self._present(key).revision) for key in sorted(keys)]
                if removals:
                    self._apply(removals)

    async def _arrive(self) -> None:
        """Let others run, as a network call would, then refuse if the store is cut off or closed."""
        await asyncio.sleep(0)
        if self._closed or not self._available:
            raise errors.ServiceUnavailable("etcdserver: no leader")
        self.expire()

    def _current(self, key: str) -> KeyValue | None:
        record = self._records.get(key)
        return record.values[-1] if record else None

    def _present(self, key: str) -> KeyValue:
        value = self._current(key)
        assert value is not None, key
        return value

    def _values_at(self, prefix: str, start: str, revision: int) -> Iterator[KeyValue | None]:
        for index in range(bisect.bisect_left(self._keys, start), len(self._keys)):
            key = self._keys[index]
            if not key.startswith(prefix):
                return
            yield self._records[key].at(revision)

    def _log_after(self, revision: int) -> Sequence[Event]:
        return self._log[bisect.bisect_right(self._log_revisions, revision) :]

    def _apply(self, writes: Sequence[Write]) -> None:
        effective = [write for write in writes if isinstance(write, Put) or self._current(write.key) is not None]
        if not effective:
            return
        self._revision += 1
        for write in effective:
            self._write(write)
        self._wake()

    def _write(self, write: Write) -> None:
        previous = self._current(write.key)
        lease = write.lease if isinstance(write, Put) else 0
        self._attach(write.key, lease)
        value = None
        if isinstance(write, Put):
            created = previous.created if previous else self._revision
            value = KeyValue(write.key, write.value, self._revision, created)
        record = self._records.get(write.key)
        if record is None:
            record = self._records[write.key] = _Record()
            bisect.insort(self._keys, write.key)
        record.revisions.append(self._revision)
        record.values.append(value)
        self._log.append(Event(write.key, self._revision, value, previous))
        self._log_revisions.append(self._revision)

    def _attach(self, key: str, lease: int) -> None:
        held = self._lease_of.pop(key, 0)
        if held in self._leases:
            self._leases[held][1].discard(key)
        if lease:
            self._lease_of[key] = lease
            self._leases[lease][1].add(key)

    async def _changed(self) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.add(future)
        try:
            await future
        finally:
            self._waiting.discard(future)

    def _wake(self) -> None:
        for future in self._waiting:
            if not future.done():
                future.set_result(None)


def _expired(revision: int, compacted: int) -> errors.Expired:
    return errors.Expired(f"too old resource version: {revision} ({compacted})")
