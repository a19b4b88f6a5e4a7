"""What a part of an object is, as far as ownership goes: owned whole, by its fields, or by its elements.

The field table and the schemas of custom resources both become these; where nothing is known, `DEDUCED` takes
objects by their fields and lists whole.
"""

from __future__ import annotations

import enum
import functools
from collections.abc import Callable, Mapping
from typing import Any

from fairlead.api.fields import steps

Json = Any


class Shape(enum.Enum):
    """How a part is owned."""

    WHOLE = "whole"  # a scalar, or what is replaced at once
    FIELDS = "fields"  # an object, by its fields
    KEYED = "keyed"  # a list of objects told apart by keys
    SET = "set"  # a list of values, each at most once
    DEDUCED = "deduced"


class MissingKey(ValueError):
    """An element of a list lacks what tells it from the others."""


class Typing:
    """What a part of an object is. Its fields are found when first asked for: a type may contain itself."""

    def __init__(
        self,
        shape: Shape,
        *,
        fields: Callable[[], Mapping[str, Typing]] | None = None,
        element: Callable[[], Typing] | None = None,
        keys: tuple[tuple[str, Json], ...] = (),
    ) -> None:
        self.shape = shape
        self._fields = fields
        self._element = element
        # Names of a KEYED list's keys, with the default of one that is left out, or None.
        self.keys = keys

    @functools.cached_property
    def fields(self) -> Mapping[str, Typing]:
        """The fields that the type names."""
        return self._fields() if self._fields is not None else {}

    @functools.cached_property
    def element(self) -> Typing | None:
        """What elements of a list are, and fields that the type does not name; None where there are none such."""
        return self._element() if self._element is not None else None

    def child(self, name: str) -> Typing | None:
        """Return what a field is; None where the type has none of this name."""
        return self.fields.get(name) or self.element

    def step(self, item: Json, *, strict: bool = False) -> str:
        """Return the step to an element of a list; strict, MissingKey where a key has neither value nor default."""
        if self.shape is Shape.SET or not isinstance(item, dict):
            return steps.of_value(item if not isinstance(item, dict | list) else str(item))
        found = {}
        for name, default in self.keys:
            value = item.get(name, default)
            if value is None and strict:
                raise MissingKey(
                    f"associative list with keys has an element that omits key field {steps.quoted(name)}"
                    " (and doesn't have default value)"
                )
            found[name] = str(value) if isinstance(value, dict | list) else value
        return steps.of_keys(found)


WHOLE = Typing(Shape.WHOLE)


def _itself() -> Typing:
    return DEDUCED


DEDUCED = Typing(Shape.DEDUCED, element=_itself)


def resolved(typing: Typing, *values: Json) -> Shape:
    """Return how the values of a part are owned: what is known of its type, or what the values themselves say."""
    if typing.shape is not Shape.DEDUCED:
        return typing.shape
    return Shape.FIELDS if any(isinstance(value, dict) for value in values) else Shape.WHOLE
