"""The official Python client, typed: creating, reading, listing, replacing and deleting."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import kubernetes
import pytest
from kubernetes.client.exceptions import ApiException

CLIENT = kubernetes.client


@pytest.fixture
def core(python: Any) -> Any:
    """The core API."""
    return CLIENT.CoreV1Api(python)


def config_map(name: str, **labels: str) -> Any:
    """Return a ConfigMap with one entry."""
    return CLIENT.V1ConfigMap(metadata=CLIENT.V1ObjectMeta(name=name, labels=labels), data={"key": "value"})


def pod(name: str, **spec: Any) -> Any:
    """Return a pod of one container."""
    containers = [CLIENT.V1Container(name="main", image="web:1")]
    return CLIENT.V1Pod(metadata=CLIENT.V1ObjectMeta(name=name), spec=CLIENT.V1PodSpec(containers=containers, **spec))


def refused(call: Callable[[], Any]) -> tuple[int, str, str]:
    """Return the status, reason and message with which a call fails."""
    with pytest.raises(ApiException) as caught:
        call()
    status = json.loads(caught.value.body)
    assert (status["kind"], status["code"]) == ("Status", caught.value.status)
    return caught.value.status, status["reason"], status["message"]


def test_what_is_created_has_the_servers_defaults(core: Any) -> None:
    """As model objects, with instants as datetimes."""
    made = core.create_namespaced_pod("default", pod("web"))

    assert made.metadata.creation_timestamp.tzinfo is not None
    assert (made.spec.restart_policy, made.spec.dns_policy) == ("Always", "ClusterFirst")
    assert made.status.phase == "Pending"
    assert made.spec.service_account_name == "default"
    read = core.read_namespaced_pod("web", "default")
    assert (read.metadata.uid, read.spec.containers) == (made.metadata.uid, made.spec.containers)


def test_errors_carry_kubernetes_reason_and_words(core: Any) -> None:
    """Each as the ApiException of its status."""
    core.create_namespaced_config_map("default", config_map("taken"))
    bad = pod("web", restart_policy="Sometimes")

    assert [
        refused(lambda: core.read_namespaced_pod("web", "default")),
        refused(lambda: core.create_namespaced_config_map("default", config_map("taken"))),
        refused(lambda: core.create_namespaced_config_map("nowhere", config_map("new"))),
        refused(lambda: core.create_namespaced_pod("default", bad)),
        refused(lambda: core.create_namespaced_config_map("default", config_map("Bad Name")))[:2],
        refused(lambda: core.list_namespaced_pod("default", label_selector="a in b"))[:2],
        refused(lambda: core.list_namespaced_pod("default", field_selector="spec.nothing=1"))[:2],
    ] == [
        (404, "NotFound", 'pods "web" not found'),
        (409, "AlreadyExists", 'configmaps "taken" already exists'),
        (404, "NotFound", 'namespaces "nowhere" not found'),
        (
            422,
            "Invalid",
            'Pod "web" is invalid: spec.restartPolicy: Unsupported value: "Sometimes": '
            'supported values: "Always", "OnFailure", "Never"',
        ),
        (422, "Invalid"),
        (400, "BadRequest"),
        (400, "BadRequest"),
    ]


def test_lists_are_selected_by_labels_and_fields(core: Any) -> None:
    """Both kinds of selectors, alone and together."""
    for name, labels in {"a": {"tier": "web"}, "b": {"tier": "db"}, "c": {"tier": "web", "old": "yes"}}.items():
        core.create_namespaced_config_map("default", config_map(name, **labels))

    def names(**selectors: str) -> list[str]:
        return [item.metadata.name for item in core.list_namespaced_config_map("default", **selectors).items]

    assert names(label_selector="tier=web") == ["a", "c"]
    assert names(label_selector="tier in (web, db), !old") == ["a", "b"]
    assert names(field_selector="metadata.name=b") == ["b"]
    assert names(label_selector="tier", field_selector="metadata.name!=b") == ["a", "c"]


def test_a_list_comes_in_pages_of_one_revision(core: Any) -> None:
    """What is made between two pages is in none of them; each says how many are left."""
    for number in range(5):
        core.create_namespaced_config_map("default", config_map(f"c{number}", paged="yes"))

    first = core.list_namespaced_config_map("default", label_selector="paged", limit=2)
    core.create_namespaced_config_map("default", config_map("c9", paged="yes"))
    pages = [first]
    while token := pages[-1].metadata._continue:
        pages.append(core.list_namespaced_config_map("default", label_selector="paged", limit=2, _continue=token))

    assert [[item.metadata.name for item in page.items] for page in pages] == [["c0", "c1"], ["c2", "c3"], ["c4"]]
    assert {page.metadata.resource_version for page in pages} == {first.metadata.resource_version}


def test_replacing_what_has_changed_is_a_conflict(core: Any) -> None:
    """And of another object of that name, too."""
    old = core.create_namespaced_config_map("default", config_map("shared"))
    fresh = core.read_namespaced_config_map("shared", "default")
    fresh.data["key"] = "new"

    replaced = core.replace_namespaced_config_map("shared", "default", fresh)

    assert replaced.data == {"key": "new"}
    status, reason, message = refused(lambda: core.replace_namespaced_config_map("shared", "default", old))
    assert (status, reason) == (409, "Conflict")
    assert message == (
        'Operation cannot be fulfilled on configmaps "shared": the object has been modified; '
        "please apply your changes to the latest version and try again"
    )


def test_deletion_takes_options(core: Any) -> None:
    """Preconditions are held, a dry run deletes nothing, and a grace period leaves a pod until its node is done."""
    made = core.create_namespaced_config_map("default", config_map("kept"))
    wrong = CLIENT.V1DeleteOptions(preconditions=CLIENT.V1Preconditions(uid="another"))

    assert refused(lambda: core.delete_namespaced_config_map("kept", "default", body=wrong))[:2] == (409, "Conflict")
    core.delete_namespaced_config_map("kept", "default", dry_run="All")
    assert core.read_namespaced_config_map("kept", "default").metadata.uid == made.metadata.uid
    gone = core.delete_namespaced_config_map("kept", "default")
    assert (gone["status"], gone["details"]["name"], gone["details"]["uid"]) == ("Success", "kept", made.metadata.uid)
    assert refused(lambda: core.read_namespaced_config_map("kept", "default"))[1] == "NotFound"


def test_a_collection_is_deleted_by_selector(core: Any) -> None:
    """The others stay."""
    for name, tier in {"a": "web", "b": "db"}.items():
        core.create_namespaced_config_map("default", config_map(name, tier=tier))

    core.delete_collection_namespaced_config_map("default", label_selector="tier=web")

    kept = core.list_namespaced_config_map("default", label_selector="tier").items
    assert [item.metadata.name for item in kept] == ["b"]


def test_a_dry_run_shows_what_would_be(core: Any) -> None:
    """Defaults and judgement, but nothing is stored."""
    shown = core.create_namespaced_config_map("default", config_map("dry"), dry_run="All")

    assert shown.metadata.uid
    assert refused(lambda: core.read_namespaced_config_map("dry", "default"))[1] == "NotFound"


def test_a_workload_runs_to_its_end(python: Any, core: Any) -> None:
    """A Job through the client's models: its pods finish, and its status says so."""
    deployment = CLIENT.V1Deployment(
        metadata=CLIENT.V1ObjectMeta(name="web"),
        spec=CLIENT.V1DeploymentSpec(
            replicas=2,
            selector=CLIENT.V1LabelSelector(match_labels={"app": "web"}),
            template=CLIENT.V1PodTemplateSpec(
                metadata=CLIENT.V1ObjectMeta(labels={"app": "web"}),
                spec=CLIENT.V1PodSpec(containers=[CLIENT.V1Container(name="main", image="web:1")]),
            ),
        ),
    )
    apps = CLIENT.AppsV1Api(python)

    made = apps.create_namespaced_deployment("default", deployment)

    watch = kubernetes.watch.Watch()
    for event in watch.stream(
        apps.list_namespaced_deployment,
        "default",
        resource_version=made.metadata.resource_version,
        timeout_seconds=30,
    ):
        if event["object"].status.ready_replicas == 2:
            watch.stop()
    assert apps.read_namespaced_deployment_status("web", "default").status.available_replicas == 2
    pods = core.list_namespaced_pod("default", label_selector="app=web").items
    assert {each.status.phase for each in pods} == {"Running"}
    assert {each.spec.node_name for each in pods} == {"node-1", "node-2"}
