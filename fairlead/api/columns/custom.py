"""The columns of custom resources, as their definitions name them."""

from __future__ import annotations

import datetime
import math
from typing import Any

import orjson

from fairlead.api import codec, jsonpath, objects, scheme, times
from fairlead.api.columns import layout

INVALID = "<invalid>"
EXPLAINED = "Custom resource definition column (in JSONPath format):"


def of_kind(kind: scheme.Kind) -> tuple[layout.Column, ...]:
    """Return the columns of a custom kind; age alone where the definition names none."""
    named = tuple(_column(each) for each in kind.columns)
    return (layout.Column("Name", format="name"), *(named or (layout.Column("Age", type="date"),)))


def _column(each: scheme.PrinterColumn) -> layout.Column:
    description = each.description or f"{EXPLAINED} {each.path}"
    return layout.Column(each.name, each.priority, each.type, each.format, description)


def row(obj: objects.Unstructured, now: datetime.datetime) -> layout.Row:
    """Return the cells of a custom resource."""
    content = codec.to_json(obj)
    shown = obj.kind.columns or (scheme.PrinterColumn("Age", "date", ".metadata.creationTimestamp"),)
    return [obj.metadata.name, *(_cell(content, each, now) for each in shown)]


def _cell(content: Any, column: scheme.PrinterColumn, now: datetime.datetime) -> layout.Cell:
    """Return the first of what a column's path finds, if it is of the column's type; any value is a text."""
    found = jsonpath.find(content, column.path)
    if not found:
        return None
    value = found[0]
    numeric = isinstance(value, int | float) and not isinstance(value, bool)
    match column.type:
        case "string":
            return _printed(value)
        case "date":
            return _since(value, now) if isinstance(value, str) else None
        case "integer":
            return int(value) if numeric and math.isfinite(value) else None
        case "number":
            return (int(value) if float(value).is_integer() else value) if numeric else None
        case "boolean":
            return value if isinstance(value, bool) else None
    return None


def _printed(value: Any) -> str:
    """Return a value as JSON paths print it."""
    if value is None:
        return "<no value>"
    if isinstance(value, dict | list):
        return orjson.dumps(value).decode()
    return layout.text(value)


def _since(value: str, now: datetime.datetime) -> str:
    if value in ("", "null"):
        return layout.UNKNOWN
    try:
        seconds, _ = times.parse(value)
    except (TypeError, ValueError):
        return INVALID
    return layout.human_duration(now.timestamp() - seconds)
