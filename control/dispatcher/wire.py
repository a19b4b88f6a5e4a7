"""Assignments as bytes, composed from changes that are encoded once and shared by all sessions.

A repeated field's elements are concatenated on the wire, so that a change's bytes can be put into any number of
messages without encoding the object again. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from google.protobuf.message import Message

from fairlead.api.pb import agent_pb2 as agent
from fairlead.api.pb import core_v1_pb2 as corev1

# Well under the 16 MiB that a message may have, so that heartbeats and other news pass between two parts.
PART_BYTES = 1 << 20

_LENGTH_DELIMITED = 2


def _tag(message: type[Message], field: str) -> bytes:
    number = message.DESCRIPTOR.fields_by_name[field].number
    return _varint(number << 3 | _LENGTH_DELIMITED)


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


_ASSIGNMENTS = _tag(agent.ControlMessage, "assignments")
_CHANGES = _tag(agent.Assignments, "changes")
_FIELDS = {
    field.message_type.full_name: _tag(agent.Change, field.name)
    for field in agent.Change.DESCRIPTOR.fields
    if field.message_type is not None
}


def change(content: Message) -> bytes:
    """Encode one change: an object, a token, or a Removed, as an element of `Assignments.changes`."""
    body = content.SerializeToString(deterministic=True)  # maps in one order, so that bytes can be compared
    inner = _FIELDS[content.DESCRIPTOR.full_name] + _varint(len(body)) + body
    return _CHANGES + _varint(len(inner)) + inner


def removed(resource: str, namespace: str, name: str, uid: str = "") -> bytes:
    """Encode that an object is gone, or concerns the node no longer."""
    return change(agent.Removed(resource=resource, namespace=namespace, name=name, uid=uid))


def assignments(header: agent.Assignments, changes: Iterable[bytes]) -> bytes:
    """Return a ControlMessage's bytes: the header's fields and the encoded changes."""
    body = header.SerializeToString() + b"".join(changes)
    return _ASSIGNMENTS + _varint(len(body)) + body


def parts(changes: Iterable[bytes], size: int = PART_BYTES) -> Iterator[Sequence[bytes]]:
    """Divide changes into parts of at most `size` bytes, or of one larger change; there is at least one part."""
    part: list[bytes] = []
    used = 0
    for item in changes:
        if part and used + len(item) > size:
            yield part
            part, used = [], 0
        part.append(item)
        used += len(item)
    yield part


def published(obj: Message) -> Message:
    """Return what a node may see of an object: of a Node what `node` says, of others all but managedFields."""
    if isinstance(obj, corev1.Node):
        return node(obj)
    if not obj.metadata.managedFields:  # type: ignore[attr-defined]
        return obj
    fresh = type(obj)()
    fresh.CopyFrom(obj)
    fresh.metadata.ClearField("managedFields")  # type: ignore[attr-defined]
    return fresh


def node(full: corev1.Node) -> corev1.Node:
    """Return the part of a Node that nodes need: routes and addresses, and of their own what is allocatable."""
    fresh = corev1.Node()
    fresh.metadata.name = full.metadata.name
    fresh.metadata.uid = full.metadata.uid
    fresh.spec.podCIDR = full.spec.podCIDR
    fresh.spec.podCIDRs.extend(full.spec.podCIDRs)
    fresh.status.addresses.extend(full.status.addresses)
    for name, amount in full.status.allocatable.items():
        fresh.status.allocatable[name].CopyFrom(amount)
    return fresh
