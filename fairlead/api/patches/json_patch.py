"""JSON patch (RFC 6902) over JSON pointers (RFC 6901)."""

from __future__ import annotations

import copy
from typing import Any

import orjson

from fairlead.api.patches.errors import PatchError

Json = Any
INDEX_DIGITS = 18  # more than any list is long, and what int() reads
MAX_COPIED_BYTES = 3 * 1024 * 1024  # what Kubernetes allows one patch to grow an object by


def apply_json_patch(document: Json, operations: Json) -> Json:
    """Return the document with all operations applied in order; PatchError for the first that fails."""
    if not isinstance(operations, list):
        raise PatchError("a JSON patch must be a list of operations")
    root = {"": copy.deepcopy(document)}
    copied = 0
    for index, operation in enumerate(operations):
        try:
            copied += _apply(root, operation)
            if copied > MAX_COPIED_BYTES:
                raise PatchError(
                    "Unable to complete the copy, the accumulated size increase of copy is"
                    f" {copied}, exceeding the limit {MAX_COPIED_BYTES}"
                )
        except PatchError as error:
            raise PatchError(f"operation {index}: {error}") from None
        except RecursionError:
            raise PatchError(f"operation {index}: nested too deeply") from None
    if "" not in root:
        raise PatchError("the whole document cannot be removed")
    return root[""]


def _apply(root: dict[str, Json], operation: Json) -> int:
    """Apply one operation below a root that holds the document under the empty name; returns the bytes it copied."""
    if not isinstance(operation, dict):
        raise PatchError("must be an object")
    name, path = operation.get("op"), _pointer(operation, "path")
    if name in ("add", "replace", "test"):
        if "value" not in operation:
            raise PatchError(f"{name} needs a value")
        value = operation["value"]
        if name == "test":
            if not _same(_get(root, path), value):
                raise PatchError(f"testing value {operation['path']} failed: test failed")
        elif name == "add":
            _add(root, path, copy.deepcopy(value))
        else:
            _remove(root, path)
            _add(root, path, copy.deepcopy(value))
    elif name == "remove":
        _remove(root, path)
    elif name in ("move", "copy"):
        source = _pointer(operation, "from")
        value = _get(root, source)
        if name == "move":
            if path[: len(source)] == source and path != source:
                raise PatchError(f"cannot move {operation['from']} into itself")
            _remove(root, source)
        _add(root, path, copy.deepcopy(value))
        return len(orjson.dumps(value)) if name == "copy" else 0
    else:
        raise PatchError(f"Unexpected kind: {name}")
    return 0


def _pointer(operation: dict[str, Json], key: str) -> list[str]:
    """Return the steps of a pointer from the root; the first is the document itself."""
    text = operation.get(key)
    if not isinstance(text, str) or (text and not text.startswith("/")):
        raise PatchError(f'"{key}" must be a JSON pointer, got {text!r}')
    return [step.replace("~1", "/").replace("~0", "~") for step in text.split("/")]


def _get(root: Json, path: list[str]) -> Json:
    value = root
    for step in path:
        value = _child(value, step)
    return value


def _child(value: Json, step: str) -> Json:
    if isinstance(value, dict) and step in value:
        return value[step]
    if isinstance(value, list):
        return value[_index(step, len(value) - 1)]
    raise PatchError(f'missing path: nothing at "{step}"')


def _index(step: str, highest: int) -> int:
    if not (step.isascii() and step.isdigit()) or (len(step) > 1 and step[0] == "0"):
        raise PatchError(f'invalid index "{step}"')
    if len(step) > INDEX_DIGITS or int(step) > highest:
        raise PatchError(f"index {step[:INDEX_DIGITS]} is out of bounds")
    return int(step)


def _add(root: Json, path: list[str], value: Json) -> None:
    parent, step = _get(root, path[:-1]), path[-1]
    if isinstance(parent, list):
        parent.insert(len(parent) if step == "-" else _index(step, len(parent)), value)
    elif isinstance(parent, dict):
        parent[step] = value
    else:
        raise PatchError(f'nothing can be added at "{step}"')


def _remove(root: Json, path: list[str]) -> None:
    parent, step = _get(root, path[:-1]), path[-1]
    _child(parent, step)
    if isinstance(parent, list):
        del parent[int(step)]
    else:
        del parent[step]


def _same(left: Json, right: Json) -> bool:
    """Whether two values are equal in JSON, where true is not 1."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(_same(left[key], right[key]) for key in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(_same(a, b) for a, b in zip(left, right, strict=True))
    return bool(left == right)
