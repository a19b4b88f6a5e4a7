"""What does not fit a field, in the words of Go's JSON decoder, which users know and search for. Pure."""

from __future__ import annotations

import re
import string

from fairlead.api import table
from fairlead.api.codec import errors, special

_SCALARS = {"double": "float64", "bytes": "[]uint8"}
_OTHERS = frozenset(special.READERS) | special.UNIONS
_ALPHABET = frozenset(string.ascii_letters + string.digits + "+/")
_STEP = re.compile(r"\[[^\]]*\]|[^.\[]+")


def told(error: errors.DecodeError, full_name: str) -> str:
    """Return `json: cannot unmarshal number into Go struct field EnvVar.spec.env.value of type string`.

    `full_name` is the message that was read. What types with a decoder of their own say (quantities, times) stays.
    """
    if isinstance(error, errors.IllegalBase64):
        return f"illegal base64 data at input byte {_illegal_byte(error.text)}"
    if not isinstance(error, errors.Mismatch):
        return str(error)
    message, owner, names, within = full_name, "", [], False
    field: table.Field | None = None
    for step in _STEP.findall(error.path):
        within = step.startswith("[")
        if within:
            continue
        field = None if message in _OTHERS or message in table.SCALARS else table.json_fields(message).get(step)
        if field is None:
            return str(error)
        owner, message = message.rpartition(".")[2], field.type
        names.append(step)
    if field is None or field.type in _OTHERS:
        return str(error)
    wanted = _type(field, within)
    place = f"{owner}.{'.'.join(names)}"
    return f"json: cannot unmarshal {_kind(error.value, wanted)} into Go struct field {place} of type {wanted}"


def _type(field: table.Field, within: bool) -> str:
    """Return a field's type as Go prints it, or that of what it holds; names of kinds of strings are not known."""
    if field.is_message:
        package, _, name = field.type.rpartition(".")
        one = f"{package.rpartition('.')[2]}.{name}"
    else:
        one = _SCALARS.get(field.type, field.type)
    if within or not (field.map or field.repeated):
        return one
    return f"map[string]{one}" if field.map else f"[]{one}"


def _kind(value: object, wanted: str) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int | float):
        return f"number {value}" if wanted in ("int32", "int64") else "number"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, list) else "object"


def _illegal_byte(text: str) -> int:
    """Return where Go's decoder stops in a text that is no base64: groups of four, ended by one or two `=`."""
    places = [(at, character) for at, character in enumerate(text) if character not in "\r\n"]
    for number, (at, character) in enumerate(places):
        if character in _ALPHABET:
            continue
        if character != "=" or number % 4 < 2:
            return at
        rest = places[number + 1 :]
        if number % 4 == 2:
            if not rest:
                return len(text)
            if rest[0][1] != "=":
                return at
            rest = rest[1:]
        return rest[0][0] if rest else len(text)
    return len(text) - len(places) % 4
