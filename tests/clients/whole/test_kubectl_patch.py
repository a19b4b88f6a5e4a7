"""kubectl patch: each type of patch, what it made, and what it was refused for."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Callable

import pytest

from tests.clients.whole.conftest import Kubectl
from tests.clients.whole.manifests import DEPLOYMENT

Patch = Callable[..., str]
IMAGE = "jsonpath={.spec.template.spec.containers[*].image}"
NOT_OF_A_BOAT = "error: application/strategic-merge-patch+json is not supported by sea.example/v1, Kind=Boat: "
REPLICAS = "jsonpath={.spec.replicas}"


@pytest.fixture
def web(kubectl: Kubectl, tmp_path: pathlib.Path) -> str:
    """A Deployment; returns its manifest's path."""
    (tmp_path / "web.yaml").write_text(DEPLOYMENT)
    kubectl("create", "-f", f"{tmp_path}/web.yaml")
    return f"{tmp_path}/web.yaml"


def test_each_type_of_patch_changes_what_it_says(kubectl: Kubectl, web: str, tmp_path: pathlib.Path) -> None:
    """A strategic patch merges containers by name, a merge patch replaces the list, a JSON patch has operations."""
    patch = ("patch", "deployment", "web")
    sidecar = {"spec": {"template": {"spec": {"containers": [{"name": "side", "image": "side:1"}]}}}}
    (tmp_path / "patch.yaml").write_text("spec: {replicas: 6}\n")

    said = kubectl(*patch, "-p", json.dumps(sidecar))
    merged = kubectl("get", "deployment/web", "-o", IMAGE)
    kubectl(*patch, "--type=merge", "-p", json.dumps(sidecar))
    replaced = kubectl("get", "deployment/web", "-o", IMAGE)
    kubectl(*patch, "--type=json", "-p", '[{"op": "test", "path": "/spec/replicas", "value": 2}, '
            '{"op": "replace", "path": "/spec/replicas", "value": 4}]')  # fmt: skip
    by_operations = kubectl("get", "deployment/web", "-o", REPLICAS)
    kubectl(*patch, "-p", "spec: {replicas: 5}")
    by_yaml = kubectl("get", "deployment/web", "-o", REPLICAS)
    kubectl(*patch, "--patch-file", f"{tmp_path}/patch.yaml")
    by_file = kubectl("get", "deployment/web", "-o", REPLICAS)

    assert said == "deployment.apps/web patched\n"
    assert (merged, replaced) == ("side:1 web:1", "side:1")
    assert (by_operations, by_yaml, by_file) == ("4", "5", "6")


def test_a_patch_that_changes_nothing_says_so(kubectl: Kubectl) -> None:
    """And the object keeps its revision."""
    kubectl("create", "configmap", "one", "--from-literal=k=v")
    revision = kubectl("get", "cm/one", "-o", "jsonpath={.metadata.resourceVersion}")

    said = kubectl("patch", "configmap", "one", "-p", '{"data": {"k": "v"}}')

    assert said == "configmap/one patched (no change)\n"
    assert kubectl("get", "cm/one", "-o", "jsonpath={.metadata.resourceVersion}") == revision


def test_a_strategic_patch_follows_its_directives(kubectl: Kubectl, web: str) -> None:
    """Delete by merge key, replace a whole map, order."""
    patch = ("patch", "deployment", "web", "-p")
    spec = '{"spec": {"template": {"spec": %s}}}'

    kubectl(*patch, spec % '{"containers": [{"name": "side", "image": "side:1"}]}')
    kubectl(*patch, spec % '{"$setElementOrder/containers": [{"name": "web"}, {"name": "side"}]}')
    ordered = kubectl("get", "deployment/web", "-o", IMAGE)
    kubectl(*patch, spec % '{"containers": [{"name": "side", "$patch": "delete"}]}')
    kubectl(*patch, '{"metadata": {"labels": {"$patch": "replace", "tier": "front"}}}')
    found = kubectl.json("get", "deployment/web")

    assert ordered == "web:1 side:1"
    assert [each["name"] for each in found["spec"]["template"]["spec"]["containers"]] == ["web"]
    assert found["metadata"]["labels"] == {"tier": "front"}


def test_a_patch_is_tried_out_before_it_is_made(kubectl: Kubectl, web: str) -> None:
    """Dry runs and --local print what would be."""
    patch = ("patch", "-f", web, "-p", '{"metadata": {"labels": {"a": "b"}}}')

    server = kubectl(*patch, "--dry-run=server")
    client = kubectl(*patch, "--dry-run=client", "-o", "jsonpath={.metadata.labels}")
    local = kubectl(*patch, "--local", "-o", "jsonpath={.metadata.labels}")

    assert server == "deployment.apps/web patched\n"
    assert json.loads(client) == json.loads(local) == {"a": "b", "app": "web"}
    assert kubectl("get", "deployment/web", "-o", "jsonpath={.metadata.labels}") == '{"app":"web"}'


def test_a_patch_that_does_not_fit_is_refused(kubectl: Kubectl, web: str) -> None:
    """In the API's words; nothing is written."""
    before = kubectl("get", "deployment/web", "-o", "jsonpath={.metadata.generation}")

    def refused(*words: str) -> str:
        return kubectl.fails("patch", "deployment", "web", *words)

    rejected = "The request is invalid"
    if not kubectl.old:
        rejected += ": the server rejected our request due to an error in our request: "
    assert refused("--type=json", "-p", '[{"op": "test", "path": "/spec/replicas", "value": 9}]').startswith(rejected)
    assert refused("--type=json", "-p", '[{"op": "remove", "path": "/spec/nope"}]').startswith(rejected)
    assert refused("-p", "{bad").startswith("Error from server (BadRequest): ")
    assert refused("--type=odd", "-p", "{}") == 'error: --type must be one of [json merge strategic], not "odd"\n'
    assert refused("--type=merge", "-p", '{"spec": {"replicas": "two"}}').endswith(
        "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32\n"
    )
    assert refused("-p", '{"spec": {"replicas": "two"}}').endswith('spec.replicas: expected an integer, got "two"\n')
    assert refused("-p", '{"spec": {"replicas": -1}}') == (
        'The Deployment "web" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0\n'
    )
    assert refused(
        "-p", '{"spec": {"template": {"spec": {"containers": [{"$patch": "delete", "name": "web"}]}}}}'
    ) == ('The Deployment "web" is invalid: spec.template.spec.containers: Required value\n')
    assert refused("-p", '{"metadata": {"resourceVersion": "1"}}') == (
        'Error from server (Conflict): Operation cannot be fulfilled on deployments.apps "web": the object has been '
        "modified; please apply your changes to the latest version and try again\n"
    )
    unknown = kubectl.run("patch", "deployment", "web", "-p", '{"spec": {"nope": 1}}')
    missing = kubectl.fails("patch", "cm", "nope", "-p", "{}")
    assert unknown.stdout.startswith("deployment.apps/web patched")
    assert unknown.stderr == 'Warning: unknown field "spec.nope"\n'
    assert missing == 'Error from server (NotFound): configmaps "nope" not found\n'
    assert kubectl("get", "deployment/web", "-o", "jsonpath={.metadata.generation}") == before


def test_a_subresource_is_patched_alone(kubectl: Kubectl, web: str) -> None:
    """The scale changes replicas, the status nothing else; 1.20 does not know the flag."""
    scale = ("patch", "deployment", "web", "--type=merge", "--subresource=scale", "-p", '{"spec": {"replicas": 3}}')
    if kubectl.old:
        assert "unknown flag: --subresource" in kubectl.fails(*scale)
        return
    kubectl("rollout", "pause", "deployment/web")
    said = kubectl(*scale)
    both = '{"spec": {"replicas": 9}, "status": {"collisionCount": 7}}'
    kubectl("patch", "deployment", "web", "--subresource=status", "--type=merge", "-p", both)

    found = kubectl.json("get", "deployment/web")
    assert said == "scale.autoscaling/web patched\n"
    assert (found["spec"]["replicas"], found["status"]["collisionCount"]) == (3, 7)


def test_a_custom_resource_takes_merge_and_json_patches(kubectl: Kubectl, boats: None) -> None:
    """A strategic patch needs types that the API does not have of it."""
    kubectl("create", "-f", "-", stdin="---\n{apiVersion: sea.example/v1, kind: Boat, metadata: {name: argo}}")
    patch = ("patch", "boat", "argo", "-p", '{"spec": {"crew": 4}}')

    strategic = kubectl.fails(*patch)
    merged = kubectl(*patch, "--type=merge")

    assert strategic == (
        ("Error from server (UnsupportedMediaType): " if kubectl.old else NOT_OF_A_BOAT)
        + "the body of the request was in an unknown format - accepted media "
        "types include: application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml\n"
    )
    assert merged == "boat.sea.example/argo patched\n"
    assert kubectl("get", "boat/argo", "-o", "jsonpath={.spec.crew}") == "4"
