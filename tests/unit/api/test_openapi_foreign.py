"""Documents of other API servers: what is taken of them, merged with ours, and made of version 2."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from control.gateway.rest import swagger
from fairlead.api.openapi import foreign, merging
from tests.support import extension
from tests.support.extension import GROUP, META, SWAGGER, VERSION

Json = Any
PATH = f"/apis/{GROUP}/{VERSION}/namespaces/{{namespace}}/flunders/{{name}}"
REF = {"$ref": "#/definitions/wardle.Flunder"}


def taken(change: Callable[[Json], object] = lambda _: None) -> Json:
    """Return what is taken of the example's document after a change."""
    told = copy.deepcopy(SWAGGER)
    change(told)
    return foreign.part(orjson.loads(orjson.dumps(told)), GROUP, VERSION)


def put(*path: Any) -> Callable[[Json], object]:
    """Return a change that puts the last of some words where the others lead to."""
    *way, name, value = path

    def change(told: Json) -> None:
        for each in way:
            told = told[each]
        told[name] = value

    return change


def flunder(name: str, value: Json) -> Callable[[Json], object]:
    """Return a change of the Flunder's schema."""
    return put("definitions", "wardle.Flunder", name, value)


def test_the_paths_of_the_group_are_taken_with_what_they_need() -> None:
    """No other server's paths, no definition that is not referred to; parameters that are shared stand where used."""
    found = taken()

    assert list(found["paths"]) == [PATH]
    assert found["definitions"].keys() == {"wardle.Flunder", "wardle.FlunderSpec", f"{META}.ObjectMeta"}
    assert found["definitions"]["wardle.Flunder"] == SWAGGER["definitions"]["wardle.Flunder"]
    read = found["paths"][PATH]["get"]
    assert [(one["in"], one["name"], one["required"]) for one in read["parameters"]] == [
        ("path", "namespace", True),
        ("path", "name", True),
    ]
    assert read["x-kubernetes-group-version-kind"] == extension.KIND


def test_kinds_of_others_are_not_taken() -> None:
    """A client would explain pods, and validate them, by whatever stands there."""
    pod = {"group": "", "kind": "Pod", "version": "v1"}

    def claim(told: Json) -> None:
        told["definitions"]["wardle.Flunder"][foreign.IDENTITY] = [pod, extension.KIND]
        told["definitions"]["wardle.FlunderSpec"][foreign.IDENTITY] = [pod]
        told["paths"][PATH]["get"][foreign.IDENTITY] = pod

    found = taken(claim)

    assert found["definitions"]["wardle.Flunder"][foreign.IDENTITY] == [extension.KIND]
    assert foreign.IDENTITY not in found["definitions"]["wardle.FlunderSpec"]
    assert foreign.IDENTITY not in found["paths"][PATH]["get"]


def test_what_clients_do_not_read_is_left_out() -> None:
    """Unknown words and headers; a wrapped reference is one, and so is a type in a list."""

    def change(told: Json) -> None:
        told["definitions"]["wardle.Flunder"] |= {"example": 1, "anyOf": [], "type": ["object"]}
        told["definitions"]["wardle.Flunder"]["properties"]["spec"] = {
            "allOf": [REF],
            "description": "x",
            "default": {},
        }
        told["paths"][PATH]["parameters"].append({"in": "header", "name": "x"})

    found = taken(change)

    flunders = found["definitions"]["wardle.Flunder"]
    assert flunders.keys() == SWAGGER["definitions"]["wardle.Flunder"].keys()
    assert flunders["type"] == "object"
    assert flunders["properties"]["spec"] == {"description": "x", "default": {}, **REF}
    assert len(found["paths"][PATH]["get"]["parameters"]) == 2


def nested(levels: int) -> Json:
    """Return a schema of lists in lists."""
    return {"type": "array", "items": nested(levels - 1)} if levels else {"type": "string"}


def pile(levels: int) -> Json:
    """Return a value of lists in lists."""
    return [pile(levels - 1)] if levels else 1


LONG = {"in": "query", "name": "long", "description": "x" * (1 << 20)}


def many(told: Json) -> None:
    """Let operations share a long parameter."""
    told["parameters"]["long"] = LONG
    operation = {"parameters": [{"$ref": "#/parameters/long"}], "responses": {}}
    told["paths"] |= {f"/apis/{GROUP}/{VERSION}/{number}": {"get": operation} for number in range(20)}


@pytest.mark.parametrize(
    "change",
    [
        put("paths", []),
        put("definitions", 1),
        put("parameters", "x"),
        put("paths", PATH, "get"),
        put("paths", PATH, "get", 1),
        put("paths", PATH, "get", "parameters", {}),
        put("paths", PATH, "get", "parameters", [{"$ref": "#/parameters/none"}]),
        put("paths", PATH, "get", "parameters", [{"in": "query"}]),
        put("paths", PATH, "get", "tags", [1]),
        put("paths", PATH, "get", "responses", []),
        put("paths", PATH, "get", "responses", {"200": {"schema": {"$ref": "#/definitions/none"}}}),
        put("paths", PATH, "get", "responses", {"200": {"schema": {"$ref": "http://example.com/"}}}),
        put("paths", PATH, "get", foreign.IDENTITY, "x"),
        flunder("type", "fish"),
        flunder("type", ["object", "null"]),
        flunder("type", "array"),
        flunder("items", [{}]),
        flunder("properties", {"a": True}),
        flunder("additionalProperties", 1),
        flunder("required", "a"),
        flunder("minLength", 1 << 63),
        flunder("minLength", 0.5),
        flunder("maximum", "1"),
        flunder("maxItems", True),
        flunder("description", 1),
        flunder("enum", {}),
        flunder("$ref", 1),
        flunder("properties", {"a": nested(100)}),
        flunder("default", pile(100)),
        flunder("x-kubernetes-validations", pile(100)),
        flunder("allOf", [1]),
        many,
    ],
)
def test_a_document_that_would_break_ours_is_not_taken(change: Callable[[Json], object]) -> None:
    """It says why, and at once."""
    with pytest.raises(ValueError, match="[a-z]"):
        taken(change)


@pytest.mark.parametrize("told", [[], 1, "x", None, {"paths": 1}])
def test_what_is_no_document_is_not_taken(told: Json) -> None:
    """Whatever it is."""
    with pytest.raises(ValueError, match="stands where an object belongs"):
        foreign.part(told, GROUP, VERSION)


OURS = {
    "swagger": "2.0",
    "info": {"title": "ours", "version": "1"},
    "paths": {"/api/v1/pods": {}},
    "definitions": {
        f"{META}.ObjectMeta": {"type": "object", "properties": {"name": {"type": "string"}}},
        "wardle.FlunderSpec": {"type": "string"},
        "wardle.FlunderSpec_v2": SWAGGER["definitions"]["wardle.FlunderSpec"],
    },
}


def test_definitions_whose_names_are_taken_get_a_number() -> None:
    """References follow; one that there is already under that name is used; ours stay as they are."""
    before = copy.deepcopy(OURS)

    found = merging.merged(OURS, [taken()])

    assert before == OURS
    assert found["definitions"] == {
        **OURS["definitions"],
        f"{META}.ObjectMeta_v2": SWAGGER["definitions"][f"{META}.ObjectMeta"],
        "wardle.Flunder": {
            **SWAGGER["definitions"]["wardle.Flunder"],
            "properties": {
                **SWAGGER["definitions"]["wardle.Flunder"]["properties"],
                "metadata": {"description": "Its name.", "$ref": f"#/definitions/{META}.ObjectMeta_v2"},
                "spec": {"$ref": "#/definitions/wardle.FlunderSpec_v2"},
            },
        },
    }
    assert list(found["paths"]) == ["/api/v1/pods", PATH]
    assert found["info"] == OURS["info"]


def test_definitions_that_differ_in_their_kinds_alone_are_one() -> None:
    """It stands for the kinds of both; a path is the first one's."""
    other = {**extension.KIND, "version": "v1"}
    second = {
        "paths": {PATH: {"get": {}}},
        "definitions": {"a": {"type": "object", foreign.IDENTITY: [other]}},
    }
    first = {"paths": {PATH: {}}, "definitions": {"a": {"type": "object", foreign.IDENTITY: [extension.KIND]}}}

    found = merging.merged({"paths": {}, "definitions": {}}, [first, second, second])

    assert found["definitions"] == {"a": {"type": "object", foreign.IDENTITY: [extension.KIND, other]}}
    assert found["paths"] == {PATH: {}}


def test_version_2_becomes_version_3() -> None:
    """Bodies and answers by media type, parameters with schemas, references that nothing stands beside."""
    found = merging.modern(taken(), "title", "1")

    schemas = found["components"]["schemas"]
    reference = {"$ref": "#/components/schemas/wardle.Flunder"}
    operations = found["paths"][PATH]
    assert (found["openapi"], found["info"]) == ("3.0.0", {"title": "title", "version": "1"})
    assert schemas["wardle.Flunder"]["properties"]["metadata"] == {
        "description": "Its name.",
        "allOf": [{"$ref": f"#/components/schemas/{META}.ObjectMeta"}],
    }
    assert schemas["wardle.Flunder"]["properties"]["spec"] == {"$ref": "#/components/schemas/wardle.FlunderSpec"}
    assert operations["put"]["requestBody"] == {"content": {"application/json": {"schema": reference}}}
    assert operations["get"]["responses"] == {
        "200": {"description": "OK", "content": {"application/json": {"schema": reference}}}
    }
    assert operations["get"]["parameters"][0] == {
        "name": "namespace",
        "in": "path",
        "description": "",
        "required": True,
        "schema": {"type": "string", "uniqueItems": True},
    }
    assert operations["get"][foreign.IDENTITY] == extension.KIND


def test_what_is_taken_can_be_written_as_a_message() -> None:
    """For clients that read version 2 as protobuf, whatever words the document has."""

    def change(told: Json) -> None:
        told["definitions"]["wardle.Flunder"] |= {
            "maximum": 3,
            "minLength": 1,
            "uniqueItems": True,
            "enum": [{"a": 1}],
            "default": None,
            "additionalProperties": {"type": "string"},
            "x-kubernetes-patch-strategy": "merge",
        }

    message = swagger.message(merging.merged(OURS, [taken(change)]))

    names = [one.name for one in message.definitions.additional_properties]
    assert "wardle.Flunder" in names
    assert [one.name for one in message.paths.path] == ["/api/v1/pods", PATH]
