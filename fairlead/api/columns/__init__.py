"""Kubernetes' table columns for each kind: what `get` prints.

Pure: `of_kind(kind)` names them, `row(object, now)` fills them, `text(cell)` is what is printed of a cell. Columns
with priority 1 appear only in wide tables. The command line prints these; a gateway serves them as meta.v1 Table.
Each module here has the layouts of some kinds in `LAYOUTS`, by message; a kind without one shows its name and when it
was made, an object of another version than the stored one what its hub shows.

Source: Kubernetes' printers (pkg/printers/internalversion) and the default table of its API server.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping
from typing import Any

from google.protobuf.message import Message

from fairlead.api import conversion, objects, scheme, times
from fairlead.api.columns import (
    access,
    administration,
    batch,
    core,
    custom,
    metrics,
    networking,
    pods,
    storage,
    workloads,
)
from fairlead.api.columns.layout import Cell, Column, Layout, Row, age, human_duration, layout, selector_text, text
from fairlead.api.columns.pods import row_conditions, summary

__all__ = [
    "Cell",
    "Column",
    "age",
    "human_duration",
    "of_kind",
    "order",
    "row",
    "row_conditions",
    "selector_text",
    "summary",
    "text",
]


def of_kind(kind: scheme.Kind) -> tuple[Column, ...]:
    """Return the columns of a kind, name first."""
    if kind.message is None:
        return custom.of_kind(kind)
    hub = scheme.DEFAULT.hub(kind).message or kind.message
    return _LAYOUTS.get(hub, _DEFAULT).columns


def of_object(obj: Any, kind: scheme.Kind) -> tuple[Column, ...]:
    """Return the columns of what a kind answers with: a Scale has other ones than its workload."""
    found = _LAYOUTS.get(type(obj)) if isinstance(obj, Message) else None
    return found.columns if found is not None else of_kind(kind)


def row(obj: Any, now: datetime.datetime) -> Row:
    """Return the cells of an object, one for each column of its kind."""
    if isinstance(obj, objects.Unstructured):
        return custom.row(obj, now)
    found = _LAYOUTS.get(type(obj))
    if found is None:
        obj = conversion.to_hub(obj)
        found = _LAYOUTS.get(type(obj), _DEFAULT)
    return found.cells(obj, now)


def order(kind: scheme.Kind) -> Callable[[Any], Any] | None:
    """Return the key by which the rows of a kind's list are sorted, where they do not stand in the list's order."""
    return None if kind.message is None else _LAYOUTS.get(kind.message, _DEFAULT).order


def _any(obj: Any, now: datetime.datetime) -> Row:
    return obj.metadata.name, times.format_seconds(obj.metadata.creationTimestamp.seconds)


_DEFAULT = layout("Name|Created At:date", _any)
_LAYOUTS: Mapping[type[Message], Layout] = {
    **pods.LAYOUTS,
    **core.LAYOUTS,
    **workloads.LAYOUTS,
    **batch.LAYOUTS,
    **networking.LAYOUTS,
    **storage.LAYOUTS,
    **access.LAYOUTS,
    **administration.LAYOUTS,
    **metrics.LAYOUTS,
}
