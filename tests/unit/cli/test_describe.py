"""`describe`, compared whole with golden texts."""

from __future__ import annotations

import os
import pathlib
import re

from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import discovery_v1_pb2 as discoveryv1
from tests.support import served
from tests.unit.cli import objects as made
from tests.unit.cli import test_rollout

GOLDEN = pathlib.Path(__file__).parents[2] / "golden" / "cli"


def compare(name: str, text: str) -> None:
    """Compare a description with its golden text, times of creation aside. FAIRLEAD_GOLDEN=write rewrites it."""
    text = re.sub(r"(CreationTimestamp: +).*", r"\1WHEN", text)
    path = GOLDEN / f"{name}.txt"
    if os.environ.get("FAIRLEAD_GOLDEN") == "write":
        path.write_text(text)
    assert text == path.read_text()


def test_a_pod(plane: served.Plane) -> None:
    """Its containers with state, its conditions, volumes and events."""
    plane.out("apply", "-f", str(GOLDEN / "pod.yaml"))
    pod = made.runs(plane, "web-1")
    made.event(plane, pod, "Pulled", 'Container image "web:1" already present on machine')
    made.event(plane, made.pod(plane, "other"), "Pulled", "not ours")

    compare("pod", plane.out("describe", "pod", "web-1"))


def test_a_node(plane: served.Plane) -> None:
    """What it has, what runs on it, and what that asked for."""
    made.node(plane, "node-1")
    made.pod(plane, "web-1", "web", "side")
    made.pod(plane, "elsewhere", node="node-2")

    compare("node", plane.out("describe", "node", "node-1"))


def test_a_deployment_and_its_replicaset(plane: served.Plane) -> None:
    """Each with what it controls."""
    deployment = made.deployment(plane, "web", 3)
    made.progress(plane, "web", 3, 3, 2)
    test_rollout.revision(plane, deployment, 1, "web:1")

    compare("deployment", plane.out("describe", "deploy/web", "rs/web-1"))


def test_a_service(plane: served.Plane) -> None:
    """With the ready endpoints of each port."""
    text = pathlib.Path("deploy/examples/web.yaml").read_text().partition("---")[2]
    plane.out("apply", "-f", "-", stdin=text.replace("type: NodePort", "type: NodePort\n  clusterIP: 10.96.0.77"))
    piece = discoveryv1.EndpointSlice(addressType="IPv4")
    piece.metadata.name, piece.metadata.namespace = "web-abc", "default"
    piece.metadata.labels["kubernetes.io/service-name"] = "web"
    piece.ports.add(name="http", port=8080, protocol="TCP")
    for address, ready in (("10.128.1.7", True), ("10.128.2.7", True), ("10.128.3.7", False)):
        piece.endpoints.add(addresses=[address]).conditions.ready = ready
    plane.call(plane.client.create(piece))

    compare("service", plane.out("describe", "svc", "web"))


def test_a_secret_keeps_its_values(plane: served.Plane) -> None:
    """Only their sizes are told."""
    secret = corev1.Secret(type="Opaque", data={"password": b"geheim"})
    secret.metadata.name, secret.metadata.namespace = "login", "default"
    plane.call(plane.client.create(secret))

    compare("secret", plane.out("describe", "secret", "login"))


def test_any_other_kind(plane: served.Plane) -> None:
    """Field by field, under the names of its JSON."""
    compare("namespace", plane.out("describe", "ns", "default"))


def test_nothing_to_describe(plane: served.Plane) -> None:
    """One line says so."""
    result = plane.cli("describe", "pods")

    assert (result.exit_code, result.output) == (0, "No resources found\n")
