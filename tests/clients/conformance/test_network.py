"""[sig-network]: Services, their endpoints and slices, ingresses and host ports, as far as no packet must flow."""

from __future__ import annotations

from typing import Any

import pytest

from tests.clients.conformance import operations, workloads
from tests.clients.conformance.workloads import CORE, PODS
from tests.support.rawrest import MERGE, STRATEGIC, Rest

SERVICES, ENDPOINTS = f"{CORE}/services", f"{CORE}/endpoints"
SLICES = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"
HTTP = {"name": "http", "protocol": "TCP", "port": 80}
INGRESS = operations.Kind(
    *("networking.k8s.io", "v1", "ingresses", "Ingress"),
    made={"spec": {"defaultBackend": {"service": {"name": "default-backend", "port": {"number": 80}}}}},
    namespace="default",
    subresources=("status",),
)
KINDS = [
    INGRESS,
    operations.Kind(
        *("networking.k8s.io", "v1", "ingressclasses", "IngressClass"),
        made={"spec": {"controller": "example.com/controller"}},
    ),
    operations.Kind(
        *("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy"),
        made={"spec": {"podSelector": {"matchLabels": {"pod-name": "test-pod"}}, "ingress": [{}]}},
        namespace="default",
    ),
    operations.Kind(
        *("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice"),
        made={
            "addressType": "IPv4",
            "endpoints": [{"addresses": ["1.2.3.4", "5.6.7.8"]}, {"addresses": ["2.2.3.4", "6.6.7.8"]}],
        },
        namespace="default",
    ),
]


def service(name: str, labels: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    """Return a Service of port 80."""
    return {"metadata": {"name": name, "labels": labels or {}}, "spec": {"ports": [dict(HTTP)], **spec}}


def slices_of(rest: Rest, name: str) -> list[dict[str, Any]]:
    """Return the slices of a Service."""
    found: list[dict[str, Any]] = rest("GET", SLICES, labelSelector=f"kubernetes.io/service-name={name}")["items"]
    return found


def addresses(found: dict[str, Any]) -> dict[str, list[int]]:
    """Return the ports behind each address of Endpoints."""
    told: dict[str, list[int]] = {}
    for subset in found.get("subsets", ()):
        for address in subset.get("addresses", ()):
            told.setdefault(address["ip"], []).extend(port["port"] for port in subset["ports"])
    return {address: sorted(ports) for address, ports in told.items()}


def sliced(some: list[dict[str, Any]]) -> dict[str, list[int]]:
    """Return the same of slices."""
    told: dict[str, list[int]] = {}
    for each in some:
        for endpoint in each["endpoints"] or ():  # Go writes null for none
            told.setdefault(endpoint["addresses"][0], []).extend(port["port"] for port in each["ports"])
    return {address: sorted(ports) for address, ports in told.items()}


def until_endpoints(rest: Rest, name: str, wanted: dict[str, list[int]]) -> None:
    """Wait until a Service's Endpoints, and its slices, lead to these addresses and ports."""
    rest.until(ENDPOINTS, lambda found: addresses(found) == wanted, fieldSelector=f"metadata.name={name}")
    known: dict[str, dict[str, Any]] = {}

    def there(kind: str, found: dict[str, Any]) -> bool:
        known[found["metadata"]["name"]] = found if kind != "DELETED" else {**found, "endpoints": []}
        return sliced(list(known.values())) == wanted

    with rest.watch(SLICES, labelSelector=f"kubernetes.io/service-name={name}") as events:
        events.until(there)


def run(rest: Rest, name: str, labels: dict[str, str], *ports: dict[str, Any]) -> str:
    """Run a pod with ports, and return its address."""
    made = workloads.pod(name, labels)
    made["spec"]["containers"][0]["ports"] = list(ports)
    workloads.make(rest, PODS, made)
    found = rest.until(PODS, workloads.is_ready, fieldSelector=f"metadata.name={name}")
    address: str = found["status"]["podIP"]
    return address


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.plural)
def test_a_kind_of_the_network_has_every_operation(rest: Rest, kind: operations.Kind) -> None:
    """Kubernetes' "should support creating Ingress, IngressClass, EndpointSlice API operations".

    And NetworkPolicy's.
    """
    operations.discovered(rest, kind)
    name = operations.written(rest, kind)["metadata"]["name"]
    operations.deleted(rest, kind, name)


def test_the_status_of_an_ingress_can_be_written(rest: Rest) -> None:
    """Kubernetes' "The ingresses/status resource must support update and patch"."""
    status = f"{workloads.make(rest, INGRESS.path, {**INGRESS.new(), 'metadata': {'name': 'web'}})}/status"
    patch = {
        "metadata": {"annotations": {"patchedstatus": "true"}},
        "status": {"loadBalancer": {"ingress": [{"ip": "169.1.1.1"}]}},
    }
    patched = rest("PATCH", status, patch, sent=MERGE)
    assert (patched["metadata"]["annotations"], patched["status"]) == ({"patchedstatus": "true"}, patch["status"])
    second = {"loadBalancer": {"ingress": [{"ip": "169.1.1.2"}]}}
    assert operations.replaced(rest, status, lambda found: found.update(status=second))["status"] == second
    assert rest("GET", status)["status"] == second


def test_the_service_kubernetes_is_there(rest: Rest) -> None:
    """Kubernetes' "should provide secure master service", "should find a service from listing all namespaces"."""
    listed = rest("GET", "/api/v1/services")["items"]
    (found,) = [each for each in listed if each["metadata"]["name"] == "kubernetes"]
    assert found["metadata"]["namespace"] == "default"
    assert [(each["name"], each["port"]) for each in found["spec"]["ports"]] == [("https", 443)]


def test_a_service_that_selects_nothing_has_an_empty_slice(rest: Rest) -> None:
    """Kubernetes' "should create and delete Endpoints and EndpointSlices for a Service with a selector specified"."""
    made = service("example", selector={"does-not-match-anything": "still-created"})
    path = workloads.make(rest, SERVICES, made)
    rest.until(ENDPOINTS, lambda found: not found.get("subsets"), fieldSelector="metadata.name=example")
    rest.until(SLICES, lambda _: True, labelSelector="kubernetes.io/service-name=example")
    (empty,) = slices_of(rest, "example")
    labels = empty["metadata"]["labels"]
    assert labels["endpointslice.kubernetes.io/managed-by"] == "endpointslice-controller.k8s.io"
    assert (empty["endpoints"], empty["ports"]) == (None, None)

    rest("DELETE", path)
    rest.until_gone(ENDPOINTS, "example")
    rest.until_gone(SLICES, empty["metadata"]["name"])


def test_slices_and_endpoints_show_the_pods_of_a_service(rest: Rest) -> None:
    """Kubernetes' "should create Endpoints and EndpointSlices for Pods matching a Service", also after deletion."""
    named, other = {"name": "example-name", "containerPort": 3000}, {"name": "other-port", "containerPort": 3002}
    one = run(rest, "pod1", {"pod1": "on", "shared12": "on"}, named)
    two = run(rest, "pod2", {"pod2": "on", "shared12": "on"}, {**named, "containerPort": 3001}, other)
    for name, label, target in (
        ("example-int-port", "pod1", 3000),
        ("example-named-port", "shared12", "example-name"),
        ("example-no-match", "pod3", 8080),
    ):
        made = service(name, selector={label: "on"}, publishNotReadyAddresses=True)
        made["spec"]["ports"] = [{"name": "http", "port": 80, "targetPort": target, "protocol": "TCP"}]
        rest("POST", SERVICES, made)

    until_endpoints(rest, "example-int-port", {one: [3000]})
    until_endpoints(rest, "example-named-port", {one: [3000], two: [3001]})
    until_endpoints(rest, "example-no-match", {})
    (endpoint,) = slices_of(rest, "example-int-port")[0]["endpoints"]
    uid = rest("GET", f"{PODS}/pod1")["metadata"]["uid"]
    assert endpoint["targetRef"] == {"kind": "Pod", "namespace": "default", "name": "pod1", "uid": uid}

    first = slices_of(rest, "example-named-port")
    for each in first:
        rest("DELETE", f"{SLICES}/{each['metadata']['name']}")
        rest.until_gone(SLICES, each["metadata"]["name"])
    until_endpoints(rest, "example-named-port", {one: [3000], two: [3001]})


def test_endpoints_that_people_write_become_slices(rest: Rest) -> None:
    """Kubernetes' "should mirror a custom Endpoints resource through create update and delete"."""
    workloads.make(rest, SERVICES, service("custom"))
    made = {"metadata": {"name": "custom"}, "subsets": [{"ports": [{"port": 80}], "addresses": [{"ip": "10.1.2.3"}]}]}
    path = workloads.make(rest, ENDPOINTS, made)
    until_endpoints(rest, "custom", {"10.1.2.3": [80]})

    made["subsets"][0]["addresses"] = [{"ip": "10.2.3.4"}]  # type: ignore[index]
    rest("PUT", path, made)
    until_endpoints(rest, "custom", {"10.2.3.4": [80]})

    (mirrored,) = slices_of(rest, "custom")
    rest("DELETE", path)
    rest.until_gone(SLICES, mirrored["metadata"]["name"])
    assert slices_of(rest, "custom") == []


def test_one_address_in_several_subsets_is_mirrored_in_each(rest: Rest) -> None:
    """Kubernetes' "should mirror a custom Endpoint with multiple subsets and same IP address"."""
    made = service("custom")
    made["spec"]["ports"] = [{"name": f"port{port}", "port": port} for port in (80, 81)]
    workloads.make(rest, SERVICES, made)
    subsets = [
        {"ports": [{"name": name, "port": port}], "addresses": [{"ip": "10.1.2.3"}]}
        for name, port in (("port80", 8090), ("port81", 9090))
    ]
    workloads.make(rest, ENDPOINTS, {"metadata": {"name": "custom"}, "subsets": subsets})
    until_endpoints(rest, "custom", {"10.1.2.3": [8090, 9090]})


def test_the_life_of_endpoints(rest: Rest) -> None:
    """Kubernetes' "should test the lifecycle of an Endpoint".

    Created, labelled, patched, deleted by label, seen by a watch.
    """
    selected = {"labelSelector": "test-endpoint-static=true"}
    version = rest("GET", ENDPOINTS, **selected)["metadata"]["resourceVersion"]
    labels = {"test-endpoint-static": "true"}
    subset = {"addresses": [{"ip": "10.0.0.24"}], "ports": [{"name": "http", "port": 80, "protocol": "TCP"}]}
    path = workloads.make(
        rest, ENDPOINTS, {"metadata": {"name": "testservice", "labels": labels}, "subsets": [subset]}
    )
    (listed,) = rest("GET", "/api/v1/endpoints", **selected)["items"]
    assert listed["subsets"] == [subset]

    listed["metadata"]["labels"]["test-service"] = "updated"
    rest("PUT", path, listed)
    assert rest("GET", path)["metadata"]["labels"]["test-service"] == "updated"
    patch = {
        "metadata": {"labels": {"test-service": "patched"}},
        "subsets": [{"addresses": [{"ip": "10.0.0.25"}], "ports": [{"name": "http-test", "port": 8080}]}],
    }
    rest("PATCH", path, patch, sent=STRATEGIC)
    found = rest("GET", path)
    assert found["metadata"]["labels"]["test-service"] == "patched"
    assert addresses(found) == {"10.0.0.25": [8080]}
    assert found["subsets"][0]["ports"][0]["name"] == "http-test"

    rest("DELETE", ENDPOINTS, **selected)
    with rest.watch(ENDPOINTS, resourceVersion=version, **selected) as events:
        kinds = [kind for kind, _ in events.until(lambda kind, _: kind == "DELETED")]
    assert kinds == ["ADDED", "MODIFIED", "MODIFIED", "DELETED"]
    rest.refused(404, "GET", path)


def test_the_life_of_a_service_and_its_status(rest: Rest) -> None:
    """Kubernetes' "should complete a service status lifecycle".

    A load balancer's address and conditions, seen by a watch.
    """
    labels = {"test-service-static": "true"}
    selected = {"labelSelector": "test-service-static=true"}
    version = rest("GET", "/api/v1/services", **selected)["metadata"]["resourceVersion"]
    made = service("web", labels, type="LoadBalancer", loadBalancerClass="example.com/internal-vip")
    path = workloads.make(rest, SERVICES, made)
    assert rest("GET", f"{path}/status")["status"] == {"loadBalancer": {}}

    told = {"ingress": [{"ip": "203.0.113.1"}]}
    patch = {"metadata": {"annotations": {"patchedstatus": "true"}}, "status": {"loadBalancer": told}}
    patched = rest("PATCH", f"{path}/status", patch, sent=MERGE)
    assert patched["status"]["loadBalancer"]["ingress"][0]["ip"] == "203.0.113.1"
    condition = {**workloads.UPDATED, "lastTransitionTime": None}

    def more(found: dict[str, Any]) -> None:
        found["status"].setdefault("conditions", []).append(condition)

    updated = operations.replaced(rest, f"{path}/status", more)
    assert workloads.UPDATED.items() <= updated["status"]["conditions"][0].items()
    labelled = {"metadata": {"creationTimestamp": None, "labels": {"test-service": "patched"}}}
    rest("PATCH", path, {**labelled, "spec": {}, "status": {"loadBalancer": {}}}, sent=STRATEGIC)
    rest("DELETE", path)

    with rest.watch(SERVICES, resourceVersion=version, **selected) as events:
        seen = events.until(lambda kind, _: kind == "DELETED")
    assert [kind for kind, _ in seen] == ["ADDED", "MODIFIED", "MODIFIED", "MODIFIED", "DELETED"]
    assert seen[-2][1]["metadata"]["labels"] == {"test-service": "patched", **labels}
    assert seen[-2][1]["status"]["loadBalancer"]["ingress"][0]["ip"] == "203.0.113.1"


def test_services_are_deleted_by_label(rest: Rest) -> None:
    """Kubernetes' "should delete a collection of services": those that are not selected stay."""
    rest("POST", "/api/v1/namespaces", {"metadata": {"name": "other"}})
    there = SERVICES.replace("default", "other")
    for name, label in (("a", "delete"), ("b", "delete"), ("c", "keep")):
        rest("POST", there, service(name, {"e2e-test-service": label}, type="ClusterIP"))
    assert len(rest("GET", there)["items"]) == 3
    rest("DELETE", there, labelSelector="e2e-test-service=delete")
    assert [each["metadata"]["name"] for each in rest("GET", there)["items"]] == ["c"]


def test_a_service_changes_its_type(rest: Rest) -> None:
    """Kubernetes' "should be able to change the type from … to …".

    Each as the tests write it: only what they mean to change.
    """
    path = workloads.make(
        rest, SERVICES, {"metadata": {"name": "web"}, "spec": {"type": "ExternalName", "externalName": "example.com"}}
    )
    assert "clusterIP" not in rest("GET", path)["spec"]

    for type_ in ("ClusterIP", "NodePort"):

        def inward(found: dict[str, Any], type_: str = type_) -> None:
            found["spec"].update(type=type_, externalName="", ports=[dict(HTTP)])

        spec = operations.replaced(rest, path, inward)["spec"]
        assert (spec["type"], spec["clusterIPs"], "externalName" in spec) == (type_, [spec["clusterIP"]], False)
        assert ("nodePort" in spec["ports"][0]) == (type_ == "NodePort")

        def outward(found: dict[str, Any]) -> None:
            found["spec"].update(type="ExternalName", externalName="clusterip-service.default.svc.cluster.local")

        left = operations.replaced(rest, path, outward)["spec"]
        assert {"clusterIP", "clusterIPs", "ipFamilies"}.isdisjoint(left)
        assert "nodePort" not in left["ports"][0]
        # what was its own is free again
        another = service("another", type=type_, clusterIP=spec["clusterIP"])
        another["spec"]["ports"] = spec["ports"]
        rest("DELETE", workloads.make(rest, SERVICES, another))


@pytest.mark.parametrize("type_", ["ClusterIP", "NodePort"])
def test_session_affinity_is_switched(rest: Rest, type_: str) -> None:
    """Kubernetes' "should be able to switch session affinity": its time out comes and goes with it."""
    path = workloads.make(rest, SERVICES, service("web", type=type_, sessionAffinity="ClientIP"))
    timeout = {"clientIP": {"timeoutSeconds": 10800}}
    assert rest("GET", path)["spec"]["sessionAffinityConfig"] == timeout
    none = operations.replaced(rest, path, lambda found: found["spec"].update(sessionAffinity="None"))["spec"]
    assert (none["sessionAffinity"], "sessionAffinityConfig" in none) == ("None", False)
    again = operations.replaced(rest, path, lambda found: found["spec"].update(sessionAffinity="ClientIP"))["spec"]
    assert again["sessionAffinityConfig"] == timeout


def test_endpoints_follow_pods_that_come_and_go(rest: Rest) -> None:
    """Kubernetes' "should serve a basic endpoint from pods", "should serve multiport endpoints from pods"."""
    labels = {"app": "web"}
    made = service("web", selector=labels)
    made["spec"]["ports"] = [
        {"name": "portname1", "port": 80, "targetPort": "svc1"},
        {"name": "portname2", "port": 81, "targetPort": "svc2"},
    ]
    workloads.make(rest, SERVICES, made)
    until_endpoints(rest, "web", {})
    one = run(rest, "pod1", labels, {"name": "svc1", "containerPort": 100})
    until_endpoints(rest, "web", {one: [100]})
    two = run(rest, "pod2", labels, {"name": "svc2", "containerPort": 101})
    until_endpoints(rest, "web", {one: [100], two: [101]})
    rest("DELETE", f"{PODS}/pod1")
    until_endpoints(rest, "web", {two: [101]})
    rest("DELETE", f"{PODS}/pod2")
    until_endpoints(rest, "web", {})


def test_one_port_can_be_of_two_protocols(rest: Rest) -> None:
    """Kubernetes' "should serve endpoints on same port and different protocols": and each can be taken away alone."""
    labels = {"app": "multiport"}
    tcp = {"name": "tcp-port", "port": 80, "targetPort": 80, "protocol": "TCP"}
    udp = {**tcp, "name": "udp-port", "protocol": "UDP"}
    path = workloads.make(
        rest, SERVICES, {"metadata": {"name": "web"}, "spec": {"selector": labels, "ports": [tcp, udp]}}
    )
    offered = [{"name": each["name"], "containerPort": 80, "protocol": each["protocol"]} for each in (tcp, udp)]
    address = run(rest, "pod1", labels, *offered)
    until_endpoints(rest, "web", {address: [80, 80]})

    for left in (tcp, udp):
        operations.replaced(rest, path, lambda found, left=left: found["spec"].update(ports=[left]))
        wanted = [{"name": left["name"], "port": 80, "protocol": left["protocol"]}]

        def alone(found: dict[str, Any], wanted: list[dict[str, Any]] = wanted) -> bool:
            return [port for part in found.get("subsets", [found]) for port in part["ports"]] == wanted

        rest.until(ENDPOINTS, alone, fieldSelector="metadata.name=web")
        rest.until(SLICES, alone, labelSelector="kubernetes.io/service-name=web")


def test_each_new_service_soon_has_endpoints(rest: Rest) -> None:
    """Kubernetes' "Service endpoints latency should not be very high": of fifty Services none is forgotten."""
    labels = {"name": "svc-latency-rc"}
    address = run(rest, "pause", labels)
    with rest.watch(ENDPOINTS) as events:
        for number in range(50):
            rest("POST", SERVICES, service(f"latency-{number}", selector=labels))
        waiting = {f"latency-{number}" for number in range(50)}

        def all_there(_: str, found: dict[str, Any]) -> bool:
            if addresses(found) == {address: [80]}:
                waiting.discard(found["metadata"]["name"])
            return not waiting

        events.until(all_there)


def test_one_host_port_serves_several_addresses_and_protocols(rest: Rest) -> None:
    """Kubernetes' "no conflict between pods with same hostPort but different hostIP and protocol".

    On the same node.
    """
    for name, address, protocol in (
        ("pod1", "127.0.0.1", "TCP"),
        ("pod2", "192.0.2.7", "TCP"),
        ("pod3", "192.0.2.7", "UDP"),
    ):
        made = workloads.pod(name, nodeSelector={"kubernetes.io/hostname": "node-1"})
        port = {"hostPort": 54323, "containerPort": 8080, "protocol": protocol, "hostIP": address}
        made["spec"]["containers"][0]["ports"] = [port]
        rest("POST", PODS, made)
        found = rest.until(PODS, workloads.is_ready, fieldSelector=f"metadata.name={name}")
        assert found["spec"]["nodeName"] == "node-1"
