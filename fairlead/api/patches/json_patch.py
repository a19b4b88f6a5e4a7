"""JSON patch (RFC 6902) over JSON pointers (RFC 6901), as Kubernetes' library reads them and in its words.

What it allows beyond the standard is allowed: an index below zero counts from the end, replacing a member that is not
there adds it, an operation without a value has the value null.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from typing import Any

import orjson

from fairlead.api.patches.errors import PatchError

Json = Any
Operation = dict[str, Json]
MAX_COPIED_BYTES = 3 * 1024 * 1024  # what Kubernetes allows one patch to grow an object by
MISSING = "missing value"
BAD_INDEX = "Unable to access invalid index: {}: invalid index referenced"
_INTEGER = re.compile(r"[+-]?[0-9]+", re.ASCII)
_INT64_DIGITS = 19


def apply_json_patch(document: Json, operations: Json) -> Json:
    """Return the document with all operations applied in order; PatchError for the first that fails."""
    if not isinstance(operations, list):
        raise PatchError("a JSON patch must be a list of operations")
    changed, copied = copy.deepcopy(document), 0
    for operation in operations:
        if not isinstance(operation, dict):
            raise PatchError("an operation of a JSON patch must be an object")
        kind = operation.get("op")
        apply = _KINDS.get(kind) if isinstance(kind, str) else None
        if apply is None:
            raise PatchError(f"Unexpected kind: {kind if isinstance(kind, str) else 'unknown'}")
        try:
            changed, grown = apply(changed, operation)
        except RecursionError:
            raise PatchError("nested too deeply") from None
        copied += grown
        if copied > MAX_COPIED_BYTES:
            raise PatchError(
                "Unable to complete the copy, the accumulated size increase of copy is"
                f" {copied}, exceeding the limit {MAX_COPIED_BYTES}"
            )
    return changed


def _add(document: Json, operation: Operation) -> tuple[Json, int]:
    path = _pointer(operation, "path", f"add operation failed to decode path: {MISSING}")
    parent, key = _find(document, path, f'add operation does not apply: doc is missing path: "{path}": {MISSING}')
    _insert(parent, key, copy.deepcopy(operation.get("value")), f"error in add for path: '{path}'")
    return document, 0


def _remove(document: Json, operation: Operation) -> tuple[Json, int]:
    path = _pointer(operation, "path", f"remove operation failed to decode path: {MISSING}")
    why = f'remove operation does not apply: doc is missing path: "{path}": {MISSING}'
    parent, key = _find(document, path, why)
    _delete(parent, key, f"error in remove for path: '{path}'")
    return document, 0


def _replace(document: Json, operation: Operation) -> tuple[Json, int]:
    path = _path(operation, "replace")
    value = copy.deepcopy(operation.get("value"))
    if not path:
        if not isinstance(value, dict | list):
            raise PatchError("replace operation value must be object or array: %!w(<nil>)")
        return value, 0
    why = f"replace operation does not apply: doc is missing path: {path}: {MISSING}"
    parent, key = _find(document, path, why)
    if isinstance(parent, dict):
        parent[key] = value
        return document, 0
    try:
        parent[_index(key, len(parent))] = value
    except PatchError:
        raise PatchError(f"replace operation does not apply: doc is missing key: {path}: {MISSING}") from None
    return document, 0


def _move(document: Json, operation: Operation) -> tuple[Json, int]:
    source = _from(operation, "move")
    why = f"move operation does not apply: doc is missing from path: {source}: {MISSING}"
    parent, key = _find(document, source, why)
    value = _value(parent, key, f"error in move for path: '{key}'")
    _delete(parent, key, f"error in move for path: '{key}'")
    path = _path(operation, "move")
    why = f"move operation does not apply: doc is missing destination path: {path}: {MISSING}"
    parent, key = _find(document, path, why)
    _insert(parent, key, value, f"error in move for path: '{path}'")
    return document, 0


def _copy(document: Json, operation: Operation) -> tuple[Json, int]:
    source = _from(operation, "copy")
    why = f"copy operation does not apply: doc is missing from path: {source}: {MISSING}"
    parent, key = _find(document, source, why)
    value = copy.deepcopy(_value(parent, key, f"error in copy for from: '{source}'"))
    path = _pointer(operation, "path", f"copy operation failed to decode path: {MISSING}")
    why = f"copy operation does not apply: doc is missing destination path: {path}: {MISSING}"
    parent, key = _find(document, path, why)
    _insert(parent, key, value, "error while adding value during copy")
    return document, len(orjson.dumps(value)) if value is not None else 0


def _test(document: Json, operation: Operation) -> tuple[Json, int]:
    path, found = _path(operation, "test"), document
    if path:
        why = f"test operation does not apply: is missing path: {path}: {MISSING}"
        found = _value(*_find(document, path, why), f"error in test for path: '{path}'")
    if not _same(found, operation.get("value")):
        raise PatchError(f"testing value {path} failed: test failed")
    return document, 0


_KINDS: dict[str, Callable[[Json, Operation], tuple[Json, int]]] = {
    "add": _add,
    "remove": _remove,
    "replace": _replace,
    "move": _move,
    "copy": _copy,
    "test": _test,
}


def _path(operation: Operation, kind: str) -> str:
    return _pointer(
        operation, "path", f"{kind} operation failed to decode path: operation missing path field: {MISSING}"
    )


def _from(operation: Operation, kind: str) -> str:
    why = f"{kind} operation failed to decode from: operation, missing from field: {MISSING}"
    return _pointer(operation, "from", why)


def _pointer(operation: Operation, key: str, why: str) -> str:
    text = operation.get(key)
    if not isinstance(text, str):
        raise PatchError(why)
    return text


def _find(document: Json, path: str, why: str) -> tuple[Json, str]:
    """Return the list or object that a pointer's last step is in, and that step; PatchError(why) if there is none."""
    _, *steps = (step.replace("~1", "/").replace("~0", "~") for step in path.split("/"))
    if not steps:
        raise PatchError(why)
    parent = document
    for step in steps[:-1]:
        try:
            parent = _value(parent, step, "")
        except PatchError:
            raise PatchError(why) from None
        if not isinstance(parent, dict | list):
            raise PatchError(why)
    return parent, steps[-1]


def _value(parent: Json, key: str, where: str) -> Json:
    """Return what stands at a key; None for a member that an object does not have."""
    if isinstance(parent, dict):
        return parent.get(key)
    try:
        return parent[_index(key, len(parent))]
    except PatchError as error:
        raise PatchError(f"{where}: {error}") from None


def _insert(parent: Json, key: str, value: Json, where: str) -> None:
    if isinstance(parent, dict):
        parent[key] = value
        return
    if key == "-":
        parent.append(value)
        return
    try:
        _integer(key)
    except PatchError as error:
        raise PatchError(f"{where}: value was not a proper array index: '{key}': {error}") from None
    try:
        parent.insert(_index(key, len(parent) + 1), value)
    except PatchError as error:
        raise PatchError(f"{where}: {error}") from None


def _delete(parent: Json, key: str, where: str) -> None:
    if isinstance(parent, dict):
        if key not in parent:
            raise PatchError(f"{where}: Unable to remove nonexistent key: {key}: {MISSING}")
        del parent[key]
        return
    try:
        del parent[_index(key, len(parent))]
    except PatchError as error:
        raise PatchError(f"{where}: {error}") from None


def _index(step: str, length: int) -> int:
    """Return the place in a list of a length that a step names, from the end where it is below zero."""
    place = _integer(step)
    if not -length <= place < length:
        raise PatchError(BAD_INDEX.format(place))
    return place + length if place < 0 else place


def _integer(step: str) -> int:
    if not _INTEGER.fullmatch(step):
        raise PatchError(f"strconv.Atoi: parsing {orjson.dumps(step).decode()}: invalid syntax")
    digits = step.lstrip("+-").lstrip("0")
    if len(digits) > _INT64_DIGITS or not -(2**63) <= int(step) < 2**63:
        raise PatchError(f"strconv.Atoi: parsing {orjson.dumps(step).decode()}: value out of range")
    return int(step)


def _same(left: Json, right: Json) -> bool:
    """Whether two values are written alike in JSON: true is not 1, nor is 1.0."""
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(_same(left[key], right[key]) for key in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(_same(a, b) for a, b in zip(left, right, strict=True))
    return type(left) is type(right) and bool(left == right)
