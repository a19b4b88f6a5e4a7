"""The lines that descriptions are made of: labels with values, mappings, indented tables, fields."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator, Sequence
from typing import Any

from fairlead.api.pb import meta_v1_pb2 as metav1

NONE = "<none>"
INDENT = "  "
LABEL_WIDTH = 22
_SPELLED = {"api": "API", "os": "OS", "id": "ID", "ip": "IP", "ips": "IPs", "uuid": "UUID", "cidr": "CIDR"}

Lines = Iterator[str]


def line(label: str, value: object, depth: int = 0) -> str:
    """Return `Label:   value`, aligned."""
    return f"{INDENT * depth}{(label + ':').ljust(LABEL_WIDTH - 2 * depth)} {value}".rstrip()


def listed(label: str, values: Sequence[str], depth: int = 0) -> Lines:
    """Yield `Label: first` and the further values below it, aligned; `<none>` where there are none."""
    first, *others = values or [NONE]
    yield line(label, first, depth)
    for value in others:
        yield " " * (LABEL_WIDTH + 1) + value


def mapping(label: str, values: Any, depth: int = 0) -> Lines:
    """Yield `Label: a=1` and the further pairs below it, aligned."""
    yield from listed(label, [f"{key}={value}" for key, value in sorted(values.items())], depth)


def table(headers: Sequence[str], rows: Sequence[Sequence[str]], depth: int = 1) -> Lines:
    """Yield an indented table with a rule below its header."""
    whole = [list(headers), ["-" * len(header) for header in headers], *map(list, rows)]
    widths = [max(len(row[index]) for row in whole) for index in range(len(headers))]
    for row in whole:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        yield (INDENT * depth + "  ".join(cells)).rstrip()


def time_text(time: metav1.Time) -> str:
    """Return a time as `Sat, 21 Nov 2026 03:00:00 +0000`."""
    moment = datetime.datetime.fromtimestamp(time.seconds, datetime.UTC)
    return moment.strftime("%a, %d %b %Y %H:%M:%S %z")


def head(obj: Any) -> Lines:
    """Yield name, namespace, labels and annotations."""
    meta = obj.metadata
    yield line("Name", meta.name)
    if meta.namespace:
        yield line("Namespace", meta.namespace)
    yield from mapping("Labels", meta.labels)
    shown = {key: value for key, value in meta.annotations.items() if not key.endswith("last-applied-configuration")}
    yield from mapping("Annotations", shown)


def owner(obj: Any) -> Lines:
    """Yield what controls the object."""
    for ref in obj.metadata.ownerReferences:
        if ref.controller:
            yield line("Controlled By", f"{ref.kind}/{ref.name}")


def conditions(found: Sequence[Any]) -> Lines:
    """Yield a table of conditions."""
    if found:
        yield "Conditions:"
        rows = [(c.type, c.status, getattr(c, "reason", ""), getattr(c, "message", "")) for c in found]
        yield from table(("Type", "Status", "Reason", "Message"), rows)


def resources(label: str, amounts: Any, depth: int) -> Lines:
    """Yield amounts of resources."""
    if amounts:
        yield f"{INDENT * depth}{label}:"
        for name, quantity in sorted(amounts.items()):
            yield line(name, quantity.string, depth + 1)


def fields(data: Any, depth: int) -> Lines:
    """Yield JSON-shaped data field by field."""
    items = data.items() if isinstance(data, dict) else enumerate(data)
    for key, value in items:
        label = words(key) if isinstance(key, str) and depth < 2 else str(key)
        if isinstance(value, dict | list) and value:
            yield f"{INDENT * depth}{label}:"
            yield from fields(value, depth + 1)
        else:
            yield line(label, NONE if value in (None, {}, []) else value, depth)


def words(name: str) -> str:
    """Return a field's name as words: `apiVersion` becomes `API Version`."""
    if not re.fullmatch(r"[a-zA-Z]+", name):
        return name
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
    return " ".join(_SPELLED.get(word.lower(), word[:1].upper() + word[1:]) for word in spaced.split())
