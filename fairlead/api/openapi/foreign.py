"""What other API servers' documents of version 2 say of the group and version that they serve. Pure.

Only what clients read is taken, in the form in which `documents.v2` makes it, so that no document can harm those that
it is merged with: clients give up on all of them where one refers to nothing, or has types that there are not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import orjson

Json = Any
MOST_BYTES = 8 << 20  # of a document; Kubernetes' own of everything has five million
MOST_DEPTH = 64
METHODS = ("get", "put", "post", "delete", "patch")
DEFINITIONS, PARAMETERS = "#/definitions/", "#/parameters/"
IDENTITY = "x-kubernetes-group-version-kind"
EXTENSION = "x-kubernetes-"
_TYPES = frozenset(("array", "boolean", "integer", "number", "object", "string"))
_PLACES = frozenset(("body", "path", "query"))
_MOST_INTEGER = (1 << 63) - 1


def _is_number(value: Json) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_count(value: Json) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= _MOST_INTEGER


def _is_flag(value: Json) -> bool:
    return isinstance(value, bool)


def _is_text(value: Json) -> bool:
    return isinstance(value, str)


_PLAIN: Mapping[str, Callable[[Json], bool]] = {
    **dict.fromkeys(("description", "format", "pattern", "title"), _is_text),
    **dict.fromkeys(("maximum", "minimum", "multipleOf"), _is_number),
    **dict.fromkeys(("maxItems", "maxLength", "maxProperties", "minItems", "minLength", "minProperties"), _is_count),
    **dict.fromkeys(("exclusiveMaximum", "exclusiveMinimum", "uniqueItems"), _is_flag),
}


def part(told: Json, group: str, version: str) -> dict[str, Json]:
    """Return the paths of a group's version and the definitions that they need, as a document of their own.

    ValueError for what is no document, refers to what it does not have, or has parts that clients cannot read.
    """
    document = _mapping(told)
    reader = _Reader(group, version, _mapping(document.get("parameters", {})))
    prefix = f"/apis/{group}/{version}/"
    paths = {
        path: reader.path(_mapping(item))
        for path, item in _mapping(document.get("paths", {})).items()
        if path.startswith(prefix)
    }
    known, definitions = _mapping(document.get("definitions", {})), {}
    while reader.wanted:
        name = reader.wanted.pop()
        if name not in definitions:
            if name not in known:
                raise ValueError(f"there is no definition {name}")
            definitions[name] = reader.schema(known[name])
    return {"paths": paths, "definitions": definitions}


class _Reader:
    """Reads a document's parts, and takes note of the definitions that they refer to."""

    def __init__(self, group: str, version: str, parameters: Mapping[str, Json]) -> None:
        self.wanted: list[str] = []
        self._own = (group, version)
        self._shared = parameters
        self._read: dict[str, tuple[dict[str, Json], int]] = {}
        self._bytes = 0

    def path(self, item: Mapping[str, Json]) -> dict[str, Json]:
        """Return a path's operations, each with the parameters that they have in common."""
        common = _list(item.get("parameters", []))
        return {
            method: self._operation(_mapping(item[method]), [*common, *_list(item[method].get("parameters", []))])
            for method in METHODS
            if method in item
        }

    def _operation(self, data: Mapping[str, Json], parameters: Sequence[Json]) -> dict[str, Json]:
        found: dict[str, Json] = {name: _text(data.get(name, "")) for name in ("description", "operationId")}
        for name in ("tags", "consumes", "produces", "schemes"):
            found[name] = [_text(each) for each in _list(data.get(name, []))]
        read = [self._parameter(_mapping(each)) for each in parameters]
        found["parameters"] = list({(one["in"], one["name"]): one for one in read if one}.values())
        found["responses"] = {
            code: self._response(_mapping(each)) for code, each in _mapping(data.get("responses", {})).items()
        }
        found.update(self._extensions(data))
        return found

    def _response(self, data: Mapping[str, Json]) -> dict[str, Json]:
        found: dict[str, Json] = {"description": _text(data.get("description", ""))}
        if "schema" in data:
            found["schema"] = self.schema(data["schema"])
        return found

    def _parameter(self, data: Mapping[str, Json]) -> dict[str, Json]:
        """Return a parameter, also one that is kept elsewhere in the document; nothing for a header's."""
        address = data.get("$ref")
        if address is None:
            found, size = self._sized(data)
        else:
            name = _text(address).removeprefix(PARAMETERS)
            if name not in self._read:
                self._read[name] = self._sized(_mapping(self._shared.get(name)))
            found, size = self._read[name]
        self._bytes += size
        if self._bytes > MOST_BYTES:
            raise ValueError("its operations have too many parameters")
        return found

    def _sized(self, data: Mapping[str, Json]) -> tuple[dict[str, Json], int]:
        place = data.get("in")
        if place not in _PLACES:
            return {}, 0
        found: dict[str, Json] = {"name": _text(data.get("name")), "in": place}
        if place == "body":
            found["schema"] = self.schema(data.get("schema", {}))
        else:
            found["description"] = _text(data.get("description", ""))
            found["type"] = _text(data.get("type", "string"))
            found["uniqueItems"] = True
        if data.get("required") is True:
            found["required"] = True
        return found, len(orjson.dumps(found))

    def schema(self, told: Json, depth: int = 0) -> dict[str, Json]:
        """Return a schema."""
        if depth > MOST_DEPTH:
            raise ValueError("a schema is too deep")
        data = _unwrapped(_mapping(told))
        found = {name: value for name, value in data.items() if name in _PLAIN}
        for name, value in found.items():
            if not _PLAIN[name](value):
                raise ValueError(f"{name} of a schema is a {type(value).__name__}")
        if "$ref" in data:
            found["$ref"] = self._reference(data["$ref"])
        if "type" in data:
            found["type"] = _type(data["type"])
        if "required" in data:
            found["required"] = [_text(each) for each in _list(data["required"])]
        if "enum" in data:
            found["enum"] = _shallow(_list(data["enum"]))
        if "default" in data:
            found["default"] = _shallow(data["default"])
        if "properties" in data:
            properties = _mapping(data["properties"]).items()
            found["properties"] = {name: self.schema(each, depth + 1) for name, each in properties}
        for name in ("items", "additionalProperties"):
            if name in data:
                whole = name != "items" and isinstance(data[name], bool)
                found[name] = data[name] if whole else self.schema(data[name], depth + 1)
        if found.get("type") == "array" and "items" not in found:
            raise ValueError("a list has no items")
        found.update(self._extensions(data))
        return found

    def _reference(self, address: Json) -> str:
        if not _text(address).startswith(DEFINITIONS):
            raise ValueError(f"a reference leads to {address:.40}")
        self.wanted.append(address.removeprefix(DEFINITIONS))
        return str(address)

    def _extensions(self, data: Mapping[str, Json]) -> Iterable[tuple[str, Json]]:
        """Iterate over Kubernetes' extensions; of kinds only those of the server's own group and version."""
        for name, value in data.items():
            if name == IDENTITY:
                if own := self._identities(value):
                    yield name, own
            elif name.startswith(EXTENSION):
                yield name, _shallow(value)

    def _identities(self, value: Json) -> Json:
        if isinstance(value, list):
            return [own for each in value if (own := self._identities(each))]
        data = _mapping(value)
        found = {name: _text(data.get(name, "")) for name in ("group", "kind", "version")}
        return found if (found["group"], found["version"]) == self._own else None


def _unwrapped(data: Mapping[str, Json]) -> Mapping[str, Json]:
    """Return a schema that is another's with words beside it in the way of version 2."""
    wrapped = data.get("allOf")
    if isinstance(wrapped, list) and len(wrapped) == 1 and "$ref" not in data:
        return {**_mapping(wrapped[0]), **{name: value for name, value in data.items() if name != "allOf"}}
    return data


def _type(value: Json) -> str:
    if isinstance(value, list) and len(value) == 1:
        (value,) = value
    if not isinstance(value, str) or value not in _TYPES:
        raise ValueError("a schema is of a type that there is not")
    return value


def _shallow(value: Json, depth: int = 0) -> Json:
    """Return a value that is not as deep as what orjson cannot write."""
    if depth > MOST_DEPTH:
        raise ValueError("a value is too deep")
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _shallow(each, depth + 1)
    return value


def _mapping(value: Json) -> Mapping[str, Json]:
    if not isinstance(value, dict):
        raise ValueError(f"a {type(value).__name__} stands where an object belongs")
    return value


def _list(value: Json) -> list[Json]:
    if not isinstance(value, list):
        raise ValueError(f"a {type(value).__name__} stands where a list belongs")
    return value


def _text(value: Json) -> str:
    if not isinstance(value, str):
        raise ValueError(f"a {type(value).__name__} stands where a text belongs")
    return value
