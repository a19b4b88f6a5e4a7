"""[sig-scheduling]: what the scheduler refuses and why, limits for pods, priorities; taints that drive pods out."""

from __future__ import annotations

from typing import Any

import pytest

from tests.clients.conformance import operations, workloads
from tests.clients.conformance.workloads import APPS, CORE, PODS
from tests.support.rawrest import MERGE, STRATEGIC, Rest

LIMITS, EVENTS = f"{CORE}/limitranges", f"{CORE}/events"
CLASSES = "/apis/scheduling.k8s.io/v1/priorityclasses"
HOSTNAME = "kubernetes.io/hostname"
DEVICE = "scheduling.k8s.io/foo"


def amounts(cpu: str = "", memory: str = "", storage: str = "") -> dict[str, str]:
    """Return amounts by resource, without those that are not given."""
    given = {"cpu": cpu, "memory": memory, "ephemeral-storage": storage}
    return {name: amount for name, amount in given.items() if amount}


def asking(name: str, requests: dict[str, str], limits: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    """Return a pod that asks for something."""
    made = workloads.pod(name, **spec)
    made["spec"]["containers"][0]["resources"] = {"requests": requests, "limits": limits or {}}
    return made


def limit_range(name: str, labels: dict[str, str]) -> dict[str, Any]:
    """Return limits for containers."""
    item = {
        "type": "Container",
        "min": amounts("50m", "100Mi", "100Gi"),
        "max": amounts("500m", "500Mi", "500Gi"),
        "default": amounts("500m", "500Mi", "500Gi"),
        "defaultRequest": amounts("100m", "200Mi", "200Gi"),
    }
    return {"metadata": {"name": name, "labels": labels}, "spec": {"limits": [item]}}


def test_limits_apply_to_pods_from_the_next_one_on(rest: Rest) -> None:
    """Kubernetes' "should create a LimitRange with defaults and ensure pod has those defaults applied"."""
    version = rest("GET", LIMITS)["metadata"]["resourceVersion"]
    path = workloads.make(rest, LIMITS, limit_range("limits", {"time": "now"}))
    with rest.watch(LIMITS, resourceVersion=version, labelSelector="time=now") as events:
        assert events.next()[0] == "ADDED"

    def resources(made: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = rest("POST", PODS, made)["spec"]["containers"][0]["resources"]
        return found

    assert resources(workloads.pod("none")) == {
        "requests": amounts("100m", "200Mi", "200Gi"),
        "limits": amounts("500m", "500Mi", "500Gi"),
    }
    partial = asking("partial", amounts(memory="150Mi", storage="150Gi"), amounts("300m"))
    assert resources(partial) == {
        "requests": amounts("300m", "150Mi", "150Gi"),
        "limits": amounts("300m", "500Mi", "500Gi"),
    }
    small, large = amounts("10m", "50Mi", "50Gi"), amounts("600m", "600Mi", "600Gi")
    assert "minimum cpu usage per Container is 50m" in rest.refused(403, "POST", PODS, asking("small", small))
    rest.refused(422, "POST", PODS, asking("large", large))

    lower = amounts("9m", "49Mi", "49Gi")
    changed = operations.replaced(rest, path, lambda found: found["spec"]["limits"][0].update(min=lower))
    assert changed["spec"]["limits"][0]["min"] == lower
    rest("POST", PODS, asking("small", small))
    rest.refused(422, "POST", PODS, asking("large", large))
    rest("DELETE", path, {"gracePeriodSeconds": 30})
    assert rest("GET", LIMITS)["items"] == []
    rest("POST", PODS, asking("large", large))


def test_limits_are_listed_everywhere_and_deleted_by_label(rest: Rest) -> None:
    """Kubernetes' "should list, patch and delete a LimitRange by collection": in its namespace only."""
    rest("POST", "/api/v1/namespaces", {"metadata": {"name": "other"}})
    labels = {"e2e-test": "limits", "limits": "created"}
    path = workloads.make(rest, LIMITS, limit_range("limits", labels))
    workloads.make(rest, LIMITS.replace("default", "other"), limit_range("limits", labels))
    listed = rest("GET", "/api/v1/limitranges", labelSelector="e2e-test=limits")["items"]
    assert len(listed) == 2

    item = {**listed[0]["spec"]["limits"][0], "min": amounts("9m", "49Mi", "49Gi")}
    created = rest("GET", path)["metadata"]["creationTimestamp"]
    metadata = {"creationTimestamp": created, "labels": {"limits": "patched"}}
    patched = rest("PATCH", path, {"metadata": metadata, "spec": {"limits": [item]}}, sent=STRATEGIC)
    assert (patched["metadata"]["labels"]["limits"], patched["spec"]["limits"]) == ("patched", [item])

    rest("DELETE", LIMITS, labelSelector="limits=patched")
    (left,) = rest("GET", "/api/v1/limitranges", labelSelector="e2e-test=limits")["items"]
    assert left["metadata"]["namespace"] == "other"


def refused(rest: Rest, name: str) -> str:
    """Wait for the Event and the condition that tell why a pod is not scheduled; returns the Event's message."""

    def told(found: dict[str, Any]) -> bool:
        return bool(found["metadata"]["name"].startswith(f"{name}.") and found["reason"] == "FailedScheduling")

    event = rest.until(EVENTS, told)
    assert event["type"] == "Warning"
    found = rest.until(
        PODS,
        lambda found: ("PodScheduled", "False") in workloads.statuses(found),
        fieldSelector=f"metadata.name={name}",
    )
    assert "nodeName" not in found["spec"]
    message: str = event["message"]
    return message


def placed(rest: Rest, name: str) -> str:
    """Wait for the Event that tells where a pod went, and return that node's name."""

    def told(found: dict[str, Any]) -> bool:
        return bool(found["metadata"]["name"].startswith(f"{name}.") and found["reason"] == "Scheduled")

    message = rest.until(EVENTS, told)["message"]
    node: str = rest("GET", f"{PODS}/{name}")["spec"]["nodeName"]
    assert message == f"Successfully assigned default/{name} to {node}"
    return node


def test_what_no_node_has_left_is_refused(rest: Rest) -> None:
    """Kubernetes' "validates resource limits of pods that are allowed to run".

    Each node is filled up, then one more asks.
    """
    for number, node in enumerate(rest("GET", "/api/v1/nodes")["items"]):
        cores = int(node["status"]["allocatable"]["cpu"])
        rest(
            "POST",
            PODS,
            asking(f"filler-{number}", {"cpu": f"{cores * 700}m"}, nodeSelector={HOSTNAME: node["metadata"]["name"]}),
        )
        assert placed(rest, f"filler-{number}") == node["metadata"]["name"]

    rest("POST", PODS, asking("additional", {"cpu": f"{cores * 500}m"}))

    assert refused(rest, "additional").startswith("0/2 nodes are available: 2 Insufficient cpu.")


def test_a_node_selector_is_respected(rest: Rest) -> None:
    """Kubernetes' "validates that NodeSelector is respected if matching", and "if not matching"."""
    nonempty = {"label": "nonempty"}
    rest("POST", PODS, workloads.pod("restricted", nodeSelector=nonempty))
    why = "0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector."
    assert refused(rest, "restricted").startswith(why)

    rest("PATCH", "/api/v1/nodes/node-2", {"metadata": {"labels": {"kubernetes.io/e2e": "42"}}}, sent=MERGE)
    wanted = {HOSTNAME: "node-2", "kubernetes.io/e2e": "42"}
    rest("POST", PODS, workloads.pod("with-labels", nodeSelector=wanted))
    assert placed(rest, "with-labels") == "node-2"


def test_a_host_port_of_all_addresses_is_taken_for_each(rest: Rest) -> None:
    """Kubernetes' "conflict between pods with same hostPort and protocol but one using 0.0.0.0 hostIP"."""
    for name, address in (("pod4", ""), ("pod5", "192.0.2.7")):
        made = workloads.pod(name, nodeSelector={HOSTNAME: "node-1"})
        made["spec"]["containers"][0]["ports"] = [{"hostPort": 54322, "containerPort": 8080, "hostIP": address}]
        rest("POST", PODS, made)
        if name == "pod4":
            assert placed(rest, name) == "node-1"
    assert "1 node(s) didn't have free ports for the requested pod ports" in refused(rest, "pod5")


def test_a_gated_pod_waits_for_its_gate(rest: Rest) -> None:
    """Scheduling gates are no conformance test of 1.32, but stable: SchedulingGated, until the gate is taken away."""
    made = workloads.pod("gated", schedulingGates=[{"name": "example.com/gate"}])
    path = workloads.make(rest, PODS, made)
    (condition,) = rest("GET", path)["status"]["conditions"]
    assert (condition["status"], condition["reason"]) == ("False", "SchedulingGated")
    operations.replaced(rest, path, lambda found: found["spec"].pop("schedulingGates"))
    placed(rest, "gated")


def advertise(rest: Rest, resource: str, amount: str, *nodes: str) -> None:
    """Advertise a device in the capacity of nodes, as Kubernetes' documentation has it, until it can be asked for."""
    for node in nodes:
        patch = {"status": {"capacity": {resource: amount}}}
        rest("PATCH", f"/api/v1/nodes/{node}/status", patch, sent=STRATEGIC)

        def allocatable(found: dict[str, Any]) -> bool:
            return bool(found["status"]["allocatable"].get(resource) == amount)

        rest.until("/api/v1/nodes", allocatable, fieldSelector=f"metadata.name={node}")


def prioritised(name: str, class_: str, resource: str, amount: str, **spec: Any) -> dict[str, Any]:
    """Return a pod of a priority class that asks for a device."""
    wanted = {resource: amount}
    return asking(name, wanted, wanted, priorityClassName=class_, **spec)


def priorities(rest: Rest, **values: int) -> None:
    """Create priority classes."""
    for name, value in values.items():
        rest("POST", CLASSES, {"metadata": {"name": name}, "value": value})


@pytest.mark.parametrize(("namespace", "class_"), [("default", "high"), ("kube-system", "system-cluster-critical")])
def test_a_more_important_pod_preempts_the_least_important(rest: Rest, namespace: str, class_: str) -> None:
    """Kubernetes' "validates basic preemption works", "validates lower priority pod preemption by critical pod"."""
    priorities(rest, low=1, medium=100, high=1000)
    advertise(rest, DEVICE, "3", "node-1", "node-2")
    for node, victim in (("node-1", "low"), ("node-2", "medium")):
        fields = [{"key": "metadata.name", "operator": "In", "values": [node]}]
        required = {"nodeSelectorTerms": [{"matchFields": fields}]}
        affinity = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}
        rest("POST", PODS, prioritised(victim, victim, DEVICE, "2", affinity=affinity))
        rest.until(PODS, workloads.is_ready, fieldSelector=f"metadata.name={victim}")

    collection = PODS.replace("default", namespace)
    rest("POST", collection, prioritised("preemptor", class_, DEVICE, "2"))

    found = rest.until(collection, workloads.is_ready, fieldSelector="metadata.name=preemptor")
    assert found["spec"]["nodeName"] == "node-1"
    rest.refused(404, "GET", f"{PODS}/low")
    assert "deletionTimestamp" not in rest("GET", f"{PODS}/medium")["metadata"]


def test_a_preempted_pod_says_why_it_goes(rest: Rest) -> None:
    """Kubernetes' "validates pod disruption condition is added to the preempted pod", which a finalizer keeps."""
    priorities(rest, low=1, high=1000)
    advertise(rest, DEVICE, "1", "node-1")
    victim = prioritised("victim", "low", DEVICE, "1")
    victim["metadata"]["finalizers"] = ["example.com/test-finalizer"]
    path = workloads.make(rest, PODS, victim)
    rest.until(PODS, workloads.is_ready, fieldSelector="metadata.name=victim")

    rest("POST", PODS, prioritised("preemptor", "high", DEVICE, "1"))

    def marked(found: dict[str, Any]) -> bool:
        return "deletionTimestamp" in found["metadata"]

    found = rest.until(PODS, marked, fieldSelector="metadata.name=victim")
    (target,) = [each for each in found["status"]["conditions"] if each["type"] == "DisruptionTarget"]
    assert (target["status"], target["reason"]) == ("True", "PreemptionByScheduler")
    operations.replaced(rest, path, lambda found: found["metadata"].pop("finalizers"))
    rest.until(PODS, workloads.is_ready, fieldSelector="metadata.name=preemptor")


def test_no_more_pods_are_preempted_than_must(rest: Rest) -> None:
    """Kubernetes' "runs ReplicaSets to verify preemption running path": of three ReplicaSets the highest stays."""
    priorities(rest, p1=1, p2=2, p3=3, p4=4)
    advertise(rest, "example.com/fakecpu", "1k", "node-1")
    version = rest("GET", PODS)["metadata"]["resourceVersion"]
    for name, amount in (("1", "200"), ("2", "300"), ("3", "450")):
        made = prioritised("", f"p{name}", "example.com/fakecpu", amount)["spec"]
        replicaset = workloads.workload("ReplicaSet", f"rs-pod{name}", 1, {"name": f"pod{name}"}, template=made)
        workloads.until_counts(rest, workloads.make(rest, f"{APPS}/replicasets", replicaset), availableReplicas=1)

    rest("POST", PODS, prioritised("pod4", "p4", "example.com/fakecpu", "500"))
    rest.until(PODS, workloads.is_ready, fieldSelector="metadata.name=pod4")

    refused_: set[str] = set()

    def both_refused(kind: str, found: dict[str, Any]) -> bool:
        if ("PodScheduled", "False") in workloads.statuses(found):
            refused_.add(found["metadata"].get("labels", {}).get("name", ""))
        return refused_ >= {"pod1", "pod2"}

    with rest.watch(PODS, resourceVersion=version) as events:
        seen = events.until(both_refused)
    added = [found["metadata"].get("labels", {}).get("name", "pod4") for kind, found in seen if kind == "ADDED"]
    assert {name: added.count(name) for name in added} == {"pod1": 2, "pod2": 2, "pod3": 1, "pod4": 1}


def test_a_priority_class_keeps_its_value(rest: Rest) -> None:
    """Kubernetes' "verify PriorityClass endpoints can be operated with different HTTP methods"."""
    for number in (1, 2):
        rest("POST", CLASSES, {"metadata": {"name": f"p{number}"}, "value": number})
    first, second = f"{CLASSES}/p1", f"{CLASSES}/p2"
    text = "value: Forbidden: may not be changed in an update."
    assert text in rest.refused(422, "PATCH", first, {"value": 10}, sent=STRATEGIC)
    assert text in rest.refused(422, "PUT", second, {**rest("GET", second), "value": 20})
    described = {"description": "updated description"}
    rest("PATCH", first, described, sent=STRATEGIC)
    rest("PUT", second, {**rest("GET", second), **described})
    found = [
        (each["metadata"]["name"], each["value"], each.get("description")) for each in rest("GET", CLASSES)["items"]
    ]
    assert {("p1", 1, "updated description"), ("p2", 2, "updated description")} <= set(found)


def taint(rest: Rest, node: str, *taints: dict[str, Any]) -> None:
    """Give a node these taints and no others."""
    rest("PATCH", f"/api/v1/nodes/{node}", {"spec": {"taints": list(taints)}}, sent=MERGE)


EVICT = {"key": "kubernetes.io/e2e-evict-taint-key", "value": "evictTaintVal", "effect": "NoExecute"}


def tolerating(name: str, seconds: int | None, node: str = "node-1") -> dict[str, Any]:
    """Return a pod on a node that tolerates the taint, or does so for some seconds."""
    toleration = {**EVICT, "operator": "Equal"} | ({} if seconds is None else {"tolerationSeconds": seconds})
    return workloads.pod(name, {"app": "taint"}, nodeSelector={HOSTNAME: node}, tolerations=[toleration])


def test_a_taint_drives_pods_out_when_their_time_is_over(rest: Rest) -> None:
    """Kubernetes' "evicts pods with minTolerationSeconds": the one with the shorter time goes, the other stays."""
    rest("POST", PODS, tolerating("short", 0))
    rest("POST", PODS, tolerating("long", 100))
    rest("POST", PODS, tolerating("ever", None))
    workloads.running(rest, 3, "app=taint")
    version = rest("GET", PODS)["metadata"]["resourceVersion"]

    taint(rest, "node-1", EVICT)

    with rest.watch(PODS, labelSelector="app=taint", resourceVersion=version) as events:
        seen = events.until(lambda kind, _: kind == "DELETED")
    assert seen[-1][1]["metadata"]["name"] == "short"
    assert ("DisruptionTarget", "True") in workloads.statuses(seen[-1][1])
    assert {each["metadata"]["name"] for each in rest("GET", PODS)["items"]} == {"long", "ever"}


def test_a_taint_that_goes_lets_pods_stay(rest: Rest) -> None:
    """Kubernetes' "removing taint cancels eviction".

    Another pod goes whose longer time is over, this one is there.
    """
    rest("POST", PODS, tolerating("first", 1))
    rest("POST", PODS, tolerating("second", 2, "node-2"))
    workloads.running(rest, 2, "app=taint")
    taint(rest, "node-2", EVICT)
    taint(rest, "node-1", EVICT)
    taint(rest, "node-1")
    rest.until_gone(PODS, "second")
    assert "deletionTimestamp" not in rest("GET", f"{PODS}/first")["metadata"]
