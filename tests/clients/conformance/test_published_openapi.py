"""[sig-api-machinery] CustomResourcePublishOpenAPI: what OpenAPI says of custom kinds, and kubectl with it."""

from __future__ import annotations

import json
import re
from typing import Any

import yaml

from tests.clients.conformance import definitions
from tests.clients.whole.conftest import Kubectl
from tests.support.rawrest import JSON_PATCH, Rest

FOO = yaml.safe_load("""
description: Foo CRD for Testing
type: object
properties:
  spec:
    type: object
    description: Specification of Foo
    properties:
      bars:
        description: List of Bars and their specs.
        type: array
        items:
          type: object
          required: [name]
          properties:
            name: {description: Name of Bar., type: string}
            age: {description: Age of Bar., type: string}
            feeling: {description: Whether Bar is feeling great., type: string, enum: [Great, Down]}
            bazs: {description: List of Bazs., items: {type: string}, type: array}
  status:
    description: Status of Foo
    type: object
    properties:
      bars:
        description: List of Bars and their statuses.
        type: array
        items:
          type: object
          properties:
            name: {description: Name of Bar., type: string}
            available: {description: Whether the Bar is installed., type: boolean}
            quxType: {description: Indicates to external qux type., pattern: in-tree|out-of-tree, type: string}
""")
WALDO = yaml.safe_load("""
description: Waldo CRD for Testing
type: object
properties:
  spec:
    description: Specification of Waldo
    type: object
    properties: {dummy: {description: Dummy property., type: object}}
  status:
    description: Status of Waldo
    type: object
    properties: {bars: {description: List of Bars and their statuses., type: array, items: {type: object}}}
""")
AT_ROOT = {**WALDO, "x-kubernetes-preserve-unknown-fields": True}
NESTED = {
    **WALDO,
    "description": "preserve-unknown-properties in nested field for Testing",
    "properties": {
        **WALDO["properties"],
        "spec": {**WALDO["properties"]["spec"], "x-kubernetes-preserve-unknown-fields": True},
    },
}


def published(rest: Rest) -> dict[str, Any]:
    """Return the definitions of OpenAPI version 2 of group example.com and below, without what every kind has."""
    found = {}
    for name, schema in rest("GET", "/openapi/v2")["definitions"].items():
        if name.startswith("com.example.") and not name.endswith("List"):
            plain = {key: value for key, value in schema.items() if key != "x-kubernetes-group-version-kind"}
            own = {key: value for key, value in schema.get("properties", {}).items() if key not in COMMON}
            plain.pop("properties", None)
            found[name.removeprefix("com.example.")] = {**plain, "properties": own} if own else plain
    return found


COMMON = ("apiVersion", "kind", "metadata")


def kind(*names: str, plural: str = "foos", schema: Any = FOO, group: str = "example.com") -> dict[str, Any]:
    """Return a definition with these versions of one schema, the first of which is stored."""
    versions = [definitions.version(name, schema, storage=name == names[0]) for name in names]
    return definitions.definition(*versions, plural=plural, group=group, scope="Namespaced")


def test_definitions_of_several_groups_versions_and_kinds_are_published(rest: Rest) -> None:
    """CustomResourcePublishOpenAPI "works for multiple CRDs of different groups", "… versions", "… kinds"."""
    made = [
        kind("v1", group="foo.example.com"),
        kind("v1beta1", plural="waldos", schema=WALDO, group="waldo.example.com"),
        kind("v2", "v3", group="multi.example.com"),
        kind("v4", group="common.example.com"),
        kind("v5", plural="waldos", schema=WALDO, group="common.example.com"),
        kind("v6", plural="others", group="common.example.com"),
        kind("v6", plural="thirds", schema=WALDO, group="common.example.com"),
        kind("v1", plural="empties", schema=None, group="empty.example.com"),
    ]
    for each in made:
        definitions.define(rest, each)

    assert published(rest) == {
        "foo.v1.Foo": FOO,
        "waldo.v1beta1.Waldo": WALDO,
        "multi.v2.Foo": FOO,
        "multi.v3.Foo": FOO,
        "common.v4.Foo": FOO,
        "common.v5.Waldo": WALDO,
        "common.v6.Other": FOO,
        "common.v6.Third": WALDO,
        "empty.v1.Emptie": {"type": "object"},
    }
    for each in made:
        rest("DELETE", f"{definitions.PATH}/{each['metadata']['name']}")
    for each in made:
        rest.until_gone(definitions.PATH, each["metadata"]["name"])
    assert published(rest) == {}


def test_a_version_that_is_renamed_or_no_longer_served_is_not_published(rest: Rest) -> None:
    """CustomResourcePublishOpenAPI "updates the published spec when … renamed", "removes definition …"."""
    made = definitions.define(rest, kind("v2", "v3"))
    path = f"{definitions.PATH}/{made['metadata']['name']}"
    change = [
        {"op": "test", "path": "/spec/versions/1/name", "value": "v3"},
        {"op": "replace", "path": "/spec/versions/1/name", "value": "v4"},
    ]
    rest("PATCH", path, change, sent=JSON_PATCH)
    assert published(rest) == {"v2.Foo": FOO, "v4.Foo": FOO}

    found = rest("GET", path)
    found["spec"]["versions"][1]["served"] = False
    rest("PUT", path, found)
    assert published(rest) == {"v2.Foo": FOO}


def foo(name: str, kind: str = "Foo", **content: Any) -> str:
    """Return a manifest of a Foo, or of another kind."""
    made = {"kind": kind, "apiVersion": "example.com/v1", "metadata": {"name": name}, **content}
    return json.dumps(made)


UNKNOWN = {"b": [{"c": "d"}]}


OPEN: list[tuple[str, Any, dict[str, Any], str]] = [
    ("empties", None, {"a": UNKNOWN}, "DESCRIPTION:.*<empty>"),
    ("roots", AT_ROOT, {"a": UNKNOWN}, "KIND:.*Root"),
    ("nests", NESTED, {"spec": {"a": None, **UNKNOWN}}, f"DESCRIPTION:.*{NESTED['description']}"),
]


def test_kubectl_takes_unknown_fields_where_the_schema_is_open(every_kubectl: Kubectl, rest: Rest) -> None:
    """CustomResourcePublishOpenAPI "works for CRD without validation schema", "… preserving unknown fields …".

    kubectl 1.20 judges by OpenAPI version 2 itself.
    """
    for plural, schema, _, _ in OPEN:
        definitions.define(rest, kind("v1", plural=plural, schema=schema))
    manifests = [foo("test-cr", plural.removesuffix("s").capitalize(), **content) for plural, _, content, _ in OPEN]
    for verb in ("create", "apply"):
        every_kubectl(verb, "-f", "-", stdin="\n".join(manifests))
        every_kubectl("delete", "-f", "-", stdin="\n".join(manifests))
    for plural, _, _, explained in OPEN:
        assert re.search(f"(?s){explained}", every_kubectl("explain", plural))


def test_kubectl_judges_and_explains_by_the_schema(kubectl: Kubectl, rest: Rest) -> None:
    """CustomResourcePublishOpenAPI "works for CRD with validation schema"."""
    definitions.define(rest, kind("v1"))
    for verb in ("create", "apply"):
        kubectl(verb, "-f", "-", stdin=foo("test-foo", spec={"bars": [{"name": "test-bar"}]}))
        kubectl("delete", "foos", "test-foo")
        unknown = kubectl.fails(verb, "-f", "-", stdin=foo("test-foo", spec={"foo": True}))
        assert re.search('unknown field "(spec.)?foo"', unknown)
        lacking = kubectl.fails(verb, "-f", "-", stdin=foo("test-foo", spec={"bars": [{"age": "10"}]}))
        assert re.search(r'missing required field "name"|spec.bars\[0\].name: Required value', lacking)
        wrong = {"bars": [{"name": "test-bar", "feeling": "NonExistentValue"}]}
        bad = kubectl.fails(verb, "-f", "-", stdin=foo("test-foo", spec=wrong))
        assert 'Unsupported value: "NonExistentValue"' in bad

    for words, told in (
        (
            "foos",
            "DESCRIPTION:.*Foo CRD for Testing.*FIELDS:.*apiVersion.*<string>.*APIVersion defines.*spec.*<Object>",
        ),
        ("foos.metadata", "DESCRIPTION:.*FIELDS:.*creationTimestamp.*<string>"),
        (
            "foos.spec",
            r"DESCRIPTION:.*Specification of Foo.*FIELDS:.*bars.*<\[\]Object>.*List of Bars and their specs",
        ),
        (
            "foos.spec.bars",
            r"(RESOURCE|FIELD):.*bars.*<\[\]Object>.*DESCRIPTION:.*List of Bars and their specs.*FIELDS:.*bazs.*"
            r"<\[\]string>.*List of Bazs.*name.*<string>.*Name of Bar",
        ),
    ):
        assert re.search(f"(?s){told}", kubectl("explain", words)), kubectl("explain", words)
    assert 'field "bars2" does not exist' in kubectl.fails("explain", "foos.spec.bars2")
