"""Defaulting: what a structural schema gives to fields that are left out. Pure."""

from __future__ import annotations

import copy
from typing import Any

from control.apiserver.structural.schema import ABSENT, Schema

Json = Any


def apply(value: Json, schema: Schema) -> None:
    """Fill in defaults, in place; a null where the schema allows none counts as left out, and is dropped."""
    if isinstance(value, list):
        if schema.items is not None:
            for each in value:
                apply(each, schema.items)
        return
    if not isinstance(value, dict):
        return
    for key in [key for key, found in value.items() if found is None]:
        part = schema.properties.get(key, schema.additional)
        if part is not None and not part.nullable and (part.type or part.default is not ABSENT):
            del value[key]
    for key, part in schema.properties.items():
        if key not in value and part.default is not ABSENT:
            value[key] = copy.deepcopy(part.default)
    for key, found in value.items():
        part = schema.properties.get(key, schema.additional)
        if part is not None:
            apply(found, part)
