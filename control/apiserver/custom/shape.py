"""One version of a custom kind: its schema compiled, and what else its definition says of it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from control.apiserver import field
from control.apiserver.structural import defaulting, lists, pruning, rules, validating
from control.apiserver.structural import schema as schemas
from fairlead.api import codec, custom, objects, scheme
from fairlead.api.pb import apiextensions_v1_pb2 as apiextensionsv1

Scale = apiextensionsv1.CustomResourceSubresourceScale

# Faults that keep an object's rules from being asked: what they look at may be missing, or of another type.
_BLOCKING = frozenset(
    f"FieldValue{each}" for each in ("NotSupported", "Required", "TooLong", "TooMany", "TypeInvalid")
)
_UNCHECKED = field.Cause(
    "FieldValueInvalid",
    'Invalid value: "null": some validation rules were not checked because the object was invalid; correct the'
    " existing errors to complete validation",
    field.ROOT,
)


@dataclass(frozen=True, slots=True)
class Shape:
    """How objects of one version look and are judged."""

    kind: scheme.Kind
    schema: schemas.Schema
    written: Mapping[str, Any]  # the schema as JSON, as its definition writes it
    judge: Callable[[Any, str], field.Faults]
    scale: Scale | None
    selectable: tuple[str, ...]  # paths without the first dot, as field selectors name them
    rules: rules.Rules | None = None
    deprecation: str = ""  # what users of a deprecated version are warned with

    @property
    def has_status(self) -> bool:
        """Whether the status is a subresource."""
        return "status" in self.kind.subresources

    def complete(self, obj: objects.Unstructured) -> list[str]:
        """Drop, in place, what the schema does not name and fill in defaults; returns the paths dropped."""
        dropped = pruning.prune(obj.content, self.schema, is_root=True)
        defaulting.apply(obj.content, self.schema)
        return dropped

    def unknown(self, obj: objects.Unstructured) -> list[str]:
        """Return the paths of an object's fields that the schema does not have; the object stays as it is."""
        return pruning.prune(obj.copied().content, self.schema, is_root=True)

    def validate(self, obj: objects.Unstructured, old: objects.Unstructured | None = None) -> field.Faults:
        """Judge an object by the schema, and by its rules against the old object if there is one."""
        whole = codec.to_json(obj)
        faults = self.judge(whole, "") + lists.validate(whole, self.schema)
        if self.rules is None:
            return faults
        if any(fault.reason in _BLOCKING for fault in faults):
            return [*faults, _UNCHECKED]
        return faults + self.rules.validate(whole, codec.to_json(old) if old is not None else None)


def shape_of(definition: custom.Definition, version: str) -> Shape:
    """Return the shape of a definition's version."""
    found = next(each for each in definition.spec.versions if each.name == version)
    written = codec.to_json(found.schema.openAPIV3Schema) if found.schema.HasField("openAPIV3Schema") else {}
    schema = schemas.parse(written)
    return Shape(
        kind=custom.kind_at(definition, version),
        schema=schema,
        written=written,
        judge=validating.compile(written),
        scale=found.subresources.scale if found.subresources.HasField("scale") else None,
        selectable=tuple(each.jsonPath.removeprefix(".") for each in found.selectableFields),
        rules=rules.Rules(schema) if rules.has_rules(written) else None,
        deprecation=_deprecation(definition, found),
    )


def _deprecation(definition: custom.Definition, version: apiextensionsv1.CustomResourceDefinitionVersion) -> str:
    """Return the warning of a deprecated version, the definition's own words if it has some."""
    if not version.deprecated:
        return ""
    named = f"{definition.spec.group}/{version.name} {definition.spec.names.kind} is deprecated"
    return version.deprecationWarning or named
