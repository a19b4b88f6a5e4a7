"""Rules of custom resources (`x-kubernetes-validations`): judged with the definition, asked of each object."""

# ruff: noqa: E501 - one line a case

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from control.apiserver import warnings
from control.apiserver.structural import rules, schema
from control.apiserver.validation import structural
from fairlead.api import errors
from fairlead.testing import control
from tests.support import definitions

SHOWN = 'apiextensions.ValidationRule{{Rule:"{rule}", Message:"", MessageExpression:"{made}", Reason:(*apiextensions.FieldValueErrorReason)(nil), FieldPath:"{path}", OptionalOldSelf:(*bool)({optional})}}'

SPEC = """
type: object
properties:
  spec:
    type: object
    x-kubernetes-validations: {validations}
    properties:
      count: {{type: integer}}
      max: {{type: integer}}
      ratio: {{type: number}}
      when: {{type: string, format: date-time}}
      every: {{type: string, format: duration}}
      data: {{type: string, format: byte}}
      port: {{x-kubernetes-int-or-string: true}}
      x-name: {{type: string}}
      namespace: {{type: string}}
      note: {{type: string, nullable: true}}
      names: {{type: array, maxItems: 3000, x-kubernetes-list-type: set, items: {{type: string}}}}
      labels: {{type: object, additionalProperties: {{type: string}}}}
      matrix: {{type: array, maxItems: 100, items: {{type: array, maxItems: 100, items: {{type: integer}}}}}}
      anything: {{type: object, x-kubernetes-preserve-unknown-fields: true}}
      template:
        type: object
        x-kubernetes-embedded-resource: true
        x-kubernetes-preserve-unknown-fields: true
      listeners:
        type: array
        maxItems: 64
        x-kubernetes-list-type: map
        x-kubernetes-list-map-keys: [name]
        items:
          type: object
          required: [name]
          properties: {{name: {{type: string}}, port: {{type: integer}}, host: {{type: string, maxLength: 253}}}}
"""


def parsed(*validations: dict[str, Any]) -> schema.Schema:
    """Return the schema of objects whose spec has these rules; it has no faults."""
    written = yaml.safe_load(SPEC.format(validations=json.dumps(validations)))
    assert structural.validate(written, "") == []
    return schema.parse(written)


def judged(spec: Any, *validations: dict[str, Any], old: Any = None) -> list[str]:
    """Return what rules say of a spec."""
    new, before = ({"metadata": {"name": "a"}, "spec": each} for each in (spec, old))
    found = rules.Rules(parsed(*validations)).validate(new, None if old is None else before)
    return [f"{fault.field}: {fault.message}" for fault in found]


@pytest.mark.parametrize(
    ("rule", "spec", "holds"),
    [
        ("self.count <= self.max", {"count": 1, "max": 2}, True),
        ("self.count <= self.max", {"count": 3, "max": 2}, False),
        ("self.ratio / 2.0 < 1.0", {"ratio": 1}, True),
        ("self.count < 1.5", {"count": 1}, True),
        ("self.when < timestamp('2024-01-01T00:00:00Z')", {"when": "2023-05-05T10:00:00+02:00"}, True),
        ("self.every == duration('90m')", {"every": "1h30m"}, True),
        ("self.every < duration('49h')", {"every": "2 days"}, True),
        ("self.data == b'abc'", {"data": "YWJj"}, True),
        ("self.port == 80 || self.port == 'http'", {"port": "http"}, True),
        ("type(self.port) == int ? self.port < 10 : true", {"port": 80}, False),
        ("self.x__dash__name == 'a' && self.__namespace__ == 'b'", {"x-name": "a", "namespace": "b"}, True),
        ("!has(self.note)", {"note": None}, True),
        ("has(self.note) && self.note.size() > 2", {"note": "abc"}, True),
        (
            "self.names.exists(n, n == 'b') && size(self.labels) == 1",
            {"names": ["a", "b"], "labels": {"x-y": "1"}},
            True,
        ),
        (
            "self.labels.all(key, key.startsWith('x-') && self.labels[key] in ['1', '2'])",
            {"labels": {"x-y": "1"}},
            True,
        ),
        ("self.matrix.all(row, row.all(each, each > 0))", {"matrix": [[1], [2, 3]]}, True),
        (
            "self.template.kind == 'Pod' && self.template.metadata.name == 'p'",
            {"template": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "labels": {}}, "spec": {}}},
            True,
        ),
        (
            "self.listeners.all(a, self.listeners.exists_one(b, a.port == b.port && (has(a.host) == has(b.host)) && (!has(a.host) || a.host == b.host)))",
            {"listeners": [{"name": "a", "port": 80}, {"name": "b", "port": 80, "host": "x"}]},
            True,
        ),
        (
            "self.listeners.all(a, self.listeners.exists_one(b, a.port == b.port))",
            {"listeners": [{"name": "a", "port": 80}, {"name": "b", "port": 80}]},
            False,
        ),
        ("self.?note.orValue('x') == 'x'", {}, True),
    ],
)
def test_a_rule_sees_values_as_the_schema_types_them(rule: str, spec: Any, holds: bool) -> None:
    """Formats, numbers, escaped names, maps, sets, embedded resources."""
    assert judged(spec, {"rule": rule}) == ([] if holds else [f'spec: Invalid value: "object": failed rule: {rule}'])


@pytest.mark.parametrize(
    ("validation", "fault"),
    [
        ({"message": " at most max "}, 'spec: Invalid value: "object": at most max'),
        ({"messageExpression": "'%d > %d'.format([self.count, self.max])"}, 'spec: Invalid value: "object": 3 > 2'),
        ({"messageExpression": "self.note", "message": "plain"}, 'spec: Invalid value: "object": plain'),
        ({"messageExpression": "'a\\nb'"}, 'spec: Invalid value: "object": failed rule: self.count <= self.max'),
        ({"fieldPath": ".count"}, 'spec.count: Invalid value: "object": failed rule: self.count <= self.max'),
        ({"fieldPath": "['x-name']"}, 'spec.x-name: Invalid value: "object": failed rule: self.count <= self.max'),
        ({"reason": "FieldValueForbidden", "message": "no"}, "spec: Forbidden: no"),
        ({"reason": "FieldValueRequired", "message": "no"}, "spec: Required value: no"),
        ({"reason": "FieldValueDuplicate", "message": "no"}, 'spec: Duplicate value: "object"'),
        ({"reason": "FieldValueInvalid", "message": "no"}, 'spec: Invalid value: "object": no'),
    ],
)
def test_a_broken_rule_says_what_it_was_given_to_say(validation: dict[str, Any], fault: str) -> None:
    """Messages, reasons and paths, as Kubernetes places them."""
    assert judged({"count": 3, "max": 2}, {"rule": "self.count <= self.max", **validation}) == [fault]


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ("self.count > 1", "no such key: count evaluating rule: self.count > 1"),
        (
            "self.port > 1",
            "'no such overload': call arguments did not match a supported operator, function or macro signature for rule: self.port > 1",
        ),
        ("self.max / 0 > 1", "division by zero evaluating rule: self.max / 0 > 1"),
        (
            "self.names.all(a, a in self.names)",
            "'operation cancelled: actual cost limit exceeded': no further validation rules will be run due to call cost exceeds limit for rule: self.names.all(a, a in self.names)",
        ),
    ],
)
def test_a_rule_that_cannot_be_evaluated_is_a_fault(rule: str, text: str) -> None:
    """The object is invalid, not the server."""
    spec = {"max": 2, "port": "http", "names": [f"n{index}" for index in range(9000)]}

    assert judged(spec, {"rule": rule}) == [f'spec: Invalid value: "object": {text}']


@pytest.mark.parametrize(
    ("validation", "new", "old", "faults"),
    [
        ({"rule": "self.count == oldSelf.count"}, {"count": 2}, None, 0),
        ({"rule": "self.count == oldSelf.count"}, {"count": 2}, {"count": 2}, 0),
        ({"rule": "self.count == oldSelf.count"}, {"count": 2}, {"count": 1}, 1),
        ({"rule": "self.names == oldSelf.names"}, {"names": ["a", "b"]}, {"names": ["b", "a"]}, 0),
        ({"rule": "self.listeners == oldSelf.listeners"}, {"listeners": [{"name": "a", "port": 1}, {"name": "b"}]}, {"listeners": [{"name": "b"}, {"name": "a", "port": 1}]}, 0),
        ({"rule": "self.listeners == oldSelf.listeners"}, {"listeners": [{"name": "a", "port": 1}]}, {"listeners": [{"name": "a", "port": 2}]}, 1),
        ({"rule": "self.anything == oldSelf.anything"}, {"anything": {"deep": [1]}}, {"anything": {"deep": [2]}}, 1),
        ({"rule": "oldSelf.hasValue() || self.count == 1", "optionalOldSelf": True}, {"count": 1}, None, 0),
        ({"rule": "oldSelf.hasValue() || self.count == 1", "optionalOldSelf": True}, {"count": 2}, None, 1),
        ({"rule": "oldSelf.optMap(o, o.count < self.count).orValue(true)", "optionalOldSelf": True}, {"count": 1}, {"count": 2}, 1),
    ],
)  # fmt: skip
def test_a_rule_may_be_about_a_change(validation: dict[str, Any], new: Any, old: Any, faults: int) -> None:
    """It is asked where there is an old value, or where it can do without."""
    assert len(judged(new, validation, old=old)) == faults


def test_changes_are_followed_into_maps_and_lists_of_type_map() -> None:
    """An element's old value is the one of the same keys, wherever it stood."""
    written = yaml.safe_load(
        """
        type: object
        properties:
          labels: {type: object, additionalProperties: {type: string, x-kubernetes-validations: [{rule: self == oldSelf}]}}
          ports:
            type: array
            x-kubernetes-list-type: map
            x-kubernetes-list-map-keys: [name]
            items:
              type: object
              required: [name]
              properties: {name: {type: string}, port: {type: integer}}
              x-kubernetes-validations: [{rule: self.port >= oldSelf.port, message: grows}]
        """
    )
    new = {
        "labels": {"a/b": "1", "c": "2"},
        "ports": [{"name": "b", "port": 1}, {"name": "a", "port": 1}, {"name": "c", "port": 0}],
    }
    old = {"labels": {"a/b": "0", "d": "2"}, "ports": [{"name": "a", "port": 2}, {"name": "b", "port": 1}]}

    found = rules.Rules(schema.parse(written)).validate(new, old)

    assert [f"{fault.field}: {fault.message}" for fault in found] == [
        'labels[a/b]: Invalid value: "string": failed rule: self == oldSelf',
        'ports[1]: Invalid value: "object": grows',
    ]


def test_a_fault_that_was_there_before_becomes_a_warning() -> None:
    """An update is not refused for a part that it leaves alone (ratcheting)."""
    written = yaml.safe_load(
        """
        type: object
        properties:
          a: {type: object, properties: {n: {type: integer}}, x-kubernetes-validations: [{rule: self.n > 1}]}
          b: {type: object, properties: {n: {type: integer}}, x-kubernetes-validations: [{rule: self.n > 1}]}
        """
    )

    with warnings.collected() as warned:
        found = rules.Rules(schema.parse(written)).validate(
            {"a": {"n": 1}, "b": {"n": 0}}, {"a": {"n": 1}, "b": {"n": 1}}
        )

    assert [fault.field for fault in found] == ["b"]
    assert warned == ['a: Invalid value: "object": failed rule: self.n > 1']


def test_all_rules_together_have_a_budget() -> None:
    """Many elements with a rule each end it, and the object is refused."""
    items = {"type": "string", "x-kubernetes-validations": [{"rule": "self != ''"}]}
    whole = schema.parse({"type": "object", "properties": {"a": {"type": "array", "items": items}}})

    found = rules.Rules(whole).validate({"a": ["x"] * 100_000}, None)

    assert [fault.message for fault in found] == [
        'Invalid value: "string": validation failed due to running out of cost budget, no further validation rules will be run'
    ]


@pytest.mark.parametrize(
    ("validation", "faults"),
    [
        ({"rule": " "}, ["rule: Required value: rule is not specified"]),
        ({"rule": "true", "message": " "}, ['message: Invalid value: " ": message must be non-empty if specified']),
        ({"rule": "true", "message": "a\nb"}, ['message: Invalid value: "a\\nb": message must not contain line breaks']),
        ({"rule": "true ||\ntrue"}, ["message: Required value: message must be specified if rule contains line breaks"]),
        ({"rule": "true", "messageExpression": " "}, ["messageExpression: Required value: messageExpression must be non-empty if specified"]),
        ({"rule": "true", "reason": "Odd"}, ['reason: Unsupported value: "Odd": supported values: "FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired"']),
        ({"rule": "true", "fieldPath": ".odd"}, ['fieldPath: Invalid value: ".odd": fieldPath must be a valid path']),
        ({"rule": "true", "fieldPath": "count"}, ['fieldPath: Invalid value: "count": fieldPath must be a valid path']),
        ({"rule": "true", "fieldPath": "[count]"}, ['fieldPath: Invalid value: "[count]": fieldPath must be a valid path']),
        ({"rule": "self.odd == 1"}, [f"rule: Invalid value: {SHOWN.format(rule='self.odd == 1', made='', path='', optional='nil')}: compilation failed: ERROR: <input>:1:5: undefined field 'odd'\n | self.odd == 1\n | ....^"]),
        ({"rule": "self.count"}, [f"rule: Invalid value: {SHOWN.format(rule='self.count', made='', path='', optional='nil')}: cel expression must evaluate to a bool"]),
        ({"rule": "true", "messageExpression": "1"}, [f"messageExpression: Invalid value: {SHOWN.format(rule='true', made='1', path='', optional='nil')}: messageExpression must evaluate to a string"]),
        ({"rule": "true", "messageExpression": "odd"}, [f"messageExpression: Invalid value: {SHOWN.format(rule='true', made='odd', path='', optional='nil')}: messageExpression compilation failed: ERROR: <input>:1:1: undeclared reference to 'odd' (in container '')\n | odd\n | ^"]),
        ({"rule": "true", "optionalOldSelf": True}, ["optionalOldSelf: Invalid value: true: may not be set if oldSelf is not used in rule"]),
        ({"rule": "oldSelf.odd", "optionalOldSelf": True}, [f"rule: Invalid value: {SHOWN.format(rule='oldSelf.odd', made='', path='', optional='0x0')}: compilation failed: ERROR: <input>:1:8: undefined field 'odd'\n | oldSelf.odd\n | .......^"]),
    ],
)  # fmt: skip
def test_a_rule_that_is_none_is_refused_with_the_definition(validation: dict[str, Any], faults: list[str]) -> None:
    """The path is Kubernetes', and so are the words."""
    written = yaml.safe_load(SPEC.format(validations=json.dumps([validation])))

    found = structural.validate(written, "schema")

    place = "schema.properties[spec].x-kubernetes-validations[0]."
    assert [f"{fault.field}: {fault.message}".removeprefix(place) for fault in found] == faults


@pytest.mark.parametrize(
    ("part", "fault"),
    [
        ("{type: array, maxItems: 9, items: {type: string, maxLength: 9, x-kubernetes-validations: [{rule: self == oldSelf}]}}", 'schema.properties[a].items.x-kubernetes-validations[0].rule: Invalid value: "self == oldSelf": oldSelf cannot be used on the uncorrelatable portion of the schema within schema.properties[a].items'),
        ("{x-kubernetes-preserve-unknown-fields: true, x-kubernetes-validations: [{rule: 'true'}]}", "schema.properties[a].x-kubernetes-validations: Internal error: rule declared on schema that does not support validation rules type: '' x-kubernetes-preserve-unknown-fields: 'true'"),
    ],
)  # fmt: skip
def test_a_rule_must_stand_where_it_can_be_asked(part: str, fault: str) -> None:
    """Changes need old values that can be found, and rules need types."""
    written = {"type": "object", "properties": {"a": yaml.safe_load(part)}}

    assert [f"{each.field}: {each.message}" for each in structural.validate(written, "schema")] == [fault]


async def test_the_server_asks_the_rules_of_a_definition() -> None:
    """Creations and updates are refused with 422, defaults are filled in before, a status is judged, too."""
    whole = {
        "type": "object",
        "x-kubernetes-validations": [{"rule": "self.metadata.name.startsWith('w')", "message": "name starts with w"}],
        "properties": {
            "spec": {
                "type": "object",
                "x-kubernetes-validations": [
                    {"rule": "self.min <= self.max"},
                    {"rule": "self.kind == oldSelf.kind", "message": "kind is immutable", "fieldPath": ".kind"},
                ],
                "properties": {
                    "min": {"type": "integer", "default": 5},
                    "max": {"type": "integer"},
                    "kind": {"type": "string"},
                },
                "required": ["max"],
            },
            "status": {
                "type": "object",
                "properties": {"ready": {"type": "integer"}},
                "x-kubernetes-validations": [{"rule": "self.ready >= 0"}],
            },
        },
    }
    async with control.memory_api() as api:
        client = api.as_user(*control.ADMIN)
        version = definitions.version("v1", schema={"openAPIV3Schema": whole}, subresources={"status": {}})
        (Widget,) = await definitions.establish(api, client, version)

        def widget(name: str, **spec: Any) -> Any:
            made = Widget(content={"spec": spec})
            made.metadata.name, made.metadata.namespace = name, "default"
            return made

        with pytest.raises(errors.Invalid) as refused:
            await client.create(widget("a", max=1, kind="x"))
        with pytest.raises(errors.Invalid) as incomplete:
            await client.create(widget("a", kind="x"))
        good = await client.create(widget("w", max=9, kind="x"))
        good.content["spec"]["kind"] = "y"
        with pytest.raises(errors.Invalid) as changed:
            await client.update(good)
        good.content["status"] = {"ready": -1}
        with pytest.raises(errors.Invalid) as status:
            await client.update(good, subresource="status")

    assert refused.value.message == (
        'Widget.example.com "a" is invalid: [<nil>: Invalid value: "object": name starts with w,'
        ' spec: Invalid value: "object": failed rule: self.min <= self.max]'
    )
    assert incomplete.value.message == (
        'Widget.example.com "a" is invalid: [spec.max: Required value, <nil>: Invalid value: "null": some validation rules'
        " were not checked because the object was invalid; correct the existing errors to complete validation]"
    )
    assert (
        changed.value.message
        == 'Widget.example.com "w" is invalid: spec.kind: Invalid value: "object": kind is immutable'
    )
    assert (
        status.value.message
        == 'Widget.example.com "w" is invalid: status: Invalid value: "object": failed rule: self.ready >= 0'
    )


HINT = "(try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared)"


def test_a_definition_whose_rules_may_cost_too_much_is_refused() -> None:
    """In Kubernetes' words: the rule, that it adds to the total, and the total."""
    tags = {"type": "array", "items": {"type": "string"}, "x-kubernetes-validations": [{"rule": "self.all(x, x.contains('gpu'))"}]}
    written = {"type": "object", "properties": {"tags": tags}}
    rule = "s.properties[tags].x-kubernetes-validations[0].rule"

    def judged_with(**bounds: int) -> list[str]:
        found = {**tags, **{name: most for name, most in bounds.items() if name == "maxItems"}}
        found["items"] = {"type": "string", **{name: most for name, most in bounds.items() if name == "maxLength"}}
        faults = structural.validate({**written, "properties": {"tags": found}}, "s")
        return [f"{fault.field}: {fault.message}" for fault in faults]

    assert judged_with() == [
        f"{rule}: Forbidden: estimated rule cost exceeds budget by factor of more than 100x {HINT}",
        f"{rule}: Forbidden: contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema",
        f"s: Forbidden: x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema exceeds budget by factor of more than 100x {HINT}",
    ]
    assert judged_with(maxLength=63, maxItems=333_333) == []
    assert judged_with(maxLength=63, maxItems=333_334) == [
        f"{rule}: Forbidden: estimated rule cost exceeds budget by factor of 1.000002x {HINT}"
    ]
    assert judged_with(maxLength=63, maxItems=1_000_000) == [
        f"{rule}: Forbidden: estimated rule cost exceeds budget by factor of 3.0x {HINT}"
    ]


def test_a_rule_costs_as_often_as_its_value_can_be_there() -> None:
    """By the bounds above it, or else by what fits into a request; messages are made once."""
    rule = {"rule": "self.contains('a')", "messageExpression": "'a' + string(1)"}
    text = {"type": "string", "maxLength": 100, "x-kubernetes-validations": [rule]}
    several = {"type": "array", "maxItems": 100_000, "items": text}

    def faults(part: dict[str, Any]) -> list[tuple[str, str]]:
        found = structural.validate({"type": "object", "properties": {"a": part}}, "s")
        return [(fault.field.rpartition(".")[2], fault.message.split(" by factor of ")[-1].split(" ")[0]) for fault in found]

    message = ("messageExpression", "more"), ("messageExpression", "Forbidden:"), ("s", "more")
    assert faults(text) == list(message)
    assert faults({**several, "maxItems": 10}) == list(message)
    assert faults(several)[0] == ("messageExpression", "more")
    del rule["messageExpression"]
    assert faults({**several, "maxItems": 243_902}) == []
    assert faults({**several, "maxItems": 243_903}) == [("rule", "1.000002x")]
    assert faults({"type": "array", "items": text}) == [("rule", "4.3x")]
