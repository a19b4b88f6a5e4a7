"""The columns of custom resources, as their definitions name them."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Any

import orjson

from fairlead.api import codec, jsonpath, objects, scheme, times
from fairlead.api.columns.layout import Column, human_duration

INVALID = "<invalid>"


def of_kind(kind: scheme.Kind) -> tuple[Column, ...]:
    """Return the columns of a custom kind; age alone where the definition names none."""
    named = tuple(Column(each.name, each.priority) for each in kind.columns)
    return (Column("Name"), *(named or (Column("Age"),)))


def row(obj: objects.Unstructured, now: datetime.datetime) -> Sequence[str]:
    """Return the cells of a custom resource."""
    content = codec.to_json(obj)
    shown = obj.kind.columns or (scheme.PrinterColumn("Age", "date", ".metadata.creationTimestamp"),)
    return [obj.metadata.name, *(_cell(content, each, now) for each in shown)]


def _cell(content: Any, column: scheme.PrinterColumn, now: datetime.datetime) -> str:
    """Return the first of what a column's path finds, as its type shows it; nothing where it finds nothing."""
    found = jsonpath.find(content, column.path)
    if not found or found[0] is None:
        return ""
    value = found[0]
    if column.type == "date":
        return _since(value, now)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    return orjson.dumps(value).decode()


def _since(value: Any, now: datetime.datetime) -> str:
    try:
        seconds, _ = times.parse(value)
    except (TypeError, ValueError):
        return INVALID
    return human_duration(now.timestamp() - seconds)
