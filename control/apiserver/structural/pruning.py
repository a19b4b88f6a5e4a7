"""Pruning: fields that a structural schema does not name are dropped. Pure."""

from __future__ import annotations

from typing import Any

from control.apiserver.structural import builtin
from control.apiserver.structural.schema import Schema

Json = Any
KEPT_IN_RESOURCES = frozenset({"apiVersion", "kind", "metadata"})


def prune(value: Json, schema: Schema, *, is_root: bool = False) -> list[str]:
    """Take away, in place, what the schema does not name; returns the paths of what was dropped.

    At the root, and in embedded resources, apiVersion and kind stay as they are; so does the root's metadata, while
    embedded ones keep the fields of all objects' metadata.
    """
    dropped: list[str] = []
    _prune(value, schema, is_root, "", dropped)
    return dropped


def _prune(value: Json, schema: Schema, is_resource: bool, path: str, dropped: list[str]) -> None:
    if isinstance(value, list):
        for index, each in enumerate(value):
            if schema.items is not None:
                _prune(each, schema.items, schema.items.embedded, f"{path}[{index}]", dropped)
            elif not schema.preserve:
                _prune(each, Schema(), False, f"{path}[{index}]", dropped)
        return
    if not isinstance(value, dict):
        return
    for key in list(value):
        below = f"{path}.{key}" if path else key
        if is_resource and key in KEPT_IN_RESOURCES:
            if key == "metadata" and path:
                _prune(value[key], builtin.metadata(), False, below, dropped)
            continue
        part = schema.properties.get(key, schema.additional)
        if part is not None:
            _prune(value[key], part, part.embedded, below, dropped)
        elif not schema.preserve and not schema.open:
            del value[key]
            dropped.append(below)
