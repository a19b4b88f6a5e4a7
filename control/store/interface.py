"""The `Store` protocol: what the control plane asks of etcd.

`etcd.py` carries it out on a real cluster, `memory.py` in a process; tests/contract holds them equal.
Keys are text, values bytes; a revision is etcd's, counted over the whole store. Every method raises
errors.ServiceUnavailable within UNAVAILABLE_SECONDS where no leader answers.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Protocol

UNAVAILABLE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class KeyValue:
    """A stored value; `revision` is that of its last write, `created` that of its first."""

    key: str
    value: bytes
    revision: int
    created: int = 0


@dataclass(frozen=True, slots=True)
class Page:
    """Part of a range, read at `revision`, in key order; `remaining` counts what lies after the last item."""

    items: Sequence[KeyValue]
    revision: int
    remaining: int


@dataclass(frozen=True, slots=True)
class Put:
    """Write `value` if the key's last revision is `expected`; 0: if the key does not exist."""

    key: str
    value: bytes
    expected: int
    lease: int = 0


@dataclass(frozen=True, slots=True)
class Remove:
    """Delete the key if its last revision is `expected`."""

    key: str
    expected: int


Write = Put | Remove


@dataclass(frozen=True, slots=True)
class Committed:
    """All writes were applied, at this one revision."""

    revision: int


@dataclass(frozen=True, slots=True)
class Refused:
    """Nothing was applied. `current` holds, in the order of the writes, what is stored under each key."""

    revision: int
    current: Sequence[KeyValue | None]


@dataclass(frozen=True, slots=True)
class Event:
    """A change that the watch saw: `current` is None for a deletion, `previous` None for a creation.

    `previous` may be None, too, where the store no longer has it (compacted).
    """

    key: str
    revision: int
    current: KeyValue | None
    previous: KeyValue | None


@dataclass(frozen=True, slots=True)
class Batch:
    """Events in revision order. Every event up to and including `revision` has now been delivered."""

    events: Sequence[Event]
    revision: int


class Store(Protocol):
    """etcd, as the control plane uses it."""

    async def get(self, key: str) -> tuple[KeyValue | None, int]:
        """Read a key linearizably; returns the value, and the store's revision at that read."""
        ...

    async def list(self, prefix: str, *, start: str = "", limit: int = 0, revision: int = 0) -> Page:
        """Read what lies under a prefix, from the key `start` on, at a revision (0: linearizably, the newest).

        errors.Expired where the revision is compacted.
        """
        ...

    async def commit(self, *writes: Write) -> Committed | Refused:
        """Apply all writes in one transaction if every expectation holds, else none.

        An outcome that cannot be known (the connection broke on the way) raises errors.Timeout.
        """
        ...

    async def revision(self) -> int:
        """Return the newest revision, by a quorum read."""
        ...

    def watch(self, prefix: str, after: int, *, previous: bool = True) -> AsyncIterator[Batch]:
        """Iterate over the changes under a prefix with revisions above `after`, for ever.

        It reconnects by itself without losing an event; errors.Expired where `after` is compacted. Who keeps
        what was stored before says previous=False, which spares reading it again.
        """
        ...

    async def grant(self, seconds: int) -> int:
        """Return a new etcd lease (for keys that expire, such as Events)."""
        ...

    async def compact(self, revision: int) -> None:
        """Forget history before a revision; a second compaction of the same is no error."""
        ...

    async def cluster_id(self) -> str:
        """Return what tells this etcd cluster from every other, in hexadecimal."""
        ...

    async def close(self) -> None:
        """Close connections; what waits on them raises."""
        ...
