"""[sig-api-machinery] Garbage collector and Namespaces: what goes with what, and what stays."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.rawrest import JSON_PATCH, MERGE, STRATEGIC, Rest

CORE = "/api/v1/namespaces/default"
APPS = "/apis/apps/v1/namespaces/default"
REPLICAS = 10


def template(**labels: str) -> dict[str, Any]:
    """Return a pod template whose pods end at once."""
    spec = {"terminationGracePeriodSeconds": 0, "containers": [{"name": "nginx", "image": "nginx"}]}
    return {"metadata": {"labels": labels}, "spec": spec}


def controller(rest: Rest, name: str, replicas: int) -> Any:
    """Create a ReplicationController and wait until it has all its pods; returns it."""
    labels = {"gctest": name}
    spec = {"replicas": replicas, "selector": labels, "template": template(**labels)}
    rest("POST", f"{CORE}/replicationcontrollers", {"metadata": {"name": name}, "spec": spec})
    return rest.until(
        f"{CORE}/replicationcontrollers",
        lambda found: found["status"]["replicas"] == replicas,
        fieldSelector=f"metadata.name={name}",
    )


def delete(rest: Rest, path: str, made: Any, policy: str) -> None:
    """Delete an object, and no other of its name, by a policy."""
    options = {"propagationPolicy": policy, "preconditions": {"uid": made["metadata"]["uid"]}}
    rest("DELETE", f"{path}/{made['metadata']['name']}", options)


def names(rest: Rest, path: str) -> list[str]:
    """Return the names of what is in a collection."""
    return [each["metadata"]["name"] for each in rest("GET", path)["items"]]


def empty(rest: Rest, path: str) -> None:
    """Wait until a collection is empty."""
    for name in names(rest, path):
        rest.until_gone(path, name)


def collected(rest: Rest) -> None:
    """Wait until the collector has seen all that was deleted before: it removes what an owner that is gone had."""
    owner = rest("POST", f"{CORE}/configmaps", {"metadata": {"name": "owner"}})
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner["metadata"]["uid"]}
    rest("POST", f"{CORE}/configmaps", {"metadata": {"name": "owned", "ownerReferences": [reference]}})
    rest("DELETE", f"{CORE}/configmaps/owner")
    rest.until_gone(f"{CORE}/configmaps", "owned")


def test_pods_go_with_their_controller(rest: Rest) -> None:
    """Garbage collector "should delete pods created by rc when not orphaning"."""
    made = controller(rest, "simpletest", 2)
    delete(rest, f"{CORE}/replicationcontrollers", made, "Background")
    empty(rest, f"{CORE}/pods")
    assert names(rest, f"{CORE}/replicationcontrollers") == []


def test_orphaned_pods_stay(rest: Rest) -> None:
    """Garbage collector "should orphan pods created by rc if delete options say so"."""
    made = controller(rest, "simpletest", REPLICAS)
    delete(rest, f"{CORE}/replicationcontrollers", made, "Orphan")
    rest.until_gone(f"{CORE}/replicationcontrollers", "simpletest")
    collected(rest)
    pods = rest("GET", f"{CORE}/pods")["items"]
    assert len(pods) == REPLICAS
    assert [each for each in pods if each["metadata"].get("ownerReferences")] == []


@pytest.mark.parametrize("policy", ["Background", "Orphan"])
def test_replica_sets_go_with_their_deployment_or_stay(rest: Rest, policy: str) -> None:
    """Garbage collector "should delete RS created by deployment when not orphaning", "should orphan RS …"."""
    spec = {"replicas": 2, "selector": {"matchLabels": {"gc": "test"}}, "template": template(gc="test")}
    made = rest("POST", f"{APPS}/deployments", {"metadata": {"name": "simpletest.deployment"}, "spec": spec})
    rest.until(f"{APPS}/replicasets", lambda found: found["status"]["replicas"] == 2)
    delete(rest, f"{APPS}/deployments", made, policy)
    rest.until_gone(f"{APPS}/deployments", "simpletest.deployment")
    if policy == "Background":
        empty(rest, f"{APPS}/replicasets")
        empty(rest, f"{CORE}/pods")
        return
    collected(rest)
    (kept,) = rest("GET", f"{APPS}/replicasets")["items"]
    assert not kept["metadata"].get("ownerReferences")
    assert len(names(rest, f"{CORE}/pods")) == 2


def test_a_controller_stays_until_its_pods_are_gone(rest: Rest) -> None:
    """Garbage collector "should keep the rc around until all its pods are deleted if the deleteOptions says so"."""
    made = controller(rest, "simpletest", REPLICAS)
    delete(rest, f"{CORE}/replicationcontrollers", made, "Foreground")
    rest.until_gone(f"{CORE}/replicationcontrollers", "simpletest")
    assert names(rest, f"{CORE}/pods") == []


def test_a_pod_with_another_owner_stays(rest: Rest) -> None:
    """Garbage collector "should not delete dependents that have both valid owner and owner that's waiting …"."""
    made, stays = controller(rest, "to-be-deleted", REPLICAS), controller(rest, "to-stay", 0)
    shared = names(rest, f"{CORE}/pods")[: REPLICAS // 2]
    reference = {
        "apiVersion": "v1",
        "kind": "ReplicationController",
        "name": "to-stay",
        "uid": stays["metadata"]["uid"],
    }
    for name in shared:
        rest("PATCH", f"{CORE}/pods/{name}", {"metadata": {"ownerReferences": [reference]}}, sent=STRATEGIC)
    delete(rest, f"{CORE}/replicationcontrollers", made, "Foreground")
    rest.until_gone(f"{CORE}/replicationcontrollers", "to-be-deleted")
    pods = rest("GET", f"{CORE}/pods")["items"]
    assert [each["metadata"]["name"] for each in pods] == shared
    assert [each["metadata"].get("deletionTimestamp") for each in pods] == [None] * len(shared)
    assert [[one["name"] for one in each["metadata"]["ownerReferences"]] for each in pods] == [["to-stay"]] * len(
        shared
    )


def test_a_circle_of_owners_is_deleted(rest: Rest) -> None:
    """Garbage collector "should not be blocked by dependency circle"."""
    pods = {}
    for name in ("pod1", "pod2", "pod3"):
        pods[name] = rest("POST", f"{CORE}/pods", {"metadata": {"name": name}, "spec": template()["spec"]})
    for name, owner in (("pod1", "pod3"), ("pod2", "pod1"), ("pod3", "pod2")):
        uid = pods[owner]["metadata"]["uid"]
        reference = {"apiVersion": "v1", "kind": "Pod", "name": owner, "uid": uid}
        reference |= {"controller": True, "blockOwnerDeletion": True}
        rest("PATCH", f"{CORE}/pods/{name}", {"metadata": {"ownerReferences": [reference]}}, sent=STRATEGIC)
    delete(rest, f"{CORE}/pods", pods["pod1"], "Foreground")
    empty(rest, f"{CORE}/pods")


NAMESPACES = "/api/v1/namespaces"


def namespace(rest: Rest, name: str) -> Any:
    """Create a namespace and wait for its service account."""
    made = rest("POST", NAMESPACES, {"metadata": {"name": name}})
    rest.until(f"{NAMESPACES}/{name}/serviceaccounts", lambda found: found["metadata"]["name"] == "default")
    return made


@pytest.mark.parametrize(
    ("plural", "spec"),
    [
        ("pods", {"containers": [{"name": "nginx", "image": "pause"}]}),
        ("services", {"selector": {"foo": "bar", "baz": "blah"}, "ports": [{"port": 80, "targetPort": 80}]}),
    ],
)
def test_a_namespace_goes_with_what_is_in_it(rest: Rest, plural: str, spec: dict[str, Any]) -> None:
    """Namespaces "should ensure that all pods are removed when a namespace is deleted", "… services …"."""
    namespace(rest, "nsdeletetest")
    path = f"{NAMESPACES}/nsdeletetest/{plural}"
    rest("POST", path, {"metadata": {"name": "test"}, "spec": spec})
    if plural == "pods":
        rest.until(path, lambda found: found["status"].get("phase") == "Running")
    rest("DELETE", f"{NAMESPACES}/nsdeletetest")
    rest.until_gone(NAMESPACES, "nsdeletetest")
    namespace(rest, "nsdeletetest")
    assert rest.ask("GET", f"{path}/test").status == 404


def test_pods_go_before_anything_else_of_a_namespace(rest: Rest) -> None:
    """OrderedNamespaceDeletion "namespace deletion should delete pod first" (a conformance test since 1.34)."""
    namespace(rest, "nsdeletetest")
    root = f"{NAMESPACES}/nsdeletetest"
    body = {"metadata": {"name": "test-pod", "finalizers": ["e2e.example.com/finalizer"]}, "spec": template()["spec"]}
    rest("POST", f"{root}/pods", body)
    rest("POST", f"{root}/configmaps", {"metadata": {"name": "test-configmap"}, "data": {"key": "value"}})
    rest.until(f"{root}/pods", lambda found: found["status"].get("phase") == "Running")
    rest("DELETE", root)
    rest.until(f"{root}/pods", lambda found: "deletionTimestamp" in found["metadata"])
    remaining = rest.until(
        NAMESPACES,
        lambda found: "NamespaceContentRemaining" in [each["type"] for each in found["status"].get("conditions", ())],
        fieldSelector="metadata.name=nsdeletetest",
    )
    assert remaining["status"]["phase"] == "Terminating"
    assert "NamespaceDeletionContentFailure" in [each["type"] for each in remaining["status"]["conditions"]]
    assert "test-configmap" in names(rest, f"{root}/configmaps")

    rest("PATCH", f"{root}/pods/test-pod", {"metadata": {"finalizers": None}}, sent=MERGE)
    rest.until_gone(NAMESPACES, "nsdeletetest")


def test_a_namespace_is_patched_and_updated_and_so_is_its_status(rest: Rest) -> None:
    """Namespaces "should patch a Namespace", "should apply an update …", "… changes to a namespace status"."""
    namespace(rest, "one")
    path = f"{NAMESPACES}/one"
    rest("PATCH", path, {"metadata": {"labels": {"testLabel": "testValue"}}}, sent=STRATEGIC)
    found = rest("GET", path)
    assert found["metadata"]["labels"] == {"kubernetes.io/metadata.name": "one", "testLabel": "testValue"}
    found["metadata"]["labels"]["one"] = "updated"
    assert rest("PUT", path, found)["metadata"]["labels"]["one"] == "updated"

    assert rest("GET", f"{path}/status")["status"]["phase"] == "Active"
    first: dict[str, Any] = {
        "type": "StatusPatch",
        "status": "True",
        "reason": "E2E",
        "message": "Patched by an e2e test",
    }
    first["lastTransitionTime"] = None  # as Go writes it
    patch = {"metadata": {"annotations": {"e2e-patched-ns-status": "one"}}, "status": {"conditions": [first]}}
    patched = rest("PATCH", f"{path}/status", patch, sent=MERGE)
    assert patched["metadata"]["annotations"]["e2e-patched-ns-status"] == "one"
    assert [each["reason"] for each in patched["status"]["conditions"]] == ["E2E"]
    patched["status"]["conditions"].append({**first, "type": "StatusUpdate", "message": "Updated by an e2e test"})
    updated = rest("PUT", f"{path}/status", patched)
    assert [each["type"] for each in updated["status"]["conditions"]] == ["StatusPatch", "StatusUpdate"]
    assert rest("GET", path)["status"] == updated["status"]


def test_a_finalizer_of_a_namespace_comes_and_goes(rest: Rest) -> None:
    """Namespaces "should apply a finalizer to a Namespace": through the subresource finalize."""
    found = namespace(rest, "one")
    found["spec"]["finalizers"].append("e2e.example.com/fakeFinalizer")
    added = rest("PUT", f"{NAMESPACES}/one/finalize", found)
    assert added["spec"]["finalizers"] == ["kubernetes", "e2e.example.com/fakeFinalizer"]
    assert rest("GET", f"{NAMESPACES}/one")["spec"] == added["spec"]
    added["spec"]["finalizers"].remove("e2e.example.com/fakeFinalizer")
    assert rest("PUT", f"{NAMESPACES}/one/finalize", added)["spec"]["finalizers"] == ["kubernetes"]
    ignored = [{"op": "add", "path": "/spec/finalizers/-", "value": "other"}]
    rest("PATCH", f"{NAMESPACES}/one", ignored, sent=JSON_PATCH)
    assert rest("GET", f"{NAMESPACES}/one")["spec"]["finalizers"] == ["kubernetes"]
