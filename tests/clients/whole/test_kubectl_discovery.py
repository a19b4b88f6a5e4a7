"""What kubectl tells of the API itself: explain, api-resources, api-versions, version, cluster-info, config."""

from __future__ import annotations

import json
import pathlib
import re

import yaml

from tests.clients.whole.conftest import Kubectl
from tests.clients.whole.manifests import DEPLOYMENT


def test_fields_are_explained(kubectl: Kubectl) -> None:
    """Type and meaning, from OpenAPI: version 2 for 1.20, version 3 for 1.32."""
    pod = kubectl("explain", "pods")
    image = kubectl("explain", "pod.spec.containers.image")
    strategy = kubectl("explain", "deploy.spec.strategy")
    recursive = kubectl("explain", "pods", "--recursive")
    other_version = kubectl("explain", "hpa", "--api-version=autoscaling/v1")

    assert re.search(r"KIND: +Pod\nVERSION: +v1\n\nDESCRIPTION:\n +Containers that run together", pod)
    assert f"spec\t<{'Object' if kubectl.old else 'PodSpec'}>\n" in pod
    assert re.search(r"FIELD: +image <string>\n", image)
    assert "The image that it runs." in image
    assert "RollingUpdate (the default), or Recreate" in strategy
    assert "DeploymentStrategy" in strategy or kubectl.old
    assert re.search(r"\n +containers\t<\[\](Object|Container)>( -required-)?\n", recursive)
    assert re.search(
        r"\n +livenessProbe\t<(Object|Probe)>\n +exec\t<(Object|ExecAction)>\n +command\t<\[\]string>\n", recursive
    )
    assert "The image that it runs." not in recursive
    assert re.search(r"VERSION: +(autoscaling/)?v1\n", other_version)
    assert "by the cpu that its pods use" in other_version.replace("\n", " ").replace("     ", "")
    assert kubectl.fails("explain", "pod.nope") == 'error: field "nope" does not exist\n'
    assert kubectl.fails("explain", "nonsense").endswith('the server doesn\'t have a resource type "nonsense"\n')


def test_every_field_that_people_look_up_is_explained(kubectl: Kubectl) -> None:
    """1.32 can read version 2 too; 1.20 knows nothing else and no such flag."""
    words = ("explain", "service.spec.ports", "--output=plaintext-openapiv2")
    if kubectl.old:
        assert "unknown flag: --output" in kubectl.fails(*words)
        return

    second, third = kubectl(*words), kubectl("explain", "service.spec.ports")

    fields = [set(re.findall(r"^ +(\w+)\t<", text, re.MULTILINE)) for text in (second, third)]
    assert fields[0] == fields[1] == {"appProtocol", "name", "nodePort", "port", "protocol", "targetPort"}
    assert re.search(r"port\t<integer> -required-", second)


def test_a_custom_resource_is_known_at_once(kubectl: Kubectl, boats: None) -> None:
    """In discovery, by its short name and categories, and its schema in explain and validation."""
    resources = [
        line.split() for line in kubectl("api-resources", "--api-group=sea.example", "--no-headers").splitlines()
    ]
    explained = kubectl("explain", "boat.spec")
    boat = "apiVersion: sea.example/v1\nkind: Boat\nmetadata: {name: %s}\nspec: {%s}\n"
    made = kubectl("apply", "-f", "-", stdin=boat % ("argo", "crew: 3"))
    unknown = kubectl.fails("apply", "-f", "-", stdin=boat % ("ghost", "crew: 1, x: 1"))
    invalid = kubectl.fails("create", "--validate=false", "-f", "-", stdin=boat % ("ghost", "crew: 0"))

    assert resources == [["boats", "bt", "sea.example/v1", "true", "Boat"]]
    assert "What the boat should be." in explained
    assert re.search(r"crew\t<integer> -required-\n +How many sail it\.", explained)
    assert "Standard object's metadata" in kubectl("explain", "boat").replace("\n", " ")
    assert made == "boat.sea.example/argo created\n"
    field = 'unknown field "x" in example.sea.v1.Boat.spec' if kubectl.old else 'unknown field "spec.x"'
    assert field in unknown
    assert invalid == (
        'The Boat "ghost" is invalid: spec.crew: Invalid value: 0: spec.crew in body should be greater than or equal '
        "to 1\n"
    )
    assert [row[:2] for row in kubectl.rows("get", "bt")] == [["NAME", "CREW"], ["argo", "3"]]
    assert "boat.sea.example/argo" in kubectl("get", "all", "-o", "name").splitlines()
    assert re.search(r"API Version: +sea\.example/v1\nKind: +Boat\n", kubectl("describe", "boat", "argo"))


def test_api_resources_are_listed_by_group_scope_verb_and_category(kubectl: Kubectl) -> None:
    """With their short names, versions and kinds."""
    rows = {
        line.split()[0] + "." + line.split()[-3].partition("/")[0]: line.split()
        for line in kubectl("api-resources", "--no-headers").splitlines()
    }
    apps = kubectl("api-resources", "--api-group=apps", "-o", "name").split()
    wide = [row for row in kubectl.rows("api-resources", "--api-group=apps", "-o", "wide") if row[0] == "deployments"]
    cluster_wide = kubectl("api-resources", "--namespaced=false", "-o", "name").split()
    readable = kubectl("api-resources", "--verbs=list,get,watch", "-o", "name").split()
    by_kind = [line.split()[-1] for line in kubectl("api-resources", "--sort-by=kind", "--no-headers").splitlines()]
    cached = kubectl("api-resources", "--cached", "-o", "name").split()

    assert rows["deployments.apps"] == ["deployments", "deploy", "apps/v1", "true", "Deployment"]
    assert rows["nodes.v1"] == ["nodes", "no", "v1", "false", "Node"]
    assert apps == [
        f"{name}.apps" for name in ("controllerrevisions", "daemonsets", "deployments", "replicasets", "statefulsets")
    ]
    verbs = wide[0][5].strip("[]").replace(",", " ").split()
    assert verbs == ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]
    assert {"nodes", "namespaces", "clusterroles.rbac.authorization.k8s.io"} <= set(cluster_wide)
    assert "pods" not in cluster_wide
    assert "pods" in readable
    assert "tokenreviews.authentication.k8s.io" not in readable
    assert by_kind == sorted(by_kind)
    assert len(cached) == len(rows)
    if kubectl.old:
        assert "unknown flag: --categories" in kubectl.fails("api-resources", "--categories=all")
        return
    every = kubectl("api-resources", "--categories=all", "-o", "name").split()
    assert {"pods", "services", "deployments.apps", "jobs.batch"} <= set(every)
    assert "configmaps" not in every
    assert kubectl("api-resources", "--categories=api-extensions", "-o", "name").split() == [
        "mutatingwebhookconfigurations.admissionregistration.k8s.io",
        "validatingadmissionpolicies.admissionregistration.k8s.io",
        "validatingadmissionpolicybindings.admissionregistration.k8s.io",
        "validatingwebhookconfigurations.admissionregistration.k8s.io",
        "customresourcedefinitions.apiextensions.k8s.io",
        "apiservices.apiregistration.k8s.io",
    ]


def test_versions_of_the_api_client_and_server_are_told(kubectl: Kubectl) -> None:
    """All stable groups of 1.32, and what --api-compat=1.20 adds."""
    versions = kubectl("api-versions").split()
    told = kubectl.json("version")
    plain = kubectl("version")
    client = kubectl("version", "--client")

    assert versions == sorted(versions)
    assert {"v1", "apps/v1", "autoscaling/v2", "batch/v1", "batch/v1beta1", "policy/v1", "storage.k8s.io/v1"} <= set(
        versions
    )
    assert (told["serverVersion"]["major"], told["serverVersion"]["minor"]) == ("1", "32")
    assert told["serverVersion"]["gitVersion"].startswith("v1.32.0+fairlead")
    assert re.search(r"Server Version: .*v1\.32\.0\+fairlead", plain)
    assert "Server Version" not in client


def test_the_cluster_is_told_of_and_dumped(kubectl: Kubectl, tmp_path: pathlib.Path) -> None:
    """Where it is, and all that a bug report needs."""
    kubectl("apply", "-f", "-", stdin=DEPLOYMENT.replace("replicas: 2", "replicas: 0"))

    told = re.sub(r"\x1b\[[0-9;]*m", "", kubectl("cluster-info"))
    kubectl("cluster-info", "dump", "--namespaces=default", f"--output-directory={tmp_path}/dump")

    assert re.match(r"Kubernetes control plane is running at https://127\.0\.0\.1:\d+\n", told)
    files = {str(path.relative_to(tmp_path / "dump")) for path in (tmp_path / "dump").rglob("*.json")}
    kinds = ("daemonsets", "deployments", "events", "pods", "replicasets", "replication-controllers", "services")
    assert files == {"nodes.json"} | {f"default/{kind}.json" for kind in kinds}
    nodes = json.loads((tmp_path / "dump" / "nodes.json").read_text())
    deployments = json.loads((tmp_path / "dump" / "default" / "deployments.json").read_text())
    assert [each["metadata"]["name"] for each in nodes["items"]] == ["node-1", "node-2"]
    assert [each["metadata"]["name"] for each in deployments["items"]] == ["web"]


def test_the_kubeconfig_is_shown_without_its_secrets(kubectl: Kubectl) -> None:
    """And can be written."""
    shown = yaml.safe_load(kubectl("config", "view"))
    minified = yaml.safe_load(kubectl("config", "view", "--minify", "--raw"))
    rows = kubectl.rows("config", "get-contexts")

    (user,) = shown["users"]
    assert set(user["user"].values()) <= {"REDACTED", "DATA+OMITTED"}
    assert shown["clusters"][0]["cluster"]["server"] == minified["clusters"][0]["cluster"]["server"]
    assert len(minified["users"][0]["user"]["client-key-data"]) > 100
    assert kubectl("config", "current-context") == f"{shown['current-context']}\n"
    assert rows[1][:2] == ["*", shown["current-context"]]
