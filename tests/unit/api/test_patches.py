"""Merge patches and JSON patches as their documents define them: RFC 7396 and RFC 6902."""

# ruff: noqa: E501 - one line a case

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.api import patches
from fairlead.api.pb import core_v1_pb2 as corev1

Json = Any


@pytest.mark.parametrize(
    ("target", "patch", "want"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a"], {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ({"a": "foo"}, None, None),
    ],
)
def test_merge_patches_follow_rfc_7396(target: Json, patch: Json, want: Json) -> None:
    """These are cases of its appendix A."""
    before = copy.deepcopy(target)
    assert patches.apply_merge_patch(target, patch) == want
    assert target == before


JSON_OBJECTS = st.dictionaries(
    st.sampled_from("abc"),
    st.recursive(
        st.integers(0, 3) | st.booleans() | st.text("xy", max_size=2),
        lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3) | st.lists(inner, max_size=2),
        max_leaves=6,
    ),
    max_size=3,
)


@given(JSON_OBJECTS, JSON_OBJECTS)
def test_a_made_merge_patch_turns_the_one_into_the_other(original: Json, modified: Json) -> None:
    """And none is made where nothing differs."""
    patch = patches.create_merge_patch(original, modified)
    assert patches.apply_merge_patch(original, patch) == modified
    assert patches.create_merge_patch(modified, modified) == {}


def test_a_three_way_merge_patch_leaves_alone_what_others_set() -> None:
    """Only what the last configuration had and the new one lacks is deleted."""
    original = {"spec": {"a": 1, "b": {"c": 1}}}
    modified = {"spec": {"b": {"d": 2}}}
    current = {"spec": {"a": 1, "b": {"c": 1}, "other": True}}

    got = patches.create_three_way_json_merge_patch(original, modified, current)

    assert got == {"spec": {"a": None, "b": {"c": None, "d": 2}}}
    assert patches.create_three_way_json_merge_patch(modified, modified, modified) == {}


@pytest.mark.parametrize(
    ("operations", "want"),
    [
        ([{"op": "add", "path": "/c", "value": 1}], {"a": [1, 2], "b": {"x/y": 1}, "c": 1}),
        ([{"op": "add", "path": "/a/0", "value": 0}], {"a": [0, 1, 2], "b": {"x/y": 1}}),
        ([{"op": "add", "path": "/a/-", "value": 3}], {"a": [1, 2, 3], "b": {"x/y": 1}}),
        ([{"op": "remove", "path": "/a/1"}], {"a": [1], "b": {"x/y": 1}}),
        ([{"op": "replace", "path": "/b/x~1y", "value": 2}], {"a": [1, 2], "b": {"x/y": 2}}),
        ([{"op": "move", "from": "/a/0", "path": "/c"}], {"a": [2], "b": {"x/y": 1}, "c": 1}),
        ([{"op": "copy", "from": "/b", "path": "/c"}], {"a": [1, 2], "b": {"x/y": 1}, "c": {"x/y": 1}}),
        ([{"op": "test", "path": "/a", "value": [1, 2]}], {"a": [1, 2], "b": {"x/y": 1}}),
        ([{"op": "replace", "path": "", "value": {}}], {}),
    ],
)
def test_json_patches_follow_rfc_6902(operations: Json, want: Json) -> None:
    """Each operation, pointers with escapes and `-` for the end."""
    document = {"a": [1, 2], "b": {"x/y": 1}}
    assert patches.apply_json_patch(document, operations) == want
    assert document == {"a": [1, 2], "b": {"x/y": 1}}


@pytest.mark.parametrize(
    ("operation", "want"),
    [
        ({"op": "add", "path": "/a/-1", "value": 3}, {"a": [1, 2, 3], "b": {}}),
        ({"op": "add", "path": "/a/-3", "value": 0}, {"a": [0, 1, 2], "b": {}}),
        ({"op": "remove", "path": "/a/-1"}, {"a": [1], "b": {}}),
        ({"op": "replace", "path": "/a/-2", "value": 0}, {"a": [0, 2], "b": {}}),
        ({"op": "test", "path": "/a/-1", "value": 2}, {"a": [1, 2], "b": {}}),
        ({"op": "add", "path": "/a/01", "value": 9}, {"a": [1, 9, 2], "b": {}}),
        ({"op": "replace", "path": "/b/c", "value": 1}, {"a": [1, 2], "b": {"c": 1}}),
        ({"op": "add", "path": "/c"}, {"a": [1, 2], "b": {}, "c": None}),
        ({"op": "test", "path": "/c", "value": None}, {"a": [1, 2], "b": {}}),
        ({"op": "copy", "from": "/c", "path": "/b/c"}, {"a": [1, 2], "b": {"c": None}}),
    ],
)
def test_json_patches_may_do_what_kubernetes_library_allows(operation: Json, want: Json) -> None:
    """Indices from the end and with leading zeros, members that are not there, operations without a value."""
    assert patches.apply_json_patch({"a": [1, 2], "b": {}}, [operation]) == want


@pytest.mark.parametrize(
    ("operation", "want"),
    [
        ({"op": "remove", "path": "/none"}, "error in remove for path: '/none': Unable to remove nonexistent key: none: missing value"),
        ({"op": "remove", "path": "/a/1"}, "error in remove for path: '/a/1': Unable to access invalid index: 1: invalid index referenced"),
        ({"op": "remove", "path": "/a/x"}, "error in remove for path: '/a/x': strconv.Atoi: parsing \"x\": invalid syntax"),
        ({"op": "remove", "path": ""}, 'remove operation does not apply: doc is missing path: "": missing value'),
        ({"op": "replace", "path": "/none/x", "value": 1}, "replace operation does not apply: doc is missing path: /none/x: missing value"),
        ({"op": "replace", "path": "/a/1", "value": 1}, "replace operation does not apply: doc is missing key: /a/1: missing value"),
        ({"op": "replace", "path": "", "value": 1}, "replace operation value must be object or array: %!w(<nil>)"),
        ({"op": "add", "path": "/a/5", "value": 1}, "error in add for path: '/a/5': Unable to access invalid index: 5: invalid index referenced"),
        ({"op": "add", "path": "/a/-3", "value": 1}, "error in add for path: '/a/-3': Unable to access invalid index: -3: invalid index referenced"),
        ({"op": "add", "path": "/a/x", "value": 1}, "error in add for path: '/a/x': value was not a proper array index: 'x': strconv.Atoi: parsing \"x\": invalid syntax"),
        ({"op": "add", "path": f"/a/{2**63}", "value": 1}, f"error in add for path: '/a/{2**63}': value was not a proper array index: '{2**63}': strconv.Atoi: parsing \"{2**63}\": value out of range"),
        ({"op": "add", "path": "/none/x", "value": 1}, 'add operation does not apply: doc is missing path: "/none/x": missing value'),
        ({"op": "add", "path": "/a/0/x", "value": 1}, 'add operation does not apply: doc is missing path: "/a/0/x": missing value'),
        ({"op": "add", "path": "c", "value": 1}, 'add operation does not apply: doc is missing path: "c": missing value'),
        ({"op": "add", "value": 1}, "add operation failed to decode path: missing value"),
        ({"op": "replace", "value": 1}, "replace operation failed to decode path: operation missing path field: missing value"),
        ({"op": "move", "path": "/c"}, "move operation failed to decode from: operation, missing from field: missing value"),
        ({"op": "move", "from": "/c", "path": "/d"}, "error in move for path: 'c': Unable to remove nonexistent key: c: missing value"),
        ({"op": "move", "from": "/b", "path": "/b/c"}, "move operation does not apply: doc is missing destination path: /b/c: missing value"),
        ({"op": "copy", "from": "/a/7", "path": "/c"}, "error in copy for from: '/a/7': Unable to access invalid index: 7: invalid index referenced"),
        ({"op": "copy", "from": "/b", "path": "/a/9"}, "error while adding value during copy: Unable to access invalid index: 9: invalid index referenced"),
        ({"op": "test", "path": "/a/0", "value": True}, "testing value /a/0 failed: test failed"),
        ({"op": "test", "path": "/a/0", "value": 1.0}, "testing value /a/0 failed: test failed"),
        ({"op": "test", "path": "/x/y", "value": 1}, "test operation does not apply: is missing path: /x/y: missing value"),
        ({"op": "increment", "path": "/a"}, "Unexpected kind: increment"),
        ({"path": "/a"}, "Unexpected kind: unknown"),
        ("add", "an operation of a JSON patch must be an object"),
    ],
)  # fmt: skip
def test_a_json_patch_that_does_not_fit_is_refused_in_kubernetes_words(operation: Json, want: str) -> None:
    """The library's texts say which operation, which path and why."""
    with pytest.raises(patches.PatchError) as caught:
        patches.apply_json_patch({"a": [1], "b": {}}, [operation])
    assert str(caught.value) == want


def test_a_patch_as_deep_as_a_stack_is_refused() -> None:
    """A request must not end in an error that looks like the server's own."""
    deep: Json = {}
    for _ in range(5000):
        deep = {"a": deep}
    with pytest.raises(patches.PatchError, match="too deeply"):
        patches.apply_merge_patch(deep, deep)
    with pytest.raises(patches.PatchError, match="too deeply"):
        patches.apply_strategic_merge_patch(deep, deep, corev1.Pod)
    with pytest.raises(patches.PatchError, match="too deeply"):
        patches.apply_json_patch({}, [{"op": "add", "path": "/a", "value": deep}])
