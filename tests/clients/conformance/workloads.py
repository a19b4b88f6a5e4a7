"""Pods and workloads as Kubernetes' conformance tests make them, and what those tests wait for."""

from __future__ import annotations

from typing import Any

from tests.clients.conformance import operations
from tests.support.rawrest import MERGE, STRATEGIC, Rest

NAMESPACE = "default"
CORE = f"/api/v1/namespaces/{NAMESPACE}"
APPS = f"/apis/apps/v1/namespaces/{NAMESPACE}"
BATCH = f"/apis/batch/v1/namespaces/{NAMESPACE}"
PODS = f"{CORE}/pods"
# What Go's client writes of an object of which only metadata are set: this is what it sends as a patch.
GO_METADATA = {"creationTimestamp": None}
# A pod that waits for this condition runs, but is not ready until someone says so.
GATE = "example.com/open"
UPDATED = {"type": "StatusUpdate", "status": "True", "reason": "E2E", "message": "Set from e2e test"}
PATCHED = {"type": "StatusPatched", "status": "True"}


def pod_spec(name: str = "main", image: str = "web:1", *, ready: bool = True, **more: Any) -> dict[str, Any]:
    """Return a pod's spec of one container; one that is not to be ready waits for a gate."""
    gates = {} if ready else {"readinessGates": [{"conditionType": GATE}]}
    return {"containers": [{"name": name, "image": image}], **gates, **more}


def pod(name: str, labels: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    """Return a pod."""
    metadata = {"name": name, "labels": labels or {}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": pod_spec(**spec)}


def workload(kind: str, name: str, replicas: int, labels: dict[str, str], **more: Any) -> dict[str, Any]:
    """Return a workload of the apps group with its labels on everything; `template` is its pods' spec."""
    template = {"metadata": {"labels": dict(labels)}, "spec": more.pop("template", pod_spec())}
    spec = {"replicas": replicas, "selector": {"matchLabels": dict(labels)}, "template": template, **more}
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name, "labels": dict(labels)}, "spec": spec}


def controller(name: str, replicas: int, labels: dict[str, str]) -> dict[str, Any]:
    """Return a ReplicationController."""
    made = workload("ReplicationController", name, replicas, labels)
    return {**made, "apiVersion": "v1", "spec": {**made["spec"], "selector": labels}}


def make(rest: Rest, collection: str, made: dict[str, Any]) -> str:
    """Create an object and return its path."""
    rest("POST", collection, made)
    return f"{collection}/{made['metadata']['name']}"


def is_ready(found: dict[str, Any]) -> bool:
    """Say whether a pod is ready."""
    return ("Ready", "True") in statuses(found)


def statuses(found: dict[str, Any]) -> list[tuple[str, str]]:
    """Return types and statuses of an object's conditions."""
    return [(each["type"], each["status"]) for each in found["status"].get("conditions", ())]


def running(rest: Rest, count: int, selector: str) -> list[dict[str, Any]]:
    """Wait until there are so many ready pods, and return them."""
    known: dict[str, dict[str, Any]] = {}

    def enough(kind: str, found: dict[str, Any]) -> bool:
        known[found["metadata"]["name"]] = found
        if kind == "DELETED":
            del known[found["metadata"]["name"]]
        return len([each for each in known.values() if is_ready(each)]) == count

    if count:
        with rest.watch(PODS, labelSelector=selector) as events:
            events.until(enough)
    return [each for each in known.values() if is_ready(each)]


def has_counts(found: dict[str, Any], **counts: int) -> bool:
    """Say whether a workload's status has these counts, for the spec as it is."""
    status = found["status"]
    seen = status.get("observedGeneration", 0) >= found["metadata"].get("generation", 0)
    return seen and all(status.get(name, 0) == count for name, count in counts.items())


def until_counts(rest: Rest, path: str, **counts: int) -> dict[str, Any]:
    """Wait until a workload's status has these counts, and return it."""
    collection, name = path.rsplit("/", 1)
    wanted = f"metadata.name={name}"
    found: dict[str, Any] = rest.until(collection, lambda each: has_counts(each, **counts), fieldSelector=wanted)
    return found


def scaled(rest: Rest, path: str) -> None:
    """Read the scale of one replica, replace it without a version by two, patch it to four."""
    scale = rest("GET", f"{path}/scale")
    assert (scale["kind"], scale["spec"]) == ("Scale", {"replicas": 1})
    del scale["metadata"]["resourceVersion"]
    scale["spec"]["replicas"] = 2
    assert rest("PUT", f"{path}/scale", scale)["spec"] == {"replicas": 2}
    assert rest("GET", path)["spec"]["replicas"] == 2

    written = {"metadata": GO_METADATA, "spec": {"replicas": 4}, "status": {"replicas": 0}}
    assert rest("PATCH", f"{path}/scale", written, sent=STRATEGIC)["spec"] == {"replicas": 4}
    assert rest("GET", path)["spec"]["replicas"] == 4


def status_written(rest: Rest, path: str) -> None:
    """Read the status, replace it with a condition more, patch it to have one only; a watch sees both."""
    collection, name = path.rsplit("/", 1)
    version = rest("GET", path)["metadata"]["resourceVersion"]
    assert rest("GET", f"{path}/status")["metadata"]["name"] == name

    def more(found: dict[str, Any]) -> None:
        found["status"].setdefault("conditions", []).append(dict(UPDATED))

    conditions = operations.replaced(rest, f"{path}/status", more)["status"]["conditions"]
    assert UPDATED.items() <= next(each for each in conditions if each["type"] == "StatusUpdate").items()
    with rest.watch(collection, fieldSelector=f"metadata.name={name}", resourceVersion=version) as events:
        events.until(lambda _, found: ("StatusUpdate", "True") in statuses(found))
        patched = rest("PATCH", f"{path}/status", {"status": {"conditions": [PATCHED]}}, sent=MERGE)
        assert statuses(patched) == [("StatusPatched", "True")]
        events.until(lambda _, found: ("StatusPatched", "True") in statuses(found))


def listed_and_deleted(rest: Rest, collection: str, selector: str) -> None:
    """List over all namespaces by label, delete by label, and list again."""
    everywhere = collection.replace(f"/namespaces/{NAMESPACE}", "")
    assert len(rest("GET", everywhere, labelSelector=selector)["items"]) == 1
    options = {"kind": "DeleteOptions", "apiVersion": "apps/v1", "gracePeriodSeconds": 1}  # as Go's client has it
    rest("DELETE", collection, options, labelSelector=selector)
    assert rest("GET", everywhere, labelSelector=selector)["items"] == []
