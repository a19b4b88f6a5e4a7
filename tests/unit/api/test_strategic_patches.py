"""Strategic merge patches applied: lists by their keys, directives, and what does not fit."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from fairlead.api import patches
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import meta_v1_pb2 as metav1

Json = Any


def pod(**spec: Json) -> Json:
    return {"spec": spec}


@pytest.mark.parametrize(
    ("original", "patch", "want"),
    [
        pytest.param(
            pod(containers=[{"name": "a", "image": "1", "tty": True}]),
            pod(containers=[{"name": "a", "image": "2"}]),
            pod(containers=[{"name": "a", "image": "2", "tty": True}]),
            id="an element is merged by its key",
        ),
        pytest.param(
            pod(containers=[{"name": "a"}]),
            pod(containers=[{"name": "b"}]),
            pod(containers=[{"name": "b"}, {"name": "a"}]),
            id="a new element comes before those that the patch does not name",
        ),
        pytest.param(
            pod(containers=[{"name": "a"}, {"name": "b"}]),
            pod(containers=[{"name": "a", "$patch": "delete"}]),
            pod(containers=[{"name": "b"}]),
            id="an element is deleted",
        ),
        pytest.param(
            pod(containers=[{"name": "a"}, {"name": "b"}]),
            pod(containers=[{"name": "c"}, {"$patch": "replace"}]),
            pod(containers=[{"name": "c"}]),
            id="a list is replaced",
        ),
        pytest.param(
            pod(nodeSelector={"a": "1"}),
            pod(nodeSelector={"$patch": "replace", "b": "2"}),
            pod(nodeSelector={"b": "2"}),
            id="a map is replaced",
        ),
        pytest.param(
            pod(nodeSelector={"a": "1", "b": "2"}),
            pod(nodeSelector={"a": None, "c": "3"}),
            pod(nodeSelector={"b": "2", "c": "3"}),
            id="null deletes a key of a map",
        ),
        pytest.param(
            pod(securityContext={"runAsUser": 1}),
            pod(securityContext={"$patch": "delete"}),
            pod(securityContext={}),
            id="a map is emptied",
        ),
        pytest.param(
            pod(tolerations=[{"key": "a"}]),
            pod(tolerations=[{"key": "b"}]),
            pod(tolerations=[{"key": "b"}]),
            id="a list without strategy is replaced",
        ),
        pytest.param(
            pod(volumes=[{"name": "v", "emptyDir": {}}]),
            pod(volumes=[{"name": "v", "$retainKeys": ["configMap", "name"], "configMap": {"name": "c"}}]),
            pod(volumes=[{"name": "v", "configMap": {"name": "c"}}]),
            id="a union keeps the keys that are retained",
        ),
        pytest.param(
            {"metadata": {"finalizers": ["a", "b", "c"]}},
            {"metadata": {"$deleteFromPrimitiveList/finalizers": ["b"], "finalizers": ["d"]}},
            {"metadata": {"finalizers": ["d", "a", "c"]}},
            id="scalars are removed from a set and added to it",
        ),
        pytest.param(
            pod(containers=[{"name": "a"}, {"name": "side"}, {"name": "b"}]),
            {
                "spec": {
                    "$setElementOrder/containers": [{"name": "a"}, {"name": "c"}, {"name": "b"}],
                    "containers": [{"name": "c"}],
                }
            },
            pod(containers=[{"name": "a"}, {"name": "c"}, {"name": "side"}, {"name": "b"}]),
            id="elements are put in order around those of others",
        ),
        pytest.param(
            {"metadata": {}},
            {
                "metadata": {"labels": {"a": "1", "b": None}},
                "spec": {"containers": [{"name": "a", "$patch": "delete"}]},
            },
            {"metadata": {"labels": {"a": "1"}}, "spec": {"containers": []}},
            id="what is new holds neither nulls nor directives",
        ),
        pytest.param(
            pod(containers=[{"name": "a", "ports": [{"containerPort": 53, "protocol": "TCP"}]}]),
            pod(
                containers=[
                    {
                        "name": "a",
                        "ports": [
                            {"containerPort": 53, "protocol": "TCP", "name": "t"},
                            {"containerPort": 53, "protocol": "UDP"},
                        ],
                    }
                ]
            ),
            pod(
                containers=[
                    {
                        "name": "a",
                        "ports": [
                            {"containerPort": 53, "protocol": "TCP", "name": "t"},
                            {"containerPort": 53, "protocol": "UDP"},
                        ],
                    }
                ]
            ),
            id="one port for two protocols is two elements",
        ),
        pytest.param(
            pod(hostname="a"), pod(hostname="b", unknown={"x": 1}), pod(hostname="b", unknown={"x": 1}), id="scalars"
        ),
    ],
)
def test_a_strategic_patch_is_applied(original: Json, patch: Json, want: Json) -> None:
    """The table's merge keys and the patch's directives decide."""
    before = copy.deepcopy((original, patch))
    got = patches.apply_strategic_merge_patch(original, patch, corev1.Pod)
    assert got == want
    assert (original, patch) == before


@pytest.mark.parametrize(
    ("patch", "message"),
    [
        (pod(containers=[{"image": "x"}]), "does not contain declared merge key: name"),
        (pod(containers=[{"$patch": "delete"}]), "does not contain declared merge key: name"),
        (pod(containers=[{"name": "a", "$patch": "explode"}]), "unknown patch type: explode"),
        (pod(nodeSelector={"$patch": "explode"}), "unknown patch type: explode"),
        (pod(containers=[{"name": {"a": 1}}]), "expected a scalar to tell elements apart"),
        (pod(containers=["a"]), "expected an object in a list of objects"),
        (
            pod(volumes=[{"name": "v", "$retainKeys": ["name"], "emptyDir": {}}]),
            "invalid patch format of retainKeys",
        ),
    ],
)
def test_a_strategic_patch_that_does_not_fit_is_refused(patch: Json, message: str) -> None:
    """A patch is refused whole."""
    original = pod(containers=[{"name": "a"}], nodeSelector={"a": "1"}, volumes=[{"name": "v", "hostPath": {}}])
    with pytest.raises(patches.PatchError) as caught:
        patches.apply_strategic_merge_patch(original, patch, corev1.Pod)
    assert message in str(caught.value)


def test_unknown_types_are_merged_like_json() -> None:
    """A message without a schema of its own (raw JSON) has no merge keys."""
    got = patches.apply_strategic_merge_patch(
        {"object": {"a": [1], "b": 2}}, {"object": {"a": [2]}}, metav1.WatchEvent
    )
    assert got == {"object": {"a": [2], "b": 2}}
