"""Strategic merge patch: Kubernetes' own, which merges lists by the key that the field table names.

The same merge joins two patches into one (`applying` false): then directives are kept, not obeyed. Source:
Kubernetes' documentation, "Update API Objects in Place Using kubectl patch", and its design proposal on
preserving order.
"""

from __future__ import annotations

from typing import Any

from google.protobuf.message import Message

from fairlead.api.patches import shapes
from fairlead.api.patches.errors import PatchError
from fairlead.api.patches.shapes import DELETE_FROM, DIRECTIVE, RETAIN_KEYS, SET_ORDER, Identity, Shape

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
    stray = [
        key for key, value in rest.items() if value is not None and not key.startswith("$") and key not in retained
    ]
    if stray:
        raise PatchError(BAD_RETAIN_KEYS)
    for key in [key for key in out if key not in retained]:
        del out[key]


def _delete_from(out: Object, key: str, values: Json, applying: bool) -> None:
    if not applying:
        out[key] = values
        return
    name = key.removeprefix(DELETE_FROM)
    if not isinstance(values, list):
        raise PatchError("invalid patch format of primitive list")
    if isinstance(out.get(name), list):
        out[name] = [item for item in out[name] if item not in values]


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
    merged, taken = list(original), set[int]()
    for item in patch:
        if item.get(shape.merge_key) is None:
            raise PatchError(f"map: {item} does not contain declared merge key: {shape.merge_key}")
        index = _counterpart(original, item, shape, taken)
        if index is None:
            merged.append(_without_directives(item) if applying else item)
        else:
            taken.add(index)
            merged[index] = merge(original[index], item, shape, applying=applying)
    return _ordered(merged, shapes.identities(patch, shape), shapes.identities(original, shape), shape)


def _obey_directives(original: list[Json], patch: list[Json], shape: Shape) -> tuple[list[Json], list[Json], bool]:
    """Return what is left of both lists once elements with a directive are obeyed, and whether one replaces all."""
    plain, replaces = [], False
    for item in patch:
        directive = item.get(DIRECTIVE)
        if directive == "replace":
            replaces = True
            if len(item) > 1:
                plain.append({key: value for key, value in item.items() if key != DIRECTIVE})
        elif directive == "delete":
            if shape.merge_key not in item:
                raise PatchError(f"map: {item} does not contain declared merge key: {shape.merge_key}")
            original = [each for each in original if not _agrees(each, item, shape)]
        elif directive in (None, "merge"):
            plain.append(item)
        else:
            raise PatchError(f"unknown patch type: {directive}")
    return original, plain, replaces


def _agrees(item: Object, wanted: Object, shape: Shape) -> bool:
    """Whether an element has the merge key, and those of the list's other keys, that a patch's element names."""
    keys = [shape.merge_key, *(key for key in shape.list_keys if key in wanted and key in item)]
    return all(item.get(key) == wanted.get(key) for key in keys)


def _counterpart(items: list[Json], wanted: Object, shape: Shape, taken: set[int]) -> int | None:
    """Return the place of the element that a patch's element is meant for, the one that fits best."""
    key = shape.merge_key
    found = [at for at, item in enumerate(items) if item.get(key) == wanted[key] and at not in taken]
    return next((at for at in found if _agrees(items[at], wanted, shape)), found[0] if found else None)


def _ordered(items: list[Json], wanted: list[Identity], before: list[Identity], shape: Shape) -> list[Json]:
    """Return elements in the patch's order, with those that it does not name where they stood before them."""
    rank = {identity: at for at, identity in enumerate(wanted)}
    stood = {identity: at for at, identity in enumerate(before)}
    named = list(zip(shapes.identities(items, shape), items, strict=True))
    patched = sorted((pair for pair in named if pair[0] in rank), key=lambda pair: rank[pair[0]])
    others = [pair for pair in named if pair[0] not in rank]
    others.sort(key=lambda pair: stood.get(pair[0], len(stood)))
    out: list[Json] = []
    while others and patched:
        left, right = stood.get(others[0][0]), stood.get(patched[0][0])
        first = left is not None and right is not None and left < right
        out.append((others if first else patched).pop(0)[1])
    return out + [item for _, item in (*others, *patched)]


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
