"""[sig-apps]: kinds whose controllers come later, as far as the API alone goes; disruption budgets and evictions."""

from __future__ import annotations

import copy
from typing import Any

from tests.clients.conformance import operations, workloads
from tests.clients.conformance.workloads import APPS, BATCH, PODS
from tests.support.rawrest import MERGE, STRATEGIC, Rest

JOBS, CRONJOBS, REVISIONS = f"{BATCH}/jobs", f"{BATCH}/cronjobs", f"{APPS}/controllerrevisions"
BUDGETS = "/apis/policy/v1/namespaces/default/poddisruptionbudgets"
NOW, LATER = "2026-01-01T00:00:00Z", "2026-01-01T00:01:00Z"
JOB_TEMPLATE = {"spec": workloads.pod_spec(image="busybox", restartPolicy="OnFailure")}
CRONJOB = operations.Kind(
    *("batch", "v1", "cronjobs", "CronJob"),
    made={
        "spec": {
            "schedule": "* */1 * * ?",
            "concurrencyPolicy": "Allow",
            "jobTemplate": {"spec": {"template": JOB_TEMPLATE}},
        }
    },
    namespace="default",
    subresources=("status",),
)
LABELS = {"foo": "bar"}


def test_a_cronjob_has_every_operation(rest: Rest) -> None:
    """Kubernetes' "CronJob should support CronJob API operations".

    The status, too, and a deletion with dependents first.
    """
    operations.discovered(rest, CRONJOB)
    name = operations.written(rest, CRONJOB)["metadata"]["name"]
    status = f"{CRONJOBS}/{name}/status"
    metadata = {"annotations": {"patchedstatus": "true"}}
    patched = rest("PATCH", status, {"metadata": metadata, "status": {"lastScheduleTime": NOW}}, sent=MERGE)
    assert (patched["status"]["lastScheduleTime"], patched["metadata"]["annotations"]["patchedstatus"]) == (
        NOW,
        "true",
    )
    updated = operations.replaced(rest, status, lambda found: found["status"].update(lastScheduleTime=LATER))
    assert updated["status"]["lastScheduleTime"] == LATER
    assert rest("GET", status)["metadata"]["uid"] == updated["metadata"]["uid"]

    removed = {**CRONJOB.new(), "metadata": {"name": "for-removal"}}
    path = workloads.make(rest, CRONJOBS, removed)
    rest("DELETE", path, {"propagationPolicy": "Foreground"})
    answer = rest.ask("GET", path)
    assert answer.status == 404 or answer.body["metadata"]["finalizers"] == ["foregroundDeletion"]
    rest.until_gone(CRONJOBS, "for-removal")
    operations.deleted(rest, CRONJOB, name)


def job(name: str, **spec: Any) -> dict[str, Any]:
    """Return a Job."""
    template = {"spec": workloads.pod_spec(restartPolicy="Never")}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name},
        "spec": {"template": template, **spec},
    }


def test_the_status_of_a_job_can_be_written(rest: Rest) -> None:
    """Kubernetes' "Job should apply changes to a job status".

    A condition of one's own by patch, another time by update.
    """
    path = workloads.make(rest, JOBS, job("e2e", parallelism=2, completions=4, backoffLimit=6))
    condition = {"type": "CustomConditionType", "status": "True", "lastProbeTime": None, "lastTransitionTime": NOW}
    patch = {"metadata": {"annotations": {"patchedstatus": "true"}}, "status": {"conditions": [condition]}}

    patched = rest("PATCH", f"{path}/status", patch, sent=MERGE)
    assert patched["metadata"]["annotations"] == {"patchedstatus": "true"}
    assert (
        patched["status"]["conditions"][0].items()
        >= {"type": "CustomConditionType", "lastTransitionTime": NOW}.items()
    )

    def later(found: dict[str, Any]) -> None:
        found["status"]["conditions"][0]["lastTransitionTime"] = LATER

    updated = operations.replaced(rest, f"{path}/status", later)
    assert updated["status"]["conditions"][0]["lastTransitionTime"] == LATER
    assert rest("GET", f"{path}/status")["metadata"]["uid"] == updated["metadata"]["uid"]


def test_the_life_of_a_suspended_job(rest: Rest) -> None:
    """Kubernetes' "Job should manage the lifecycle of a job".

    Patched, replaced, listed everywhere, deleted by label.
    """
    label = {"e2e-job-label": "e2e"}
    made = job("e2e", suspend=True, parallelism=2, completions=4)
    made["metadata"]["labels"] = label
    version = rest("POST", JOBS, made)["metadata"]["resourceVersion"]
    path = f"{JOBS}/e2e"

    metadata = {"creationTimestamp": None, "labels": {"e2e": "patched"}}
    patched = rest("PATCH", path, {"metadata": metadata}, sent=STRATEGIC)
    assert patched["metadata"]["labels"].items() >= {"e2e": "patched", **label}.items()
    updated = operations.replaced(
        rest, path, lambda found: found["metadata"].setdefault("annotations", {}).update(updated="true")
    )
    assert updated["metadata"]["annotations"]["updated"] == "true"
    assert len(rest("GET", "/apis/batch/v1/jobs", labelSelector="e2e-job-label=e2e")["items"]) == 1

    rest("DELETE", JOBS, {"propagationPolicy": "Background"}, labelSelector="e2e-job-label=e2e")
    with rest.watch(JOBS, labelSelector="e2e-job-label=e2e", resourceVersion=version) as events:
        kinds = [kind for kind, _ in events.until(lambda kind, _: kind == "DELETED")]
    assert set(kinds[:-1]) == {"MODIFIED"}
    assert rest("GET", "/apis/batch/v1/jobs", labelSelector="e2e-job-label=e2e")["items"] == []


def test_the_life_of_a_controller_revision(rest: Rest) -> None:
    """Kubernetes' "ControllerRevision should manage the lifecycle", of what a DaemonSet's controller would make."""
    labels = {"daemonset-name": "e2e"}
    daemonset = workloads.workload("DaemonSet", "e2e", 1, labels)
    del daemonset["spec"]["replicas"]
    owner = rest("POST", f"{APPS}/daemonsets", daemonset)
    selected = {"labelSelector": "daemonset-name=e2e"}

    def revision(name: str, number: int) -> dict[str, Any]:
        uid = owner["metadata"]["uid"]
        reference = {"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "e2e", "uid": uid, "controller": True}
        metadata = {
            "name": name,
            "labels": dict(labels),
            "ownerReferences": [{**reference, "blockOwnerDeletion": True}],
        }
        template = {"$patch": "replace", **owner["spec"]["template"]}
        data = {"spec": {"template": template}}
        return {
            "apiVersion": "apps/v1",
            "kind": "ControllerRevision",
            "metadata": metadata,
            "data": data,
            "revision": number,
        }

    def count() -> int:
        return len(rest("GET", "/apis/apps/v1/controllerrevisions", **selected)["items"])

    first = workloads.make(rest, REVISIONS, revision("e2e-1", 1))
    assert count() == 1
    patched = rest("PATCH", first, {"metadata": {"labels": {"e2e-1": "patched"}}}, sent=STRATEGIC)
    assert patched["metadata"]["labels"] == {"e2e-1": "patched", **labels}
    assert patched["data"]["spec"]["template"]["$patch"] == "replace"
    second = copy.deepcopy(patched)
    for name in ("uid", "resourceVersion", "creationTimestamp", "managedFields"):
        second["metadata"].pop(name, None)
    second["metadata"]["name"], second["revision"] = "e2e-2", 2
    path = workloads.make(rest, REVISIONS, second)
    assert count() == 2
    rest("DELETE", first)
    assert count() == 1
    updated = operations.replaced(rest, path, lambda found: found["metadata"]["labels"].update({"e2e-2": "updated"}))
    assert updated["metadata"]["labels"]["e2e-2"] == "updated"

    third = workloads.make(rest, REVISIONS, revision("e2e-3", 3))
    rest("DELETE", REVISIONS, labelSelector="e2e-2=updated")
    assert count() == 1
    assert rest("GET", third)["revision"] == 3


def budget(name: str, **spec: Any) -> dict[str, Any]:
    """Return a PodDisruptionBudget of the pods `foo=bar`."""
    made = {"selector": {"matchLabels": LABELS}, **spec}
    metadata = {"name": name, "labels": {"special-label": "foo_pdb"}}
    return {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": metadata, "spec": made}


def pods(rest: Rest, count: int) -> list[str]:
    """Run pods that the budgets select and return their names."""
    for number in range(count):
        workloads.make(rest, PODS, workloads.pod(f"pod-{number}", LABELS))
    return sorted(each["metadata"]["name"] for each in workloads.running(rest, count, "foo=bar"))


def allowed(rest: Rest, path: str, disruptions: int, healthy: int) -> None:
    """Wait until a budget has been counted so."""
    collection, name = path.rsplit("/", 1)

    def counted(found: dict[str, Any]) -> bool:
        status = found["status"]
        seen = status.get("observedGeneration", 0) >= found["metadata"]["generation"]
        return seen and (status["disruptionsAllowed"], status["currentHealthy"]) == (disruptions, healthy)

    rest.until(collection, counted, fieldSelector=f"metadata.name={name}")


def test_a_budget_is_changed_and_counted(rest: Rest) -> None:
    """Kubernetes' "should create a PodDisruptionBudget", "should observe PodDisruptionBudget status updated"."""
    path = workloads.make(rest, BUDGETS, budget("foo", minAvailable="1%"))
    updated = operations.replaced(rest, path, lambda found: found["spec"].update(minAvailable="2%"))
    assert updated["spec"]["minAvailable"] == "2%"
    assert rest("PATCH", path, {"spec": {"minAvailable": "3%"}}, sent=MERGE)["spec"]["minAvailable"] == "3%"
    rest("DELETE", path)
    rest.refused(404, "GET", path)

    path = workloads.make(rest, BUDGETS, budget("foo", minAvailable=1))
    pods(rest, 3)
    allowed(rest, path, 2, 3)


def test_budgets_are_listed_everywhere_and_deleted_by_label(rest: Rest) -> None:
    """Kubernetes' "Listing PodDisruptionBudgets for all namespaces should list and delete a collection"."""
    rest("POST", "/api/v1/namespaces", {"metadata": {"name": "other"}})
    there = BUDGETS.replace("default", "other")
    for collection, name, wanted in ((BUDGETS, "foo", 2), (BUDGETS, "foo2", "1%"), (there, "foo3", 2)):
        workloads.make(rest, collection, budget(name, minAvailable=wanted))

    def names(collection: str) -> list[str]:
        listed = rest("GET", collection, labelSelector="special-label=foo_pdb")["items"]
        return [each["metadata"]["name"] for each in listed]

    assert names("/apis/policy/v1/poddisruptionbudgets") == ["foo", "foo2", "foo3"]
    assert names(BUDGETS) == ["foo", "foo2"]
    rest("DELETE", BUDGETS, labelSelector="special-label=foo_pdb")
    assert (names(BUDGETS), names(there)) == ([], ["foo3"])


def test_the_status_of_a_budget_can_be_written(rest: Rest) -> None:
    """Kubernetes' "should update/patch PodDisruptionBudget status".

    Which pods are being evicted, for a pod that is there.
    """
    path = workloads.make(rest, BUDGETS, budget("foo", minAvailable=1))
    (name,) = pods(rest, 1)
    allowed(rest, path, 0, 1)
    now = rest("GET", f"{PODS}/{name}")["metadata"]["creationTimestamp"]

    operations.replaced(rest, f"{path}/status", lambda found: found["status"].update(disruptedPods={name: now}))
    assert list(rest("GET", f"{path}/status")["status"]["disruptedPods"]) == [name]

    patched = rest("PATCH", f"{path}/status", {"status": {"disruptedPods": {name: None}}}, sent=MERGE)
    assert not patched["status"].get("disruptedPods")


def refused(rest: Rest, name: str) -> None:
    """See an eviction refused because of a budget."""
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": "default"}}
    answer = rest.ask("POST", f"{PODS}/{name}/eviction", eviction)
    assert (answer.status, [each["reason"] for each in answer.body["details"]["causes"]]) == (
        429,
        ["DisruptionBudget"],
    )


def evicted(rest: Rest, name: str) -> None:
    """Evict a pod."""
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": "default"}}
    assert rest("POST", f"{PODS}/{name}/eviction", eviction)["status"] == "Success"


def test_an_eviction_waits_for_its_budget(rest: Rest) -> None:
    """Kubernetes' "should block an eviction until the PDB is updated to allow it".

    By update, by patch, by deletion.
    """
    path = workloads.make(rest, BUDGETS, budget("foo", minAvailable=3))
    workloads.make(rest, f"{APPS}/replicasets", workloads.workload("ReplicaSet", "rs", 3, LABELS))
    first = workloads.running(rest, 3, "foo=bar")[0]["metadata"]["name"]
    refused(rest, first)

    operations.replaced(rest, path, lambda found: found["spec"].update(minAvailable=2))
    allowed(rest, path, 1, 3)
    evicted(rest, first)
    rest.until_gone(PODS, first)

    rest("PATCH", path, {"spec": {"minAvailable": None, "maxUnavailable": 0}}, sent=MERGE)
    second = workloads.running(rest, 3, "foo=bar")[0]["metadata"]["name"]
    refused(rest, second)
    rest("DELETE", path)
    evicted(rest, second)


def test_pods_that_are_not_ready_go_as_their_budget_says(rest: Rest) -> None:
    """Kubernetes' "should (not) evict unready pods with … UnhealthyPodEvictionPolicy".

    Only AlwaysAllow lets them all go.
    """
    made = workloads.workload("ReplicaSet", "rs", 3, LABELS, template=workloads.pod_spec(ready=False))
    path = workloads.make(rest, f"{APPS}/replicasets", made)
    workloads.until_counts(rest, path, replicas=3)
    for each in rest("GET", PODS)["items"]:
        rest.until(
            PODS,
            lambda found: found["status"]["phase"] == "Running",
            fieldSelector=f"metadata.name={each['metadata']['name']}",
        )
    names = [each["metadata"]["name"] for each in rest("GET", PODS, labelSelector="foo=bar")["items"]]
    guard = workloads.make(rest, BUDGETS, budget("foo", maxUnavailable=1))
    allowed(rest, guard, 0, 0)

    for name in names:
        refused(rest, name)
    rest("PATCH", guard, {"spec": {"unhealthyPodEvictionPolicy": "AlwaysAllow"}}, sent=MERGE)
    for name in names:
        evicted(rest, name)
