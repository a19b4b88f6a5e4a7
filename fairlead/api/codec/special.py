"""The messages whose JSON is not an object of their fields.

The compilers of both directions look a message up here first. A reader fills a fresh message from a JSON
value that is not null; a writer returns the JSON value of a message.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

from fairlead.api import quantity, times
from fairlead.api.codec import errors

META = "k8s.io.apimachinery.pkg.apis.meta.v1"
EXTENSIONS = "k8s.io.apiextensions_apiserver.pkg.apis.apiextensions.v1"
RUNTIME = "k8s.io.apimachinery.pkg.runtime"

Json = Any
Writer = Callable[[Any], Json]
Reader = Callable[[Json, Any], None]
NANOS = 1_000_000_000
INT32 = range(-(2**31), 2**31)


def write_time(message: Any) -> Json:
    """Return RFC 3339 in whole seconds, or None for a time that was never set."""
    seconds = message.seconds
    if not seconds and times.is_zero(message):
        return None
    return times.format_seconds(_in_range(seconds))


def _in_range(seconds: int) -> int:
    if seconds not in times.SAYABLE:
        raise errors.DecodeError(f"a time {seconds} s from 1970: year outside of range [0,9999]")
    return seconds


def read_time(value: Json, message: Any) -> None:
    """Read RFC 3339; fractions of a second are dropped, as Kubernetes drops them."""
    message.seconds, _ = _parsed_time(value)


def write_micro_time(message: Any) -> Json:
    """Return RFC 3339 with six digits after the second, or None for a time that was never set."""
    return None if times.is_zero(message) else times.format_micros(_in_range(message.seconds), message.nanos % NANOS)


def read_micro_time(value: Json, message: Any) -> None:
    """Read RFC 3339 to the microsecond."""
    message.seconds, nanos = _parsed_time(value)
    if nanos:
        message.nanos = nanos


def _parsed_time(value: Json) -> tuple[int, int]:
    if not isinstance(value, str):
        raise errors.mismatch("a time", value)
    try:
        return times.parse(value)
    except ValueError as error:
        raise errors.DecodeError(str(error)) from None


def write_duration(message: Any) -> Json:
    """Return `1m0s`."""
    return times.format_duration(message.duration)


def read_duration(value: Json, message: Any) -> None:
    """Read `1m0s`."""
    if not isinstance(value, str):
        raise errors.mismatch("a duration", value)
    try:
        message.duration = times.parse_duration(value)
    except ValueError as error:
        raise errors.DecodeError(str(error)) from None


def write_quantity(message: Any) -> Json:
    """Return the canonical form; a text that is no quantity as it stands."""
    try:
        return quantity.canonical(message.string)
    except quantity.QuantityError:
        return message.string


def read_quantity(value: Json, message: Any) -> None:
    """Read a string or a number into canonical form."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise errors.mismatch("a quantity", value)
    try:
        message.string = quantity.canonical(value.strip() if isinstance(value, str) else _number_text(value))
    except quantity.QuantityError as error:
        raise errors.DecodeError(str(error)) from None


def _number_text(value: float) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def write_int_or_string(message: Any) -> Json:
    """Return the number or the text."""
    return message.strVal if message.type == 1 else message.intVal


def read_int_or_string(value: Json, message: Any) -> None:
    """Read a number or a text."""
    if isinstance(value, str):
        message.type = 1
        message.strVal = value
    elif isinstance(value, int) and not isinstance(value, bool) and value in INT32:
        message.intVal = value
    else:
        raise errors.mismatch("an integer or a string", value)


def write_raw(message: Any) -> Json:
    """Return the JSON that `raw` holds, None where it holds none."""
    return _loaded(message.raw)


def _loaded(raw: bytes) -> Json:
    """Return the JSON that bytes hold, which other encoders fill with anything; None for none."""
    try:
        return orjson.loads(raw) if raw else None
    except orjson.JSONDecodeError as error:
        raise errors.DecodeError(f"invalid JSON: {error}") from None


def read_raw(value: Json, message: Any) -> None:
    """Keep any JSON value as bytes."""
    message.raw = orjson.dumps(value)


def write_fields_v1(message: Any) -> Json:
    """Return the set of fields that a manager owns."""
    return _loaded(message.Raw)


def read_fields_v1(value: Json, message: Any) -> None:
    """Keep the set of fields as bytes."""
    message.Raw = orjson.dumps(value)


def write_items(message: Any) -> Json:
    """Return a list of strings."""
    return list(message.items)


def read_items(value: Json, message: Any) -> None:
    """Read a list of strings."""
    message.items.extend(read_strings(value))


def read_strings(value: Json) -> list[str]:
    """Return a JSON list of strings; null elements are empty, as in Go."""
    if not isinstance(value, list):
        raise errors.mismatch("a list", value)
    for index, item in enumerate(value):
        if not isinstance(item, str):
            if item is None:
                return ["" if each is None else each for each in read_nullable(value)]
            raise errors.mismatch("a string", item).under(f"[{index}]")
    return value


def read_nullable(value: list[Json]) -> list[str | None]:
    """Return a list of strings and nulls."""
    for index, item in enumerate(value):
        if item is not None and not isinstance(item, str):
            raise errors.mismatch("a string", item).under(f"[{index}]")
    return value


WRITERS: dict[str, Writer] = {
    f"{META}.Time": write_time,
    f"{META}.MicroTime": write_micro_time,
    f"{META}.Duration": write_duration,
    f"{META}.FieldsV1": write_fields_v1,
    f"{META}.Verbs": write_items,
    "k8s.io.api.authentication.v1.ExtraValue": write_items,
    "k8s.io.api.authorization.v1.ExtraValue": write_items,
    "k8s.io.api.certificates.v1.ExtraValue": write_items,
    "k8s.io.apimachinery.pkg.api.resource.Quantity": write_quantity,
    "k8s.io.apimachinery.pkg.api.resource.QuantityValue": write_quantity,
    "k8s.io.apimachinery.pkg.util.intstr.IntOrString": write_int_or_string,
    f"{RUNTIME}.RawExtension": write_raw,
    f"{RUNTIME}.Unknown": write_raw,
    f"{EXTENSIONS}.JSON": write_raw,
}

READERS: dict[str, Reader] = {
    f"{META}.Time": read_time,
    f"{META}.MicroTime": read_micro_time,
    f"{META}.Duration": read_duration,
    f"{META}.FieldsV1": read_fields_v1,
    f"{META}.Verbs": read_items,
    "k8s.io.api.authentication.v1.ExtraValue": read_items,
    "k8s.io.api.authorization.v1.ExtraValue": read_items,
    "k8s.io.api.certificates.v1.ExtraValue": read_items,
    "k8s.io.apimachinery.pkg.api.resource.Quantity": read_quantity,
    "k8s.io.apimachinery.pkg.api.resource.QuantityValue": read_quantity,
    "k8s.io.apimachinery.pkg.util.intstr.IntOrString": read_int_or_string,
    f"{RUNTIME}.RawExtension": read_raw,
    f"{RUNTIME}.Unknown": read_raw,
    f"{EXTENSIONS}.JSON": read_raw,
}
# JSON that is a schema or something simpler; compiled where the schema's own function is at hand.
UNIONS = {
    f"{EXTENSIONS}.JSONSchemaPropsOrBool",
    f"{EXTENSIONS}.JSONSchemaPropsOrArray",
    f"{EXTENSIONS}.JSONSchemaPropsOrStringArray",
}
