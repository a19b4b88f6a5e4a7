"""Typings from the field table: list types, map types, and the structs that Kubernetes replaces whole."""

from __future__ import annotations

import functools
from collections.abc import Mapping

from google.protobuf.message import Message

from fairlead.api import table
from fairlead.api.codec import special
from fairlead.api.fields import typings
from fairlead.api.fields.typings import Shape, Typing

_CORE = "k8s.io.api.core.v1"
# Go types marked `structType=atomic`: references and selectors.
ATOMIC = frozenset(
    [
        *(
            f"{_CORE}.{name}"
            for name in (
                "ConfigMapKeySelector", "EndpointAddress", "EndpointPort", "LocalObjectReference", "NodeSelector",
                "NodeSelectorTerm", "ObjectFieldSelector", "ObjectReference", "ResourceFieldSelector",
                "ScopeSelector", "SecretKeySelector", "SecretReference", "TopologySelectorTerm",
                "TypedLocalObjectReference",
            )
        ),
        "k8s.io.api.autoscaling.v1.CrossVersionObjectReference",
        *(f"k8s.io.api.discovery.{version}.EndpointPort" for version in ("v1", "v1beta1")),
        *(
            f"k8s.io.api.admissionregistration.v1.{name}"
            for name in ("MatchResources", "NamedRuleWithOperations", "ParamKind", "ParamRef", "Variable")
        ),
        "k8s.io.api.networking.v1.ServiceBackendPort",
        "k8s.io.api.rbac.v1.RoleRef",
        "k8s.io.api.rbac.v1.Subject",
        f"{table.META}.LabelSelector",
        f"{table.META}.OwnerReference",
    ]
)  # fmt: skip


def of_type(message_type: type[Message]) -> Typing:
    """Return the typing of a whole object."""
    return _object(message_type.DESCRIPTOR.full_name)


@functools.cache
def _object(full_name: str) -> Typing:
    return Typing(Shape.FIELDS, fields=lambda: _top(full_name))


def _top(full_name: str) -> Mapping[str, Typing]:
    return {"apiVersion": typings.WHOLE, "kind": typings.WHOLE, **_fields(full_name)}


@functools.cache
def _struct(full_name: str) -> Typing:
    if full_name in special.WRITERS or full_name in special.UNIONS:
        return typings.WHOLE
    return Typing(Shape.FIELDS, fields=lambda: _fields(full_name))


@functools.cache
def _fields(full_name: str) -> Mapping[str, Typing]:
    return {name: _field(field) for name, field in table.json_fields(full_name).items()}


def metadata() -> Typing:
    """Return the typing of every object's metadata."""
    return _struct(table.OBJECT_META)


def _field(field: table.Field) -> Typing:
    one = _struct(field.type) if field.is_message else typings.WHOLE
    atomic = field.type in ATOMIC and field.struct_type != "granular"
    if field.map:
        if field.map_type == "atomic":
            return typings.WHOLE
        return Typing(Shape.FIELDS, element=lambda: typings.WHOLE if atomic else one)
    if not field.repeated:
        return typings.WHOLE if atomic else one
    keys = field.list_map_keys
    kind = field.list_type
    if not kind and "merge" in field.patch_strategies:  # as Kubernetes reads the older markers
        keys = (field.patch_merge_key,) if field.patch_merge_key else ()
        kind = "map" if keys else "set"
    if kind == "set":
        return Typing(Shape.SET, element=lambda: typings.WHOLE)
    if kind != "map":
        return typings.WHOLE
    defaults = table.json_fields(field.type)
    return Typing(
        Shape.KEYED,
        element=lambda: typings.WHOLE if atomic else one,
        keys=tuple((key, defaults[key].default) for key in sorted(keys)),
    )
