"""Kubernetes' table columns for each kind: what `get` prints.

Pure: `of_kind(kind)` names them, `row(object, now)` fills them. Columns with priority 1 appear only in wide tables.
The command line prints these; a gateway can serve them as meta.v1 Table. Each module here has the layouts of some
kinds in `LAYOUTS`, by message; a kind without one shows name and age.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from typing import Any

from google.protobuf.message import Message

from fairlead.api import objects, scheme
from fairlead.api.columns import (
    administration,
    batch,
    cluster,
    core,
    custom,
    metrics,
    pods,
    policies,
    resources,
    workloads,
)
from fairlead.api.columns.layout import Column, Layout, age, created, human_duration, layout, selector_text
from fairlead.api.columns.pods import pod_status

__all__ = ["Column", "age", "human_duration", "of_kind", "pod_status", "row", "selector_text"]


def of_kind(kind: scheme.Kind) -> tuple[Column, ...]:
    """Return the columns of a kind, name first."""
    if kind.message is None:
        return custom.of_kind(kind)
    return _LAYOUTS.get(kind.message, _DEFAULT).columns


def of_object(obj: Any, kind: scheme.Kind) -> tuple[Column, ...]:
    """Return the columns of what a kind answers with: a Scale has other ones than its workload."""
    return _LAYOUTS.get(type(obj), _DEFAULT).columns if isinstance(obj, Message) else of_kind(kind)


def row(obj: Any, now: datetime.datetime) -> Sequence[str]:
    """Return the cells of an object, one for each column of its kind."""
    if isinstance(obj, objects.Unstructured):
        return custom.row(obj, now)
    return _LAYOUTS.get(type(obj), _DEFAULT).cells(obj, now)


def _any(obj: Any, now: datetime.datetime) -> Sequence[str]:
    return obj.metadata.name, created(obj, now)


_DEFAULT = layout("Name|Age", _any)
_LAYOUTS: Mapping[type[Message], Layout] = {
    **pods.LAYOUTS,
    **core.LAYOUTS,
    **workloads.LAYOUTS,
    **cluster.LAYOUTS,
    **resources.LAYOUTS,
    **batch.LAYOUTS,
    **policies.LAYOUTS,
    **administration.LAYOUTS,
    **metrics.LAYOUTS,
}
