"""[sig-apps]: Deployments, ReplicaSets and ReplicationControllers."""

from __future__ import annotations

from typing import Any

import pytest

from tests.clients.conformance import operations, workloads
from tests.clients.conformance.workloads import APPS, CORE, PODS
from tests.support.rawrest import STRATEGIC, Rest

DEPLOYMENTS, REPLICASETS = f"{APPS}/deployments", f"{APPS}/replicasets"
CONTROLLERS = f"{CORE}/replicationcontrollers"
REVISION = "deployment.kubernetes.io/revision"
LABELS = {"name": "sample-pod"}
OTHER = workloads.pod_spec("other", "other:1")


def deployment(replicas: int = 1, **more: Any) -> dict[str, Any]:
    """Return the Deployment `web`."""
    return workloads.workload("Deployment", "web", replicas, LABELS, **more)


def old_replicaset(rest: Rest, annotations: dict[str, str] | None = None) -> str:
    """Create a ReplicaSet that the Deployment `web` can adopt, and wait for its pod."""
    made = workloads.workload("ReplicaSet", "old", 1, {**LABELS, "pod": "httpd"})
    made["metadata"]["annotations"] = annotations or {}
    path = workloads.make(rest, REPLICASETS, made)
    workloads.until_counts(rest, path, readyReplicas=1)
    return path


def complete(rest: Rest, path: str, replicas: int = 1) -> dict[str, Any]:
    """Wait until a Deployment has all its replicas new and available, and none but those."""
    counts = dict.fromkeys(("replicas", "updatedReplicas", "readyReplicas", "availableReplicas"), replicas)
    return workloads.until_counts(rest, path, **counts)


def replicasets(rest: Rest, **status: int) -> dict[str, dict[str, Any]]:
    """Return the ReplicaSets by the image of their pods."""
    found = rest("GET", REPLICASETS)["items"]
    return {each["spec"]["template"]["spec"]["containers"][0]["image"]: each for each in found}


def owners(found: dict[str, Any]) -> list[str]:
    """Return the uids of an object's controllers."""
    return [each["uid"] for each in found["metadata"].get("ownerReferences", ()) if each.get("controller")]


def test_a_deployment_adopts_a_replicaset_and_replaces_its_pods(rest: Rest) -> None:
    """Kubernetes' "RollingUpdateDeployment should delete old pods and create new ones".

    An adopted revision and one.
    """
    old = old_replicaset(rest, {REVISION: "3546343826724305832"})

    path = workloads.make(rest, DEPLOYMENTS, deployment(template=OTHER))
    found = complete(rest, path)

    assert found["metadata"]["annotations"][REVISION] == "3546343826724305833"
    new = replicasets(rest)["other:1"]
    assert new["metadata"]["annotations"][REVISION] == "3546343826724305833"
    adopted = rest("GET", old)
    assert owners(adopted) == owners(new) == [found["metadata"]["uid"]]
    assert adopted["spec"]["replicas"] == 0


def test_recreate_never_runs_old_and_new_pods_together(rest: Rest) -> None:
    """Kubernetes' "RecreateDeployment should delete old pods and create new ones"."""
    path = workloads.make(rest, DEPLOYMENTS, deployment(strategy={"type": "Recreate"}))
    assert complete(rest, path)["metadata"]["annotations"][REVISION] == "1"
    (first,) = workloads.running(rest, 1, "name=sample-pod")

    version = rest("GET", PODS)["metadata"]["resourceVersion"]
    operations.replaced(rest, path, lambda found: found["spec"]["template"].update(spec=OTHER))
    complete(rest, path)

    with rest.watch(PODS, resourceVersion=version) as events:
        seen = events.until(lambda kind, found: kind == "ADDED")
    gone = first["metadata"]["name"]
    assert [found["metadata"]["name"] for kind, found in seen if kind == "DELETED"] == [gone]
    assert seen[-1][1]["spec"]["containers"][0]["image"] == "other:1"


def test_a_deployment_without_history_deletes_what_it_replaced(rest: Rest) -> None:
    """Kubernetes' "deployment should delete old replica sets": one new pod is made, of the new template."""
    old = old_replicaset(rest)
    version = rest("GET", PODS)["metadata"]["resourceVersion"]

    path = workloads.make(rest, DEPLOYMENTS, deployment(template=OTHER, revisionHistoryLimit=0))
    complete(rest, path)
    rest.until_gone(REPLICASETS, old.rsplit("/", 1)[1])

    with rest.watch(PODS, resourceVersion=version) as events:
        seen = events.until(lambda kind, _: kind == "DELETED")
    made = [found["spec"]["containers"][0]["image"] for kind, found in seen if kind == "ADDED"]
    assert made == ["other:1"]


def test_a_stuck_rollout_is_rolled_over(rest: Rest) -> None:
    """Kubernetes' "deployment should support rollover": both old ReplicaSets end without pods."""
    old = old_replicaset(rest)
    stuck = workloads.pod_spec("stuck", "stuck:1", ready=False)
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}
    path = workloads.make(rest, DEPLOYMENTS, deployment(template=stuck, strategy=rolling, minReadySeconds=1))
    found = workloads.until_counts(rest, path, updatedReplicas=1, replicas=2)
    assert found["metadata"]["annotations"][REVISION] == "1"
    middle = f"{REPLICASETS}/{replicasets(rest)['stuck:1']['metadata']['name']}"
    for each in (old, middle):
        assert workloads.until_counts(rest, each, replicas=1)["spec"]["replicas"] == 1

    operations.replaced(rest, path, lambda found: found["spec"]["template"].update(spec=OTHER))

    assert complete(rest, path)["metadata"]["annotations"][REVISION] == "2"
    for each in (old, middle):
        assert workloads.until_counts(rest, each, replicas=0)["spec"]["replicas"] == 0


def test_a_rollout_that_is_scaled_keeps_its_proportions(rest: Rest) -> None:
    """Kubernetes' "deployment should support proportional scaling": 8 and 5 of 10 become 20 and 13 of 30."""
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 2, "maxSurge": 3}}
    path = workloads.make(rest, DEPLOYMENTS, deployment(10, strategy=rolling))
    complete(rest, path, 10)
    stuck = workloads.pod_spec(image="stuck:1", ready=False)
    operations.replaced(rest, path, lambda found: found["spec"]["template"].update(spec=stuck))
    workloads.until_counts(rest, path, replicas=13, updatedReplicas=5, availableReplicas=8)
    assert {image: each["spec"]["replicas"] for image, each in replicasets(rest).items()} == {
        "web:1": 8,
        "stuck:1": 5,
    }

    operations.replaced(rest, path, lambda found: found["spec"].update(replicas=30))

    workloads.until_counts(rest, path, replicas=33, updatedReplicas=13)
    assert {image: each["spec"]["replicas"] for image, each in replicasets(rest).items()} == {
        "web:1": 20,
        "stuck:1": 13,
    }


def test_the_life_of_a_deployment(rest: Rest) -> None:
    """Kubernetes' "should run the lifecycle of a Deployment".

    What a strategic patch, an update and a status patch do to it.
    """
    labels = {"test-deployment-static": "true"}
    made = workloads.workload("Deployment", "web", 2, labels)
    version = rest("GET", "/apis/apps/v1/deployments", labelSelector="test-deployment-static=true")["metadata"][
        "resourceVersion"
    ]
    path = workloads.make(rest, DEPLOYMENTS, made)
    complete(rest, path, 2)

    template = {"terminationGracePeriodSeconds": 2, "containers": [{"name": "main", "image": "other:1"}]}
    patch = {
        "metadata": {"labels": {"test-deployment": "patched"}},
        "spec": {"replicas": 1, "template": {"spec": template}},
    }
    rest("PATCH", path, patch, sent=STRATEGIC)
    found = complete(rest, path)
    spec = found["spec"]["template"]["spec"]
    assert (spec["containers"][0]["image"], spec["terminationGracePeriodSeconds"]) == ("other:1", 2)
    assert "unavailableReplicas" not in found["status"]

    made["metadata"]["labels"]["test-deployment"] = "updated"
    made["spec"]["template"]["spec"]["containers"][0]["image"] = "third:1"
    rest("PUT", path, made)
    complete(rest, path, 2)
    status = {"readyReplicas": 0, "availableReplicas": 0}
    labelled = {"metadata": {"labels": {"test-deployment": "patched-status"}}, "status": status}
    rest("PATCH", f"{path}/status", labelled, sent=STRATEGIC)
    found = rest("GET", f"{path}/status")
    assert found["spec"]["template"]["spec"]["containers"][0]["image"] == "third:1"
    assert found["metadata"]["labels"]["test-deployment"] == "updated"
    complete(rest, path, 2)

    rest("DELETE", DEPLOYMENTS, {"gracePeriodSeconds": 1}, labelSelector="test-deployment-static=true")
    query = {"labelSelector": "test-deployment-static=true", "resourceVersion": version}
    with rest.watch(DEPLOYMENTS, **query) as events:
        seen = [kind for kind, _ in events.until(lambda kind, _: kind == "DELETED")]
    assert (seen[0], set(seen[1:-1])) == ("ADDED", {"MODIFIED"})


@pytest.mark.parametrize("kind", ["Deployment", "ReplicaSet", "StatefulSet"])
def test_a_workload_has_a_scale(rest: Rest, kind: str) -> None:
    """Kubernetes' "should have a working scale subresource".

    Read, replaced without a version, patched strategically.
    """
    made = workloads.workload(kind, "web", 1, LABELS, **({"serviceName": "web"} if kind == "StatefulSet" else {}))
    scaled = workloads.make(rest, f"{APPS}/{kind.lower()}s", made)
    if kind != "StatefulSet":
        workloads.until_counts(rest, scaled, readyReplicas=1)
        assert rest("GET", f"{scaled}/scale")["status"] == {"replicas": 1, "selector": "name=sample-pod"}
    workloads.scaled(rest, scaled)


@pytest.mark.parametrize("kind", ["Deployment", "ReplicaSet", "StatefulSet", "DaemonSet"])
def test_a_workload_has_a_status_that_can_be_written(rest: Rest, kind: str) -> None:
    """Kubernetes' "should validate … Status endpoints", "should verify changes to a daemon set status"."""
    made = workloads.workload(kind, "web", 1, LABELS)
    if kind == "DaemonSet":
        del made["spec"]["replicas"]
    path = workloads.make(rest, f"{APPS}/{kind.lower()}s", made)
    if kind in ("Deployment", "ReplicaSet"):
        workloads.until_counts(rest, path, readyReplicas=1)
    workloads.status_written(rest, path)


@pytest.mark.parametrize("kind", ["ReplicaSet", "StatefulSet", "DaemonSet"])
def test_workloads_are_listed_and_deleted_by_label(rest: Rest, kind: str) -> None:
    """Kubernetes' "should list and delete a collection of …": for a StatefulSet with a patch before that."""
    made = workloads.workload(kind, "web", 3, {**LABELS, "e2e": "x1"})
    if kind == "DaemonSet":
        del made["spec"]["replicas"]
    path = workloads.make(rest, f"{APPS}/{kind.lower()}s", made)
    if kind == "ReplicaSet":
        workloads.running(rest, 3, "e2e=x1")
    if kind == "StatefulSet":
        spec = {"terminationGracePeriodSeconds": 0, "containers": [{"name": "main", "image": "other:1"}]}
        patch = {"metadata": {"labels": {"test-ss": "patched"}}, "spec": {"replicas": 2, "template": {"spec": spec}}}
        patched = rest("PATCH", path, patch, sent=STRATEGIC)
        assert (patched["metadata"]["labels"]["test-ss"], patched["spec"]["replicas"]) == ("patched", 2)
        assert patched["spec"]["template"]["spec"]["containers"][0]["image"] == "other:1"
    workloads.listed_and_deleted(rest, path.rsplit("/", 1)[0], "e2e=x1")


def test_a_replicaset_is_replaced_and_patched(rest: Rest) -> None:
    """Kubernetes' "Replace and Patch tests".

    A container and two replicas more, watched by the label that comes with them.
    """
    path = workloads.make(rest, REPLICASETS, workloads.workload("ReplicaSet", "web", 1, LABELS))
    workloads.until_counts(rest, path, readyReplicas=1)
    version = rest("GET", REPLICASETS, labelSelector="test-rs=patched")["metadata"]["resourceVersion"]
    operations.replaced(rest, path, lambda found: found["spec"].update(replicas=2))

    spec = {"terminationGracePeriodSeconds": 0, "containers": [{"name": "web", "image": "other:1"}]}
    patch = {"metadata": {"labels": {"test-rs": "patched"}}, "spec": {"replicas": 3, "template": {"spec": spec}}}
    rest("PATCH", path, patch, sent=STRATEGIC)

    def patched(found: dict[str, Any]) -> bool:
        return workloads.has_counts(found, readyReplicas=3, availableReplicas=3)

    found = rest.until(REPLICASETS, patched, labelSelector="test-rs=patched", resourceVersion=version)
    containers = found["spec"]["template"]["spec"]["containers"]
    assert [(each["name"], each["image"]) for each in containers] == [("web", "other:1"), ("main", "web:1")]


def test_a_pod_is_ready_when_its_gates_are_open(rest: Rest) -> None:
    """[sig-node] "should support pod readiness gates", which stand still what the rollouts above wait for."""
    path = workloads.make(rest, PODS, workloads.pod("gated", ready=False))

    def ready(status: str) -> dict[str, Any]:
        wanted = ("Ready", status)
        found = rest.until(
            PODS, lambda found: wanted in workloads.statuses(found), fieldSelector="metadata.name=gated"
        )
        (told,) = [each for each in found["status"]["conditions"] if each["type"] == "Ready"]
        return dict(told)

    def gate(status: str) -> None:
        patch = {"status": {"conditions": [{"type": workloads.GATE, "status": status}]}}
        rest("PATCH", f"{path}/status", patch, sent=STRATEGIC)

    assert ready("False")["reason"] == "ReadinessGatesNotReady"
    gate("True")
    ready("True")
    gate("False")
    assert ready("False")["message"].endswith(f'"{workloads.GATE}" is not "True", but False')


@pytest.mark.parametrize("kind", ["ReplicaSet", "ReplicationController"])
def test_pods_are_adopted_and_released(rest: Rest, kind: str) -> None:
    """Kubernetes' "should adopt matching pods on creation", "should release no longer matching pods"."""
    pod = workloads.make(rest, PODS, workloads.pod("orphan", LABELS))
    workloads.running(rest, 1, "name=sample-pod")
    if kind == "ReplicaSet":
        path = workloads.make(rest, REPLICASETS, workloads.workload(kind, "web", 1, LABELS))
    else:
        path = workloads.make(rest, CONTROLLERS, workloads.controller("web", 1, LABELS))
    uid = rest("GET", path)["metadata"]["uid"]
    only = {"fieldSelector": "metadata.name=orphan"}

    rest.until(PODS, lambda found: owners(found) == [uid], **only)
    operations.replaced(rest, pod, lambda found: found["metadata"].update(labels={"name": "not-matching-name"}))

    rest.until(PODS, lambda found: owners(found) == [], **only)
    (replacement,) = workloads.running(rest, 1, "name=sample-pod")
    assert owners(replacement) == [uid]


def test_a_replication_controller_has_a_scale(rest: Rest) -> None:
    """Kubernetes' "should get and update a ReplicationController scale"."""
    path = workloads.make(rest, CONTROLLERS, workloads.controller("web", 1, LABELS))
    workloads.until_counts(rest, path, replicas=1)
    workloads.scaled(rest, path)
    workloads.until_counts(rest, path, replicas=4)


def test_a_quota_that_is_used_up_is_told_as_a_condition(rest: Rest) -> None:
    """Kubernetes' "should surface a failure condition on a common issue like exceeded quota", until it is none."""
    quota = {"metadata": {"name": "two"}, "spec": {"hard": {"pods": "2"}}}
    rest("POST", f"{CORE}/resourcequotas", quota)
    rest.until(f"{CORE}/resourcequotas", lambda found: found["status"].get("hard", {}).get("pods") == "2")
    path = workloads.make(rest, CONTROLLERS, workloads.controller("web", 3, LABELS))

    def failed(found: dict[str, Any]) -> bool:
        return ("ReplicaFailure", "True") in workloads.statuses(found) and workloads.has_counts(found, replicas=2)

    found = rest.until(CONTROLLERS, failed)
    (condition,) = found["status"]["conditions"]
    assert condition["reason"] == "FailedCreate"
    assert condition["message"].endswith(
        "is forbidden: exceeded quota: two, requested: pods=1, used: pods=2, limited: pods=2"
    )

    generation = operations.replaced(rest, path, lambda each: each["spec"].update(replicas=2))["metadata"][
        "generation"
    ]

    def recovered(found: dict[str, Any]) -> bool:
        return found["status"]["observedGeneration"] >= generation and not workloads.statuses(found)

    assert rest.until(CONTROLLERS, recovered)["status"]["replicas"] == 2


def test_the_life_of_a_replication_controller(rest: Rest) -> None:
    """Kubernetes' "should test the lifecycle of a ReplicationController", with the bodies of Go's client."""
    labels = {"test-rc-static": "true"}
    selected = {"labelSelector": "test-rc-static=true"}
    version = rest("GET", CONTROLLERS, **selected)["metadata"]["resourceVersion"]
    with rest.watch(CONTROLLERS, resourceVersion=version, **selected) as events:

        def counts(count: int) -> Any:
            return lambda _, found: workloads.has_counts(found, replicas=count, readyReplicas=count)

        path = workloads.make(rest, CONTROLLERS, workloads.controller("rc-test", 1, labels))
        assert events.next()[0] == "ADDED"
        events.until(counts(1))

        metadata = {"creationTimestamp": None, "labels": {"test-rc": "patched"}}
        patch = {"metadata": metadata, "spec": {}, "status": {"replicas": 0}}
        assert rest("PATCH", path, patch, sent=STRATEGIC)["metadata"]["labels"]["test-rc"] == "patched"
        events.until(lambda _, found: found["metadata"]["labels"] == {"test-rc": "patched", **labels})

        status = {"status": {"readyReplicas": 0, "availableReplicas": 0}}
        patched = rest("PATCH", f"{path}/status", status, sent=STRATEGIC)["status"]
        assert patched.get("readyReplicas", 0) == 0
        events.until(lambda _, found: "readyReplicas" not in found["status"])
        assert rest("GET", f"{path}/status")["status"]["replicas"] == 1

        scale = {"metadata": workloads.GO_METADATA, "spec": {"replicas": 2}, "status": {"replicas": 0}}
        rest("PATCH", f"{path}/scale", scale, sent=STRATEGIC)
        events.until(counts(2))

        def one_ready(found: dict[str, Any]) -> None:
            found["status"].update(availableReplicas=1, readyReplicas=1)

        operations.replaced(rest, f"{path}/status", one_ready)
        events.until(lambda _, found: found["status"].get("readyReplicas") == 1)
        (listed,) = rest("GET", "/api/v1/replicationcontrollers", **selected)["items"]
        assert listed["metadata"]["labels"] == {"test-rc": "patched", **labels}

        rest("DELETE", CONTROLLERS, **selected)
        events.until(lambda kind, _: kind == "DELETED")
