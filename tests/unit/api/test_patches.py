"""Patches as their documents define them: RFC 7396, RFC 6902, and strategic merge as kubectl speaks it."""

# ruff: noqa: E501 - one line a case

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.api import patches
from fairlead.api.pb import apps_v1_pb2 as appsv1
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import meta_v1_pb2 as metav1

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


def deployment(replicas: int | None = 3, **container: Json) -> Json:
    spec: Json = {
        "selector": {"matchLabels": {"app": "web"}},
        "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {
                "containers": [{"name": "web", "image": "web:1", "ports": [{"containerPort": 80}], **container}]
            },
        },
    }
    return {"metadata": {"name": "web"}, "spec": spec if replicas is None else {**spec, "replicas": replicas}}


def as_stored(configuration: Json) -> Json:
    """Return a configuration as the server keeps it: with defaults and fields of its own."""
    live = copy.deepcopy(configuration)
    live["metadata"] |= {"uid": "u-1", "resourceVersion": "7", "generation": 1}
    live["spec"] |= {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%"}}}
    live["spec"].setdefault("replicas", 1)
    container = live["spec"]["template"]["spec"]["containers"][0]
    container["imagePullPolicy"] = "IfNotPresent"
    for port in container["ports"]:
        port.setdefault("protocol", "TCP")
    live["status"] = {"replicas": 3}
    return live


def test_applying_the_same_configuration_again_changes_nothing() -> None:
    """Defaults that the server filled in are not differences."""
    config = deployment()
    got = patches.create_three_way_merge_patch(config, config, as_stored(config), appsv1.Deployment)
    assert got == {}


def test_applying_after_scale_changes_nothing_where_replicas_are_not_configured() -> None:
    """A number that only the live object has belongs to whoever set it."""
    config = deployment(replicas=None)
    live = as_stored(deployment(replicas=5))
    got = patches.create_three_way_merge_patch(config, config, live, appsv1.Deployment)
    assert got == {}


def test_applying_a_service_again_keeps_the_ports_that_were_given() -> None:
    """NodePorts and target ports are the server's."""
    config = {"spec": {"type": "NodePort", "ports": [{"port": 80}, {"port": 53, "protocol": "UDP"}, {"port": 53}]}}
    live = {
        "spec": {
            "type": "NodePort",
            "clusterIP": "10.96.0.9",
            "ports": [
                {"port": 80, "protocol": "TCP", "targetPort": 80, "nodePort": 30080},
                {"port": 53, "protocol": "UDP", "targetPort": 53, "nodePort": 30053},
                {"port": 53, "protocol": "TCP", "targetPort": 53, "nodePort": 30054},
            ],
        }
    }
    got = patches.create_three_way_merge_patch(config, config, live, corev1.Service)
    assert got == {}


def test_a_changed_image_is_all_that_is_sent() -> None:
    """The element's key says which one, the order list keeps its place."""
    old, new = deployment(), deployment(image="web:2")
    live = as_stored(old)

    got = patches.create_three_way_merge_patch(old, new, live, appsv1.Deployment)

    assert got["spec"] == {
        "template": {
            "spec": {
                "$setElementOrder/containers": [{"name": "web"}],
                "containers": [{"name": "web", "image": "web:2"}],
            }
        }
    }
    after = patches.apply_strategic_merge_patch(live, got, appsv1.Deployment)
    want = copy.deepcopy(live)
    want["spec"]["template"]["spec"]["containers"][0]["image"] = "web:2"
    assert after == want


def test_what_the_new_configuration_drops_is_deleted() -> None:
    """A field, an element of a list, a label; what another added stays."""
    old = deployment(env=[{"name": "A", "value": "1"}, {"name": "B", "value": "2"}], tty=True)
    old["metadata"]["labels"] = {"x": "1", "y": "2"}
    new = deployment(env=[{"name": "B", "value": "3"}])
    new["metadata"]["labels"] = {"y": "2"}
    live = as_stored(old)
    live["metadata"]["labels"]["theirs"] = "z"
    live["spec"]["template"]["spec"]["containers"][0]["env"].append({"name": "C", "value": "theirs"})

    patch = patches.create_three_way_merge_patch(old, new, live, appsv1.Deployment)
    got = patches.apply_strategic_merge_patch(live, patch, appsv1.Deployment)

    container = got["spec"]["template"]["spec"]["containers"][0]
    assert got["metadata"]["labels"] == {"y": "2", "theirs": "z"}
    assert container["env"] == [{"name": "B", "value": "3"}, {"name": "C", "value": "theirs"}]
    assert "tty" not in container
    assert patches.create_three_way_merge_patch(new, new, got, appsv1.Deployment) == {}


def test_switching_the_strategy_drops_the_other_members_defaults() -> None:
    """Without $retainKeys the server would see Recreate with rollingUpdate."""
    old, new = deployment(), deployment()
    new["spec"]["strategy"] = {"type": "Recreate"}
    live = as_stored(old)

    patch = patches.create_three_way_merge_patch(old, new, live, appsv1.Deployment)
    got = patches.apply_strategic_merge_patch(live, patch, appsv1.Deployment)

    assert patch["spec"]["strategy"] == {"type": "Recreate", "$retainKeys": ["type"]}
    assert got["spec"]["strategy"] == {"type": "Recreate"}


ENTRY = st.fixed_dictionaries(
    {"name": st.sampled_from("abcd")},
    optional={"image": st.sampled_from("12"), "command": st.lists(st.just("x"), max_size=1)},
)
CONTAINERS = st.lists(ENTRY, min_size=1, max_size=4, unique_by=lambda each: each["name"])
PODS = st.fixed_dictionaries(
    {
        "spec": st.fixed_dictionaries(
            {"containers": CONTAINERS},
            optional={"nodeSelector": st.dictionaries(st.sampled_from("kl"), st.just("v"))},
        )
    },
    optional={
        "metadata": st.fixed_dictionaries({"finalizers": st.lists(st.sampled_from("fgh"), min_size=1, unique=True)})
    },
)


@given(PODS, PODS)
def test_a_made_strategic_patch_turns_the_one_into_the_other(original: Json, modified: Json) -> None:
    """Lists end in the new order, and equal objects make no patch."""
    patch = patches.create_two_way_merge_patch(original, modified, corev1.Pod)
    assert patches.apply_strategic_merge_patch(original, patch, corev1.Pod) == modified
    assert patches.create_two_way_merge_patch(modified, modified, corev1.Pod) == {}


@given(PODS, PODS, PODS)
def test_applying_twice_sends_nothing_the_second_time(original: Json, modified: Json, current: Json) -> None:
    """Whatever the live object was, after an apply it agrees with the configuration."""
    patch = patches.create_three_way_merge_patch(original, modified, current, corev1.Pod)
    live = patches.apply_strategic_merge_patch(current, patch, corev1.Pod)
    assert patches.create_three_way_merge_patch(modified, modified, live, corev1.Pod) == {}


def test_unknown_types_are_merged_like_json() -> None:
    """A message without a schema of its own (raw JSON) has no merge keys."""
    got = patches.apply_strategic_merge_patch(
        {"object": {"a": [1], "b": 2}}, {"object": {"a": [2]}}, metav1.WatchEvent
    )
    assert got == {"object": {"a": [2], "b": 2}}


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
