"""The strategy of custom resources: one instance for each version that a definition serves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from control.apiserver import field
from control.apiserver.custom import paths
from control.apiserver.custom.shape import Shape
from control.apiserver.strategies import scaling, strategy
from fairlead.api import errors, objects
from fairlead.api.fields import sets, structural, typings
from fairlead.api.pb import autoscaling_v1_pb2 as autoscalingv1

MAX_REPLICAS = 2**31 - 1


class CustomStrategy(strategy.Strategy[Any]):
    """The rules of one version of a custom kind, as its definition states them."""

    short_finalizers = True
    allow_unconditional_update = False

    def __init__(self, shape: Shape, *, is_terminating: bool = False) -> None:
        self.kind = shape.kind
        self.shape = shape
        self._is_terminating = is_terminating
        self._typing = structural.of_schema(shape.schema.rules)
        self.selectable: Mapping[str, Any] = {  # type: ignore[misc]
            path: lambda obj, path=path: _selected(obj, path) for path in shape.selectable
        }

    def typing(self) -> typings.Typing:
        """Return what the schema says of lists and maps, for ownership and server-side apply."""
        return self._typing

    def reset_fields(self, subresource: str) -> sets.FieldSet:
        """Return the fields that a write cannot change; without a status subresource the object's own can."""
        return super().reset_fields(subresource) if subresource or self.shape.has_status else sets.EMPTY

    def default(self, obj: objects.Unstructured) -> None:
        """Prune and default."""
        self.shape.complete(obj)

    def prepare_for_create(self, obj: objects.Unstructured) -> None:
        """Start at generation 1, without a status where that has a subresource."""
        if self._is_terminating:
            text = "create not allowed while custom resource definition is terminating"
            raise errors.MethodNotAllowed(text, group=self.kind.group, kind=self.kind.resource)
        if self.shape.has_status:
            obj.content.pop("status", None)
        obj.metadata.generation = 1

    def validate(self, obj: objects.Unstructured) -> field.Faults:
        """Judge an object by its schema and its scale."""
        return self.shape.validate(obj) + self._scale_faults(obj)

    def validate_update(self, obj: objects.Unstructured, old: objects.Unstructured) -> field.Faults:
        """Judge a changed object by its schema, its rules against the old one, and its scale."""
        return self.shape.validate(obj, old) + self._scale_faults(obj)

    def prepare_for_update(self, obj: objects.Unstructured, old: objects.Unstructured) -> None:
        """Keep the status where it has a subresource, and count the generation."""
        if self.shape.has_status:
            _take(obj, old, "status")
        now, before = ({**each.content} for each in (obj, old))
        if self.shape.has_status:
            now.pop("status", None)
            before.pop("status", None)
        obj.metadata.generation = old.metadata.generation
        if not objects.same_json(now, before):
            obj.metadata.generation += 1

    def prepare_for_status_update(self, obj: objects.Unstructured, old: objects.Unstructured) -> None:
        """Take over all but the status, and the metadata but for who manages which field."""
        self.shape.complete(obj)
        status, managed = obj.content.get("status"), list(obj.metadata.managedFields)
        has_status, version = "status" in obj.content, obj.metadata.resourceVersion
        fresh = old.copied()
        obj.content, obj.metadata = fresh.content, fresh.metadata
        obj.metadata.resourceVersion = version
        del obj.metadata.managedFields[:]
        obj.metadata.managedFields.extend(managed)
        obj.content.pop("status", None)
        if has_status:
            obj.content["status"] = status

    def validate_status_update(self, obj: objects.Unstructured, old: objects.Unstructured) -> field.Faults:
        """Judge an object with a changed status."""
        return self.validate_update(obj, old)

    def scale_of(self, obj: objects.Unstructured) -> autoscalingv1.Scale:
        """Return the Scale that the definition's paths make of an object."""
        scale = self.scale_before(obj)
        if scale.spec.replicas == scaling.UNSET:
            path = self._scale().specReplicasPath
            raise errors.InternalError(f'Internal error occurred: the spec replicas field "{path}" does not exist')
        return scale

    def scale_before(self, obj: objects.Unstructured) -> autoscalingv1.Scale:
        """Return the Scale that a write begins with, of an object that may not have replicas yet."""
        scale = scaling.described(obj)
        asked = self._scale()
        replicas = paths.read(obj.content, asked.specReplicasPath)
        scale.spec.replicas = replicas if _is_count(replicas) else scaling.UNSET
        present = paths.read(obj.content, asked.statusReplicasPath)
        scale.status.replicas = present if _is_count(present) else 0
        selector = paths.read(obj.content, asked.labelSelectorPath) if asked.labelSelectorPath else ""
        scale.status.selector = selector if isinstance(selector, str) else ""
        return scale

    def set_replicas(self, obj: objects.Unstructured, replicas: int) -> None:
        """Write the wanted number of replicas where the definition says."""
        if replicas == scaling.UNSET:
            text = f'the spec replicas field "{self._scale().specReplicasPath}" cannot be empty'
            raise errors.BadRequest(text)
        paths.write(obj.content, self._scale().specReplicasPath, replicas)

    def _scale(self) -> Any:
        if self.shape.scale is None:
            raise errors.no_resource()
        return self.shape.scale

    def _scale_faults(self, obj: objects.Unstructured) -> field.Faults:
        if self.shape.scale is None:
            return []
        faults: field.Faults = []
        for path in (self.shape.scale.specReplicasPath, self.shape.scale.statusReplicasPath):
            value = paths.read(obj.content, path)
            if value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, int):
                text = f"{path} accessor error: {value} is of the type {_go_type(value)}, expected int64"
                faults.append(field.invalid(path, 0, text))
            elif value < 0:
                faults.append(field.invalid(path, value, "should be a non-negative integer"))
            elif value > MAX_REPLICAS:
                faults.append(field.invalid(path, value, f"should be less than or equal to {MAX_REPLICAS}"))
        return faults


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_REPLICAS


def _go_type(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, dict):
        return "map[string]interface {}"
    return {str: "string", float: "float64", list: "[]interface {}"}[type(value)]


def _selected(obj: objects.Unstructured, path: str) -> str:
    value = paths.read(obj.content, f".{path}")
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str | int) else ""


def _take(obj: objects.Unstructured, old: objects.Unstructured, name: str) -> None:
    """Take a part over from the old object."""
    obj.content.pop(name, None)
    if name in old.content:
        obj.content[name] = old.copied().content[name]
