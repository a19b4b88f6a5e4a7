"""How large the values that a schema describes can be, as far as the schema and the size of a request say. Pure.

Sizes are what `size()` returns: characters, items, entries. The rules are Kubernetes': a text without `maxLength` may
fill a request, and so may a list without `maxItems` with its smallest elements.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from control.apiserver.cel import escaping, typed
from control.apiserver.structural.schema import ABSENT, Schema

REQUEST_BYTES = 3 * 1024 * 1024
BYTES_PER_CHARACTER = 4  # at most, in UTF-8
_QUOTES = 2
_EMPTY = 2  # bytes of `{}`, `[]` and `""`
_COMMA = 1
_ENTRY = 6  # bytes of the shortest key with its quotes, a colon and a comma
_NAMED = 4  # bytes that a property has besides its name and value
_SCALARS = {"boolean": 4, "number": 1, "integer": 1}  # bytes of the shortest value
# Formats of texts with a length of their own: the shortest as JSON, the longest.
_FORMATS = {"duration": (3, 32), "date": (12, 12), "date-time": (21, 32)}


@dataclass(frozen=True, slots=True)
class Sized:
    """A place in a schema: the largest value's size, the shortest value's bytes as JSON, and what lies in it.

    `keys` are a map's; scalars and objects have no size that counts.
    """

    most: int = 0
    least_bytes: int = _EMPTY
    fields: Mapping[str, Sized] = field(default_factory=dict)
    elements: Sized | None = None
    keys: Sized | None = None

    def at(self, path: Sequence[str]) -> Sized | None:
        """Return the place that a path leads to; None where it leads nowhere."""
        place: Sized | None = self
        for step in path:
            if place is None:
                return None
            if step in ("@items", "@values"):
                place = place.elements
            else:
                place = place.keys if step == "@keys" else place.fields.get(step)
        return place

    @property
    def times(self) -> int:
        """Return how often values of the place fit into a request."""
        return REQUEST_BYTES // (self.least_bytes + _COMMA)


KEY = Sized()


def of(schema: Schema, is_resource: bool) -> Sized | None:
    """Return a schema's sizes; None where expressions cannot reach what it describes."""
    if schema.int_or_string:
        return Sized(_text(schema), 1)
    if schema.type == "array":
        return _list(schema)
    if schema.type == "object" and schema.additional is not None and not is_resource:
        return _map(schema, schema.additional)
    if schema.type == "object" or is_resource:
        return _object(schema, is_resource)
    if schema.type == "string":
        form = schema.rules.get("format", "")
        if form in _FORMATS:
            shortest, longest = _FORMATS[form]
            return Sized(longest, shortest)
        if form == "byte":
            return Sized(schema.rules.get("maxLength", REQUEST_BYTES - _QUOTES))
        return Sized(_text(schema))
    return Sized(0, _SCALARS[schema.type]) if schema.type in _SCALARS else None


def _text(schema: Schema) -> int:
    most = schema.rules.get("maxLength")
    if most is not None:
        return max(0, int(most)) * BYTES_PER_CHARACTER
    named = schema.rules.get("enum") if not schema.int_or_string else None
    if named:
        return max((len(one.encode()) for one in named if isinstance(one, str)), default=0)
    return REQUEST_BYTES - _QUOTES


def _list(schema: Schema) -> Sized | None:
    inner = of(schema.items, schema.items.embedded) if schema.items is not None else None
    if inner is None:
        return None
    most = schema.rules.get("maxItems", (REQUEST_BYTES - _EMPTY) // (inner.least_bytes + _COMMA))
    return Sized(max(0, int(most)), elements=inner)


def _map(schema: Schema, additional: Schema) -> Sized | None:
    inner = of(additional, additional.embedded)
    if inner is None:
        return None
    most = schema.rules.get("maxProperties", (REQUEST_BYTES - _EMPTY) // (inner.least_bytes + _ENTRY))
    return Sized(max(0, int(most)), elements=inner, keys=KEY)


def _object(schema: Schema, is_resource: bool) -> Sized:
    required, least, fields = schema.rules.get("required", ()), _EMPTY, {}
    for name, part in typed.properties_of(schema, is_resource).items():
        inner = of(part, part.embedded)
        if inner is None:
            continue
        escaped = escaping.escape(name)
        if escaped:
            fields[escaped] = inner
        if name in required and part.default is ABSENT:
            least += len(name.encode()) + inner.least_bytes + _NAMED
    return Sized(0, least, fields)
