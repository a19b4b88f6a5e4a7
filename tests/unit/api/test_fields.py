"""Sets of fields and the walks that make them: laws for any input, and what each kind of list and map means."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st

from fairlead.api import objects
from fairlead.api.fields import comparing, merging, owning, sets, steps, structural, tabled, typings
from fairlead.api.fields.typings import Shape, Typing
from fairlead.api.pb import admissionregistration_v1_pb2 as admissionv1
from fairlead.api.pb import apps_v1_pb2 as appsv1
from fairlead.api.pb import autoscaling_v1_pb2 as autoscalingv1
from fairlead.api.pb import autoscaling_v2_pb2 as autoscalingv2
from fairlead.api.pb import core_v1_pb2 as corev1

NAMES = st.sampled_from("abc")
SCALARS = st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["", "x", 'q"<'])
STEPS = st.one_of(
    NAMES.map(lambda name: steps.FIELD + name),
    SCALARS.map(steps.of_value),
    st.dictionaries(NAMES, SCALARS, min_size=1, max_size=2).map(steps.of_keys),
)


def _set(paths: list[list[str]]) -> sets.FieldSet:
    found = sets.EMPTY
    for path in paths:
        node: sets.Node = sets.LEAF
        for step in reversed(path):
            node = {step: node}
        found = sets.union(found, node)
    return found


PATHS = st.lists(st.lists(STEPS, min_size=1, max_size=3), max_size=5)
SETS = PATHS.map(_set)


def members(fields: sets.FieldSet, above: tuple[str, ...] = ()) -> set[tuple[str, ...]]:
    """Return a set as a plain set of paths."""
    found: set[tuple[str, ...]] = set()
    for step, node in fields.items():
        path = (*above, step)
        if sets.is_member(node):
            found.add(path)
        found |= members(sets.children(node), path)
    return found


@given(SETS, SETS)
def test_operations_are_those_of_sets_of_paths(left: sets.FieldSet, right: sets.FieldSet) -> None:
    """Union, difference, intersection and covering, judged on plain sets."""
    mine, theirs = members(left), members(right)

    assert members(sets.union(left, right)) == mine | theirs
    assert members(sets.difference(left, right)) == mine - theirs
    assert members(sets.intersection(left, right)) == mine & theirs
    assert sets.covers(left, right) == (theirs <= mine)
    below = {path for path in mine if any(path[: len(top)] == top for top in theirs)}
    assert members(sets.recursive_difference(left, right)) == mine - below


@given(SETS)
def test_a_set_survives_its_text(fields: sets.FieldSet) -> None:
    """FieldsV1 and back; equal sets have one text."""
    text = sets.dump(fields)

    assert sets.parse(text) == fields
    assert sets.dump(sets.parse(text)) == text


@pytest.mark.parametrize("text", [b"[]", b'{"f:a": 1}', b'{"x:a": {}}', b'{"k:[]": {}}', b"{", b'{"i:x": {}}'])
def test_what_is_no_set_is_refused(text: bytes) -> None:
    """The stored record of others is then used."""
    with pytest.raises(sets.FieldsError):
        sets.parse(text)


def test_steps_stand_in_kubernetes_order() -> None:
    """The path itself, names, keys by their numbers, values."""
    text = b'{"v:1":{},"k:{\\"p\\":443}":{},"k:{\\"p\\":80}":{},"f:b":{".":{},"f:x":{}},"f:a":{}}'

    got = sets.dump(sets.parse(text)).decode()

    assert got == '{"f:a":{},"f:b":{".":{},"f:x":{}},"k:{\\"p\\":80}":{},"k:{\\"p\\":443}":{},"v:1":{}}'


def test_paths_are_written_as_errors_have_them() -> None:
    """Names, keys, values, indices."""
    fields = _set([["f:a", 'k:{"name":"x","port":80}', "f:b"], ["f:c", 'v:"y"'], ["f:d", "i:3"]])

    assert list(sets.paths(fields)) == ['.a[name="x",port=80].b', '.c[="y"]', ".d[3]"]


# An object with a struct, a map, a keyed list, a set and an atomic list.
SCHEMA = {
    "type": "object",
    "properties": {
        "struct": {"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string"}}},
        "map": {"type": "object", "additionalProperties": {"type": "string"}},
        "whole": {
            "type": "object",
            "x-kubernetes-map-type": "atomic",
            "additionalProperties": {"type": "string"},
        },
        "keyed": {
            "type": "array",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["k", "p"],
            "items": {
                "type": "object",
                "properties": {"k": {"type": "string"}, "p": {"type": "string", "default": "TCP"}, "v": {}},
            },
        },
        "set": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
        "list": {"type": "array", "items": {"type": "string"}},
        "any": {"x-kubernetes-preserve-unknown-fields": True},
    },
}
TYPING = structural.of_schema(SCHEMA)
TEXTS = st.sampled_from(["x", "y", "z"])
ITEMS = st.builds(lambda k, v: {"k": k, **({"v": v} if v else {})}, TEXTS, st.none() | TEXTS)
CONFIGS = st.fixed_dictionaries(
    {},
    optional={
        "struct": st.fixed_dictionaries({}, optional={"a": TEXTS, "b": TEXTS}),
        "map": st.dictionaries(NAMES, TEXTS),
        "whole": st.dictionaries(NAMES, TEXTS, min_size=1),
        "keyed": st.lists(ITEMS, unique_by=lambda item: item["k"]),
        "set": st.lists(TEXTS, unique=True),
        "list": st.lists(TEXTS, min_size=1),
        "any": st.dictionaries(NAMES, TEXTS | st.dictionaries(NAMES, TEXTS)),
    },
)


@given(CONFIGS, CONFIGS)
def test_merging_twice_is_merging_once(live: dict[str, Any], config: dict[str, Any]) -> None:
    """And a merge into what has all of it changes nothing."""
    merged = merging.merge(live, config, TYPING)

    assert merging.merge(merged, config, TYPING) == merged
    assert comparing.compare(merged, merging.merge(merged, config, TYPING), TYPING).taken() == {}


@given(CONFIGS, CONFIGS)
def test_a_merge_sets_what_the_configuration_owns_and_removes_nothing(
    live: dict[str, Any], config: dict[str, Any]
) -> None:
    """Nothing granular is lost, and all leaves of the configuration are there."""
    merged = merging.merge(live, config, TYPING)

    assert comparing.compare(live, merged, TYPING).removed == {}
    there = sets.union(owning.owned(merged, TYPING), owning.named(owning.owned(merged, TYPING), TYPING))
    assert sets.covers(there, owning.owned(config, TYPING))


@given(CONFIGS, CONFIGS)
def test_a_comparison_is_its_own_mirror(old: dict[str, Any], new: dict[str, Any]) -> None:
    """What is added one way is removed the other, what is modified is so both ways."""
    there, back = comparing.compare(old, new, TYPING), comparing.compare(new, old, TYPING)

    assert (there.added, there.removed, there.modified) == (back.removed, back.added, back.modified)
    assert (there.taken() == {} and there.removed == {}) == objects.same_json(_sorted(old), _sorted(new))


def _sorted(value: dict[str, Any]) -> dict[str, Any]:
    """Return an object with the lists sorted whose order is no difference."""
    return {key: sorted(one, key=orjson.dumps) if key in ("keyed", "set") else one for key, one in value.items()}


@given(CONFIGS)
def test_removing_all_that_is_owned_leaves_nothing_owned(config: dict[str, Any]) -> None:
    """The named fields on the way go, too."""
    left = merging.remove(config, owning.named(owning.owned(config, TYPING), TYPING), TYPING)

    assert owning.owned(left, TYPING) == {}


def test_elements_keep_the_configurations_order_among_others() -> None:
    """What only the live list has stays where it stood."""
    live = {"keyed": [{"k": name} for name in "abcd"]}
    config = {"keyed": [{"k": name} for name in ("d", "new", "b")]}

    merged = merging.merge(live, config, TYPING)["keyed"]

    assert [item["k"] for item in merged] == ["a", "c", "d", "new", "b"]


def test_a_key_that_is_left_out_has_its_default() -> None:
    """As in the ports of a container."""
    config = {"keyed": [{"k": "a"}]}

    assert owning.owned(config, TYPING) == {"f:keyed": {'k:{"k":"a","p":"TCP"}': {".": {}, "f:k": {}}}}


def test_faults_of_a_configuration_have_paths() -> None:
    """Unknown fields, repeated elements, missing keys, the wrong shape."""
    config = {
        "nothing": 1,
        "keyed": [{"k": "a"}, {"k": "a", "p": "TCP"}, {"v": "x"}, 3, None],
        "set": ["x", "x"],
        "struct": {"c": 1},
        "map": [],
    }

    assert owning.faults(config, TYPING) == [
        ".nothing: field not declared in schema",
        '.keyed: duplicate entries for key [k="a",p="TCP"]',
        '.keyed: element 2: associative list with keys has an element that omits key field "k"'
        " (and doesn't have default value)",
        ".keyed: element 3: associative list with keys may not have non-map elements",
        ".keyed: element 4: associative list with keys may not have null elements",
        '.set: duplicate entries for key [="x"]',
        ".struct.c: field not declared in schema",
        ".map: expected map, got list",
    ]


@pytest.mark.parametrize(
    ("path", "shape"),
    [
        ("spec.selector", Shape.WHOLE),
        ("spec.template.spec.nodeSelector", Shape.WHOLE),
        ("spec.template.spec.tolerations", Shape.WHOLE),
        ("spec.template.spec.volumes", Shape.KEYED),
        ("spec.template.spec.securityContext", Shape.FIELDS),
        ("spec.strategy.rollingUpdate.maxSurge", Shape.WHOLE),
        ("metadata.labels", Shape.FIELDS),
        ("metadata.finalizers", Shape.SET),
        ("metadata.ownerReferences", Shape.KEYED),
        ("status.conditions", Shape.KEYED),
    ],
)
def test_the_table_says_how_a_deployments_fields_are_owned(path: str, shape: Shape) -> None:
    """Selectors and references whole, lists as marked."""
    found: Typing | None = tabled.of_type(appsv1.Deployment)
    for name in path.split("."):
        assert found is not None
        found = found.child(name)

    assert found is not None
    assert found.shape is shape


@pytest.mark.parametrize(
    ("message", "path", "shape"),
    [
        (autoscalingv2.HorizontalPodAutoscaler, "spec.scaleTargetRef", Shape.FIELDS),
        (autoscalingv1.HorizontalPodAutoscaler, "spec.scaleTargetRef", Shape.WHOLE),
        (admissionv1.ValidatingAdmissionPolicy, "spec.matchConstraints", Shape.WHOLE),
        (admissionv1.ValidatingAdmissionPolicyBinding, "spec.matchResources", Shape.WHOLE),
        (corev1.ResourceQuota, "spec.scopeSelector", Shape.WHOLE),
    ],
)
def test_structs_are_whole_where_kubernetes_marks_them_so(message: type[Message], path: str, shape: Shape) -> None:
    """By release 1.32's schema: an autoscaler's target is in one piece in v1 only."""
    found: Typing | None = tabled.of_type(message)
    for name in path.split("."):
        assert found is not None
        found = found.child(name)

    assert found is not None
    assert found.shape is shape


def test_ports_are_keyed_by_number_and_protocol() -> None:
    """With TCP where it is left out."""
    spec = tabled.of_type(corev1.Service).child("spec")
    assert spec is not None
    ports = spec.child("ports")
    assert ports is not None
    assert ports.keys == (("port", None), ("protocol", "TCP"))
    assert ports.step({"port": 80}) == 'k:{"port":80,"protocol":"TCP"}'


def test_without_a_schema_objects_are_taken_apart_and_lists_are_not() -> None:
    """What nothing is known of."""
    deduced = structural.of_schema(None)
    got = owning.owned({"spec": {"a": {"b": 1}, "c": [1], "d": {}}}, deduced)

    assert got == {"f:spec": {".": {}, "f:a": {".": {}, "f:b": {}}, "f:c": {}, "f:d": {}}}
    assert typings.DEDUCED.child("x") is typings.DEDUCED


@given(SETS)
def test_the_quick_order_is_the_right_one(fields: sets.FieldSet) -> None:
    """Texts are sorted as texts only where that is Kubernetes' order."""

    def order(node: sets.Node) -> Any:
        return {step: order(node[step]) for step in sorted(node, key=steps.rank)}

    assert sets.dump(fields) == orjson.dumps(order(fields))
