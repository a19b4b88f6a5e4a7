"""Strategic merge patch: Kubernetes' own, which merges lists by the key that the field table names.

The same merge joins two patches into one (`applying` false): then directives are kept, not obeyed. Source:
Kubernetes' documentation, "Update API Objects in Place Using kubectl patch", and its design proposal on
preserving order.
"""

from __future__ import annotations

import collections
from typing import Any

import orjson
from google.protobuf.message import Message

from fairlead.api.patches import shapes
from fairlead.api.patches.errors import PatchError
from fairlead.api.patches.shapes import DELETE_FROM, DIRECTIVE, RETAIN_KEYS, SET_ORDER, Identity, Shape

MOST_COMPARED = 1_000_000  # elements of one merge key; a list has few, if any
BAD_RETAIN_KEYS = "invalid patch format of retainKeys"

Json = Any
Object = dict[str, Json]


def apply_strategic_merge_patch(original: Object, patch: Object, message_type: type[Message]) -> Object:
    """Return the object with the patch applied; PatchError where its directives do not fit."""
    try:
        return merge(original, patch, shapes.of_type(message_type))
    except RecursionError:
        raise PatchError("the patch is nested too deeply") from None


def merge(original: Object, patch: Object, shape: Shape, *, applying: bool = True) -> Object:
    """Return an object with a patch merged into it."""
    directive = patch.get(DIRECTIVE)
    if directive == "replace":
        return {key: value for key, value in patch.items() if key != DIRECTIVE}
    if directive == "delete":
        return {}
    if directive not in (None, "merge"):
        raise PatchError(f"unknown patch type: {directive}")
    out = dict(original)
    rest = {key: value for key, value in patch.items() if key != DIRECTIVE}
    _retain_keys(out, rest, applying)
    _set_orders(out, rest, shape, applying)
    for key, value in rest.items():
        if key.startswith(DELETE_FROM):
            _delete_from(out, key, value, applying)
        elif value is None:
            out.pop(key, None)
            if not applying:
                out[key] = None
        else:
            out[key] = _merged_value(out.get(key), value, shape.child(key), applying)
    return out


def _merged_value(current: Json, value: Json, shape: Shape, applying: bool) -> Json:
    if isinstance(value, dict) and isinstance(current, dict) and not shape.replaces:
        return merge(current, value, shape, applying=applying)
    if isinstance(value, list) and isinstance(current, list) and shape.merges:
        return _merge_lists(current, value, shape, applying)
    return _without_directives(value) if applying else value


def _retain_keys(out: Object, rest: Object, applying: bool) -> None:
    """Drop the members of a union that the patch does not retain."""
    if RETAIN_KEYS not in rest:
        return
    retained = rest.pop(RETAIN_KEYS)
    if not isinstance(retained, list):
        raise PatchError(BAD_RETAIN_KEYS)
    if not applying:
        out[RETAIN_KEYS] = retained
        return
    kept = {key for key in retained if isinstance(key, str)}
    if any(value is not None and not key.startswith("$") and key not in kept for key, value in rest.items()):
        raise PatchError(BAD_RETAIN_KEYS)
    for key in [key for key in out if key not in kept]:
        del out[key]


def _delete_from(out: Object, key: str, values: Json, applying: bool) -> None:
    if not applying:
        out[key] = values
        return
    name = key.removeprefix(DELETE_FROM)
    if not isinstance(values, list):
        raise PatchError("invalid patch format of primitive list")
    if isinstance(out.get(name), list):
        deleted = set(map(_key_of, values))
        out[name] = [item for item in out[name] if _key_of(item) not in deleted]


def _set_orders(out: Object, rest: Object, shape: Shape, applying: bool) -> None:
    """Merge the lists whose order the patch gives, and put their elements into it."""
    for key in [key for key in rest if key.startswith(SET_ORDER)]:
        order = rest.pop(key)
        if not isinstance(order, list):
            raise PatchError("invalid patch format of setElementOrder list")
        if not applying:
            out[key] = order
            continue
        name = key.removeprefix(SET_ORDER)
        child, current, patched = shape.child(name), out.get(name), rest.get(name)
        before = current if isinstance(current, list) else []
        if isinstance(patched, list):
            merged = _merged_value(current, patched, child, applying)
            del rest[name]
        elif isinstance(current, list):
            merged = current
        else:
            continue
        out[name] = _ordered(merged, shapes.identities(order, child), shapes.identities(before, child), child)


def _merge_lists(original: list[Json], patch: list[Json], shape: Shape, applying: bool) -> list[Json]:
    """Merge a list of objects by their merge key, or one of scalars as a set."""
    if not any(isinstance(item, dict) for item in (*original, *patch)):
        wanted, before = shapes.identities(patch, shape), shapes.identities(original, shape)
        return _ordered(list(dict.fromkeys((*original, *patch))), wanted, before, shape)
    if not shape.merge_key:
        raise PatchError("cannot merge lists without merge key")
    for item in (*original, *patch):
        if not isinstance(item, dict):
            raise PatchError(f"expected an object in a list of objects, got {item!r}")
    original, patch, replaced = _obey_directives(original, patch, shape)
    if replaced:
        return patch
    merged, places = list(original), _Places(original, shape)
    for item in patch:
        if item.get(shape.merge_key) is None:
            raise PatchError(f"map: {item} does not contain declared merge key: {shape.merge_key}")
        index = places.take(item)
        if index is None:
            merged.append(_without_directives(item) if applying else item)
        else:
            merged[index] = merge(original[index], item, shape, applying=applying)
    return _ordered(merged, shapes.identities(patch, shape), shapes.identities(original, shape), shape)


def _obey_directives(original: list[Json], patch: list[Json], shape: Shape) -> tuple[list[Json], list[Json], bool]:
    """Return what is left of both lists once elements with a directive are obeyed, and whether one replaces all."""
    plain, deleted, replaces = list[Json](), list[Json](), False
    for item in patch:
        directive = item.get(DIRECTIVE)
        if directive == "replace":
            replaces = True
            if len(item) > 1:
                plain.append({key: value for key, value in item.items() if key != DIRECTIVE})
        elif directive == "delete":
            if shape.merge_key not in item:
                raise PatchError(f"map: {item} does not contain declared merge key: {shape.merge_key}")
            deleted.append(item)
        elif directive in (None, "merge"):
            plain.append(item)
        else:
            raise PatchError(f"unknown patch type: {directive}")
    if deleted:
        gone = _Places(deleted, shape)
        original = [item for item in original if not gone.names(item)]
    return original, plain, replaces


def _agrees(item: Object, wanted: Object, shape: Shape) -> bool:
    """Whether an element has the merge key, and those of the list's other keys, that a patch's element names."""
    keys = [shape.merge_key, *(key for key in shape.list_keys if key in wanted and key in item)]
    return all(item.get(key) == wanted.get(key) for key in keys)


def _key_of(value: Json) -> Json:
    """Return what a value is found by in a dictionary: itself, or a collection's text."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS) if isinstance(value, dict | list) else value


class _Places:
    """The elements of a list by their merge key: what a patch's element is meant for is found without a search.

    Elements of one key are compared one by one, but not without end: PatchError.
    """

    def __init__(self, items: list[Json], shape: Shape) -> None:
        self._items = items
        self._shape = shape
        self._compared = 0
        self._found: dict[Json, list[int]] = {}
        for at, item in enumerate(items):
            self._found.setdefault(_key_of(item.get(shape.merge_key)), []).append(at)

    def take(self, wanted: Object) -> int | None:
        """Return the place of the element that a patch's element is meant for, the one that fits best, once."""
        there = self._there(wanted)
        at = next((at for at in there if _agrees(self._items[at], wanted, self._shape)), there[0] if there else None)
        if at is not None:
            there.remove(at)
        return at

    def names(self, item: Object) -> bool:
        """Say whether one of the elements, each of a patch, is meant for an element."""
        return any(_agrees(item, self._items[at], self._shape) for at in self._there(item))

    def _there(self, item: Object) -> list[int]:
        there = self._found.get(_key_of(item.get(self._shape.merge_key)), [])
        self._compared += len(there)
        if self._compared > MOST_COMPARED:
            raise PatchError(f"too many elements with one {self._shape.merge_key}")
        return there


def _ordered(items: list[Json], wanted: list[Identity], before: list[Identity], shape: Shape) -> list[Json]:
    """Return elements in the patch's order, with those that it does not name where they stood before them."""
    rank = {identity: at for at, identity in enumerate(wanted)}
    stood = {identity: at for at, identity in enumerate(before)}
    named = list(zip(shapes.identities(items, shape), items, strict=True))
    patched = sorted((pair for pair in named if pair[0] in rank), key=lambda pair: rank[pair[0]])
    others = [pair for pair in named if pair[0] not in rank]
    others.sort(key=lambda pair: stood.get(pair[0], len(stood)))
    out: list[Json] = []
    left, right = collections.deque(others), collections.deque(patched)
    while left and right:
        before_it, it = stood.get(left[0][0]), stood.get(right[0][0])
        first = before_it is not None and it is not None and before_it < it
        out.append((left if first else right).popleft()[1])
    return out + [item for _, item in (*left, *right)]


def _without_directives(value: Json) -> Json:
    """Return a patch's value as what it sets: no directives, no nulls, no elements that it deletes."""
    if isinstance(value, dict):
        return {
            key: _without_directives(item)
            for key, item in value.items()
            if item is not None
            and key not in (DIRECTIVE, RETAIN_KEYS)
            and not key.startswith((SET_ORDER, DELETE_FROM))
        }
    if isinstance(value, list):
        kept = (item for item in value if not (isinstance(item, dict) and item.get(DIRECTIVE) == "delete"))
        return [_without_directives(item) for item in kept if not _only_directive(item)]
    return value


def _only_directive(item: Json) -> bool:
    return isinstance(item, dict) and item.keys() == {DIRECTIVE}
