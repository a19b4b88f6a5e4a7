"""Paths within a value that a rule's `fieldPath` names: `.spec.name`, `.labels['a.b']`. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from control.apiserver.structural.schema import Schema

_STEP = re.compile(r"\.([^.\[\]]+)|\['((?:[^'\\]|\\.)*)'\]|(.)", re.DOTALL)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "'": "'", "\\": "\\"}
_NO_FIELD = "does not refer to a valid field"


class PathError(ValueError):
    """A text that is no path to a field of a schema; worded as Kubernetes words it."""


def normalised(written: str, schema: Schema) -> str:
    """Return a path as faults name it: properties after dots, keys of maps in brackets."""
    return resolved(written, schema)[0]


def resolved(written: str, schema: Schema, *, brackets: bool = True) -> tuple[str, Schema]:
    """Return a path as faults name it, and the schema of what it names; `brackets` says that it may have some."""
    found = ""
    for step in _steps(written, brackets):
        if schema.properties:
            if step not in schema.properties:
                raise PathError(_NO_FIELD)
            found, schema = f"{found}.{step}" if found else step, schema.properties[step]
        elif schema.additional is not None:
            found, schema = f"{found}[{step}]", schema.additional
        else:
            raise PathError(_NO_FIELD)
    return found, schema


def _steps(written: str, brackets: bool) -> Iterator[str]:
    for match in _STEP.finditer(written):
        if match[0].startswith("[") and not brackets:
            raise PathError("array notation is not allowed")
        if match[1] is not None:
            yield match[1]
        elif match[2] is not None:
            yield _ESCAPE.sub(_unescaped, match[2])
        elif match[3] == "[":
            raise PathError(f"expected single quoted string but got {written[match.end() :].partition(']')[0]}")
        elif match[3] == ".":
            raise PathError("unexpected end of JSON path")
        else:
            raise PathError(f"expected [ or . but got: {_token(written[match.start() :])}")


def _token(rest: str) -> str:
    return re.split(r"[.\[\]]", rest, maxsplit=1)[0] or rest[0]


def _unescaped(match: re.Match[str]) -> str:
    if match[1] not in _ESCAPES:
        raise PathError(f"invalid string literal: invalid escape char {match[0]}")
    return _ESCAPES[match[1]]


def joined(path: str, below: str) -> str:
    """Return a path with one below it."""
    if not below:
        return path
    if path in ("", "<nil>"):
        return below
    return f"{path}{below}" if below.startswith("[") else f"{path}.{below}"
