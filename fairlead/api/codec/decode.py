"""Kubernetes' JSON to messages, by functions compiled from the field table at a type's first use.

A path is put together only where something is wrong: an error gains its parents' names as it rises, and
unknown fields gain theirs as each parent returns. A non-pointer message whose JSON holds nothing stays unset,
so that equal JSON makes equal messages.
"""

from __future__ import annotations

import base64
import binascii
import threading
from collections.abc import Callable
from typing import Any

from google.protobuf.message import Message

from fairlead.api import table
from fairlead.api.codec import errors, special

Json = Any
# Fills a message from a JSON object; appends the paths of unknown fields to the list.
Reader = Callable[[Json, Any, list[str]], None]
INTEGERS = {"int32": range(-(2**31), 2**31), "int64": range(-(2**63), 2**63)}

_lock = threading.Lock()
_done: dict[str, Reader] = {}
# Readers of one compilation; usable by others only when all are complete.
Pending = dict[str, Reader]


def reader(full_name: str) -> Reader:
    """Return the function that fills a message of this name."""
    found = _done.get(full_name)
    if found is None:
        with _lock:
            pending: Pending = {}
            found = _compile(full_name, pending)
            _done.update(pending)
    return found


def _compile(full_name: str, pending: Pending) -> Reader:
    """Return a closure over a table that is filled after it is registered: a type may contain itself."""
    found = _done.get(full_name) or pending.get(full_name)
    if found is not None:
        return found
    if full_name in special.READERS:
        return _special(special.READERS[full_name])
    if full_name in special.UNIONS:
        return _UNIONS[full_name.rpartition(".")[2]]
    fields: dict[str, Reader | None] = {}

    def read_message(data: Json, message: Any, unknown: list[str]) -> None:
        if type(data) is not dict:
            raise errors.mismatch("an object", data)
        for key, value in data.items():
            field = fields.get(key, _missing)
            if field is _missing:
                unknown.append(str(key))
            elif value is not None and field is not None:
                field(value, message, unknown)

    pending[full_name] = read_message
    schema = table.schema(full_name)
    if schema.kind:
        fields |= {"apiVersion": None, "kind": None}
    fields |= _setters(schema, pending)
    return read_message


def _missing(value: Json, message: Any, unknown: list[str]) -> None:
    raise AssertionError("a marker, never called")


def _setters(schema: table.Schema, pending: Pending) -> dict[str, Reader]:
    setters: dict[str, Reader] = {}
    for field in schema.fields:
        if field.inline:
            for key, inner in _setters(table.schema(field.type), pending).items():
                setters[key] = _through(field.name, inner)
        else:
            setters[field.json] = _setter(field, pending)
    return setters


def _through(name: str, inner: Reader) -> Reader:
    return lambda value, message, unknown: inner(value, getattr(message, name), unknown)


def _setter(field: table.Field, pending: Pending) -> Reader:
    if field.is_message:
        read = _compile(field.type, pending)
        if field.map:
            return _set_message_map(field, read)
        return _set_message_list(field, read) if field.repeated else _set_message(field, read)
    if field.map:
        return _set_map(field)
    return _set_list(field) if field.repeated else _set_scalar(field)


def _set_scalar(field: table.Field) -> Reader:
    name, label, pointer = field.name, field.json, field.pointer
    if field.type == "string":

        def set_string(value: Json, message: Any, unknown: list[str]) -> None:
            if not isinstance(value, str):
                raise errors.mismatch("a string", value).under(label)
            # a zero that is no pointer's must not make its message present
            if value or pointer:
                setattr(message, name, value)

        return set_string
    convert = CONVERSIONS[field.type]

    def set_scalar(value: Json, message: Any, unknown: list[str]) -> None:
        try:
            converted = convert(value)
        except errors.DecodeError as error:
            raise error.under(label) from None
        if converted or pointer:
            setattr(message, name, converted)

    return set_scalar


def _set_list(field: table.Field) -> Reader:
    name, label = field.name, field.json
    convert = CONVERSIONS[field.type]

    def read_list(value: Json, message: Any, unknown: list[str]) -> None:
        try:
            if field.type == "string":
                items = special.read_strings(value)
            elif isinstance(value, list):
                items = [_at(convert, item, f"[{index}]") for index, item in enumerate(value)]
            else:
                raise errors.mismatch("a list", value)
        except errors.DecodeError as error:
            raise error.under(label) from None
        if items:
            getattr(message, name).extend(items)

    return read_list


def _set_map(field: table.Field) -> Reader:
    name, label = field.name, field.json
    convert = CONVERSIONS[field.type]

    def read_map(value: Json, message: Any, unknown: list[str]) -> None:
        if type(value) is not dict:
            raise errors.mismatch("an object", value).under(label)
        if value:
            target = getattr(message, name)
            for key, item in value.items():
                target[key] = _at(convert, item, f"{label}[{key}]")

    return read_map


def _at(convert: Callable[[Json], Any], value: Json, where: str) -> Any:
    try:
        return convert(value)
    except errors.DecodeError as error:
        raise error.under(where) from None


def _set_message(field: table.Field, read: Reader) -> Reader:
    name, label, pointer = field.name, field.json, field.pointer

    def set_message(value: Json, message: Any, unknown: list[str]) -> None:
        target = getattr(message, name)
        if pointer:
            target.SetInParent()
        before = len(unknown)
        try:
            read(value, target, unknown)
        except errors.DecodeError as error:
            raise error.under(label) from None
        if len(unknown) != before:
            unknown[before:] = [errors.join(label, path) for path in unknown[before:]]

    return set_message if pointer or field.type not in special.WRITERS else _unless_zero(field, set_message)


def _unless_zero(field: table.Field, setter: Reader) -> Reader:
    """Return a setter that leaves a message unset where its JSON, such as 0, is that of an unset one."""
    zero = special.WRITERS[field.type](table.message_type(field.type)())

    def set_unless_zero(value: Json, message: Any, unknown: list[str]) -> None:
        if value != zero or isinstance(value, bool):
            setter(value, message, unknown)

    return set_unless_zero


def _set_message_list(field: table.Field, read: Reader) -> Reader:
    name, label = field.name, field.json

    def set_messages(value: Json, message: Any, unknown: list[str]) -> None:
        if not isinstance(value, list):
            raise errors.mismatch("a list", value).under(label)
        if not value:
            return
        add = getattr(message, name).add
        for index, item in enumerate(value):
            before = len(unknown)
            try:
                target = add()
                if item is not None:
                    read(item, target, unknown)
            except errors.DecodeError as error:
                raise error.under(f"{label}[{index}]") from None
            if len(unknown) != before:
                unknown[before:] = [errors.join(f"{label}[{index}]", path) for path in unknown[before:]]

    return set_messages


def _set_message_map(field: table.Field, read: Reader) -> Reader:
    name, label = field.name, field.json

    def set_map(value: Json, message: Any, unknown: list[str]) -> None:
        if type(value) is not dict:
            raise errors.mismatch("an object", value).under(label)
        target: Any = getattr(message, name) if value else {}
        for key, item in value.items():
            before = len(unknown)
            try:
                slot = target[key]
                if item is not None:
                    read(item, slot, unknown)
            except errors.DecodeError as error:
                raise error.under(f"{label}[{key}]") from None
            if len(unknown) != before:
                unknown[before:] = [errors.join(f"{label}[{key}]", path) for path in unknown[before:]]

    return set_map


def _special(read: special.Reader) -> Reader:
    return lambda value, message, unknown: read(value, message)


def _string(value: Json) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    raise errors.mismatch("a string", value)


def _integer(limits: range) -> Callable[[Json], int]:
    def convert(value: Json) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            raise errors.mismatch("an integer", value)
        if value not in limits:
            raise errors.mismatch(f"an integer of {limits.stop.bit_length()} bits", value)
        return value

    return convert


def _boolean(value: Json) -> bool:
    if not isinstance(value, bool):
        raise errors.mismatch("true or false", value)
    return value


def _double(value: Json) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise errors.mismatch("a number", value)
    return float(value)


def _bytes(value: Json) -> bytes:
    if value is None:
        return b""
    if not isinstance(value, str):
        raise errors.mismatch("a base64 string", value)
    try:
        return base64.b64decode(value.replace("\n", "").replace("\r", ""), validate=True)
    except (binascii.Error, ValueError):
        raise errors.IllegalBase64(value) from None


CONVERSIONS: dict[str, Callable[[Json], Any]] = {
    "string": _string,
    "bytes": _bytes,
    "bool": _boolean,
    "double": _double,
    "int32": _integer(INTEGERS["int32"]),
    "int64": _integer(INTEGERS["int64"]),
}
_SCHEMA = f"{special.EXTENSIONS}.JSONSchemaProps"


def _read_schema(value: Json, message: Any, unknown: list[str]) -> None:
    message.schema.SetInParent()
    reader(_SCHEMA)(value, message.schema, unknown)


def _schema_or_bool(value: Json, message: Any, unknown: list[str]) -> None:
    if isinstance(value, bool):
        message.allows = value
    else:
        message.allows = True
        _read_schema(value, message, unknown)


def _schema_or_array(value: Json, message: Any, unknown: list[str]) -> None:
    if not isinstance(value, list):
        _read_schema(value, message, unknown)
        return
    for index, item in enumerate(value):
        before = len(unknown)
        try:
            reader(_SCHEMA)(item, message.jSONSchemas.add(), unknown)
        except errors.DecodeError as error:
            raise error.under(f"[{index}]") from None
        unknown[before:] = [errors.join(f"[{index}]", path) for path in unknown[before:]]


def _schema_or_strings(value: Json, message: Any, unknown: list[str]) -> None:
    if isinstance(value, list):
        message.property.extend(special.read_strings(value))
    else:
        _read_schema(value, message, unknown)


_UNIONS: dict[str, Reader] = {
    "JSONSchemaPropsOrBool": _schema_or_bool,
    "JSONSchemaPropsOrArray": _schema_or_array,
    "JSONSchemaPropsOrStringArray": _schema_or_strings,
}


def read(data: Json, message: Message) -> list[str]:
    """Fill a message from JSON and return the paths of the fields that are unknown."""
    unknown: list[str] = []
    reader(message.DESCRIPTOR.full_name)(data, message, unknown)
    return unknown
