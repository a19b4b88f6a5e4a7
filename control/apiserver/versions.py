"""Answers and questions in the version that a request names: conversion around registries, which know hubs only.

The API server passes every answer through here; those for a hub, which are nearly all, go as they are.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any, TypeVar

from google.protobuf.message import Message

from control.apiserver import field, reading, selection
from control.apiserver.strategies import event
from control.store.entry import Entry
from fairlead.api import conversion, scheme
from fairlead.api.pb import events_v1_pb2 as eventsv1


@dataclasses.dataclass(frozen=True, slots=True)
class _Rules:
    """What a version asks of a hub's object beyond the kind's strategy."""

    new: Callable[[Any], field.Faults]
    change: Callable[[Any, Any], field.Faults]


_RULES: dict[type[Message], _Rules] = {eventsv1.Event: _Rules(event.judge_new, event.judge_change)}

Q = TypeVar("Q", reading.ListQuery, reading.WatchQuery)


def query(asked: Q, kind: scheme.Kind) -> Q:
    """Return a query with the hub's names of fields."""
    if not kind.hub or not asked.fields:
        return asked
    return dataclasses.replace(asked, fields=conversion.fields_to_hub(asked.fields, kind))


def to_hub(obj: Any, kind: scheme.Kind, old: Any = None) -> Any:
    """Return a new object of a kind, or one that is to replace the hub's `old`, as its hub has it.

    errors.Invalid where it breaks rules that only this version has.
    """
    hub = conversion.to_hub(obj)
    rules = _RULES.get(kind.message) if kind.hub and kind.message is not None else None
    if rules is not None:
        faults = rules.new(hub) if old is None else rules.change(hub, old)
        field.refuse(faults, kind.group, kind.kind, hub.metadata.name)
    return hub


def entry(found: Entry, kind: scheme.Kind) -> Entry:
    """Return an object of a kind's hub as the kind; a subresource of another type as it is."""
    if not kind.hub or kind.message is None:  # a custom resource is converted by its registry
        return found
    if not isinstance(found.object, scheme.DEFAULT.hub(kind).message or ()):
        return found
    return Entry(found.key, kind, conversion.from_hub(found.object, kind), found.revision)


def listing(found: reading.Listing, kind: scheme.Kind) -> reading.Listing:
    """Return a page of a kind's hub as the kind."""
    if not kind.hub:
        return found
    return dataclasses.replace(found, entries=[entry(one, kind) for one in found.entries])


async def watched(
    changes: AsyncGenerator[Sequence[selection.Event], None], kind: scheme.Kind
) -> AsyncGenerator[Sequence[selection.Event], None]:
    """Iterate over the changes of a kind's hub as those of the kind."""
    async with contextlib.aclosing(changes):
        async for some in changes:
            yield [
                dataclasses.replace(one, entry=entry(one.entry, kind)) if one.entry is not None else one
                for one in some
            ]
