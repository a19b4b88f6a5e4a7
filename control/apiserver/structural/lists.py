"""Lists that are sets or maps, and resources within resources: what schemas ask beyond single values. Pure."""

from __future__ import annotations

import json
from typing import Any

from control.apiserver import field
from control.apiserver.structural import embedded, validating
from control.apiserver.structural.schema import Schema

Json = Any


def validate(value: Json, schema: Schema, path: str = "") -> field.Faults:
    """Judge uniqueness in lists of type set and map, and resources within resources."""
    faults: field.Faults = []
    _walk(value, schema, path, faults)
    return faults


def _walk(value: Json, schema: Schema, path: str, faults: field.Faults) -> None:
    if isinstance(value, list):
        if schema.list_type == "set":
            faults += _duplicates(value, value, path)
        elif schema.list_type == "map":
            faults += _map_duplicates(value, schema, path)
        if schema.items is not None:
            for index, each in enumerate(value):
                _walk(each, schema.items, f"{path}[{index}]", faults)
    elif isinstance(value, dict):
        if schema.embedded:
            faults += embedded.validate(value, path)
        for key, found in value.items():
            below = f"{path}.{key}" if path else key
            if key in schema.properties:
                _walk(found, schema.properties[key], below, faults)
            elif schema.additional is not None:
                _walk(found, schema.additional, f"{path}[{key}]", faults)


def _map_duplicates(value: list[Json], schema: Schema, path: str) -> field.Faults:
    for index, each in enumerate(value):
        if each is not None and not isinstance(each, dict):
            text = f"Invalid value: {validating.shown(each)}: must be an object for an array of list-type map"
            return [field.fault("FieldValueInvalid", text, f"{path}[{index}]")]
    keys = [{key: each[key] for key in schema.map_keys if key in each} if each else {} for each in value]
    return _duplicates(keys, keys, path)


def _duplicates(keys: list[Json], values: list[Json], path: str) -> field.Faults:
    """Return a fault for the second appearance of each key, as Kubernetes does."""
    seen: dict[str, int] = {}
    faults: field.Faults = []
    for index, key in enumerate(keys):
        text = json.dumps(key, sort_keys=True)
        seen[text] = seen.get(text, 0) + 1
        if seen[text] == 2:
            shown = validating.shown(values[index])
            faults.append(field.fault("FieldValueDuplicate", f"Duplicate value: {shown}", f"{path}[{index}]"))
    return faults
