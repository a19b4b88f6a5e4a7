"""Messages as OpenAPI schemas, in the dialect of version 2 or 3. Pure.

Types, formats and extensions are those of Kubernetes' documents, which clients read: kubectl explains and validates
by them, generators make types of them.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from fairlead.api import scheme, table
from fairlead.api.fields import tabled
from fairlead.api.openapi import descriptions, naming

Json = Any
_META = table.META
_SCALARS: Mapping[str, dict[str, Json]] = {
    "string": {"type": "string"},
    "bytes": {"type": "string", "format": "byte"},
    "bool": {"type": "boolean"},
    "int32": {"type": "integer", "format": "int32"},
    "int64": {"type": "integer", "format": "int64"},
    "double": {"type": "number", "format": "double"},
}
_APIEXTENSIONS = "k8s.io.apiextensions_apiserver.pkg.apis.apiextensions.v1"
# Messages whose JSON is not an object of their fields.
_SPECIAL: Mapping[str, dict[str, Json]] = {
    f"{_META}.Time": {"type": "string", "format": "date-time"},
    f"{_META}.MicroTime": {"type": "string", "format": "date-time"},
    f"{_META}.Duration": {"type": "string"},
    f"{_META}.FieldsV1": {"type": "object"},
    f"{_META}.Verbs": {"type": "array", "items": {"type": "string"}},
    "k8s.io.apimachinery.pkg.api.resource.Quantity": {"type": "string"},
    "k8s.io.apimachinery.pkg.util.intstr.IntOrString": {"type": "string", "format": "int-or-string"},
    "k8s.io.apimachinery.pkg.runtime.RawExtension": {"type": "object"},
    **{
        f"k8s.io.api.{package}.ExtraValue": {"type": "array", "items": {"type": "string"}}
        for package in ("authentication.v1", "authorization.v1", "certificates.v1")
    },
    f"{_APIEXTENSIONS}.JSON": {},
    f"{_APIEXTENSIONS}.JSONSchemaPropsOrBool": {},
    f"{_APIEXTENSIONS}.JSONSchemaPropsOrArray": {},
    f"{_APIEXTENSIONS}.JSONSchemaPropsOrStringArray": {},
}
_SPECIAL_V3: Mapping[str, dict[str, Json]] = {
    "k8s.io.apimachinery.pkg.api.resource.Quantity": {"oneOf": [{"type": "string"}, {"type": "number"}]},
    "k8s.io.apimachinery.pkg.util.intstr.IntOrString": {
        "format": "int-or-string",
        "oneOf": [{"type": "integer"}, {"type": "string"}],
    },
}
# Fields that Go never omits although they may be left out.
_OPTIONAL = frozenset(
    {
        ("k8s.io.api.rbac.v1.Role", "rules"),
        ("k8s.io.api.rbac.v1.ClusterRole", "rules"),
        ("k8s.io.api.discovery.v1.EndpointSlice", "ports"),
        ("k8s.io.api.discovery.v1beta1.EndpointSlice", "ports"),
        ("k8s.io.api.storage.v1.CSINodeDriver", "topologyKeys"),
        ("k8s.io.api.core.v1.ContainerImage", "names"),
        ("k8s.io.api.autoscaling.v2.HorizontalPodAutoscalerStatus", "currentMetrics"),
        ("k8s.io.api.autoscaling.v2beta2.HorizontalPodAutoscalerStatus", "currentMetrics"),
    }
)


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a version of OpenAPI refers to a schema, and whether it knows `oneOf` and `allOf` as clients use them."""

    prefix: str
    modern: bool


V2 = Dialect("#/definitions/", modern=False)
V3 = Dialect("#/components/schemas/", modern=True)


@functools.cache
def definition(full_name: str, dialect: Dialect) -> dict[str, Json]:
    """Return the schema of a message, shared: not to be changed."""
    found: dict[str, Json] = {}
    if text := descriptions.of_message(full_name):
        found["description"] = text
    special = _SPECIAL.get(full_name)
    if special is not None:
        return {**found, **((dialect.modern and _SPECIAL_V3.get(full_name)) or special)}
    found["type"] = "object"
    properties, required = {}, []
    schema = table.schema(full_name)
    if schema.kind:
        for name in ("apiVersion", "kind"):
            properties[name] = {"description": descriptions.COMMON[name], "type": "string"}
    for name, field in table.json_fields(full_name).items():
        properties[name] = _property(full_name, field, dialect)
        if not (field.omitempty or field.pointer or (full_name, name) in _OPTIONAL):
            required.append(name)
    if required:
        found["required"] = sorted(required)
    if properties:
        found["properties"] = dict(sorted(properties.items()))
    if schema.kind:
        found["x-kubernetes-group-version-kind"] = [identity(schema.api_version, schema.kind)]
    if full_name in tabled.ATOMIC:
        found["x-kubernetes-map-type"] = "atomic"
    return found


def identity(api_version: str, kind: str) -> dict[str, str]:
    """Return group, version and kind as the extension x-kubernetes-group-version-kind names them."""
    group, _, version = api_version.rpartition("/")
    return {"group": group, "kind": kind, "version": version}


def _property(full_name: str, field: table.Field, dialect: Dialect) -> dict[str, Json]:
    one = reference(field.type, dialect) if field.is_message else dict(_SCALARS[field.type])
    found: dict[str, Json] = {}
    if text := descriptions.of_field(full_name, field):
        found["description"] = text
    if field.map:
        found |= {"type": "object", "additionalProperties": one}
        if field.map_type:
            found["x-kubernetes-map-type"] = field.map_type
    elif field.repeated:
        found |= {"type": "array", "items": one} | _list_extensions(field)
    elif "$ref" in one and found:
        found |= _beside(one, dialect)
    else:
        found |= one
    return found


def _list_extensions(field: table.Field) -> dict[str, Json]:
    found: dict[str, Json] = {}
    if field.list_type:
        found["x-kubernetes-list-type"] = field.list_type
    if field.list_map_keys:
        found["x-kubernetes-list-map-keys"] = list(field.list_map_keys)
    if field.patch_strategies:
        found["x-kubernetes-patch-strategy"] = ",".join(sorted(field.patch_strategies))
    if field.patch_merge_key:
        found["x-kubernetes-patch-merge-key"] = field.patch_merge_key
    return found


def reference(full_name: str, dialect: Dialect) -> dict[str, Json]:
    """Return a reference to a message's schema."""
    return {"$ref": dialect.prefix + naming.definition(full_name)}


def _beside(one: dict[str, Json], dialect: Dialect) -> dict[str, Json]:
    """Return a reference that has a description beside it, which by Kubernetes' custom version 2 lets stand."""
    return {"allOf": [one]} if dialect.modern else one


def _metadata(full_name: str, dialect: Dialect) -> dict[str, Json]:
    return {"description": descriptions.METADATA[full_name], **_beside(reference(full_name, dialect), dialect)}


def closure(names: Iterable[str]) -> list[str]:
    """Return messages with all that they are made of, sorted."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        if name not in _SPECIAL:
            waiting += [field.type for field in table.json_fields(name).values() if field.is_message]
    return sorted(found)


def list_of(kind: scheme.Kind) -> str:
    """Return the full name of the message that lists a built-in kind."""
    assert kind.message is not None
    return f"{kind.message.DESCRIPTOR.full_name}List"


def anything(kind: scheme.Kind) -> dict[str, Json]:
    """Return the schema of a custom kind that may hold any field: clients that read some would refuse the others."""
    return {"type": "object", "x-kubernetes-group-version-kind": [identity(kind.api_version, kind.kind)]}


def custom(kind: scheme.Kind, schema: Mapping[str, Json], dialect: Dialect) -> dict[str, dict[str, Json]]:
    """Return the schemas of a custom kind and its list by name, from the structural schema of its definition."""
    named = {name: {"description": descriptions.COMMON[name], "type": "string"} for name in ("apiVersion", "kind")}
    one = {**schema, "type": "object", "x-kubernetes-group-version-kind": [identity(kind.api_version, kind.kind)]}
    one["properties"] = {
        **named,
        "metadata": _metadata(table.OBJECT_META, dialect),
        **{name: part for name, part in schema.get("properties", {}).items() if name not in (*named, "metadata")},
    }
    many = {
        "description": f"A list of {kind.kind}.",
        "type": "object",
        "required": ["items"],
        "properties": {
            **named,
            "items": {"type": "array", "items": {"$ref": dialect.prefix + naming.custom(kind)}},
            "metadata": _metadata(table.LIST_META, dialect),
        },
        "x-kubernetes-group-version-kind": [identity(kind.api_version, kind.list_kind or f"{kind.kind}List")],
    }
    return {naming.custom(kind): one, f"{naming.custom(kind)}List": many}
