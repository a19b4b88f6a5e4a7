"""What a configuration that is applied owns, and whether its type allows it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fairlead.api.fields import sets, steps, typings
from fairlead.api.fields.sets import FieldSet, Node
from fairlead.api.fields.typings import Shape, Typing

Json = Any


def owned(config: dict[str, Json], kind: Typing) -> FieldSet:
    """Return the fields that a configuration sets: its leaves, elements of lists, and keys of maps."""
    return _owned_fields(config, kind)


def _owned(value: Json, kind: Typing) -> Node | None:
    shape = typings.resolved(kind, value)
    if shape is Shape.WHOLE:
        return sets.LEAF
    if shape is Shape.FIELDS:
        below = _owned_fields(value, kind) if isinstance(value, dict) else sets.EMPTY
    else:
        below = _owned_elements(value, kind) if isinstance(value, list) else sets.EMPTY
    return below or None


def _owned_fields(value: dict[str, Json], kind: Typing) -> FieldSet:
    found: dict[str, Node] = {}
    for name, one in value.items():
        node = _owned(one, kind.child(name) or typings.DEDUCED)
        # of what the type names, only the leaves count; keys of a map count themselves
        member = one is None or one == {} or name not in kind.fields
        node = sets.node(member or node is sets.LEAF, sets.children(node or sets.EMPTY))
        if node is not None:
            found[steps.FIELD + name] = node
    return found


def _owned_elements(value: list[Json], kind: Typing) -> FieldSet:
    element = kind.element or typings.DEDUCED
    found: dict[str, Node] = {}
    for item in value:
        node = sets.node(True, sets.children(_owned(item, element) or sets.EMPTY))
        found[kind.step(item)] = node or sets.LEAF
    return found


def named(fields: FieldSet, kind: Typing | None) -> FieldSet:
    """Return a set with the fields that types name on the way to its members; removal needs them."""
    found: dict[str, Node] = {}
    for step, node in fields.items():
        name = step.removeprefix(steps.FIELD) if step.startswith(steps.FIELD) else ""
        if kind is None:
            below = None
        else:
            below = kind.child(name) if step.startswith(steps.FIELD) else kind.element
        member = sets.is_member(node) or (kind is not None and bool(name) and name in kind.fields)
        found[step] = sets.node(member, named(sets.children(node), below)) or sets.LEAF
    return found


def faults(config: dict[str, Json], kind: Typing) -> list[str]:
    """Return what a configuration may not say, each with its path: unknown fields, elements that repeat."""
    return list(_faults(config, kind, ""))


def _faults(value: Json, kind: Typing, path: str) -> Iterator[str]:
    shape = typings.resolved(kind, value)
    if value is None or shape is Shape.WHOLE:
        return
    if shape is Shape.FIELDS:
        yield from _fields_faults(value, kind, path)
    else:
        yield from _elements_faults(value, kind, path)


def _fields_faults(value: Json, kind: Typing, path: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{path}: expected map, got {_type(value)}"
        return
    for name, one in value.items():
        below = kind.child(name)
        if below is None:
            yield f"{path}.{name}: field not declared in schema"
        else:
            yield from _faults(one, below, f"{path}.{name}")


def _elements_faults(value: Json, kind: Typing, path: str) -> Iterator[str]:
    if not isinstance(value, list):
        yield f"{path}: expected list, got {_type(value)}"
        return
    element = kind.element or typings.DEDUCED
    seen: set[str] = set()
    for index, item in enumerate(value):
        if kind.shape is Shape.KEYED and not isinstance(item, dict):
            what = "null" if item is None else "non-map"
            yield f"{path}: element {index}: associative list with keys may not have {what} elements"
            continue
        try:
            step = kind.step(item, strict=True)
        except typings.MissingKey as error:
            yield f"{path}: element {index}: {error}"
            continue
        if step in seen:
            yield f"{path}: duplicate entries for key {steps.text(step)}"
        seen.add(step)
        yield from _faults(item, element, path + steps.text(step))


def _type(value: Json) -> str:
    match value:
        case bool():
            return "boolean"
        case str():
            return "string"
        case dict():
            return "map"
        case list():
            return "list"
    return "number"
