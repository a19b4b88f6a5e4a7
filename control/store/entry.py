"""What the watch cache holds and tells: an object with its encodings, a change, a batch of changes.

Entries are shared by every list, watch and session of a process. **The object of an entry is never changed**;
`objects.copy` first. Plain slotted classes, not frozen ones: one is made for every event, and encodings are
filled in when first asked for. An entry that history alone still needs is packed: its bytes take a sixth of the
message's memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, cast

from google.protobuf import any_pb2
from google.protobuf.message import Message

from fairlead.api import codec, objects, scheme

ChangeType = Literal["ADDED", "MODIFIED", "DELETED"]


class Entry:
    """An object at one revision, which its `metadata.resourceVersion` is; 0 for one that is not stored."""

    __slots__ = ("_any", "_json", "_object", "_wire", "key", "kind", "revision", "stale", "views")

    def __init__(self, key: str, kind: scheme.Kind, obj: objects.Object, revision: int) -> None:
        obj.metadata.resourceVersion = str(revision) if revision else ""
        self.key = key
        self.kind = kind
        self._object: objects.Object | None = obj
        self.revision = revision
        self._wire: bytes | None = None
        self._any: any_pb2.Any | None = None
        self._json: bytes | None = None
        # of a custom resource: how other versions show it, and whether it is stored at a version of before
        self.views: dict[str, tuple[object, Entry]] | None = None
        self.stale = False

    @property
    def object(self) -> objects.Object:
        """The object, never to be changed; of a packed entry, decoded anew at each call."""
        if self._object is None:
            assert self.kind.message is not None
            assert self._wire is not None
            return cast(objects.Object, self.kind.message.FromString(self._wire))
        return self._object

    def wire(self) -> bytes:
        """Return the message as bytes, serialised at the first call (of a custom resource: its carrier's)."""
        if self._wire is None:
            obj = self.object
            self._wire = obj.SerializeToString() if isinstance(obj, Message) else codec.to_any(obj).value
        return self._wire

    def release(self) -> None:
        """Drop the encodings: those who follow have been told, and who comes later has them made again."""
        self._any = self._json = None
        if self._object is not None:
            self._wire = None

    def pack(self) -> None:
        """Keep the bytes alone, of a built-in kind's object that has been replaced."""
        self.wire()
        if isinstance(self._object, Message):
            self._object = None
        self.release()

    def any(self, *, keep: bool = True) -> any_pb2.Any:
        """Return the object as the gRPC API carries it; shared, not to be changed.

        It is kept for those who ask next, unless told otherwise: a list would leave one with every object.
        """
        if self._any is not None:
            return self._any
        made = codec.to_any(self.object)
        if keep:
            self._any = made
        return made

    def json(self) -> bytes:
        """Return the object as Kubernetes' JSON, encoded at the first call."""
        if self._json is None:
            self._json = codec.dumps(self.object)
        return self._json

    def __repr__(self) -> str:
        return f"Entry({self.key}@{self.revision})"


class Change:
    """One change of one object.

    ADDED and MODIFIED carry the object as it now is; DELETED carries its last state with the revision of the
    deletion, as Kubernetes does. `previous` is what the cache held before: a selector that matched it and does
    not match the new state sees the object leave.
    """

    __slots__ = ("entry", "previous", "revision", "type")

    def __init__(self, type_: ChangeType, entry: Entry, previous: Entry | None) -> None:
        self.type: ChangeType = type_
        self.entry = entry
        self.previous = previous
        self.revision = entry.revision

    def __repr__(self) -> str:
        return f"Change({self.type} {self.entry!r})"


@dataclass(frozen=True, slots=True)
class Batch:
    """Changes in revision order; each up to and including `revision` has now been delivered.

    A batch without changes only says how far the watch has come (what a bookmark says).
    """

    changes: Sequence[Change]
    revision: int


def deleted(previous: Entry, revision: int) -> Change:
    """Return the change that removes an object: its last state at the deletion's revision."""
    last = objects.copy(previous.object)
    return Change("DELETED", Entry(previous.key, previous.kind, last, revision), previous)
