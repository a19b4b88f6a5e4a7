"""The documents: version 3 for each group and version, version 2 for everything at once. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fairlead.api import scheme, subresources, table
from fairlead.api.openapi import naming, operations, schemas

Json = Any
Schemas = Mapping[str, Mapping[str, Json]]
META = table.META
TITLE = "Kubernetes"
MEDIA = ("application/json", "application/yaml", "application/vnd.kubernetes.protobuf")
PATCH = {"description": "A patch document, in the format that its content type names.", "type": "object"}
PRESERVE = "x-kubernetes-preserve-unknown-fields"
# What every document needs beside its kinds.
_ALWAYS = (f"{META}.DeleteOptions", f"{META}.Status", f"{META}.ListMeta", f"{META}.ObjectMeta")
# What version 2 knows of a schema; a definition of custom resources may say more.
_V2_KEYS = frozenset(
    {
        "$ref", "additionalProperties", "default", "description", "enum", "exclusiveMaximum", "exclusiveMinimum",
        "format", "items", "maxItems", "maxLength", "maxProperties", "maximum", "minItems", "minLength",
        "minProperties", "minimum", "multipleOf", "pattern", "properties", "required", "title", "type", "uniqueItems",
    }
)  # fmt: skip


def v3(kinds: Sequence[scheme.Kind], custom: Schemas, release: str) -> dict[str, Json]:
    """Return the document of one group and version; `custom` has the schemas of its custom kinds, by their names."""
    paths: dict[str, dict[str, Json]] = {}
    for one in _operations(kinds):
        paths.setdefault(one.path, {})[one.method] = _v3_operation(one)
    return {
        "openapi": "3.0.0",
        "info": {"title": TITLE, "version": release},
        "paths": dict(sorted(paths.items())),
        "components": {"schemas": definitions(kinds, custom, schemas.V3)},
    }


def v2(kinds: Sequence[scheme.Kind], custom: Schemas, release: str) -> dict[str, Json]:
    """Return the document of everything that is served."""
    paths: dict[str, dict[str, Json]] = {}
    for one in _operations(kinds):
        paths.setdefault(one.path, {})[one.method] = _v2_operation(one)
    return {
        "swagger": "2.0",
        "info": {"title": TITLE, "version": release},
        "paths": dict(sorted(paths.items())),
        "definitions": definitions(kinds, custom, schemas.V2),
    }


def definitions(kinds: Sequence[scheme.Kind], custom: Schemas, dialect: schemas.Dialect) -> dict[str, Json]:
    """Return all schemas that kinds need, by name."""
    wanted = list(_ALWAYS)
    for kind in kinds:
        wanted += [subresources.message(name) for name in kind.subresources if name in subresources.BODIES]
        if kind.message is not None:
            wanted.append(kind.message.DESCRIPTOR.full_name)
            if "list" in kind.verbs:
                wanted.append(schemas.list_of(kind))
    found = {naming.definition(name): schemas.definition(name, dialect) for name in schemas.closure(wanted)}
    found[naming.definition(f"{META}.Patch")] = PATCH
    for kind in kinds:
        if kind.message is None:
            schema = custom.get(naming.custom(kind), {})
            found |= schemas.custom(kind, schema if dialect.modern else plain(schema), dialect)
            if schema.get(PRESERVE) and not dialect.modern:
                found[naming.custom(kind)] = schemas.anything(kind)
    return dict(sorted(found.items()))


def plain(schema: Mapping[str, Json]) -> dict[str, Json]:
    """Return a structural schema as version 2 can say it.

    What it does not know is left out. kubectl judges by what is left: a value that may be null, or hold fields that
    are not named, has no type and no fields there, and a list says nothing where it does not say of what.
    """
    found: dict[str, Json] = {}
    for key, value in schema.items():
        if key not in _V2_KEYS and not key.startswith("x-kubernetes-"):
            continue
        if key == "properties":
            value = {name: plain(part) for name, part in value.items()}
        elif key in ("items", "additionalProperties") and isinstance(value, dict):
            value = plain(value)
        found[key] = value
    open_ = schema.get(PRESERVE)
    if open_ or schema.get("nullable"):
        found.pop("properties", None)
        found.pop("items", None)
    untyped = schema.get("nullable") or (open_ and found.get("type") == "object")
    if untyped or ("items" not in found and found.get("type") == "array"):
        found.pop("type", None)
    _spare_nullable(schema, found)
    return found


def _spare_nullable(schema: Mapping[str, Json], found: dict[str, Json]) -> None:
    """Require nothing that may be null: it has no type, and kubectl would miss it."""
    properties, more = schema.get("properties", {}), schema.get("additionalProperties")
    every = isinstance(more, dict) and more.get("nullable")
    required = [] if every else [each for each in found.get("required", ()) if not _nullable(properties.get(each))]
    if required:
        found["required"] = required
    else:
        found.pop("required", None)


def _nullable(schema: Mapping[str, Json] | None) -> bool:
    return bool(schema and schema.get("nullable"))


def _operations(kinds: Iterable[scheme.Kind]) -> Iterable[operations.Operation]:
    for kind in kinds:
        if kind.message is None:
            names = operations.Names(naming.custom(kind), f"{naming.custom(kind)}List")
        else:
            full_name = kind.message.DESCRIPTOR.full_name
            names = operations.Names(naming.definition(full_name), naming.definition(f"{full_name}List"))
        yield from operations.of_kind(kind, names)


def _common(one: operations.Operation) -> dict[str, Json]:
    return {
        "description": one.description,
        "operationId": one.id,
        "tags": [naming.tag(one.kind)],
        "x-kubernetes-action": one.action,
        "x-kubernetes-group-version-kind": schemas.identity(one.kind.api_version, one.kind.kind),
    }


def _v3_operation(one: operations.Operation) -> dict[str, Json]:
    def content(name: str, types: Sequence[str]) -> dict[str, Json]:
        return {"content": {each: {"schema": {"$ref": schemas.V3.prefix + name}} for each in types}}

    found = _common(one)
    found["parameters"] = [
        {
            "name": each.name,
            "in": "path" if each.in_path else "query",
            "description": each.description,
            "schema": {"type": each.type},
            **({"required": True} if each.in_path else {}),
        }
        for each in one.parameters
    ]
    if one.body:
        found["requestBody"] = content(one.body, one.consumes)
        if one.method != "delete":
            found["requestBody"]["required"] = True
    found["responses"] = {code: {"description": said, **content(one.answer, MEDIA)} for code, said in _codes(one)}
    found["responses"]["401"] = {"description": "Unauthorized"}
    return found


def _v2_operation(one: operations.Operation) -> dict[str, Json]:
    found = _common(one)
    found["consumes"] = list(one.consumes)
    found["produces"] = list(MEDIA)
    found["schemes"] = ["https"]
    found["parameters"] = [
        {
            "name": each.name,
            "in": "path" if each.in_path else "query",
            "description": each.description,
            "type": each.type,
            "uniqueItems": True,
            **({"required": True} if each.in_path else {}),
        }
        for each in one.parameters
    ]
    if one.body:
        body: dict[str, Json] = {"name": "body", "in": "body", "schema": {"$ref": schemas.V2.prefix + one.body}}
        found["parameters"].append(body | ({"required": True} if one.method != "delete" else {}))
    schema = {"$ref": schemas.V2.prefix + one.answer}
    found["responses"] = {code: {"description": said, "schema": schema} for code, said in _codes(one)}
    found["responses"]["401"] = {"description": "Unauthorized"}
    return found


def _codes(one: operations.Operation) -> list[tuple[str, str]]:
    """Return the codes that say that an operation was carried out, with their words."""
    codes = {"post": (200, 201, 202), "put": (200, 201), "patch": (200, 201)}.get(one.method, (200,))
    if one.action == "delete":
        codes = (200, 202)
    return [(str(code), {200: "OK", 201: "Created", 202: "Accepted"}[code]) for code in codes]
