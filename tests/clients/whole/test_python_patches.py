"""The official Python client's patches: JSON, merge, strategic merge and apply."""

from __future__ import annotations

import json
from typing import Any

import kubernetes
import pytest
from kubernetes.client.exceptions import ApiException

CLIENT = kubernetes.client
JSON = "application/json-patch+json"
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"


@pytest.fixture
def apps(python: Any) -> Any:
    """The apps API, with the deployment `web` of two containers and no replica."""
    made = CLIENT.AppsV1Api(python)
    containers = [CLIENT.V1Container(name=name, image=f"{name}:1") for name in ("web", "log")]
    made.create_namespaced_deployment(
        "default",
        CLIENT.V1Deployment(
            metadata=CLIENT.V1ObjectMeta(name="web", labels={"app": "web", "old": "yes"}),
            spec=CLIENT.V1DeploymentSpec(
                replicas=0,
                selector=CLIENT.V1LabelSelector(match_labels={"app": "web"}),
                template=CLIENT.V1PodTemplateSpec(
                    metadata=CLIENT.V1ObjectMeta(labels={"app": "web"}),
                    spec=CLIENT.V1PodSpec(containers=containers),
                ),
            ),
        ),
    )
    return made


def images(deployment: Any) -> dict[str, str]:
    """Return each container's image."""
    return {each.name: each.image for each in deployment.spec.template.spec.containers}


def containers(*given: dict[str, str]) -> dict[str, Any]:
    """Return a patch of the template's containers."""
    return {"spec": {"template": {"spec": {"containers": list(given)}}}}


def test_a_strategic_merge_patch_merges_containers_by_name(apps: Any) -> None:
    """The other container stays."""
    patched = apps.patch_namespaced_deployment(
        "web", "default", containers({"name": "web", "image": "web:2"}), _content_type=STRATEGIC
    )

    assert images(patched) == {"web": "web:2", "log": "log:1"}


def test_a_merge_patch_replaces_lists_and_null_removes(apps: Any) -> None:
    """As RFC 7386 says."""
    patch = {"metadata": {"labels": {"old": None}}, **containers({"name": "web", "image": "web:2"})}

    patched = apps.patch_namespaced_deployment("web", "default", patch, _content_type=MERGE)

    assert (images(patched), patched.metadata.labels) == ({"web": "web:2"}, {"app": "web"})


def test_a_json_patch_tests_before_it_changes(apps: Any) -> None:
    """A test that fails is Invalid and changes nothing."""
    path = "/spec/template/spec/containers/0/image"

    patched = apps.patch_namespaced_deployment(
        "web",
        "default",
        [{"op": "test", "path": path, "value": "web:1"}, {"op": "replace", "path": path, "value": "web:2"}],
        _content_type=JSON,
    )
    stale = [{"op": "test", "path": path, "value": "web:1"}, {"op": "remove", "path": "/metadata/labels"}]
    with pytest.raises(ApiException) as caught:
        apps.patch_namespaced_deployment("web", "default", stale, _content_type=JSON)

    assert images(patched) == {"web": "web:2", "log": "log:1"}
    assert (caught.value.status, json.loads(caught.value.body)["reason"]) == (422, "Invalid")


def test_a_patch_with_an_old_resource_version_is_a_conflict(apps: Any) -> None:
    """One without is not."""
    old = apps.read_namespaced_deployment("web", "default").metadata.resource_version
    apps.patch_namespaced_deployment("web", "default", {"spec": {"paused": True}}, _content_type=MERGE)

    patch = {"metadata": {"resourceVersion": old}, "spec": {"paused": False}}
    with pytest.raises(ApiException) as caught:
        apps.patch_namespaced_deployment("web", "default", patch, _content_type=MERGE)

    assert (caught.value.status, json.loads(caught.value.body)["reason"]) == (409, "Conflict")


def applied(image: str, **metadata: Any) -> dict[str, Any]:
    """Return a configuration for apply."""
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", **metadata},
        **containers({"name": "web", "image": image}),
    }


def test_apply_takes_fields_by_force_and_leaves_them_again(apps: Any) -> None:
    """The conflict names the other manager and the field."""

    def apply(body: dict[str, Any], **options: Any) -> Any:
        return apps.patch_namespaced_deployment(
            "web", "default", body, field_manager="tester", _content_type=APPLY, **options
        )

    with pytest.raises(ApiException) as caught:
        apply(applied("web:2"))
    status = json.loads(caught.value.body)
    forced = apply(applied("web:2", labels={"team": "blue"}), force=True)
    left = apply(applied("web:2"))

    assert (caught.value.status, status["reason"]) == (409, "Conflict")
    assert [(cause["reason"], cause["field"]) for cause in status["details"]["causes"]] == [
        ("FieldManagerConflict", '.spec.template.spec.containers[name="web"].image')
    ]
    assert images(forced) == {"web": "web:2", "log": "log:1"}
    assert forced.metadata.labels["team"] == "blue"
    assert "team" not in left.metadata.labels
    assert ("tester", "Apply") in {(each.manager, each.operation) for each in left.metadata.managed_fields}


def test_apply_creates_what_is_not_there(apps: Any) -> None:
    """And does nothing the second time."""
    core = CLIENT.CoreV1Api(apps.api_client)
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "made"}, "data": {"a": "1"}}

    first, second = (
        core.patch_namespaced_config_map("made", "default", body, field_manager="tester", _content_type=APPLY)
        for _ in range(2)
    )

    assert first.data == {"a": "1"}
    assert second.metadata.resource_version == first.metadata.resource_version
