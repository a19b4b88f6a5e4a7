"""The making of strategic merge patches: between two objects, and as client-side apply makes them from three.

Source: Kubernetes' documentation, "Declarative Management of Kubernetes Objects Using Configuration Files".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from google.protobuf.message import Message

from fairlead.api.patches import shapes, strategic
from fairlead.api.patches.shapes import DELETE_FROM, DIRECTIVE, RETAIN_KEYS, SET_ORDER, Shape

Json = Any
Object = dict[str, Json]


@dataclass(frozen=True, slots=True)
class _Wanted:
    """Which differences go into a patch."""

    deletions: bool = True
    changes: bool = True


def create_two_way_merge_patch(original: Object, modified: Object, message_type: type[Message]) -> Object:
    """Return the patch that turns one object into the other; empty where they are equal."""
    return _diff(original, modified, shapes.of_type(message_type), _Wanted())


def create_three_way_merge_patch(
    original: Object, modified: Object, current: Object, message_type: type[Message]
) -> Object:
    """Return what client-side apply sends; empty where the live object needs no change.

    `original` is the last applied configuration, `modified` the new one, `current` the live object. What only
    the live object has stays, unless the last applied configuration had it too.
    """
    shape = shapes.of_type(message_type)
    changes = _diff(current, modified, shape, _Wanted(deletions=False))
    deletions = _diff(original, modified, shape, _Wanted(changes=False))
    return strategic.merge(deletions, changes, shape, applying=False)


def _diff(original: Object, modified: Object, shape: Shape, wanted: _Wanted, *, retain: bool = False) -> Object:
    patch: Object = {}
    for key, before in original.items():
        if key not in modified:
            if wanted.deletions and before is not None:
                patch[key] = None
            continue
        _diff_value(patch, key, before, modified[key], shape.child(key), wanted)
    if wanted.changes:
        patch |= {key: value for key, value in modified.items() if key not in original}
    if retain and patch:
        patch[RETAIN_KEYS] = sorted(key for key, value in modified.items() if value is not None)
    return patch


def _diff_value(patch: Object, key: str, before: Json, after: Json, shape: Shape, wanted: _Wanted) -> None:
    if isinstance(before, dict) and isinstance(after, dict) and not shape.replaces:
        inner = _diff(before, after, shape, wanted, retain=shape.retains)
        if inner:
            patch[key] = inner
    elif isinstance(before, list) and isinstance(after, list) and shape.merges:
        _diff_lists(patch, key, before, after, shape, wanted)
    elif wanted.changes and (before != after or isinstance(before, bool) != isinstance(after, bool)):
        patch[key] = after


def _diff_lists(
    patch: Object, key: str, before: list[Json], after: list[Json], shape: Shape, wanted: _Wanted
) -> None:
    """Write the difference of two merged lists: elements, deletions, and their order where it matters."""
    if not before:
        if after and wanted.changes:
            patch[key] = after
        return
    if any(isinstance(item, dict) for item in (*before, *after)):
        items = _changed_objects(before, after, shape, wanted)
        removed: list[Json] = []
        order: list[Json] = [{shape.merge_key: item.get(shape.merge_key)} for item in after]
    else:
        items = [item for item in after if item not in before] if wanted.changes else []
        removed = [item for item in before if item not in after] if wanted.deletions else []
        order = list(after)
    if items:
        patch[key] = items
    if removed:
        patch[DELETE_FROM + key] = removed
    if order and (items or removed or (wanted.changes and _reordered(before, after, shape))):
        patch[SET_ORDER + key] = order


def _changed_objects(before: list[Json], after: list[Json], shape: Shape, wanted: _Wanted) -> list[Json]:
    there = dict(zip(shapes.identities(before, shape), before, strict=True))
    kept = shapes.identities(after, shape)
    items: list[Json] = []
    for identity, item in zip(kept, after, strict=True):
        if identity in there:
            inner = _diff(there[identity], item, shape, wanted, retain=shape.retains)
            if inner:
                items.append({**inner, **_keys(item, shape)})
        elif wanted.changes:
            items.append(item)
    if wanted.deletions:
        gone = (item for identity, item in there.items() if identity not in kept)
        items += [{DIRECTIVE: "delete", **_keys(item, shape)} for item in gone]
    return items


def _keys(item: Object, shape: Shape) -> Object:
    """Return the part of an element that says which one it is."""
    return {shape.merge_key: item.get(shape.merge_key)}


def _reordered(before: list[Json], after: list[Json], shape: Shape) -> bool:
    """Whether the elements that both lists have stand in another order."""
    old, new = shapes.identities(before, shape), shapes.identities(after, shape)
    return [each for each in old if each in new] != [each for each in new if each in old]
