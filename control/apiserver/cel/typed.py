"""What expressions see of objects that have a structural schema: types for the checker, values for the evaluator.

`Types` writes a schema as protobuf messages, which is how the checker knows objects with fields; fields that the
schema does not have are out of its sight. Values stay JSON: names are escaped, numbers are doubles where the schema
says number, and times, durations and bytes are what their format says. Source: Kubernetes' documentation, "Validation
rules". Pure.
"""

from __future__ import annotations

import base64
import binascii
import datetime
import re
from collections.abc import Mapping
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool

from control.apiserver.cel import escaping, library
from control.apiserver.structural.schema import Schema

Json = Any
Field = descriptor_pb2.FieldDescriptorProto

DYN = "dyn"
_FORMATS = {"byte": "bytes", "duration": "duration", "date": "timestamp", "date-time": "timestamp"}
_TYPES = {"boolean": "bool", "number": "double", "integer": "int"}
_KINDS = {
    "bool": Field.Type.TYPE_BOOL,
    "bytes": Field.Type.TYPE_BYTES,
    "double": Field.Type.TYPE_DOUBLE,
    "int": Field.Type.TYPE_INT64,
    "string": Field.Type.TYPE_STRING,
}
_MESSAGES = {
    "dyn": ".google.protobuf.Value",
    "duration": ".google.protobuf.Duration",
    "timestamp": ".google.protobuf.Timestamp",
}
_FILES = ("google/protobuf/duration.proto", "google/protobuf/struct.proto", "google/protobuf/timestamp.proto")
_META = {"name": Schema(type="string"), "generateName": Schema(type="string")}
_RESOURCE = {
    "apiVersion": Schema(type="string"),
    "kind": Schema(type="string"),
    "metadata": Schema(type="object", properties=_META),
}
_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "h": 3600}
_UNITS |= {"d": 86400, "w": 604800}
_WORDED = re.compile(r"(\d+(?:\.\d+)?)\s*(n|u|µ|μ|mi[lc]|ms|[smhdw])[a-z]*")
_STEP = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)")


def properties_of(schema: Schema, is_resource: bool) -> dict[str, Schema]:
    """Return an object's properties, with those that every resource has."""
    return {**schema.properties, **_RESOURCE} if is_resource else dict(schema.properties)


class Types:
    """The types of one schema's parts, in a pool of messages that grows until the first check.

    With `plain` names are as they are, reserved words or not, where protobuf lets them be.
    """

    def __init__(self, *, plain: bool = False) -> None:
        self._plain = plain
        self._file = descriptor_pb2.FileDescriptorProto(name="schema.proto", syntax="proto2", dependency=_FILES)
        self._pool: descriptor_pool.DescriptorPool | None = None

    def checker(self, variables: dict[str, str]) -> library.Checker:
        """Return a checker of expressions over variables of these types."""
        if self._pool is None:
            self._pool = library.base_pool()
            try:
                self._pool.Add(self._file)
            except TypeError as error:  # a name that is no protobuf's, for whatever reason
                raise library.CompileError(str(error)) from None
        return library.Checker(variables, self._pool)

    def of(self, schema: Schema, is_resource: bool) -> str:
        """Return the name of a schema's type; the empty text where expressions cannot reach what it describes."""
        if schema.int_or_string:
            return DYN
        if schema.type == "array":
            inner = self.of(schema.items, schema.items.embedded) if schema.items is not None else ""
            return f"list({inner})" if inner else ""
        if schema.type == "object" and schema.additional is not None and not is_resource:
            inner = self.of(schema.additional, schema.additional.embedded)
            return f"map({inner})" if inner else ""
        if schema.type == "object" or is_resource:
            return self._object(properties_of(schema, is_resource))
        if schema.type == "string":
            return _FORMATS.get(schema.rules.get("format", ""), "string")
        return _TYPES.get(schema.type, "")

    def _object(self, properties: dict[str, Schema]) -> str:
        fields = {self._name(name): self.of(part, part.embedded) for name, part in properties.items()}
        return self.message({name: kind for name, kind in fields.items() if name and kind})

    def _name(self, name: str) -> str:
        return name if self._plain and name.isidentifier() and name.isascii() else escaping.escape(name)

    def message(self, fields: Mapping[str, str]) -> str:
        """Return the name of the type of objects with these fields."""
        message = self._file.message_type.add(name=f"object{len(self._file.message_type)}")
        for name, kind in fields.items():
            self._field(message, name, kind)
        return message.name

    def _field(self, message: descriptor_pb2.DescriptorProto, name: str, kind: str) -> None:
        at = len(message.field) + 1
        field = message.field.add(name=name, number=at, json_name=f"f{at}", label=Field.Label.LABEL_OPTIONAL)
        container, inner = _parted(kind)
        if container == "list":
            field.label = Field.Label.LABEL_REPEATED
        if container == "map":
            field.label = Field.Label.LABEL_REPEATED
            field.type, field.type_name = Field.Type.TYPE_MESSAGE, f".{message.name}.{_entry(name)}"
            if any(each.name == _entry(name) for each in message.nested_type):
                field.label, field.type_name = Field.Label.LABEL_OPTIONAL, ".google.protobuf.Struct"
                return
            entry = message.nested_type.add(name=_entry(name))
            entry.options.map_entry = True
            entry.field.add(name="key", number=1, type=Field.Type.TYPE_STRING, label=Field.Label.LABEL_OPTIONAL)
            field = entry.field.add(name="value", number=2, label=Field.Label.LABEL_OPTIONAL)
        _describe(field, inner)


def _parted(kind: str) -> tuple[str, str]:
    """Return `list` or `map` and the type of their elements; nothing and the type itself for another."""
    for container in ("list", "map"):
        if kind.startswith(f"{container}("):
            return container, kind[len(container) + 1 : -1]
    return "", kind


def _describe(field: Any, kind: str) -> None:
    """Give a field its type; of containers in containers messages know no more than that."""
    container, _ = _parted(kind)
    if kind in _KINDS:
        field.type = _KINDS[kind]
        return
    field.type = Field.Type.TYPE_MESSAGE
    plain = {"list": ".google.protobuf.ListValue", "map": ".google.protobuf.Struct"}
    field.type_name = plain.get(container) or _MESSAGES.get(kind) or f".{kind}"


def _entry(name: str) -> str:
    """Return the name that protobuf wants the entries of a map to have."""
    return "".join(part[:1].upper() + part[1:] for part in name.split("_")) + "Entry"


def value(given: Json, schema: Schema, is_resource: bool) -> Json:
    """Return what expressions see of a JSON value."""
    if isinstance(given, dict):
        if schema.additional is not None and not is_resource:
            part = schema.additional
            return {key: value(each, part, part.embedded) for key, each in given.items()}
        return _seen(given, properties_of(schema, is_resource))
    if isinstance(given, list):
        inner = schema.items
        return [value(each, inner, inner.embedded) for each in given] if inner is not None else given
    if isinstance(given, str):
        return _formatted(given, schema.rules.get("format", "")) if schema.type == "string" else given
    if schema.type == "number" and isinstance(given, int) and not isinstance(given, bool):
        return float(given)
    if schema.type == "integer" and isinstance(given, float) and given.is_integer():
        return int(given)
    return given


def _seen(given: dict[str, Json], properties: dict[str, Schema]) -> dict[str, Json]:
    """Return an object's fields: null counts as absent, and what is unknown is there only to be compared."""
    seen: dict[str, Json] = {}
    for key, each in given.items():
        part = properties.get(key)
        if part is None:
            seen[key] = each
        elif each is not None:
            seen[escaping.escape(key) or key] = value(each, part, part.embedded)
    return seen


def _formatted(text: str, form: str) -> Json:
    """Return a text as what its format says; one that is not of its format stays a text."""
    try:
        if form == "byte":
            return base64.b64decode(text, validate=True)
        if form in ("date", "date-time"):
            moment = datetime.datetime.fromisoformat(text.strip().upper())
            known = moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)
            return library.given(known.astimezone(datetime.UTC))
        if form == "duration":
            return library.given(_duration(text))
    except (ValueError, OverflowError, binascii.Error):
        return text
    return text


def _duration(text: str) -> datetime.timedelta:
    """Return the duration that a text writes, as Go does (`1h30m`) or in a word (`2 days`)."""
    sign = -1 if text.startswith("-") else 1
    steps = _STEP.findall(text)
    if text.lstrip("+-") == "0":
        return datetime.timedelta()
    if steps and "".join(number + unit for number, unit in steps) == text.lstrip("+-"):
        return datetime.timedelta(seconds=sign * sum(float(number) * _UNITS[unit] for number, unit in steps))
    match = _WORDED.fullmatch(text)
    if match is None:
        raise ValueError(text)
    unit = {"n": "ns", "u": "us", "µ": "us", "μ": "us", "mil": "ms", "mic": "us"}.get(match[2], match[2])
    return datetime.timedelta(seconds=float(match[1]) * _UNITS[unit])


def aligned(old: Json, new: Json, schema: Schema) -> Json:
    """Return an old value with its lists of type set and map in a new one's order, on which equality does not depend.

    Elements that the new value does not have follow in their own order.
    """
    if isinstance(old, dict) and isinstance(new, dict):
        parts = {key: schema.properties.get(key, schema.additional) for key in old}
        return {key: _aligned_part(each, new.get(key), parts[key]) for key, each in old.items()}
    if not isinstance(old, list) or not isinstance(new, list) or schema.list_type not in ("set", "map"):
        return old
    places = {_key(each, schema): at for at, each in enumerate(new)}
    ordered = sorted(old, key=lambda each: places.get(_key(each, schema), len(new)))
    if schema.items is None or schema.list_type == "set":
        return ordered
    pairs = {_key(each, schema): each for each in new}
    return [aligned(each, pairs.get(_key(each, schema)), schema.items) for each in ordered]


def _aligned_part(old: Json, new: Json, schema: Schema | None) -> Json:
    return aligned(old, new, schema) if schema is not None else old


def _key(element: Json, schema: Schema) -> Any:
    """Return what tells an element of a set or a map from others."""
    if schema.list_type == "map":
        return repr([element.get(name) for name in schema.map_keys]) if isinstance(element, dict) else repr(element)
    return repr(element)
