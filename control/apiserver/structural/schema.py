"""A structural schema: the shape that a CustomResourceDefinition gives to its objects.

`parse` compiles the JSON of an openAPIV3Schema once; pruning, defaulting and list checks walk the shape, the
validator reads the rules beside it. Source: Kubernetes' documentation, "Specifying a structural schema".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

Json = Any


class _Absent:
    """No default: null may be one."""


ABSENT: Final = _Absent()


@dataclass(frozen=True, slots=True)
class Schema:
    """What may stand in one place. `rules` is the schema as written, which value validation reads."""

    type: str = ""
    properties: Mapping[str, Schema] = field(default_factory=dict)
    items: Schema | None = None
    additional: Schema | None = None
    open: bool = False  # additionalProperties: true
    preserve: bool = False
    embedded: bool = False
    int_or_string: bool = False
    nullable: bool = False
    default: Json | _Absent = ABSENT
    list_type: str = ""
    map_keys: tuple[str, ...] = ()
    rules: Mapping[str, Json] = field(default_factory=dict)


# What a version without a schema has, and a place that takes anything.
ANYTHING = Schema(type="object", preserve=True)


def parse(written: Mapping[str, Json] | None) -> Schema:
    """Return the schema of an openAPIV3Schema's JSON."""
    if not written:
        return ANYTHING
    additional = written.get("additionalProperties")
    items = written.get("items")
    return Schema(
        type=written.get("type", ""),
        properties={name: parse_part(part) for name, part in written.get("properties", {}).items()},
        items=parse_part(items) if isinstance(items, dict) else None,
        additional=parse_part(additional) if isinstance(additional, dict) else None,
        open=additional is True,
        preserve=bool(written.get("x-kubernetes-preserve-unknown-fields")),
        embedded=bool(written.get("x-kubernetes-embedded-resource")),
        int_or_string=bool(written.get("x-kubernetes-int-or-string")),
        nullable=bool(written.get("nullable")),
        default=written.get("default", ABSENT),
        list_type=written.get("x-kubernetes-list-type", ""),
        map_keys=tuple(written.get("x-kubernetes-list-map-keys", ())),
        rules=written,
    )


def parse_part(written: Mapping[str, Json]) -> Schema:
    """Return the schema of a part, where an empty one is closed rather than open."""
    return parse(written) if written else Schema()
