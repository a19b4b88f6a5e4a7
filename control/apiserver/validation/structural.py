"""Rules on the schemas of CustomResourceDefinitions: which are structural, and whose defaults are good. Pure.

A schema is read as the JSON of an openAPIV3Schema. Source: Kubernetes' documentation, "Specifying a structural
schema".
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

from control.apiserver import field
from control.apiserver.structural import pruning, validating
from control.apiserver.structural import schema as schemas
from control.apiserver.validation import rules

Json = Any
Written = Mapping[str, Json]

FORBIDDEN = ("id", "additionalItems", "patternProperties", "definitions", "dependencies", "$ref")
LIST_TYPES = ("atomic", "set", "map")
MAP_TYPES = ("granular", "atomic")
TYPES = ("array", "boolean", "integer", "number", "object", "string")
ROOT, ITEM, FIELD = "root", "item", "field"
_NEEDS_TYPE = {
    ROOT: "must not be empty at the root",
    ITEM: "must not be empty for specified array items",
    FIELD: "must not be empty for specified object fields",
}
_MUST_BE_EMPTY = {
    "type": "must be empty to be structural",
    "default": "must be undefined to be structural",
    "title": "must be empty to be structural",
    "description": "must be empty to be structural",
    "nullable": "must be false to be structural",
    "externalDocs": "must be undefined to be structural",
    "additionalProperties": "must be undefined to be structural",
    "x-kubernetes-preserve-unknown-fields": "must be false to be structural",
    "x-kubernetes-embedded-resource": "must be false to be structural",
    "x-kubernetes-int-or-string": "must be false to be structural",
    "x-kubernetes-list-map-keys": "must be empty to be structural",
    "x-kubernetes-list-type": "must be undefined to be structural",
    "x-kubernetes-map-type": "must be undefined to be structural",
    "x-kubernetes-validations": "must be empty to be structural",
}
_INT_OR_STRING = [{"type": "integer"}, {"type": "string"}]
TYPELESS = ("int-or-string", "preserve-unknown-fields")
JUNCTORS = ("anyOf", "allOf", "oneOf")


def validate(written: Written, path: str) -> field.Faults:
    """Judge a version's schema."""
    faults: field.Faults = []
    for place, part, is_nested in walk(written, path):
        faults += _openapi(part, place, is_nested)
    faults += sorted(_structural(written, path, ROOT), key=lambda fault: (fault.field, fault.message))
    if not faults:
        schema = schemas.parse(written)
        faults += _complete(written, written, path)
        faults += _defaults(schema, written, path, is_root=True)
        faults += rules.compiled(schema, path)
    return faults


def walk(written: Written, path: str, is_nested: bool = False) -> Iterator[tuple[str, Written, bool]]:
    """Iterate over a schema and all that stand in it, with their paths and whether a junctor surrounds them."""
    yield path, written, is_nested
    for name, part in written.get("properties", {}).items():
        yield from walk(part, f"{path}.properties[{name}]", is_nested)
    for name in ("items", "additionalProperties"):
        if isinstance(written.get(name), dict):
            yield from walk(written[name], f"{path}.{name}", is_nested)
    for name in JUNCTORS:
        for index, part in enumerate(written.get(name, ())):
            yield from walk(part, f"{path}.{name}[{index}]", True)
    if isinstance(written.get("not"), dict):
        yield from walk(written["not"], f"{path}.not", True)


def _openapi(part: Written, path: str, is_nested: bool) -> field.Faults:
    """Judge one schema by what Kubernetes takes of OpenAPI v3."""
    faults = [field.forbidden(f"{path}.{name}", f"{name} is not supported") for name in FORBIDDEN if part.get(name)]
    wanted = part.get("type", "")
    if wanted == "null":
        faults.append(field.forbidden(f"{path}.type", "type cannot be set to null, use nullable as an alternative"))
    elif wanted and wanted not in TYPES:
        faults.append(field.unsupported(f"{path}.type", wanted, TYPES))
    if isinstance(part.get("items"), list):
        faults.append(field.forbidden(f"{path}.items", "items must be a schema object and not an array"))
    if part.get("uniqueItems"):
        text = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"
        faults.append(field.forbidden(f"{path}.uniqueItems", text))
    if part.get("properties") and part.get("additionalProperties") not in (None, True):
        text = "additionalProperties and properties are mutual exclusive"
        faults.append(field.forbidden(f"{path}.additionalProperties", text))
    if part.get("additionalProperties") is False:
        text = "additionalProperties cannot be set to false"
        faults.append(field.forbidden(f"{path}.additionalProperties", text))
    if part.get("x-kubernetes-preserve-unknown-fields") is False:
        name = f"{path}.x-kubernetes-preserve-unknown-fields"
        faults.append(field.invalid(name, False, "must be true or undefined"))
    faults += rules.written(part, path)
    if not is_nested:
        faults += _map_type(part, path) + _list_type(part, path)
    return faults


def _map_type(part: Written, path: str) -> field.Faults:
    found = part.get("x-kubernetes-map-type")
    if found is None:
        return []
    faults = _must_have_type(part, path, "object", "must be object if x-kubernetes-map-type is specified")
    if found not in MAP_TYPES:
        faults.append(field.unsupported(f"{path}.x-kubernetes-map-type", found, MAP_TYPES))
    return faults


def _must_have_type(part: Written, path: str, wanted: str, text: str) -> field.Faults:
    found = part.get("type", "")
    if found == wanted:
        return []
    return [field.invalid(f"{path}.type", found, text) if found else field.required(f"{path}.type", text)]


def _list_type(part: Written, path: str) -> field.Faults:
    found, keys = part.get("x-kubernetes-list-type"), part.get("x-kubernetes-list-map-keys", ())
    name = f"{path}.x-kubernetes-list-type"
    faults: field.Faults = []
    if found is not None:
        faults += _must_have_type(part, path, "array", "must be array if x-kubernetes-list-type is specified")
        if found not in LIST_TYPES:
            faults.append(field.unsupported(name, found, LIST_TYPES))
    if keys and found != "map":
        text = "must be map if x-kubernetes-list-map-keys is non-empty"
        faults.append(field.required(name, text) if found is None else field.invalid(name, found, text))
    items = part.get("items")
    if found == "map":
        faults += _list_map(keys, items, path)
    elif found == "set" and isinstance(items, dict):
        text = "must be atomic as item of a list with x-kubernetes-list-type=set"
        kind = items.get("type")
        for wanted, marker in (("array", "x-kubernetes-list-type"), ("object", "x-kubernetes-map-type")):
            if kind == wanted and items.get(marker) != "atomic":
                faults.append(field.invalid(f"{path}.items.{marker}", items.get(marker), text))
    if found in ("set", "map") and isinstance(items, dict) and items.get("nullable"):
        text = f"cannot be nullable when x-kubernetes-list-type is {found}"
        faults.append(field.forbidden(f"{path}.items.nullable", text))
    return faults


def _list_map(keys: list[str], items: Json, path: str) -> field.Faults:
    faults: field.Faults = []
    if not keys:
        text = "must not be empty if x-kubernetes-list-type is map"
        faults.append(field.required(f"{path}.x-kubernetes-list-map-keys", text))
    if not isinstance(items, dict):
        faults.append(field.required(f"{path}.items", "must have a schema if x-kubernetes-list-type is map"))
        return faults
    if items.get("type") != "object":
        text = "must be object if parent array's x-kubernetes-list-type is map"
        faults.append(field.invalid(f"{path}.items.type", items.get("type", ""), text))
    for index, key in enumerate(keys):
        at = f"{path}.x-kubernetes-list-map-keys[{index}]"
        if key in keys[:index]:
            faults.append(field.duplicate(at, key))
        part = items.get("properties", {}).get(key)
        if part is None:
            faults.append(field.invalid(at, key, "entries must all be names of item properties"))
            continue
        below = f"{path}.items.properties[{key}]"
        if part.get("type") in ("array", "object"):
            text = "must be a scalar type if parent array's x-kubernetes-list-type is map"
            faults.append(field.invalid(f"{below}.type", part["type"], text))
        if key not in items.get("required", ()) and "default" not in part:
            text = (
                "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property"
            )
            faults.append(field.required(f"{below}.default", text))
        if part.get("nullable"):
            text = "this property is in x-kubernetes-list-map-keys, so it cannot be nullable"
            faults.append(field.forbidden(f"{below}.nullable", text))
    return faults


def _structural(part: Written, path: str, level: str) -> field.Faults:
    """Judge what makes a schema structural: each place says its type once, outside of junctors."""
    faults: field.Faults = []
    items, additional, kind = part.get("items"), part.get("additionalProperties"), part.get("type", "")
    if kind == "array" and items is None:
        faults.append(field.required(f"{path}.items", "must be specified"))
    if isinstance(items, dict):
        faults += _structural(items, f"{path}.items", ITEM)
    for name, below in part.get("properties", {}).items():
        faults += _structural(below, f"{path}.properties[{name}]", FIELD)
    if additional is not None and level == ROOT:
        faults.append(field.forbidden(f"{path}.additionalProperties", "must not be used at the root"))
    if isinstance(additional, dict):
        faults += _structural(additional, f"{path}.additionalProperties", FIELD)
    embedded = bool(part.get("x-kubernetes-embedded-resource"))
    faults += _extensions(part, path)
    faults += _value_rules(part, path, part.get("x-kubernetes-int-or-string", False))
    if embedded and kind != "object":
        text = "must be object if x-kubernetes-embedded-resource is true"
        faults += _must_have_type(part, path, "object", text)
    elif not kind and not any(part.get(f"x-kubernetes-{name}") for name in TYPELESS):
        faults.append(field.required(f"{path}.type", _NEEDS_TYPE[level]))
    if embedded and additional is not None:
        text = "must not be used if x-kubernetes-embedded-resource is set"
        faults.append(field.forbidden(f"{path}.additionalProperties", text))
    if level == ROOT and kind and kind != "object":
        faults.append(field.invalid(f"{path}.type", kind, "must be object at the root"))
    if embedded and not part.get("x-kubernetes-preserve-unknown-fields") and not part.get("properties"):
        text = (
            "must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields"
        )
        faults.append(field.required(f"{path}.properties", text))
    return faults + _resource_fields(part, path, level, embedded)


def _extensions(part: Written, path: str) -> field.Faults:
    if not part.get("x-kubernetes-int-or-string"):
        return []
    return [
        field.invalid(f"{path}.{name}", True, "must be false if x-kubernetes-int-or-string is true")
        for name in ("x-kubernetes-preserve-unknown-fields", "x-kubernetes-embedded-resource")
        if part.get(name)
    ]


def _resource_fields(part: Written, path: str, level: str, embedded: bool) -> field.Faults:
    """Judge what a resource's schema says of apiVersion, kind and metadata."""
    faults: field.Faults = []
    properties = part.get("properties", {})
    if level != ROOT and not embedded:
        return faults
    for name in ("kind", "apiVersion"):
        found = properties.get(name)
        if found is not None and found.get("type") != "string":
            at = f"{path}.properties[{name}].type"
            faults.append(field.invalid(at, found.get("type", ""), "must be string"))
    metadata = properties.get("metadata")
    if metadata is None:
        return faults
    at = f"{path}.properties[metadata]"
    if metadata.get("type") != "object":
        faults.append(field.invalid(f"{at}.type", metadata.get("type", ""), "must be object"))
    if level == ROOT:
        named = set(metadata.get("properties", {})) - {"name", "generateName"}
        others = {key for key, value in metadata.items() if value and key not in ("type", "properties")}
        if named or others:
            text = "must not specify anything other than name and generateName, but metadata is implicitly specified"
            faults.append(field.forbidden(at, text))
    return faults


def _value_rules(part: Written, path: str, int_or_string: bool) -> field.Faults:
    """Judge the junctors of a schema, and its pattern."""
    faults: field.Faults = []
    for name in JUNCTORS:
        if int_or_string and name == "anyOf" and part.get(name) == _INT_OR_STRING:
            continue
        for index, nested in enumerate(part.get(name, ())):
            excused = int_or_string and name == "allOf" and index == 0
            faults += _nested(nested, f"{path}.{name}[{index}]", excused)
    if isinstance(part.get("not"), dict):
        faults += _nested(part["not"], f"{path}.not", False)
    pattern = part.get("pattern")
    if pattern:
        try:
            validating.pattern(pattern)
        except validating.PatternError as error:
            text = f"must be a valid regular expression, but isn't: {error}"
            faults.append(field.invalid(f"{path}.pattern", pattern, text))
    return faults


def _nested(part: Written, path: str, int_or_string: bool) -> field.Faults:
    faults = _value_rules(part, path, int_or_string)
    faults += [field.forbidden(f"{path}.{name}", text) for name, text in _MUST_BE_EMPTY.items() if part.get(name)]
    if isinstance(part.get("items"), dict):
        faults += _nested(part["items"], f"{path}.items", False)
    for name, below in part.get("properties", {}).items():
        faults += _nested(below, f"{path}.properties[{name}]", False)
    if "metadata" in part.get("properties", {}):
        at = f"{path}.properties[metadata]"
        faults.append(field.forbidden(at, "must not be specified in a nested context"))
    return faults


def _complete(part: Written, structure: Written, path: str) -> field.Faults:
    """Judge that what a junctor speaks of is specified outside of it, too."""
    faults: field.Faults = []
    for name, below in part.get("properties", {}).items():
        faults += _complete(below, structure.get("properties", {}).get(name, {}), f"{path}.properties[{name}]")
    if isinstance(part.get("items"), dict):
        faults += _complete(part["items"], structure.get("items") or {}, f"{path}.items")
    if isinstance(part.get("additionalProperties"), dict):
        below = part["additionalProperties"]
        faults += _complete(below, structure.get("additionalProperties") or {}, f"{path}.additionalProperties")
    for name in JUNCTORS:
        for nested in part.get(name, ()):
            faults += _specified(nested, structure, path)
    if isinstance(part.get("not"), dict):
        faults += _specified(part["not"], structure, path)
    return faults


def _specified(nested: Written, structure: Written, path: str) -> field.Faults:
    faults: field.Faults = []
    known = structure.get("properties", {})
    for name, below in nested.get("properties", {}).items():
        at = f"{path}.properties[{name}]"
        if name not in known:
            faults.append(field.required(at, "must be specified"))
        else:
            faults += _specified(below, known[name], at)
    if isinstance(nested.get("items"), dict):
        if not isinstance(structure.get("items"), dict):
            faults.append(field.required(f"{path}.items", "must be specified"))
        else:
            faults += _specified(nested["items"], structure["items"], f"{path}.items")
    for name in JUNCTORS:
        for deeper in nested.get(name, ()):
            faults += _specified(deeper, structure, path)
    return faults


def _defaults(schema: schemas.Schema, written: Written, path: str, *, is_root: bool = False) -> field.Faults:
    """Judge defaults: pruned, and valid by the schema that they stand in."""
    faults: field.Faults = []
    if schema.default is not schemas.ABSENT:
        at = f"{path}.default"
        if is_root:
            faults.append(field.forbidden(at, "must be undefined to be structural"))
        pruned = copy.deepcopy(schema.default)
        if pruning.prune(pruned, schema, is_root=schema.embedded):
            text = f"Invalid value: {validating.shown(schema.default)}: must not have unknown fields"
            faults.append(field.Cause("FieldValueInvalid", text, at))
        else:
            faults += validating.compile(written)(schema.default, at)
    for name, part in schema.properties.items():
        faults += _defaults(part, part.rules, f"{path}.properties[{name}]")
    if schema.items is not None:
        faults += _defaults(schema.items, schema.items.rules, f"{path}.items")
    return faults
