"""Messages to Kubernetes' JSON, by functions compiled from the field table at a type's first use.

A compiled function walks only the fields that a message has and starts from a template of those that Go never
omits, so that its cost follows what is set, not what could be.
"""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable
from typing import Any

from google.protobuf.message import Message

from fairlead.api import table
from fairlead.api.codec import special

Json = Any
Writer = special.Writer
# Objects inside another object that nevertheless say their kind.
_SAYS_KIND = {("k8s.io.api.apps.v1.StatefulSetSpec", "volumeClaimTemplates")}
_ZERO: dict[str, Json] = {"string": "", "bool": False, "int32": 0, "int64": 0, "double": 0, "bytes": None}

_lock = threading.RLock()
_parts: dict[str, Writer] = {}
_tops: dict[type[Message], Writer] = {}
# Writers of one compilation; usable by others only when all are complete.
Pending = dict[str, Writer]


def top(message_type: type[Message]) -> Writer:
    """Return the function that writes messages of a type, with apiVersion and kind where they have one."""
    found = _tops.get(message_type)
    if found is None:
        with _lock:
            schema = table.schema(message_type.DESCRIPTOR.full_name)
            if schema.kind:
                pending: Pending = {}
                found = _compile(schema, {"apiVersion": schema.api_version, "kind": schema.kind}, pending)
                _parts.update(pending)
            else:
                found = part(schema.full_name)
            _tops[message_type] = found
    return found


def part(full_name: str) -> Writer:
    """Return the function that writes a message inside another, without apiVersion and kind."""
    found = _parts.get(full_name)
    if found is None:
        with _lock:
            pending: Pending = {}
            found = _nested(full_name, pending)
            _parts.update(pending)
    return found


def _nested(full_name: str, pending: Pending) -> Writer:
    found = special.WRITERS.get(full_name) or _parts.get(full_name) or pending.get(full_name)
    if found is not None:
        return found
    if full_name in special.UNIONS:
        return _UNIONS[full_name.rpartition(".")[2]]
    return _compile(table.schema(full_name), {}, pending)


def _compile(schema: table.Schema, identity: dict[str, Json], pending: Pending) -> Writer:
    """Return a closure over tables that are filled after it is registered: a type may contain itself."""
    conversions: dict[Any, tuple[str, Writer | None]] = {}
    template: dict[str, Json] = dict(identity)
    fresh: list[tuple[str, dict[str, Json]]] = []

    def write(message: Any) -> Json:
        out = template.copy()
        for descriptor, value in message.ListFields():
            key, convert = conversions[descriptor]
            if convert is None:
                out[key] = value
            elif key:
                out[key] = convert(value)
            else:
                out.update(convert(value))
        for key, zero in fresh:
            if out[key] is None:
                out[key] = _copied(zero)
        return out

    if not identity:
        pending[schema.full_name] = write
    descriptors = table.message_type(schema.full_name).DESCRIPTOR.fields_by_name
    for field in schema.fields:
        key = "" if field.inline else field.json
        conversions[descriptors[field.name]] = (key, _conversion(schema, field, pending))
        zero = _never_omitted(schema, field, pending)
        if zero is _OMITTED:
            continue
        for name, value in zero.items() if field.inline else [(key, zero)]:
            nested = type(value) is dict
            template[name] = None if nested else value
            if nested:
                fresh.append((name, value))
    return write


_OMITTED: Any = object()


def _never_omitted(schema: table.Schema, field: table.Field, pending: Pending) -> Json:
    """Return what Go writes for the field where nothing is set, or _OMITTED."""
    if field.is_message and not (field.pointer or field.repeated or field.map):
        return _nested(field.type, pending)(table.message_type(field.type)())
    if field.omitempty:
        return _OMITTED
    if field.name == "items" and schema.kind.endswith("List"):
        return _EMPTY_LIST  # an API server lists nothing as [], never as null
    if field.pointer or field.repeated or field.map or field.is_message:
        return None
    return _ZERO[field.type]


_EMPTY_LIST: list[Json] = []


def _copied(zero: dict[str, Json]) -> dict[str, Json]:
    return {key: _copied(value) if type(value) is dict else value for key, value in zero.items()}


def _conversion(schema: table.Schema, field: table.Field, pending: Pending) -> Writer | None:
    """Return the function from a field's Python value to JSON; None where it is JSON already."""
    one = _element(field, pending)
    if (schema.full_name, field.name) in _SAYS_KIND:
        one = top(table.message_type(field.type))
    if field.map:
        return _map_of(one)
    if field.repeated:
        return list if one is None else _list_of(one)
    return one


def _element(field: table.Field, pending: Pending) -> Writer | None:
    if field.is_message:
        return _nested(field.type, pending)
    scalars: dict[str, Writer] = {"bytes": _base64, "double": _number}
    return scalars.get(field.type)


def _list_of(one: Writer) -> Writer:
    return lambda values: [one(value) for value in values]


def _map_of(one: Writer | None) -> Writer:
    if one is None:
        return lambda values: {key: values[key] for key in sorted(values)}
    return lambda values: {key: one(values[key]) for key in sorted(values)}


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode()


def _number(value: float) -> float | int:
    """Return whole numbers as integers, as Go writes them."""
    return int(value) if value.is_integer() and abs(value) < 1e21 else value


_SCHEMA = f"{special.EXTENSIONS}.JSONSchemaProps"


def _schema_or_bool(message: Any) -> Json:
    return part(_SCHEMA)(message.schema) if message.HasField("schema") else bool(message.allows)


def _schema_or_array(message: Any) -> Json:
    if message.jSONSchemas:
        return [part(_SCHEMA)(each) for each in message.jSONSchemas]
    return part(_SCHEMA)(message.schema) if message.HasField("schema") else None


def _schema_or_strings(message: Any) -> Json:
    if message.property:
        return list(message.property)
    return part(_SCHEMA)(message.schema) if message.HasField("schema") else None


_UNIONS: dict[str, Callable[[Any], Json]] = {
    "JSONSchemaPropsOrBool": _schema_or_bool,
    "JSONSchemaPropsOrArray": _schema_or_array,
    "JSONSchemaPropsOrStringArray": _schema_or_strings,
}
