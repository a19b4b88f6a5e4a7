"""Values judged by schemas, in Kubernetes' words."""

from __future__ import annotations

from typing import Any

import pytest

from control.apiserver.structural import formats, lists, validating
from control.apiserver.structural import schema as schemas

EMBEDDED = {"type": "object", "x-kubernetes-embedded-resource": True, "x-kubernetes-preserve-unknown-fields": True}
CASES: list[tuple[dict[str, Any], Any, list[str]]] = [
    ({"type": "integer"}, 1, []),
    ({"type": "integer"}, 1.0, []),
    ({"type": "number"}, 1, []),
    ({"type": "integer"}, "1", ['Invalid value: "string": spec in body must be of type integer: "string"']),
    ({"type": "string"}, True, ['Invalid value: "boolean": spec in body must be of type string: "boolean"']),
    ({"type": "object"}, [], ['Invalid value: "array": spec in body must be of type object: "array"']),
    ({"type": "string"}, None, ['Invalid value: "null": spec in body must be of type string: "null"']),
    ({"type": "string", "nullable": True}, None, []),
    ({"x-kubernetes-int-or-string": True}, "5%", []),
    (
        {"x-kubernetes-int-or-string": True},
        True,
        ['Invalid value: "boolean": spec in body must be of type integer,string: "boolean"'],
    ),
    ({"maximum": 10}, 11, ["Invalid value: 11: spec in body should be less than or equal to 10"]),
    ({"maximum": 10, "exclusiveMaximum": True}, 10, ["Invalid value: 10: spec in body should be less than 10"]),
    ({"minimum": 1}, 0, ["Invalid value: 0: spec in body should be greater than or equal to 1"]),
    ({"minimum": 1, "exclusiveMinimum": True}, 1, ["Invalid value: 1: spec in body should be greater than 1"]),
    ({"maximum": 1.5}, 2.5, ["Invalid value: 2.5: spec in body should be less than or equal to 1.5"]),
    (
        {"maximum": 1e6},
        2e6 + 0.5,
        ["Invalid value: 2.0000005e+06: spec in body should be less than or equal to 1e+06"],
    ),
    ({"multipleOf": 3}, 4, ["Invalid value: 4: spec in body should be a multiple of 3"]),
    ({"type": "integer", "format": "int32"}, 2**31 - 1, []),
    ({"type": "integer", "format": "int32"}, -(2**31), []),
    (
        {"type": "integer", "format": "int32"},
        2**31,
        ['Invalid value: "": Checked value must be of type integer with format int32 in spec'],
    ),
    (
        {"type": "integer", "format": "int64"},
        -(2**63) - 1,
        ['Invalid value: "": Checked value must be of type integer with format int64 in spec'],
    ),
    (
        {"type": "number", "format": "float"},
        1e39,
        ['Invalid value: "": Checked value must be of type number with format float in spec'],
    ),
    ({"type": "number", "format": "double"}, 1e39, []),
    ({"maxLength": 2}, "abc", ["Too long: may not be more than 2 bytes"]),
    ({"minLength": 2}, "a", ['Invalid value: "a": spec in body should be at least 2 chars long']),
    ({"pattern": "^a+$"}, "ab", ["Invalid value: \"ab\": spec in body should match '^a+$'"]),
    ({"pattern": "^a+$"}, "a\n", ["Invalid value: \"a\\n\": spec in body should match '^a+$'"]),
    ({"enum": ["b", "a"]}, "c", ['Unsupported value: "c": supported values: "b", "a"']),
    ({"enum": [1, True]}, 2, ['Unsupported value: 2: supported values: "1", "true"']),
    ({"enum": [1]}, True, ['Unsupported value: true: supported values: "1"']),
    ({"minItems": 2}, [1], ["Invalid value: 1: spec in body should have at least 2 items"]),
    ({"maxItems": 1}, [1, 2], ["Too many: 2: must have at most 1 items"]),
    ({"minProperties": 1}, {}, ["Invalid value: 0: spec in body should have at least 1 properties"]),
    ({"maxProperties": 1}, {"a": 1, "b": 2}, ["Too many: 2: must have at most 1 items"]),
    (
        {"format": "date-time"},
        "yesterday",
        ['Invalid value: "yesterday": spec in body must be of type date-time: "yesterday"'],
    ),
    ({"not": {"type": "string"}}, "a", ['Invalid value: "": "spec" must not validate the schema (not)']),
    (
        {"anyOf": [{"minimum": 5}, {"maximum": 1}]},
        3,
        [
            'Invalid value: "": "spec" must validate at least one schema (anyOf)',
            "Invalid value: 3: spec in body should be greater than or equal to 5",
        ],
    ),
    (
        {"oneOf": [{"minimum": 1}, {"maximum": 5}]},
        3,
        ['Invalid value: "": "spec" must validate one and only one schema (oneOf). Found 2 valid alternatives'],
    ),
    (
        {"allOf": [{"minimum": 5}, {"maximum": 9}]},
        3,
        [
            "Invalid value: 3: spec in body should be greater than or equal to 5",
            'Invalid value: "": "spec" must validate all the schemas (allOf)',
        ],
    ),
]


@pytest.mark.parametrize(("rules", "value", "texts"), CASES)
def test_a_value_is_judged_in_kubernetes_words(rules: dict[str, Any], value: Any, texts: list[str]) -> None:
    """Each rule of a schema has its text."""
    faults = validating.compile(rules)(value, "spec")

    assert [fault.message for fault in faults] == texts


def test_faults_name_their_fields() -> None:
    """Paths go through properties, items and maps; what lies in a junctor is told of no field."""
    judge = validating.compile(
        {
            "properties": {
                "list": {"items": {"properties": {"port": {"type": "integer"}}, "required": ["name"]}},
                "map": {"additionalProperties": {"type": "string"}},
            },
            "required": ["kind"],
        }
    )

    faults = judge({"list": [{"port": "x"}], "map": {"a": 1}}, "")

    assert [fault.field for fault in faults] == ["list[0].port", "list[0].name", "map.a", "kind"]
    assert [fault.reason for fault in faults] == [
        "FieldValueTypeInvalid",
        "FieldValueRequired",
        "FieldValueTypeInvalid",
        "FieldValueRequired",
    ]


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("date-time", "2024-02-29T10:00:00.5Z", "2023-02-29T10:00:00Z"),
        ("date", "2024-02-29", "2024-2-30"),
        ("duration", "1h30m", "soon"),
        ("ipv4", "10.0.0.1", "10.0.0.256"),
        ("ipv6", "fd00::1", "10.0.0.1"),
        ("cidr", "10.0.0.0/8", "10.0.0.0"),
        ("mac", "01:23:45:67:89:ab", "01:23"),
        ("uuid", "0d9a7c9e-1f5c-4b0e-8d2b-6f8f0a3b5c11", "0d9a7c9e"),
        ("byte", "aGk=", "a"),
        ("hostname", "web-1.example.com", "-web"),
        ("uri", "https://example.com/x", "exa mple"),
        ("email", "a@example.com", "a"),
        ("isbn13", "978-3-16-148410-0", "978-3-16-148410-1"),
        ("creditcard", "4111 1111 1111 1111", "4111 1111 1111 1112"),
        ("hexcolor", "#a1b2c3", "#a1b2"),
        ("rgbcolor", "rgb(1,2,255)", "rgb(1,2,256)"),
    ],
)
def test_formats_that_kubernetes_checks(name: str, good: str, bad: str) -> None:
    """A known format tells good texts from bad ones; an unknown one lets everything pass."""
    assert formats.is_good(name, good)
    assert not formats.is_good(name, bad)
    assert formats.is_good("no-such-format", bad)


def test_sets_and_maps_have_no_duplicates() -> None:
    """The second appearance of an element, or of a key, is a fault."""
    schema = schemas.parse(
        {
            "type": "object",
            "properties": {
                "set": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
                "map": {
                    "type": "array",
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["port", "protocol"],
                    "items": {"type": "object"},
                },
            },
        }
    )
    value = {
        "set": ["a", "b", "a", "a"],
        "map": [{"port": 1, "protocol": "TCP"}, {"port": 1, "protocol": "UDP"}, {"port": 1, "protocol": "TCP"}],
    }

    faults = lists.validate(value, schema)

    assert [(fault.field, fault.message) for fault in faults] == [
        ("set[2]", 'Duplicate value: "a"'),
        ("map[2]", 'Duplicate value: {"port":1,"protocol":"TCP"}'),
    ]


def test_a_pattern_cannot_hold_the_server_up() -> None:
    """A pattern that a backtracking engine would try for ages is searched in one pass; Unicode classes are known."""
    judge = validating.compile({"type": "string", "pattern": r"^(\p{L}+)+$"})

    assert judge("ä" * 50_000, "spec") == []
    assert [fault.field for fault in judge("a" * 50_000 + "!", "spec")] == ["spec"]


@pytest.mark.parametrize(
    ("resource", "want"),
    [
        ({"apiVersion": "v1", "kind": "Pod", "metadata": {"labels": {"a": "b"}}}, []),
        ({}, ["spec.apiVersion: Required value", "spec.kind: Required value"]),
        (
            {"apiVersion": "", "kind": 7},
            [
                'spec.apiVersion: Invalid value: "": must not be empty',
                "spec.kind: Invalid value: 7: must be a string",
            ],
        ),
        (
            {"apiVersion": "a/b/c", "kind": "A"},
            ['spec.apiVersion: Invalid value: "a/b/c": unexpected GroupVersion string: a/b/c'],
        ),
        (
            {"apiVersion": "v1", "kind": "A", "metadata": {"name": "a/b"}},
            ["spec.metadata.name: Invalid value: \"a/b\": may not contain '/'"],
        ),
        (
            {"apiVersion": "v1", "kind": "A", "metadata": {"namespace": "a.b"}},
            ['spec.metadata.namespace: Invalid value: "a.b": must not contain dots'],
        ),
    ],
)
def test_a_resource_within_a_resource_has_a_kind_and_good_metadata(resource: Any, want: list[str]) -> None:
    """Missing is another fault than empty; a name is not needed."""
    made = schemas.parse({"type": "object", "properties": {"spec": EMBEDDED}})

    assert [f"{fault.field}: {fault.message}" for fault in lists.validate({"spec": resource}, made)] == want


def test_a_resource_within_a_resource_has_metadata_that_can_be_read() -> None:
    """A label is text."""
    made = schemas.parse({"type": "object", "properties": {"spec": EMBEDDED}})
    resource = {"apiVersion": "v1", "kind": "A", "metadata": {"labels": {"a": 1}}}

    (fault,) = lists.validate({"spec": resource}, made)
    assert fault.field == "spec.metadata"
