"""Typings from the structural schemas of custom resources, by their `x-kubernetes-…` extensions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fairlead.api.fields import tabled, typings
from fairlead.api.fields.typings import Shape, Typing

Schema = Mapping[str, Any]


def of_schema(schema: Schema | None) -> Typing:
    """Return the typing of a custom resource by its version's openAPIV3Schema, as JSON; without one it is deduced."""
    known = schema or {}
    properties = known.get("properties") or {}

    def fields() -> Mapping[str, Typing]:
        named = {"apiVersion": typings.WHOLE, "kind": typings.WHOLE, "metadata": tabled.metadata()}
        return {name: part(below) for name, below in properties.items()} | named

    open_ended = not schema or known.get("x-kubernetes-preserve-unknown-fields")
    return Typing(Shape.FIELDS, fields=fields, element=_deduced if open_ended else None)


def part(schema: Schema) -> Typing:
    """Return the typing of a part of a custom resource."""
    if schema.get("x-kubernetes-int-or-string"):
        return typings.WHOLE
    match schema.get("type"):
        case "array":
            return _list(schema)
        case "object":
            return _object(schema)
        case None:
            return typings.DEDUCED if schema.get("x-kubernetes-preserve-unknown-fields") else typings.WHOLE
    return typings.WHOLE


def _object(schema: Schema) -> Typing:
    if schema.get("x-kubernetes-map-type") == "atomic":
        return typings.WHOLE
    if schema.get("x-kubernetes-embedded-resource"):
        return of_schema(schema)
    properties = schema.get("properties") or {}
    values = schema.get("additionalProperties")

    def element() -> Typing:
        return part(values) if isinstance(values, Mapping) else typings.DEDUCED

    open_ended = values or schema.get("x-kubernetes-preserve-unknown-fields")
    return Typing(
        Shape.FIELDS,
        fields=lambda: {name: part(below) for name, below in properties.items()},
        element=element if open_ended else None,
    )


def _list(schema: Schema) -> Typing:
    items = schema.get("items") or {}
    match schema.get("x-kubernetes-list-type"):
        case "set":
            return Typing(Shape.SET, element=lambda: part(items))
        case "map":
            properties = items.get("properties") or {}
            keys = sorted(schema.get("x-kubernetes-list-map-keys") or ())
            defaults = tuple((key, (properties.get(key) or {}).get("default")) for key in keys)
            return Typing(Shape.KEYED, element=lambda: part(items), keys=defaults)
    return typings.WHOLE


def _deduced() -> Typing:
    return typings.DEDUCED
