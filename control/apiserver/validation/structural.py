"""Rules on the schemas of CustomResourceDefinitions: which are structural, and whose defaults are good. Pure.

A schema is read as the JSON of an openAPIV3Schema. Source: Kubernetes' documentation, "Specifying a structural
schema".
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from control.apiserver import field, notation
from control.apiserver.structural import pruning, validating
from control.apiserver.structural import schema as schemas
from control.apiserver.validation import rules

Json = Any
Written = Mapping[str, Json]

FORBIDDEN = ("id", "additionalItems", "patternProperties", "definitions", "dependencies", "$ref")
LIST_TYPES = ("atomic", "set", "map")
MAP_TYPES = ("atomic", "granular")
LIST_TYPE = "x-kubernetes-list-type"
META = ("metadata", "kind", "apiVersion")
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
INNER = ("items", "additionalProperties")
# A schema's fields in Kubernetes' order, and by the names in its errors.
_PLAIN = (
    "description type nullable format title default maximum exclusiveMaximum minimum exclusiveMinimum maxLength"
    " minLength pattern maxItems minItems uniqueItems multipleOf enum maxProperties minProperties required items"
    " allOf oneOf anyOf not properties additionalProperties patternProperties dependencies additionalItems"
    " definitions externalDocs example"
)
_FIELDS = {
    "id": "ID",
    "$schema": "Schema",
    "$ref": "Ref",
    **{name: name[0].upper() + name[1:] for name in _PLAIN.split()},
    "x-kubernetes-preserve-unknown-fields": "XPreserveUnknownFields",
    "x-kubernetes-embedded-resource": "XEmbeddedResource",
    "x-kubernetes-int-or-string": "XIntOrString",
    "x-kubernetes-list-map-keys": "XListMapKeys",
    "x-kubernetes-list-type": "XListType",
    "x-kubernetes-map-type": "XMapType",
    "x-kubernetes-validations": "XValidations",
}
_AT_ROOT = (
    "Description Type Format Title Maximum ExclusiveMaximum Minimum ExclusiveMinimum MaxLength MinLength Pattern"
    " MaxItems MinItems UniqueItems MultipleOf Required Items Properties ExternalDocs Example XPreserveUnknownFields"
    " XValidations"
)
_ENABLED = "at the root of the schema if the status subresource is enabled"


def validate(written: Written, path: str, *, has_status: bool = False) -> field.Faults:
    """Judge a version's schema; `has_status` says that its kind has the status subresource."""
    faults: field.Faults = _root(written, path) if has_status else []
    if written.get("nullable"):
        faults.append(field.forbidden(f"{path}.nullable", "nullable cannot be true at the root"))
    if all(_is_readable(part) for part in _parts(written)):
        schema = schemas.parse(written)
        found = _structural(written, path, ROOT) + _complete(written, written, path)
        faults += sorted(found, key=lambda fault: f"{fault.field}: {fault.message}")
        if not found:
            faults += _defaults(schema, written, path, is_root=True)
    faults += _openapi(written, path, _Place(is_root=True))
    return faults or rules.compiled(schemas.parse(written), path)


def _parts(written: Written) -> Iterator[Written]:
    """Iterate over a schema and all that stand in it."""
    yield written
    below = [*written.get("properties", {}).values(), *(written.get(name) for name in (*INNER, "not"))]
    for part in (*below, *(part for name in JUNCTORS for part in written.get(name, ()))):
        if isinstance(part, dict):
            yield from _parts(part)


def _is_readable(part: Written) -> bool:
    """Say whether a schema has only what structural schemas may have."""
    return not any(part.get(name) for name in FORBIDDEN) and not isinstance(part.get("items"), list)


def _root(written: Written, path: str) -> field.Faults:
    """Judge the root of a schema whose status is also judged apart, by its property alone."""
    for name in _FIELDS:
        if not written.get(name):
            continue
        if name == "type" and written[name] != "object":
            text = f'only "object" is allowed as the type {_ENABLED}'
            return [field.invalid(f"{path}.type", written[name], text)]
        if _FIELDS[name] not in _AT_ROOT.split():
            text = f"only [{_AT_ROOT}] fields are allowed {_ENABLED}"
            return [field.invalid(path, field.Raw(json.dumps(written, separators=(",", ":"))), text)]
    return []


@dataclass(frozen=True, slots=True)
class _Place:
    """Where in a schema a part stands; `undefaulted` tells why it may have no default."""

    is_root: bool = False
    in_metadata: bool = False
    undefaulted: str = ""

    def below(self, **changes: Any) -> _Place:
        """Return the place of a part of this one."""
        return replace(self, is_root=False, **changes)


def _openapi(part: Written, path: str, place: _Place) -> field.Faults:
    """Judge a schema and all in it by what Kubernetes takes of OpenAPI v3."""
    faults = _standard(part, path, place)
    properties, additional, items = part.get("properties", {}), part.get("additionalProperties"), part.get("items")
    if part.get("uniqueItems"):
        text = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"
        faults.append(field.forbidden(f"{path}.uniqueItems", text))
    if properties and additional not in (None, True):
        text = "additionalProperties and properties are mutual exclusive"
        faults.append(field.forbidden(f"{path}.additionalProperties", text))
    if isinstance(additional, dict):
        why = "inside additionalProperties applying to object metadata"
        below = place.below(undefaulted=why) if place.in_metadata else place.below()
        faults += _openapi(additional, f"{path}.additionalProperties", below)
    for name, property in properties.items():
        below = place.below()
        if name in META and (place.is_root or part.get("x-kubernetes-embedded-resource")):
            why = f"in top-level {name}" if place.is_root else place.undefaulted
            below = place.below(in_metadata=True, undefaulted=why)
        faults += _openapi(property, f"{path}.properties[{name}]", below)
    if isinstance(part.get("not"), dict):
        faults += _openapi(part["not"], f"{path}.not", place.below())
    for name in ("allOf", "oneOf", "anyOf"):
        for index, nested in enumerate(part.get(name, ())):
            faults += _openapi(nested, f"{path}.{name}[{index}]", place.below())
    if isinstance(items, dict):
        faults += _openapi(items, f"{path}.items", place.below())
    if part.get("x-kubernetes-preserve-unknown-fields") is False:
        name = f"{path}.x-kubernetes-preserve-unknown-fields"
        faults.append(field.invalid(name, False, "must be true or undefined"))
    return faults + _map_type(part, path) + _list_type(part, path) + rules.written(part, path)


def _standard(part: Written, path: str, place: _Place) -> field.Faults:
    faults: field.Faults = []
    wanted = part.get("type", "")
    if wanted and wanted not in TYPES:
        faults.append(field.unsupported(f"{path}.type", wanted, TYPES))
    if "default" in part and place.undefaulted:
        faults.append(field.forbidden(f"{path}.default", f"must not be set {place.undefaulted}"))
    faults += [field.forbidden(f"{path}.{name}", f"{name} is not supported") for name in FORBIDDEN if part.get(name)]
    if wanted == "null":
        faults.append(field.forbidden(f"{path}.type", "type cannot be set to null, use nullable as an alternative"))
    if isinstance(part.get("items"), list):
        faults.append(field.forbidden(f"{path}.items", "items must be a schema object and not an array"))
    if place.in_metadata and part.get("x-kubernetes-embedded-resource"):
        at = f"{path}.x-kubernetes-embedded-resource"
        faults.append(field.forbidden(at, "must not be used inside of resource meta"))
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
    found, keys = part.get("x-kubernetes-list-type"), part.get("x-kubernetes-list-map-keys", [])
    name, items = f"{path}.x-kubernetes-list-type", part.get("items")
    faults: field.Faults = []
    if found is not None:
        faults += _must_have_type(part, path, "array", "must be array if x-kubernetes-list-type is specified")
        if not faults and found == "set" and isinstance(items, dict):
            faults += _set_items(items, f"{path}.items")
        if found not in LIST_TYPES:
            faults.append(field.unsupported(name, found, LIST_TYPES))
    if keys and found != "map":
        text = "must be map if x-kubernetes-list-map-keys is non-empty"
        faults.append(field.required(name, text) if found is None else field.invalid(name, found, text))
    if found == "map":
        faults += _list_map(keys, items, path)
    if found in ("set", "map") and isinstance(items, dict):
        if items.get("nullable"):
            text = f"cannot be nullable when x-kubernetes-list-type is {found}"
            faults.append(field.forbidden(f"{path}.items.nullable", text))
        if found == "map":
            faults += _keys(keys, items, f"{path}.items")
    return faults


def _set_items(items: Written, path: str) -> field.Faults:
    """Judge that the items of a set are atomic: lists are unless they say otherwise, objects if they say so."""
    text, listed = "must be atomic as item of a list with x-kubernetes-list-type=set", items.get(LIST_TYPE)
    if items.get("type") == "array" and listed not in (None, "atomic"):
        return [field.invalid(f"{path}.{LIST_TYPE}", listed, text)]
    if items.get("type") == "object" and items.get("x-kubernetes-map-type") != "atomic":
        return [field.invalid(f"{path}.x-kubernetes-map-type", listed, text)]  # Kubernetes shows the other one
    return []


def _list_map(keys: list[str], items: Json, path: str) -> field.Faults:
    """Judge the keys of a list's items; what shows all keys is said once, so that no text grows by their square."""
    faults: field.Faults = []
    at = f"{path}.x-kubernetes-list-map-keys"
    if not keys:
        faults.append(field.required(at, "must not be empty if x-kubernetes-list-type is map"))
    if items is None:
        faults.append(field.required(f"{path}.items", "must have a schema if x-kubernetes-list-type is map"))
    if not isinstance(items, dict):
        return faults
    if items.get("type") != "object":
        text = "must be object if parent array's x-kubernetes-list-type is map"
        return [*faults, field.invalid(f"{path}.items.type", items.get("type", ""), text)]
    properties = items.get("properties", {})
    if any(properties.get(key) is None for key in keys):
        faults.append(field.invalid(at, notation.strings(keys), "entries must all be names of item properties"))
    for key in keys:
        if (properties.get(key) or {}).get("type") in ("array", "object"):
            text = "must be a scalar type if parent array's x-kubernetes-list-type is map"
            faults.append(field.invalid(f"{path}.items.properties[{key}].type", items["type"], text))
    if field.repeats(keys):
        faults.append(field.invalid(at, notation.strings(keys), "must not contain duplicate entries"))
    return faults


def _keys(keys: list[str], items: Written, path: str) -> field.Faults:
    """Judge that each item has all of its keys."""
    faults: field.Faults = []
    for key in keys:
        part, at = items.get("properties", {}).get(key), f"{path}.properties[{key}]"
        if part is None:
            continue
        if key not in items.get("required", ()) and "default" not in part:
            text = (
                "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property"
            )
            faults.append(field.required(f"{at}.default", text))
        if part.get("nullable"):
            text = "this property is in x-kubernetes-list-map-keys, so it cannot be nullable"
            faults.append(field.forbidden(f"{at}.nullable", text))
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
        pruned = copy.deepcopy(schema.default)
        if pruning.prune(pruned, schema, is_root=is_root or schema.embedded):
            text = f"Invalid value: {validating.shown(schema.default)}: must not have unknown fields"
            faults.append(field.Cause("FieldValueInvalid", text, at))
        else:
            faults += validating.compile(written)(schema.default, at)
    for name, part in schema.properties.items():
        faults += _defaults(part, part.rules, f"{path}.properties[{name}]")
    if schema.items is not None:
        faults += _defaults(schema.items, schema.items.rules, f"{path}.items")
    return faults
