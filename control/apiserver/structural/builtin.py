"""The schemas of Kubernetes' own kinds, in the form of definitions' ones: what expressions may find in them. Pure."""

from __future__ import annotations

import functools

from control.apiserver.structural.schema import Schema
from fairlead.api import scheme, table

_META = table.META
_ANYTHING = Schema(int_or_string=True)
_TEXT = Schema(type="string")
_TEXTS = Schema(type="array", items=_TEXT)
_SCALARS = {
    "string": _TEXT,
    "bytes": Schema(type="string", rules={"format": "byte"}),
    "bool": Schema(type="boolean"),
    "int32": Schema(type="integer"),
    "int64": Schema(type="integer"),
    "double": Schema(type="number"),
}
_MOMENT = Schema(type="string", rules={"format": "date-time"})
_APIEXTENSIONS = "k8s.io.apiextensions_apiserver.pkg.apis.apiextensions.v1"
# Messages whose JSON is not an object of their fields, and the one that contains itself.
_OTHERS = {
    f"{_META}.Time": _MOMENT,
    f"{_META}.MicroTime": _MOMENT,
    f"{_META}.Duration": _TEXT,
    f"{_META}.FieldsV1": Schema(type="object", preserve=True),
    f"{_META}.Verbs": _TEXTS,
    "k8s.io.apimachinery.pkg.api.resource.Quantity": _TEXT,
    "k8s.io.apimachinery.pkg.util.intstr.IntOrString": _ANYTHING,
    "k8s.io.apimachinery.pkg.runtime.RawExtension": Schema(type="object"),
    "k8s.io.api.authentication.v1.ExtraValue": _TEXTS,
    "k8s.io.api.authorization.v1.ExtraValue": _TEXTS,
    "k8s.io.api.certificates.v1.ExtraValue": _TEXTS,
    f"{_APIEXTENSIONS}.JSON": _ANYTHING,
    f"{_APIEXTENSIONS}.JSONSchemaProps": _ANYTHING,
}


def of_kind(kind: scheme.Kind, written: Schema | None = None) -> Schema:
    """Return the schema of a kind's objects, whole; `written` is what the definition of a custom kind says."""
    if kind.message is not None:
        own = _of_message(kind.message.DESCRIPTOR.full_name).properties
    else:
        own = {**(written.properties if written is not None else {}), "metadata": metadata()}
    return Schema(type="object", properties={**own, "apiVersion": _TEXT, "kind": _TEXT})


def metadata() -> Schema:
    """Return the schema of every object's metadata."""
    return _of_message(table.OBJECT_META)


@functools.cache
def _of_message(full_name: str) -> Schema:
    if full_name in _OTHERS:
        return _OTHERS[full_name]
    return Schema(type="object", properties={name: _of(each) for name, each in table.json_fields(full_name).items()})


def _of(field: table.Field) -> Schema:
    one = _of_message(field.type) if field.is_message else _SCALARS[field.type]
    if field.map:
        return Schema(type="object", additional=one)
    return Schema(type="array", items=one) if field.repeated else one
