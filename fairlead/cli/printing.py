"""Output: tables as kubectl aligns them, YAML, JSON and names."""

from __future__ import annotations

import datetime
import json
from collections.abc import Sequence
from typing import Any

import click
from google.protobuf.message import Message

from fairlead.api import codec, columns, objects, scheme
from fairlead.cli import manifests

GAP = "   "
FORMATS = ("table", "wide", "yaml", "json", "name")


class Table:
    """Rows printed as they come: a column is as wide as its widest cell so far."""

    def __init__(self, kind: scheme.Kind, *, wide: bool, namespaces: bool, headers: bool = True) -> None:
        known = columns.of_kind(kind)
        self._shown = [index for index, column in enumerate(known) if wide or column.priority == 0]
        self._namespaces = namespaces
        heads = [known[index].name.upper() for index in self._shown]
        self._heads = ["NAMESPACE", *heads] if namespaces else heads
        self._widths = [len(head) if headers else 0 for head in self._heads]
        self.headers = headers

    def write(self, shown: Sequence[Message], prefix: str = "") -> None:
        """Print one row for each object, the header first if nothing has been printed yet."""
        now = datetime.datetime.now(datetime.UTC)
        rows = [self._cells(obj, now, prefix) for obj in shown]
        if self.headers:
            rows.insert(0, self._heads)
            self.headers = False
        for row in rows:
            self._widths = [max(width, len(cell)) for width, cell in zip(self._widths, row, strict=True)]
        for row in rows:
            padded = [cell.ljust(width) for cell, width in zip(row, self._widths, strict=True)]
            click.echo(GAP.join(padded).rstrip())

    def _cells(self, obj: Message, now: datetime.datetime, prefix: str) -> list[str]:
        cells = [columns.text(cell) for cell in columns.row(obj, now)]
        shown = [cells[index] for index in self._shown]
        name_column = next((i for i, head in enumerate(self._heads) if head == "NAME"), None)
        if self._namespaces:
            shown = [obj.metadata.namespace, *shown]  # type: ignore[attr-defined]
        if prefix and name_column is not None:
            shown[name_column] = prefix + shown[name_column]
        return shown


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a small table, header included."""
    widths = [max(len(row[index]) for row in rows) for index in range(len(rows[0]))]
    return [GAP.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def documents(shown: Sequence[Message], form: str, *, single: bool) -> str:
    """Return objects as YAML or JSON: one as itself, several as a v1 List."""
    plain = [_shown(codec.to_json(obj)) for obj in shown]
    listed = {"apiVersion": "v1", "items": plain, "kind": "List", "metadata": {"resourceVersion": ""}}
    whole = plain[0] if single else listed
    if form == "json":
        return json.dumps(whole, indent=4, ensure_ascii=False, sort_keys=True)
    return codec.dump_yaml(whole).rstrip("\n")


def _shown(data: dict[str, Any]) -> dict[str, Any]:
    """Leave out who set which field: as long as the object itself, and rarely asked for."""
    metadata = {key: value for key, value in data["metadata"].items() if key != "managedFields"}
    return {**data, "metadata": metadata}


def names(shown: Sequence[Any]) -> str:
    """Return one `kind/name` a line."""
    return "\n".join(manifests.object_name(objects.kind_of(obj), obj.metadata.name) for obj in shown)
