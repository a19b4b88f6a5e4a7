"""The making of strategic merge patches, as client-side apply and others make them."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from fairlead.api import patches
from fairlead.api.pb import apps_v1_pb2 as appsv1
from fairlead.api.pb import core_v1_pb2 as corev1

Json = Any


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
