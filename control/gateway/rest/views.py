"""Entries as bytes of an answer: objects, lists and watch events as JSON, protobuf, tables or metadata alone.

A `View` stands for the form that one request's caller accepts. Bytes that an entry keeps go out as they are; loops
over entries give way to others. YAML is made of a view's JSON by whoever sends it.
"""

from __future__ import annotations

import datetime
import functools
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, Protocol

import orjson
from google.protobuf.message import Message

from control.apiserver import reading, selection
from control.gateway.rest import media
from control.store.entry import Entry
from fairlead import slices
from fairlead.api import codec, columns, errors, objects, scheme, table
from fairlead.api.openapi import descriptions
from fairlead.api.pb import meta_v1_pb2 as metav1
from fairlead.api.pb import runtime_pb2

CHUNK_BYTES = 64 * 1024
INCLUSIONS = ("None", "Metadata", "Object")

Chunks = AsyncIterator[bytes]


class View(Protocol):
    """One way of writing what the API server answers."""

    def one(self, entry: Entry) -> bytes:
        """Return an object."""
        ...

    def collection(self, listing: reading.Listing) -> Chunks:
        """Iterate over a list's text in pieces of some size."""
        ...

    def event(self, event: selection.Event) -> bytes:
        """Return a watch's event, ready to be sent."""
        ...

    def failure(self, status: metav1.Status) -> bytes:
        """Return the event by which a watch ends with an error."""
        ...


def choose(kind: scheme.Kind, form: media.Form, include: str, *, many: bool) -> View:
    """Return the view for a form; `include` is a table's includeObject, `many` says that a list is answered.

    errors.NotAcceptable for the metadata of a list where an object is answered, and the other way round.
    """
    if form.kind == media.PARTIAL_LIST and not many:
        text = f"you requested PartialObjectMetadataList, but the requested object is not a list ({kind.kind})"
        raise errors.NotAcceptable(text)
    if form.kind == media.PARTIAL and many:
        text = f"you requested PartialObjectMetadata, but the requested object is a list ({kind.list_kind})"
        raise errors.NotAcceptable(text)
    if form.kind == media.TABLE:
        if include not in ("", *INCLUSIONS):
            raise errors.BadRequest(f'unrecognized includeObject value: "{include}"')
        return Table(kind, form.api_version, include or "Metadata")
    partial = form.api_version if form.kind else ""
    return Protobuf(kind, partial) if form.format == "protobuf" else Json(kind, partial)


class Json:
    """JSON texts; with `partial`, a version of meta.k8s.io, of the metadata alone."""

    def __init__(self, kind: scheme.Kind, partial: str = "") -> None:
        self._kind = kind
        self._partial = (
            f'{{"kind":"{media.PARTIAL}","apiVersion":"{partial}","metadata":'.encode() if partial else b""
        )
        self._list = (media.PARTIAL_LIST, partial) if partial else (kind.list_kind, kind.api_version)
        # an item of a list does not repeat what the list says, but for custom resources
        self._repeated = b"" if kind.message is None else _beginning(kind)

    def one(self, entry: Entry) -> bytes:
        """Return the object's text."""
        return self._partial + metadata(entry.object) + b"}" if self._partial else entry.json()

    def collection(self, listing: reading.Listing) -> Chunks:
        """Iterate over the list's text."""
        kind, api_version = self._list
        head = f'{{"kind":"{kind}","apiVersion":"{api_version}","metadata":'.encode()
        head += orjson.dumps(codec.to_json(list_meta(listing))) + b',"items":['
        return _array(head, listing.entries, self._item)

    def _item(self, entry: Entry) -> bytes:
        if self._partial:
            return self.one(entry)
        text = entry.json()
        return b"{" + text[len(self._repeated) :] if self._repeated and text.startswith(self._repeated) else text

    def event(self, event: selection.Event) -> bytes:
        """Return a line."""
        obj = self.one(event.entry) if event.entry is not None else self._bookmark(event)
        return b'{"type":"%b","object":%b}\n' % (event.type.encode(), obj)

    def _bookmark(self, event: selection.Event) -> bytes:
        mark = selection.bookmark(objects.class_of(self._kind), event)
        return self._partial + metadata(mark) + b"}" if self._partial else codec.dumps(mark)

    def failure(self, status: metav1.Status) -> bytes:
        """Return a line."""
        return error_line(status)


class Protobuf:
    """Kubernetes' protobuf: messages in its envelope, watch events with their length before them."""

    def __init__(self, kind: scheme.Kind, partial: str = "") -> None:
        self._kind = kind
        self._partial = partial
        self._list = (partial, media.PARTIAL_LIST) if partial else (kind.api_version, kind.list_kind)

    def one(self, entry: Entry) -> bytes:
        """Return the object in its envelope."""
        if self._partial:
            return codec.enveloped(self._partial, media.PARTIAL, self._part(entry.object))
        return codec.enveloped(*identity(entry.object), entry.wire())

    def _part(self, obj: objects.Object) -> bytes:
        return metav1.PartialObjectMetadata(metadata=obj.metadata).SerializeToString()

    async def collection(self, listing: reading.Listing) -> Chunks:
        """Iterate over the list's bytes: its length stands before its items, so these are gathered first."""
        items = []
        size = 0
        async for entry in slices.sliced(listing.entries):
            item = self._part(entry.object) if self._partial else entry.wire()
            item = b"\x12%b%b" % (codec.varint(len(item)), item)
            size += len(item)
            items.append(item)
        meta = list_meta(listing).SerializeToString()
        begin = b"\x0a%b%b" % (codec.varint(len(meta)), meta)
        head, tail = codec.envelope(*self._list)
        parts = [head, codec.varint(size + len(begin)), begin]
        size = 0
        for item in items:
            parts.append(item)
            size += len(item)
            if size > CHUNK_BYTES:
                yield b"".join(parts)
                parts, size = [], 0
        yield b"".join([*parts, tail])

    def event(self, event: selection.Event) -> bytes:
        """Return a frame."""
        if event.entry is not None:
            return _frame(event.type, self.one(event.entry))
        mark = selection.bookmark(objects.class_of(self._kind), event)
        if self._partial:
            return _frame(event.type, codec.enveloped(self._partial, media.PARTIAL, self._part(mark)))
        return _frame(event.type, message(mark))

    def failure(self, status: metav1.Status) -> bytes:
        """Return a frame."""
        return _frame("ERROR", message(status))


class Table:
    """meta.k8s.io's Table as JSON; of a watch only the first event has the columns' names."""

    def __init__(self, kind: scheme.Kind, api_version: str, include: str) -> None:
        self._kind = kind
        self._head = f'{{"kind":"Table","apiVersion":"{api_version}","metadata":'.encode()
        self._part = f'{{"kind":"{media.PARTIAL}","apiVersion":"{api_version}","metadata":'.encode()
        self._include = include
        self._named = False

    def one(self, entry: Entry) -> bytes:
        """Return a table of one row."""
        return self._of_one(entry.object, entry.revision)

    def _of_one(self, obj: Any, revision: int) -> bytes:
        meta = metav1.ListMeta(resourceVersion=str(revision) if revision else "")
        return b"%b%b]}" % (self._begin(meta, obj), self._row(obj, _now()))

    def collection(self, listing: reading.Listing) -> Chunks:
        """Iterate over the table's text."""
        first = listing.entries[0].object if listing.entries else None
        entries, order = listing.entries, columns.order(self._kind)
        if order is not None:
            entries = sorted(entries, key=lambda entry: order(entry.object))
        now = _now()
        return _array(self._begin(list_meta(listing), first), entries, lambda entry: self._row(entry.object, now))

    def _begin(self, meta: metav1.ListMeta, obj: Any) -> bytes:
        titles = self._definitions(obj)
        return b'%b%b,"columnDefinitions":%b,"rows":[' % (self._head, orjson.dumps(codec.to_json(meta)), titles)

    def _definitions(self, obj: Any) -> bytes:
        if self._named:
            return b"[]"
        kind = identity(obj)[1] if isinstance(obj, Message) else self._kind.kind
        return orjson.dumps([_definition(kind, column) for column in columns.of_object(obj, self._kind)])

    def _row(self, obj: Any, now: datetime.datetime) -> bytes:
        row = b'{"cells":' + orjson.dumps(columns.row(obj, now))
        if found := columns.row_conditions(obj):
            row += b',"conditions":' + orjson.dumps(found)
        match self._include:
            case "Metadata":
                return b'%b,"object":%b%b}}' % (row, self._part, metadata(obj))
            case "Object":
                return b'%b,"object":%b}' % (row, codec.dumps(obj))
        return row + b',"object":null}'

    def event(self, event: selection.Event) -> bytes:
        """Return a line."""
        made = event.entry.object if event.entry else selection.bookmark(objects.class_of(self._kind), event)
        text = self._of_one(made, event.revision)
        self._named = True
        return b'{"type":"%b","object":%b}\n' % (event.type.encode(), text)

    def failure(self, status: metav1.Status) -> bytes:
        """Return a line."""
        return error_line(status)


async def _array(head: bytes, entries: Sequence[Entry], text: Callable[[Entry], bytes]) -> Chunks:
    """Iterate over the JSON of a list, which begins with a head and goes on with a text for each entry, in pieces."""
    parts, size, comma = [head], 0, b""
    async for entry in slices.sliced(entries):
        one = text(entry)
        parts += (comma, one)
        comma, size = b",", size + len(one)
        if size > CHUNK_BYTES:
            yield b"".join(parts)
            parts, size = [], 0
    parts.append(b"]}\n")
    yield b"".join(parts)


def _definition(kind: str, column: columns.Column) -> dict[str, Any]:
    """Return a column as a table defines it."""
    return {
        "name": column.name,
        "type": column.type,
        "format": column.format,
        "description": column.description or descriptions.of_column(kind, column.name),
        "priority": column.priority,
    }


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


def metadata(obj: objects.Object) -> bytes:
    """Return the JSON of an object's metadata."""
    return orjson.dumps(codec.to_json(obj.metadata))


def list_meta(listing: reading.Listing) -> metav1.ListMeta:
    """Return the metadata of a list."""
    meta = metav1.ListMeta(resourceVersion=str(listing.revision) if listing.revision else "")
    setattr(meta, "continue", listing.continue_)
    if listing.remaining:
        meta.remainingItemCount = listing.remaining
    return meta


def error_line(status: metav1.Status) -> bytes:
    """Return the line of JSON by which a watch ends with an error."""
    return b'{"type":"ERROR","object":%b}\n' % codec.dumps(status)


def identity(obj: Any) -> tuple[str, str]:
    """Return (apiVersion, kind) of a message."""
    return _identity_of(obj.DESCRIPTOR.full_name)


@functools.cache
def _identity_of(full_name: str) -> tuple[str, str]:
    found = table.schema(full_name)
    return found.api_version, found.kind


def message(obj: Any) -> bytes:
    """Return a message in Kubernetes' envelope."""
    return codec.enveloped(*identity(obj), obj.SerializeToString())


def _beginning(kind: scheme.Kind) -> bytes:
    """Return how an object's JSON begins."""
    return f'{{"apiVersion":"{kind.api_version}","kind":"{kind.kind}",'.encode()


def _frame(type_: str, obj: bytes) -> bytes:
    event = metav1.WatchEvent(type=type_, object=runtime_pb2.RawExtension(raw=obj)).SerializeToString()
    return len(event).to_bytes(4, "big") + event


def plain(answer: Message, form: media.Form) -> bytes:
    """Return any message that is no object (Status, discovery) in a form."""
    return message(answer) if form.format == "protobuf" else codec.dumps(answer)
