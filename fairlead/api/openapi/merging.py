"""Documents of several servers as one, and those of version 2 as version 3. Pure.

What is merged is what `foreign.part` returns. Source: what kube-aggregator does with its APIServices' documents.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from typing import Any

from fairlead.api.openapi import foreign, schemas

Json = Any
Definitions = Mapping[str, Mapping[str, Json]]
JSON = "application/json"


def merged(document: Mapping[str, Json], parts: Iterable[Mapping[str, Json]]) -> dict[str, Json]:
    """Return a document with parts of others; a path belongs to the first that has it.

    A definition whose name is taken by another gets a number behind it: `NAME_v2`. One that only differs in the kinds
    that it stands for is the same, and then stands for all of them.
    """
    paths, definitions = dict(document["paths"]), dict(document["definitions"])
    for part in parts:
        names = _renamed(part["definitions"], definitions)
        for name, schema in part["definitions"].items():
            new, made = names.get(name, name), _with_names(schema, names)
            definitions[new] = _joined(definitions[new], made) if new in definitions else made
        for path, item in part["paths"].items():
            paths.setdefault(path, _with_names(item, names))
    return {**document, "paths": dict(sorted(paths.items())), "definitions": dict(sorted(definitions.items()))}


def _renamed(added: Definitions, present: Definitions) -> dict[str, str]:
    """Return the new names of definitions that cannot have their own."""
    names: dict[str, str] = {}
    taken = {*present, *added}
    for name in sorted(added):
        if name not in present or _same(added[name], present[name]):
            continue
        for number in itertools.count(2):
            new = f"{name}_v{number}"
            if new not in taken or (new in present and new not in added and _same(added[name], present[new])):
                break
        names[name] = new
        taken.add(new)
    return names


def _same(one: Mapping[str, Json], other: Mapping[str, Json]) -> bool:
    first, second = ({**each, foreign.IDENTITY: None} for each in (one, other))
    return first == second


def _joined(one: Mapping[str, Json], other: Mapping[str, Json]) -> Mapping[str, Json]:
    """Return a definition that stands for the kinds of two."""
    kinds = [*one.get(foreign.IDENTITY, ()), *other.get(foreign.IDENTITY, ())]
    kinds = [each for index, each in enumerate(kinds) if each not in kinds[:index]]
    return {**one, foreign.IDENTITY: kinds} if kinds else one


def _with_names(value: Json, names: Mapping[str, str]) -> Json:
    """Return a part of a document that refers to definitions by their new names."""
    if isinstance(value, list):
        return [_with_names(each, names) for each in value]
    if not isinstance(value, dict):
        return value
    found = {key: _with_names(each, names) for key, each in value.items()}
    if isinstance(address := found.get("$ref"), str):
        name = address.removeprefix(foreign.DEFINITIONS)
        found["$ref"] = foreign.DEFINITIONS + names.get(name, name)
    return found


def modern(part: Mapping[str, Json], title: str, release: str) -> dict[str, Json]:
    """Return a part as a document of version 3."""
    paths = {
        path: {method: _operation(data) for method, data in item.items()} for path, item in part["paths"].items()
    }
    definitions = {name: _schema(each) for name, each in part["definitions"].items()}
    return {
        "openapi": "3.0.0",
        "info": {"title": title, "version": release},
        "paths": dict(sorted(paths.items())),
        "components": {"schemas": dict(sorted(definitions.items()))},
    }


def _operation(data: Mapping[str, Json]) -> dict[str, Json]:
    moved = ("consumes", "produces", "schemes", "parameters", "responses")
    found = {name: value for name, value in data.items() if name not in moved}
    found["parameters"] = []
    for each in data["parameters"]:
        if each["in"] == "body":
            found["requestBody"] = _content(each["schema"], data["consumes"])
            continue
        schema = {"type": each["type"], "uniqueItems": True}
        found["parameters"].append(
            {name: value for name, value in each.items() if name not in ("type", "uniqueItems")} | {"schema": schema}
        )
    found["responses"] = {
        code: {
            "description": each["description"],
            **(_content(each["schema"], data["produces"]) if "schema" in each else {}),
        }
        for code, each in data["responses"].items()
    }
    return found


def _content(schema: Mapping[str, Json], types: Iterable[str]) -> dict[str, Json]:
    return {"content": {each: {"schema": _schema(schema)} for each in (*types,) or (JSON,)}}


def _schema(data: Mapping[str, Json]) -> dict[str, Json]:
    """Return a schema in the dialect of version 3, where a reference has nothing beside it."""
    found = dict(data)
    for name in ("items", "additionalProperties"):
        if isinstance(part := data.get(name), dict):
            found[name] = _schema(part)
    if "properties" in data:
        found["properties"] = {name: _schema(each) for name, each in data["properties"].items()}
    if "$ref" in found:
        reference = {"$ref": schemas.V3.prefix + found.pop("$ref").removeprefix(foreign.DEFINITIONS)}
        return {**found, "allOf": [reference]} if found else reference
    return found
