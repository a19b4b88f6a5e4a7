"""[sig-cli]: what kubectl does with ReplicationControllers, pods and Services; the rest is in tests/clients/whole."""

from __future__ import annotations

import http.client
import json
import pathlib
import socket
import time
from typing import Any

import pytest

from tests.clients.whole.conftest import Kubectl

CALL_SECONDS = 20.0
LABELS = {"name": "update-demo", "version": "nautilus"}
PRIMARY = {"app": "agnhost", "role": "primary"}


def controller(name: str, labels: dict[str, str], replicas: int, port: int) -> str:
    """Return the manifest of a ReplicationController."""
    container = {
        "name": name,
        "image": f"{name}:1",
        "ports": [{"name": f"{name}-server"[:15], "containerPort": port}],
    }
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    spec = {"replicas": replicas, "selector": labels, "template": template}
    metadata = {"name": name, "labels": labels}
    return json.dumps({"apiVersion": "v1", "kind": "ReplicationController", "metadata": metadata, "spec": spec})


def running(kubectl: Kubectl, container: str, count: int) -> list[str]:
    """Wait until so many pods run, by templates as the conformance tests have them; return their names."""
    names = ("get", "pods", "-o", "template", "--template={{range.items}}{{.metadata.name}} {{end}}", "-l")
    state = (
        '--template={{if (exists . "status" "containerStatuses")}}{{range .status.containerStatuses}}'
        f'{{{{if (and (eq .name "{container}") (exists . "state" "running"))}}}}true{{{{end}}}}{{{{end}}}}{{{{end}}}}'
    )
    image = (
        '--template={{if (exists . "spec" "containers")}}{{range .spec.containers}}'
        f'{{{{if eq .name "{container}"}}}}{{{{.image}}}}{{{{end}}}}{{{{end}}}}{{{{end}}}}'
    )
    end = time.monotonic() + CALL_SECONDS
    while True:
        found = kubectl(*names, "name=update-demo").split()
        said = (
            [kubectl("get", "pods", name, "-o", "template", state) for name in found] if len(found) == count else []
        )
        if said == ["true"] * count:
            assert {kubectl("get", "pods", name, "-o", "template", image) for name in found} == {f"{container}:1"}
            return found
        assert time.monotonic() < end, f"{len(found)} pods, of which {said} run"


def test_a_replication_controller_is_created_scaled_and_stopped(kubectl: Kubectl) -> None:
    """Update Demo "should create and stop a replication controller", "should scale a replication controller"."""
    manifest = controller("nautilus", LABELS, 2, 80)
    kubectl("create", "-f", "-", stdin=manifest)
    assert len(running(kubectl, "nautilus", 2)) == 2
    for count in (1, 2):
        kubectl("scale", "rc", "nautilus", f"--replicas={count}", "--timeout=5m")
        running(kubectl, "nautilus", count)
    kubectl("delete", "--grace-period=0", "--force", "-f", "-", stdin=manifest)
    assert kubectl("get", "rc,svc", "-l", "name=update-demo", "--no-headers") == ""


@pytest.fixture
def primary(kubectl: Kubectl) -> str:
    """A controller with one pod that runs; returns the pod's name."""
    kubectl("create", "-f", "-", stdin=controller("agnhost-primary", PRIMARY, 1, 6379))
    kubectl.until("get", "pods", "-l", "role=primary", "-o", "jsonpath={.items[*].status.phase}", says="Running")
    return kubectl("get", "pods", "-l", "role=primary", "-o", "jsonpath={.items[*].metadata.name}")


def test_what_belongs_to_a_controller_is_described(kubectl: Kubectl, primary: str) -> None:
    """Kubectl describe "should check if kubectl describe prints relevant information for rc and pods"."""
    service = {"selector": PRIMARY, "ports": [{"port": 6379, "targetPort": "agnhost-primary"}]}
    metadata = {"name": "agnhost-primary", "labels": PRIMARY}
    made = {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": service}
    kubectl("create", "-f", "-", stdin=json.dumps(made))
    node = kubectl("get", "pod", primary, "-o", "jsonpath={.spec.nodeName}")
    common = [["Name:", "agnhost-primary"], ["Namespace:", "default"], ["Labels:", "app=agnhost"], ["role=primary"]]
    wanted: dict[str, list[list[str]]] = {
        f"pod {primary}": [
            ["Name:", primary],
            *common[1:],
            *(["Annotations:"], ["Status:", "Running"], ["IP:"], ["Image:", "agnhost-primary:1"]),
            *(["Controlled By:", "ReplicationController/agnhost-primary"], ["Ready:", "True"], ["State:", "Running"]),
            *(["Restart Count:", "0"], ["QoS Class:", "BestEffort"], ["Volumes:"], ["Events:"]),
        ],
        "rc agnhost-primary": [
            *common,
            *(["Selector:", "app=agnhost,role=primary"], ["Annotations:"], ["Replicas:", "1 current", "1 desired"]),
            *(["Pods Status:", "1 Running", "0 Waiting", "0 Succeeded", "0 Failed"], ["Pod Template:"], ["Events:"]),
        ],
        "service agnhost-primary": [
            *common,
            *(["Annotations:"], ["Selector:", "app=agnhost", "role=primary"], ["Type:", "ClusterIP"], ["IP:"]),
            *(["Port:", "<unset>", "6379/TCP"], ["Endpoints:"], ["Session Affinity:", "None"]),
        ],
        f"node {node}": [
            *(["Name:", node], ["Labels:"], ["Annotations:"], ["CreationTimestamp:"], ["Conditions:"]),
            ["Type", "Status", "LastHeartbeatTime", "LastTransitionTime", "Reason", "Message"],
            *(["Addresses:"], ["Capacity:"], ["Kernel Version:"], ["OS Image:"], ["Container Runtime Version:"]),
            *(["Kubelet Version:"], ["Pods:"]),
        ],
        "namespace default": [["Name:", "default"], ["Labels:"], ["Annotations:"], ["Status:", "Active"]],
    }
    for what, lines in wanted.items():
        said = kubectl("describe", *what.split()).splitlines()
        lacking = [words for words in lines if not any(all(word in line for word in words) for line in said)]
        assert lacking == [], "\n".join(said)


def test_services_of_a_controller_and_of_a_service_are_made(kubectl: Kubectl, primary: str) -> None:
    """Kubectl expose "should create services for rc": both end at the container's port."""
    kubectl("expose", "rc", "agnhost-primary", "--name=rm2", "--port=1234", "--target-port=6379")
    kubectl("expose", "service", "rm2", "--name=rm3", "--port=2345", "--target-port=6379")
    for name, port in (("rm2", 1234), ("rm3", 2345)):
        spec = kubectl.json("get", "service", name)["spec"]
        assert (spec["selector"], spec["ports"][0]["port"], spec["ports"][0]["targetPort"]) == (PRIMARY, port, 6379)
        ready = "jsonpath={.subsets[*].addresses[*].targetRef.name} {.subsets[*].ports[*].port}"
        kubectl.until("get", "endpoints", name, "-o", ready, says=f"{primary} 6379")


def test_pods_are_labelled_annotated_and_replaced(kubectl: Kubectl, primary: str) -> None:
    """Kubectl label "should update the label …", patch "should add annotations …", replace "… image"."""
    kubectl("label", "pods", primary, "testing-label=testing-label-value")
    shown = kubectl("get", "pod", primary, "-L", "testing-label")
    kubectl("label", "pods", primary, "testing-label-")
    assert "testing-label-value" in shown
    assert "testing-label-value" not in kubectl("get", "pod", primary, "-L", "testing-label")

    kubectl("patch", "pod", primary, "-p", '{"metadata":{"annotations":{"x":"y"}}}')
    assert kubectl.json("get", "pod", primary)["metadata"]["annotations"]["x"] == "y"

    labels = ("--image=httpd:1", "--labels=run=e2e-test-httpd-pod")
    kubectl("run", "e2e-test-httpd-pod", *labels)
    kubectl.until("get", "pod", "e2e-test-httpd-pod", "-o", "jsonpath={.status.phase}", says="Running")
    found = kubectl("get", "pod", "e2e-test-httpd-pod", "-o", "json")
    kubectl("replace", "-f", "-", stdin=found.replace('"httpd:1"', '"busybox:1"'))
    assert kubectl.json("get", "pod", "e2e-test-httpd-pod")["spec"]["containers"][0]["image"] == "busybox:1"


def test_a_pod_is_run_and_changed_for_show(kubectl: Kubectl) -> None:
    """Kubectl run pod "… when restart is Never", server-side dry-run "… can dry-run update Pods"."""
    name = "e2e-test-httpd-pod"
    kubectl("run", name, "--restart=Never", "--image=httpd:1")
    made = kubectl.json("get", "pods", name)
    assert (made["spec"]["containers"][0]["image"], made["spec"]["restartPolicy"]) == ("httpd:1", "Never")
    patch = json.dumps({"spec": {"containers": [{"name": name, "image": "busybox:1"}]}})
    shown = kubectl.json("patch", "pod", name, "-p", patch, "--dry-run=server")
    assert shown["spec"]["containers"][0]["image"] == "busybox:1"
    assert kubectl.json("get", "pod", name)["spec"]["containers"][0]["image"] == "httpd:1"


def test_a_difference_of_images_is_found(kubectl: Kubectl) -> None:
    """Kubectl diff "should check if kubectl diff finds a difference for Deployments": exit code 1."""
    kubectl("create", "deployment", "httpd-deployment", "--image=httpd:1")
    labels = {"app": "httpd-deployment"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "httpd", "image": "busybox:1"}]}}
    wanted: dict[str, Any] = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "httpd-deployment"}}
    wanted["spec"] = {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}
    done = kubectl.run("diff", "-f", "-", stdin=json.dumps(wanted))
    assert done.returncode == 1, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    assert ["-", "-", "image:", "httpd:1"] in lines or ["-", "image:", "httpd:1"] in lines
    assert ["+", "-", "image:", "busybox:1"] in lines or ["+", "image:", "busybox:1"] in lines


def test_a_proxy_listens_on_a_socket_of_the_file_system(kubectl: Kubectl, tmp_path: pathlib.Path) -> None:
    """Proxy server "should support --unix-socket=/path"; that of --port 0 is in tests/clients/whole."""
    path = tmp_path / "proxy.sock"
    with kubectl.following("proxy", f"--unix-socket={path}") as line:
        assert line() == f"Starting to serve on {path}\n"
        connection = http.client.HTTPConnection("localhost", timeout=CALL_SECONDS)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(str(path))
        connection.request("GET", "/api")
        with connection.getresponse() as answer:
            assert json.loads(answer.read())["versions"] == ["v1"]
        connection.close()


def test_versions_and_the_cluster_are_told(kubectl: Kubectl) -> None:
    """Kubectl version "… all data is printed", api-versions "… if v1 …", cluster-info "…"."""
    told = kubectl("version")
    assert ("Client Version" in told, "Server Version" in told) == (True, True)
    assert "v1" in kubectl("api-versions").split()
    info = kubectl("cluster-info")
    assert ("Kubernetes control plane" in info, "is running at" in info) == (True, True)
