"""[sig-api-machinery] FieldValidation: what Strict refuses of built-in and custom objects, posted and applied."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.clients.conformance import definitions
from tests.support.rawrest import APPLY, Rest

STRICT = {"fieldManager": "field_validation_mgr", "fieldValidation": "Strict"}
PORT: dict[str, Any] = {
    "type": "object",
    "required": ["containerPort", "protocol"],
    "properties": {
        "containerPort": {"format": "int32", "type": "integer"},
        "hostIP": {"type": "string"},
        "hostPort": {"format": "int32", "type": "integer"},
        "name": {"type": "string"},
        "protocol": {"type": "string"},
    },
}
CRON = "^(\\d+|\\*)(/\\d+)?(\\s+(\\d+|\\*)(/\\d+)?){4}$"
PROPERTIES: dict[str, Any] = {
    "foo": {"type": "string"},
    "cronSpec": {"type": "string", "pattern": CRON},
    "ports": {
        "type": "array",
        "x-kubernetes-list-map-keys": ["containerPort", "protocol"],
        "x-kubernetes-list-type": "map",
        "items": PORT,
    },
}
TEMPLATE = {
    "type": "object",
    "x-kubernetes-embedded-resource": True,
    "properties": {
        "metadata": {"type": "object", "properties": {"name": {"type": "string"}}},
        "spec": {"type": "object"},
    },
}
CLOSED = {"type": "object", "properties": {"spec": {"type": "object", "properties": PROPERTIES}}}
OPEN = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
PRESERVING = {"type": "object", "properties": {"spec": {**OPEN, "properties": PROPERTIES}}}
EMBEDDING = {"type": "object", "properties": {"spec": {**OPEN, "properties": {**PROPERTIES, "template": TEMPLATE}}}}
PORTS = """  cronSpec: "* * * * */5"
  ports:
  - name: x
    containerPort: 80
    protocol: TCP"""


def applied(rest: Rest, schema: dict[str, Any] | None, metadata: str, more: str) -> Any:
    """Define a kind of two versions with a schema and apply an object strictly; returns the answer."""
    made = definitions.define(
        rest,
        definitions.definition(
            definitions.version("v1beta1", schema), definitions.version("v1beta2", schema, storage=False)
        ),
    )
    text = f"""
apiVersion: example.com/v1beta1
kind: Noxu
metadata:
  name: mytest
{metadata}  finalizers:
  - test-finalizer
{more}
{PORTS}"""
    return rest.ask("PATCH", f"{definitions.objects(made)}/mytest", text, sent=APPLY, **STRICT)


@pytest.mark.parametrize(
    ("schema", "more"), [(None, "spec:\n  unknown: uk1"), (CLOSED, "spec:\n  foo: foo1")], ids=["no schema", "schema"]
)
def test_an_object_that_fits_is_applied(rest: Rest, schema: Any, more: str) -> None:
    """FieldValidation "should create/apply a valid CR …", "… a CR with unknown fields for CRD with no …"."""
    answer = applied(rest, schema, "", more)
    assert (answer.status, answer.body["spec"]["ports"][0]["containerPort"]) == (201, 80)


@pytest.mark.parametrize(
    ("schema", "metadata", "more", "told"),
    [
        (CLOSED, "", "unknownField: unknown\nspec:\n  foo: foo1", [".unknownField: field not declared in schema"]),
        (
            EMBEDDING,
            "  unknownMeta: unknown\n",
            "spec:\n  template:\n    apiversion: foo/v1\n    kind: Sub\n    metadata:\n"
            "        unknownSubMeta: unknown\n"
            "        name: subobject\n        namespace: default\n  foo: foo1",
            [
                ".spec.template.metadata.unknownSubMeta: field not declared in schema",
                ".metadata.unknownMeta: field not declared in schema",
            ],
        ),
        (
            PRESERVING,
            "",
            "spec:\n  unknown: uk1\n  foo: foo1\n  foo: foo2",
            ['line 11: key "foo" already set in map'],
        ),
    ],
    ids=["extra", "metadata", "duplicate"],
)
def test_an_object_that_does_not_fit_is_not_applied(
    rest: Rest, schema: Any, metadata: str, more: str, told: list[str]
) -> None:
    """FieldValidation "… an invalid CR …", "… unknown metadata fields …", "… duplicates in a CR …"."""
    answer = applied(rest, schema, metadata, more)
    assert answer.status >= 400, answer.body
    assert any(text in answer.body["message"] for text in told), answer.body["message"]


def deployment(metadata: str, spec: str) -> str:
    """Return a Deployment as JSON text, with more in its metadata and spec."""
    template = json.dumps(
        {
            "metadata": {"labels": {"app": "nginx"}},
            "spec": {"containers": [{"name": "nginx", "image": "nginx:latest"}]},
        }
    )
    return (
        '{"apiVersion": "apps/v1", "kind": "Deployment",'
        f' "metadata": {{"name": "my-dep",{metadata} "labels": {{"app": "nginx"}}}},'
        f' "spec": {{{spec} "selector": {{"matchLabels": {{"app": "nginx"}}}}, "template": {template}}}}}'
    )


@pytest.mark.parametrize(
    ("metadata", "spec", "told"),
    [
        (
            "",
            '"unknownField": "foo", "replicas": 2, "replicas": 3,',
            'strict decoding error: unknown field "spec.unknownField", duplicate field "spec.replicas"',
        ),
        ('"unknownMeta": "foo",', "", 'strict decoding error: unknown field "metadata.unknownMeta"'),
    ],
    ids=["spec", "metadata"],
)
def test_unknown_and_duplicate_fields_of_a_typed_object_are_told(
    rest: Rest, metadata: str, spec: str, told: str
) -> None:
    """FieldValidation "should detect unknown and duplicate fields of a typed object", "… metadata …"."""
    path = "/apis/apps/v1/namespaces/default/deployments"
    assert told in rest.refused(400, "POST", path, deployment(metadata, spec), **STRICT)
