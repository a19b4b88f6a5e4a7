"""What the field table says of patching: a cursor that walks JSON and knows each part's strategy and merge key."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import Message

from fairlead.api import table
from fairlead.api.codec import special
from fairlead.api.patches.errors import PatchError

Json = Any
DIRECTIVE = "$patch"
RETAIN_KEYS = "$retainKeys"
SET_ORDER = "$setElementOrder/"
DELETE_FROM = "$deleteFromPrimitiveList/"


@dataclass(frozen=True, slots=True)
class Shape:
    """A part of an object: the message it is, and how the field that holds it is patched.

    `message` is empty where nothing is known and for the values of a map until one is entered; `values` is
    the message of a map's values. A list's shape is that of its elements.
    """

    message: str = ""
    values: str = ""
    is_map: bool = False
    strategies: frozenset[str] = frozenset()
    merge_key: str = ""
    list_keys: tuple[str, ...] = ()

    @property
    def replaces(self) -> bool:
        """Whether a patch replaces the field whole."""
        return "replace" in self.strategies

    @property
    def merges(self) -> bool:
        """Whether a patch merges the field's list."""
        return "merge" in self.strategies

    @property
    def retains(self) -> bool:
        """Whether a patch names the keys that stay (a union, of which one member is set)."""
        return "retainKeys" in self.strategies

    def child(self, key: str) -> Shape:
        """Return the shape of a field, one of nothing known where there is no such field."""
        if self.is_map:
            return _of_message(self.values) if self.values else ANY
        return _children(self.message).get(key, ANY) if self.message else ANY


ANY = Shape()


def of_type(message_type: type[Message]) -> Shape:
    """Return the shape of a whole object."""
    return _of_message(message_type.DESCRIPTOR.full_name)


def _of_message(full_name: str) -> Shape:
    return Shape(message=_structural(full_name))


def _structural(full_name: str) -> str:
    """Return the message whose fields the JSON has; empty where its JSON is of its own."""
    if full_name in special.UNIONS:
        return f"{special.EXTENSIONS}.JSONSchemaProps"
    return "" if full_name in special.WRITERS else full_name


@functools.cache
def _children(full_name: str) -> dict[str, Shape]:
    return {key: _of_field(field) for key, field in table.json_fields(full_name).items()}


def _of_field(field: table.Field) -> Shape:
    message = _structural(field.type) if field.is_message else ""
    return Shape(
        message="" if field.map else message,
        values=message if field.map else "",
        is_map=field.map,
        strategies=field.patch_strategies,
        merge_key=field.patch_merge_key,
        list_keys=field.list_map_keys,
    )


Identity = tuple[Json, int]


def identities(items: list[Json], shape: Shape) -> list[Identity]:
    """Return what tells each element from the others: its merge key's value (or itself), and how often before.

    The same value may stand twice: a port for TCP and for UDP.
    """
    seen: dict[Json, int] = {}
    found: list[Identity] = []
    for item in items:
        value = item.get(shape.merge_key) if isinstance(item, dict) else item
        if isinstance(value, dict | list):
            raise PatchError(f"expected a scalar to tell elements apart, got {value}")
        count = seen.get(value, 0)
        seen[value] = count + 1
        found.append((value, count))
    return found
