"""Pruning and defaulting by structural schemas."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from control.apiserver.structural import defaulting, pruning
from control.apiserver.structural import schema as schemas

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["", "a"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abcd"), inner, max_size=4),
    max_leaves=12,
)
LEAVES = st.fixed_dictionaries(
    {"type": st.sampled_from(["string", "integer", "boolean"])},
    optional={"nullable": st.booleans(), "default": st.sampled_from(["a", 1, True])},
)
SCHEMAS = st.recursive(
    LEAVES,
    lambda inner: (
        st.fixed_dictionaries(
            {"type": st.just("object")},
            optional={
                "properties": st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
                "x-kubernetes-preserve-unknown-fields": st.just(True),
                "default": st.just({}),
            },
        )
        | st.fixed_dictionaries({"type": st.just("array"), "items": inner})
        | st.fixed_dictionaries({"type": st.just("object"), "additionalProperties": inner})
    ),
    max_leaves=8,
)


@given(JSON, SCHEMAS)
def test_pruning_and_defaulting_twice_is_once(value: Any, written: dict[str, Any]) -> None:
    """What has been pruned and defaulted stays as it is."""
    schema = schemas.parse(written)
    pruning.prune(value, schema)
    defaulting.apply(value, schema)
    once = copy.deepcopy(value)

    dropped = pruning.prune(value, schema)
    defaulting.apply(value, schema)

    assert dropped == []
    assert value == once


def test_pruning_drops_what_no_schema_names() -> None:
    """Unknown fields go, with their paths told; those below an open place stay, specified ones in it are pruned."""
    schema = schemas.parse(
        {
            "type": "object",
            "properties": {
                "spec": {"type": "object", "properties": {"list": {"type": "array", "items": {"type": "object"}}}},
                "open": {
                    "type": "object",
                    "x-kubernetes-preserve-unknown-fields": True,
                    "properties": {"closed": {"type": "object"}},
                },
                "pod": {
                    "type": "object",
                    "x-kubernetes-embedded-resource": True,
                    "properties": {"spec": {"type": "object"}},
                },
                "map": {"type": "object", "additionalProperties": {"type": "object"}},
            },
        }
    )
    value = {
        "metadata": {"name": "a"},
        "spec": {"x": 1, "list": [{"y": 1}]},
        "open": {"z": {"any": 1}, "closed": {"w": 1}},
        "pod": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "status": {}},
        "map": {"key": {"v": 1}},
        "other": 1,
    }

    dropped = pruning.prune(value, schema, is_root=True)

    assert value == {
        "metadata": {"name": "a"},
        "spec": {"list": [{}]},
        "open": {"z": {"any": 1}, "closed": {}},
        "pod": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}},
        "map": {"key": {}},
    }
    assert sorted(dropped) == ["map.key.v", "open.closed.w", "other", "pod.status", "spec.list[0].y", "spec.x"]


def test_embedded_metadata_keeps_what_metadata_has() -> None:
    """Unknown fields of it go, at any depth; what managers own is open."""
    part = {"type": "object", "x-kubernetes-embedded-resource": True, "x-kubernetes-preserve-unknown-fields": True}
    schema = schemas.parse({"type": "object", "properties": {"parts": {"type": "array", "items": part}}})
    metadata = {
        "name": "p",
        "labels": {"any": "text"},
        "ownerReferences": [{"uid": "1", "what": 2}],
        "managedFields": [{"fieldsV1": {"f:spec": {}}}],
        "other": 1,
    }
    value = {"metadata": {"kept": 1}, "parts": [{"kind": "Pod", "metadata": metadata, "spec": {"free": 1}}]}

    dropped = pruning.prune(value, schema, is_root=True)

    assert sorted(dropped) == ["parts[0].metadata.other", "parts[0].metadata.ownerReferences[0].what"]
    assert value["metadata"] == {"kept": 1}
    assert value["parts"] == [
        {
            "kind": "Pod",
            "metadata": {
                "name": "p",
                "labels": {"any": "text"},
                "ownerReferences": [{"uid": "1"}],
                "managedFields": [{"fieldsV1": {"f:spec": {}}}],
            },
            "spec": {"free": 1},
        }
    ]


def test_a_null_that_is_not_allowed_counts_as_left_out() -> None:
    """It is replaced by the default, or dropped; a nullable one stays."""
    schema = schemas.parse(
        {
            "type": "object",
            "properties": {
                "a": {"type": "string", "default": "x"},
                "b": {"type": "string"},
                "c": {"type": "string", "nullable": True, "default": "x"},
                "d": {"type": "object", "default": {}, "properties": {"e": {"type": "integer", "default": 1}}},
            },
        }
    )
    value = {"a": None, "b": None, "c": None}

    defaulting.apply(value, schema)

    assert value == {"a": "x", "c": None, "d": {"e": 1}}
