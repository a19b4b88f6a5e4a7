"""What ownership sees of an object: its JSON without what only the server writes, and what a write changed in it.

Changes are found on the messages, part by part (spec, status, …), and only parts that differ become JSON. What a
creation owns is remembered by the part's bytes: the pods of a workload share one spec. Pure but for that.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

from google.protobuf.message import Message

from fairlead.api import codec, objects, scheme, table
from fairlead.api.fields import comparing, owning, sets, tabled
from fairlead.api.fields.comparing import Comparison
from fairlead.api.fields.typings import Typing
from fairlead.api.pb import meta_v1_pb2 as metav1

Json = Any
# Metadata that nobody owns.
SYSTEM = frozenset(
    (
        "name", "namespace", "creationTimestamp", "selfLink", "uid", "clusterName", "generation",
        "managedFields", "resourceVersion",
    )
)  # fmt: skip
_ABSENT = object()
REMEMBERED = 512
REMEMBERED_BYTES = 16 * 1024


def json_of(obj: objects.Object) -> dict[str, Json]:
    """Return an object's JSON without its managedFields."""
    found = codec.to_json(obj)
    if "managedFields" in found.get("metadata", ()):
        found["metadata"] = {key: one for key, one in found["metadata"].items() if key != "managedFields"}
    return found


def stripped(data: dict[str, Json]) -> dict[str, Json]:
    """Return an object's JSON without kind, version and what of its metadata nobody owns."""
    out = {key: value for key, value in data.items() if key not in ("apiVersion", "kind", "metadata")}
    metadata = data.get("metadata")
    if isinstance(metadata, dict):
        out["metadata"] = {key: value for key, value in metadata.items() if key not in SYSTEM}
    return out


def owned(config: dict[str, Json], typing: Typing) -> sets.FieldSet:
    """Return the fields of an object's JSON that somebody can own."""
    found = stripped(config)
    if not found.get("metadata"):
        found.pop("metadata", None)
    return owning.owned(found, typing)


def from_json(data: dict[str, Json], like: objects.Object) -> Any:
    """Return the object of changed JSON, carried as another is."""
    carrier: type[Any] = type(like)
    return codec.from_json(data, carrier, strict=False)


def empty(like: objects.Object) -> Any:
    """Return an object of a kind that has nothing."""
    return empty_of(objects.kind_of(like))


def empty_of(kind: scheme.Kind) -> Any:
    """Return an object of a kind that has nothing, not even a name."""
    return objects.class_of(kind)()


def changes(old: Any, new: Any, typing: Typing, ignored: sets.FieldSet) -> Comparison:
    """Return what a write changed, but for parts that it cannot change."""
    before: dict[str, Json] = {}
    after: dict[str, Json] = {}
    for name, left, right in _differing(old, new):
        if f"f:{name}" in ignored and sets.is_member(ignored[f"f:{name}"]):
            continue
        if left is not _ABSENT:
            before[name] = left
        if right is not _ABSENT:
            after[name] = right
    return comparing.compare(stripped(before), stripped(after), typing).excluding(ignored)


def _differing(old: Any, new: Any) -> Iterator[tuple[str, Json, Json]]:
    """Iterate over the parts of two objects that differ, as JSON."""
    if not _same_metadata(old.metadata, new.metadata):
        yield "metadata", codec.to_json(old.metadata), codec.to_json(new.metadata)
    if isinstance(new, objects.Unstructured):
        for name in {**old.content, **new.content}:
            left, right = old.content.get(name, _ABSENT), new.content.get(name, _ABSENT)
            if left is not right:
                yield name, left, right
        return
    texts: list[dict[str, Json]] = []
    for field in _parts(new.DESCRIPTOR.full_name):
        left, right = getattr(old, field.name), getattr(new, field.name)
        single = field.is_message and not (field.repeated or field.map)
        present = not (single or field.pointer) or (old.HasField(field.name) == new.HasField(field.name))
        if present and left == right:
            continue
        if single:
            yield field.json, _part(old, field), _part(new, field)
        else:
            texts = texts or [codec.to_json(old), codec.to_json(new)]
            yield field.json, texts[0].get(field.json, _ABSENT), texts[1].get(field.json, _ABSENT)


def _same_metadata(left: metav1.ObjectMeta, right: metav1.ObjectMeta) -> bool:
    return (
        left.labels == right.labels
        and left.annotations == right.annotations
        and left.finalizers == right.finalizers
        and left.ownerReferences == right.ownerReferences
        and left.generateName == right.generateName
    )


@functools.cache
def _parts(full_name: str) -> tuple[table.Field, ...]:
    found = table.json_fields(full_name)
    return tuple(field for name, field in found.items() if name != "metadata")


def _part(obj: Any, field: table.Field) -> Json:
    if field.pointer and not obj.HasField(field.name):
        return _ABSENT
    return codec.to_json(getattr(obj, field.name))


def creation(obj: Any, typing: Typing, ignored: sets.FieldSet) -> tuple[sets.FieldSet, bytes]:
    """Return what the creator of an object owns, and its FieldsV1."""
    if isinstance(obj, objects.Unstructured):
        fields = changes(empty(obj), obj, typing, ignored).taken()
        return fields, sets.dump(fields)
    found: dict[str, tuple[sets.Node, bytes]] = {}
    metadata = _metadata_owned(obj.metadata)
    if metadata[0]:
        found["f:metadata"] = metadata
    others: list[str] = []
    for field in _parts(obj.DESCRIPTOR.full_name):
        if sets.has(ignored, f"f:{field.json}"):
            if field.is_message and not field.repeated and obj.HasField(field.name):
                codec.to_json(getattr(obj, field.name))  # what JSON cannot say is refused, whoever owns it
            continue
        if not field.is_message or field.repeated or field.map:
            others.append(field.json)
        elif obj.HasField(field.name):
            node, text = _part_owned(type(obj), field, getattr(obj, field.name))
            if node is not None:
                found[f"f:{field.json}"] = node, text
    found |= _others_owned(obj, others, typing)
    text = b",".join(b'"%b":%b' % (step.encode(), found[step][1]) for step in sorted(found))
    return {step: node for step, (node, _) in found.items()}, b"{" + text + b"}"


# What of an object's metadata decides which fields its creator owns.
_MetadataShape = tuple[bool, tuple[str, ...], tuple[str, ...], tuple[str, ...], tuple[str, ...]]


def _shape(metadata: metav1.ObjectMeta) -> _MetadataShape:
    return (
        bool(metadata.generateName),
        tuple(metadata.labels),
        tuple(metadata.annotations),
        tuple(reference.uid for reference in metadata.ownerReferences),
        tuple(metadata.finalizers),
    )


def _metadata_owned(metadata: metav1.ObjectMeta) -> tuple[sets.FieldSet, bytes]:
    is_small = metadata.ByteSize() <= REMEMBERED_BYTES
    return (_remembered if is_small else _owned_by_shape)(_shape(metadata))


def _owned_by_shape(shape: _MetadataShape) -> tuple[sets.FieldSet, bytes]:
    generated, labels, annotations, owners, finalizers = shape
    made: dict[str, Json] = {"generateName": ""} if generated else {}
    for name, keys in (("labels", labels), ("annotations", annotations)):
        if keys:
            made[name] = dict.fromkeys(keys, "")
    if owners:
        made["ownerReferences"] = [{"uid": uid} for uid in owners]
    if finalizers:
        made["finalizers"] = list(finalizers)
    fields = comparing.compare({}, made, tabled.metadata()).added
    return fields, sets.dump(fields)


_remembered = functools.lru_cache(REMEMBERED)(_owned_by_shape)


_known: dict[tuple[type[Message], str, bytes], tuple[sets.Node | None, bytes]] = {}


def _part_owned(kind: type[Message], field: table.Field, part: Message) -> tuple[sets.Node | None, bytes]:
    key = kind, field.name, part.SerializeToString()
    found = _known.get(key)
    if found is None:
        empty_part = codec.to_json(table.message_type(field.type)())
        before = {} if field.pointer else {field.json: empty_part}
        added = comparing.compare(before, {field.json: codec.to_json(part)}, tabled.of_type(kind)).taken()
        node = added.get(f"f:{field.json}")
        found = node, sets.dump(node or sets.EMPTY)
        if len(key[2]) <= REMEMBERED_BYTES:
            if len(_known) >= REMEMBERED:
                del _known[next(iter(_known))]
            _known[key] = found
    return found


def _others_owned(obj: Message, names: list[str], typing: Typing) -> dict[str, tuple[sets.Node, bytes]]:
    """Return what is owned of parts that are no messages: maps, lists, scalars."""
    if not names:
        return {}
    before, after = codec.to_json(type(obj)()), codec.to_json(obj)
    old, new = ({name: one[name] for name in names if name in one} for one in (before, after))
    taken = comparing.compare(old, new, typing).taken()
    return {step: (node, sets.dump(node)) for step, node in taken.items()}
