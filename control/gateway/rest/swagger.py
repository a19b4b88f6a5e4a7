"""Version 2 of an OpenAPI document as the messages that kubectl before 1.27 asks for. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from fairlead.api.pb import openapi_v2_pb2 as openapi

Json = Any
_METHODS = ("get", "put", "post", "delete", "patch")
# Keys of a schema that stand in the message under another name or in the same form.
_SAME = {
    "$ref": "_ref",
    "format": "format",
    "title": "title",
    "description": "description",
    "multipleOf": "multiple_of",
    "maximum": "maximum",
    "exclusiveMaximum": "exclusive_maximum",
    "minimum": "minimum",
    "exclusiveMinimum": "exclusive_minimum",
    "maxLength": "max_length",
    "minLength": "min_length",
    "pattern": "pattern",
    "maxItems": "max_items",
    "minItems": "min_items",
    "uniqueItems": "unique_items",
    "maxProperties": "max_properties",
    "minProperties": "min_properties",
}


def message(document: Mapping[str, Json]) -> openapi.Document:
    """Return a document as a message."""
    info = document["info"]
    found = openapi.Document(swagger=document["swagger"])
    found.info.title, found.info.version = info["title"], info["version"]
    for name, item in document["paths"].items():
        row = found.paths.path.add(name=name)
        for method in _METHODS:
            if method in item:
                _operation(getattr(row.value, method), item[method])
    for name, schema in document["definitions"].items():
        _schema(found.definitions.additional_properties.add(name=name).value, schema)
    return found


def _extensions(target: Any, data: Mapping[str, Json]) -> None:
    for key, value in data.items():
        if key.startswith("x-kubernetes-"):
            # JSON is YAML
            target.vendor_extension.add(name=key).value.yaml = orjson.dumps(value).decode()


def _operation(target: openapi.Operation, data: Mapping[str, Json]) -> None:
    target.description, target.operation_id = data["description"], data["operationId"]
    for name in ("tags", "produces", "consumes", "schemes"):
        getattr(target, name).extend(data[name])
    for each in data["parameters"]:
        _parameter(target.parameters.add().parameter, each)
    for code, answer in data["responses"].items():
        response = target.responses.response_code.add(name=code).value.response
        response.description = answer["description"]
        if "schema" in answer:
            _schema(response.schema.schema, answer["schema"])
    _extensions(target, data)


def _parameter(target: openapi.Parameter, data: Mapping[str, Json]) -> None:
    place: Any
    if data["in"] == "body":
        place = target.body_parameter
        _schema(place.schema, data["schema"])
    else:
        either = target.non_body_parameter
        in_path = data["in"] == "path"
        place = either.path_parameter_sub_schema if in_path else either.query_parameter_sub_schema
        place.type, place.description, place.unique_items = data["type"], data["description"], True
    place.name = data["name"]
    setattr(place, "in", data["in"])
    if data.get("required"):
        place.required = True


def _schema(target: openapi.Schema, data: Mapping[str, Json]) -> None:
    for key, name in _SAME.items():
        if key in data:
            setattr(target, name, data[key])
    if "type" in data:
        target.type.value.append(data["type"])
    target.required.extend(data.get("required", ()))
    for each in data.get("enum", ()):
        target.enum.add(yaml=orjson.dumps(each).decode())
    if "default" in data:
        target.default.yaml = orjson.dumps(data["default"]).decode()
    for name, part in data.get("properties", {}).items():
        _schema(target.properties.additional_properties.add(name=name).value, part)
    if "items" in data:
        _schema(target.items.schema.add(), data["items"])
    more = data.get("additionalProperties")
    if isinstance(more, bool):
        target.additional_properties.boolean = more
    elif more is not None:
        _schema(target.additional_properties.schema, more)
    _extensions(target, data)
