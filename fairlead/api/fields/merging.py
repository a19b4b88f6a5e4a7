"""A configuration merged into an object, and fields removed from one."""

from __future__ import annotations

from typing import Any

from fairlead.api.fields import comparing, sets, steps, typings
from fairlead.api.fields.sets import FieldSet
from fairlead.api.fields.typings import Shape, Typing

Json = Any


def merge(live: dict[str, Json], config: dict[str, Json], kind: Typing) -> dict[str, Json]:
    """Return the live object with all that the configuration sets."""
    return _merge_fields(live, config, kind)


def _merge(live: Json, config: Json, kind: Typing) -> Json:
    shape = typings.resolved(kind, live, config)
    container = dict if shape is Shape.FIELDS else list
    if shape is Shape.WHOLE or not (live or config):
        return config
    if not all(value is None or isinstance(value, container) for value in (live, config)):
        return config
    if shape is Shape.FIELDS:
        return _merge_fields(live or {}, config or {}, kind)
    return _merge_elements(live or [], config or [], kind)


def _merge_fields(live: dict[str, Json], config: dict[str, Json], kind: Typing) -> dict[str, Json]:
    out = dict(live)
    for name, value in config.items():
        out[name] = _merge(live[name], value, kind.child(name) or typings.DEDUCED) if name in live else value
    return out


def _merge_elements(live: list[Json], config: list[Json], kind: Typing) -> list[Json]:
    """Merge two lists in the configuration's order; elements that only the live one has stay where they stood."""
    element = kind.element or typings.DEDUCED
    before, wanted = comparing.by_step(live, kind), comparing.by_step(config, kind)
    merged: list[Json] = []
    pending = list(wanted)
    shared = [step for step in pending if step in before]

    def place(step: str) -> None:
        there, item = before.get(step), wanted[step][0]
        merged.append(_merge(there[0], item, element) if there and len(there) == 1 else item)

    for step in before:
        if step not in wanted:
            merged.extend(before[step])
        elif shared and shared[0] == step:
            while pending[0] != step:  # what is new stands before the element that it precedes in the configuration
                place(pending.pop(0))
            place(pending.pop(0))
            shared.pop(0)
    for step in pending:
        place(step)
    return merged


def remove(value: dict[str, Json], fields: FieldSet, kind: Typing) -> dict[str, Json]:
    """Return an object without the fields of a set."""
    return _remove_fields(value, fields, kind) or {}


def _remove(value: Json, fields: FieldSet, kind: Typing) -> Json:
    shape = typings.resolved(kind, value)
    if shape is Shape.WHOLE or not value:
        return value
    if shape is Shape.FIELDS:
        return _remove_fields(value, fields, kind) if isinstance(value, dict) else value
    return _remove_elements(value, fields, kind) if isinstance(value, list) else value


def _remove_fields(value: dict[str, Json], fields: FieldSet, kind: Typing) -> dict[str, Json] | None:
    out: dict[str, Json] = {}
    for name, one in value.items():
        step = steps.FIELD + name
        if not sets.has(fields, step):
            below = sets.below(fields, step)
            out[name] = _remove(one, below, kind.child(name) or typings.DEDUCED) if below else one
    return out or None


def _remove_elements(value: list[Json], fields: FieldSet, kind: Typing) -> list[Json] | None:
    element = kind.element or typings.DEDUCED
    out: list[Json] = []
    for item in value:
        step = kind.step(item)
        if not sets.has(fields, step):
            below = sets.below(fields, step)
            out.append(_remove(item, below, element) if below else item)
    return out or None
