"""Descriptions of every other kind, and of events."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Any

from fairlead.api import codec, columns
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.cli.describing.lines import NONE, Lines, fields, head, line, table


def secret(obj: corev1.Secret) -> Lines:
    """Yield the lines of a Secret; its values are only counted."""
    yield from head(obj)
    yield line("Type", obj.type)
    yield "Data:" if obj.data else line("Data", NONE)
    for key, value in sorted(obj.data.items()):
        yield line(key, f"{len(value)} bytes", 1)


def config_map(obj: corev1.ConfigMap) -> Lines:
    """Yield the lines of a ConfigMap."""
    yield from head(obj)
    yield "Data:" if obj.data or obj.binaryData else line("Data", NONE)
    for key, text in sorted(obj.data.items()):
        yield f"  {key}:"
        yield from (f"    {each}" for each in text.splitlines())
    for key, value in sorted(obj.binaryData.items()):
        yield line(key, f"{len(value)} bytes", 1)


def other(obj: Any) -> Lines:
    """Yield the lines of an object of any other kind, field by field."""
    yield from head(obj)
    data = codec.to_json(obj)
    yield from fields({key: value for key, value in data.items() if key != "metadata"}, 0)


def events(found: Sequence[corev1.Event], now: datetime.datetime) -> Lines:
    """Yield the events of an object, oldest first."""
    if not found:
        yield line("Events", NONE)
        return
    rows = []
    for event in sorted(found, key=_seen):
        last = columns.age(_newest(event), now)
        seen = f"{last} (x{event.count} over {columns.age(event.firstTimestamp, now)})" if event.count > 1 else last
        source = event.source.component or event.reportingComponent
        rows.append((event.type, event.reason, seen, source, event.message.strip()))
    yield "Events:"
    yield from table(("Type", "Reason", "Age", "From", "Message"), rows)


def _newest(event: corev1.Event) -> Any:
    return event.lastTimestamp if event.lastTimestamp.HasField("seconds") else event.metadata.creationTimestamp


def _seen(event: corev1.Event) -> tuple[int, int]:
    return _newest(event).seconds, event.metadata.creationTimestamp.seconds
