"""kubectl scale and autoscale: what they print, and what is stored."""

from __future__ import annotations

import pathlib
from collections.abc import Callable

from tests.clients.whole.conftest import Kubectl
from tests.clients.whole.manifests import CREW, CREWS, DEPLOYMENT, workload

Apply = Callable[[str], str]
WORKLOADS = (
    workload("apps/v1", "ReplicaSet", "rs")
    + workload("v1", "ReplicationController", "rc")
    + workload("apps/v1", "StatefulSet", "db")
)
REPLICAS = "jsonpath={.spec.replicas}"


def test_every_workload_is_scaled_by_name_file_and_label(
    kubectl: Kubectl, apply: Apply, tmp_path: pathlib.Path
) -> None:
    """One call scales several; each says so, and each has the new number."""
    apply(DEPLOYMENT + "---" + WORKLOADS)
    (tmp_path / "workloads.yaml").write_text(WORKLOADS)

    several = kubectl("scale", "rs/rs", "rc/rc", "sts/db", "--replicas=2")
    by_label = kubectl("scale", "deployment", "-l", "app=web", "--replicas=3", "--timeout=30s")
    scaled = kubectl("get", "rs/rs", "rc/rc", "sts/db", "deploy/web", "-o", "jsonpath={.items[*].spec.replicas}")
    from_file = kubectl("scale", "-f", str(tmp_path / "workloads.yaml"), "--replicas=1")

    assert several == "replicaset.apps/rs scaled\nreplicationcontroller/rc scaled\nstatefulset.apps/db scaled\n"
    assert by_label == "deployment.apps/web scaled\n"
    assert scaled == "2 2 2 3"
    assert from_file == several
    kubectl.until("get", "rs/rs", "-o", "jsonpath={.spec.replicas} {.status.replicas}", says="1 1")
    kubectl.until("get", "rc/rc", "-o", "jsonpath={.spec.replicas} {.status.replicas}", says="1 1")
    kubectl.until(
        "get", "pods", "-l", "app=web", "-o", "jsonpath={.items[*].status.phase}", says="Running " * 2 + "Running"
    )


def test_a_scale_that_must_not_happen_does_not(kubectl: Kubectl, apply: Apply) -> None:
    """Preconditions, dry runs, what is not there and what cannot be scaled leave the object as it was."""
    apply(DEPLOYMENT)
    kubectl("rollout", "status", "deployment/web")
    version = kubectl("get", "deployment/web", "-o", "jsonpath={.metadata.resourceVersion}")

    others = kubectl.fails("scale", "deployment/web", "--current-replicas=7", "--replicas=3")
    older = kubectl.fails("scale", "deployment/web", "--resource-version=1", "--replicas=3")
    missing = kubectl.fails("scale", "deployment/nope", "--replicas=1")
    unscalable = kubectl.fails("scale", "configmap/kube-root-ca.crt", "--replicas=1")
    negative = kubectl.fails("scale", "deployment/web", "--replicas=-1")
    tried = [kubectl("scale", "deployment/web", "--replicas=5", f"--dry-run={how}") for how in ("client", "server")]

    assert others == "error: Expected replicas to be 7, was 2\n"
    assert older == f"error: Expected resource version to be 1, was {version}\n"
    assert 'deployments.apps "nope" not found' in missing
    assert unscalable == "Error from server (NotFound): the server could not find the requested resource\n"
    assert negative == (
        "error: The --replicas=COUNT flag is required, and COUNT must be greater than or equal to 0\n"
    )
    assert tried == [
        f"deployment.apps/web scaled{'' if kubectl.old else how}\n" for how in (" (dry run)", " (server dry run)")
    ]
    assert kubectl("get", "deployment/web", "-o", REPLICAS) == "2"
    assert kubectl("scale", "deployment/web", "--current-replicas=2", f"--resource-version={version}", "--replicas=1")
    assert kubectl("get", "deployment/web", "-o", REPLICAS) == "1"


def test_a_custom_resource_is_scaled_and_waited_for(
    kubectl: Kubectl, apply: Apply, define: Callable[[str], None]
) -> None:
    """Nobody looks after its status, so the wait ends with its time."""
    define(CREWS)
    apply(CREW)

    said = kubectl("scale", "crew/day", "--replicas=4")
    late = kubectl.fails("scale", "cw/day", "--replicas=5", "--timeout=1s")

    assert said == "crew.sea.example/day scaled\n"
    # at its end kubectl may be about to ask once more, and says then that there is no time for it
    assert late == 'error: timed out waiting for "day" to be synced\n' or "would exceed context deadline" in late
    assert kubectl("get", "crews").splitlines()[1].split()[:2] == ["day", "5"]


def test_autoscale_makes_an_autoscaler_in_every_version(kubectl: Kubectl, apply: Apply) -> None:
    """kubectl writes v1; each version that is read says the same in its own way."""
    apply(DEPLOYMENT)

    said = kubectl("autoscale", "deployment/web", "--min=2", "--max=4", "--cpu-percent=70")
    again = kubectl.fails("autoscale", "deployment/web", "--max=4")
    named = kubectl("autoscale", "deployment", "web", "--max=3", "--name=other")
    crossed = kubectl.fails("autoscale", "deployment/web", "--min=5", "--max=4", "--name=third")

    assert said == "horizontalpodautoscaler.autoscaling/web autoscaled\n"
    assert again == ('Error from server (AlreadyExists): horizontalpodautoscalers.autoscaling "web" already exists\n')
    assert named == "horizontalpodautoscaler.autoscaling/other autoscaled\n"
    assert crossed.startswith("error: --max=MAXPODS must be larger or equal to --min=MINPODS, max: 4, min: 5")
    plural = "horizontalpodautoscalers.{}.autoscaling"
    first = kubectl.json("get", plural.format("v1"), "web")
    assert (first["apiVersion"], first["spec"]) == (
        "autoscaling/v1",
        {
            "minReplicas": 2,
            "maxReplicas": 4,
            "targetCPUUtilizationPercentage": 70,
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
        },
    )
    metric = {
        "type": "Resource",
        "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}},
    }
    for version in ("v2", "v2beta2"):
        found = kubectl.json("get", plural.format(version), "web")
        assert (found["apiVersion"], found["spec"]["metrics"]) == (f"autoscaling/{version}", [metric])
    defaulted = kubectl.json("get", plural.format("v2"), "other")["spec"]
    assert (defaulted["minReplicas"], defaulted["maxReplicas"]) == (1, 3)
    assert defaulted["metrics"][0]["resource"]["target"]["averageUtilization"] == 80
    assert kubectl.rows("get", "hpa", "web")[0][:5] == ["NAME", "REFERENCE", "TARGETS", "MINPODS", "MAXPODS"]
