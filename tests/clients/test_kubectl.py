"""Unmodified kubectl against the gateway: what it prints, and what the API then has."""

from __future__ import annotations

import asyncio
import json
import pathlib
from typing import Any

from control.apiserver.server import ApiServer
from fairlead.api import errors
from fairlead.api.pb import apps_v1_pb2 as appsv1
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.testing import control, samples
from tests.clients.conftest import Run
from tests.support import kubectl

MANIFEST = """
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
spec:
  replicas: {replicas}
  selector:
    matchLabels: {{app: web}}
  template:
    metadata:
      labels: {{app: web}}
    spec:
      containers:
      - name: main
        image: web:1
"""


async def pod(api: ApiServer, name: str = "web") -> corev1.Pod:
    """Create a pod."""
    return await api.as_user(*control.ADMIN).create(samples.pod(name, labels={"app": name}))


async def test_get_prints_the_servers_table(api: ApiServer, run: Run) -> None:
    """Columns as Kubernetes has them, wide ones with -o wide."""
    await pod(api)
    plain = (await run("get", "pods")).splitlines()
    wide = (await run("get", "pods", "-o", "wide")).splitlines()
    nodes = (await run("get", "nodes")).splitlines()
    assert plain[0].split() == ["NAME", "READY", "STATUS", "RESTARTS", "AGE"]
    assert plain[1].split()[:4] == ["web", "0/1", "Pending", "0"]
    assert wide[0].split()[5:] == ["IP", "NODE", "NOMINATED", "NODE", "READINESS", "GATES"]
    assert nodes[1].split()[:2] == ["n1", "Ready"]


async def test_get_as_json_is_the_stored_object(api: ApiServer, run: Run) -> None:
    """And -o name, jsonpath and custom columns are made of it."""
    made = await pod(api)
    found = json.loads(await run("get", "pod", "web", "-o", "json"))
    name = await run("get", "pods", "-l", "app=web", "-o", "name")
    image = await run("get", "pod", "web", "-o", "jsonpath={.spec.containers[0].image}")
    columns = await run("get", "pods", "-o", "custom-columns=N:.metadata.name", "--no-headers")
    assert found["metadata"]["uid"] == made.metadata.uid
    assert (name, image, columns) == ("pod/web\n", "web:1", "web\n")


async def test_create_apply_and_delete(api: ApiServer, run: Run, refused: Run) -> None:
    """The second apply changes what the manifest changes; what is gone is not found."""
    admin = api.as_user(*control.ADMIN)
    first = await run("apply", "--validate=false", "-f", "-", stdin=MANIFEST.format(replicas=1))
    second = await run("apply", "--validate=false", "-f", "-", stdin=MANIFEST.format(replicas=2))
    third = await run("apply", "--validate=false", "-f", "-", stdin=MANIFEST.format(replicas=2))
    replicas = (await admin.get(appsv1.Deployment, "web", "default")).spec.replicas
    twice = await refused("create", "--validate=false", "-f", "-", stdin=MANIFEST.format(replicas=1))
    gone = await run("delete", "deployment", "web", "--wait=false")
    missing = await refused("get", "deployment", "web")
    assert [first, second, third] == [
        f"deployment.apps/web {what}\n" for what in ("created", "configured", "unchanged")
    ]
    assert replicas == 2
    assert 'deployments.apps "web" already exists' in twice
    assert gone == 'deployment.apps "web" deleted\n'
    assert missing == 'Error from server (NotFound): deployments.apps "web" not found\n'


async def test_what_is_invalid_is_said_field_by_field(run: Run, refused: Run) -> None:
    """As kubectl's users know it."""
    said = await refused("create", "--validate=false", "-f", "-", stdin=MANIFEST.format(replicas=-1))
    assert (
        'The Deployment "web" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0'
        in said
    )


async def test_scale_label_annotate_and_patch(api: ApiServer, run: Run) -> None:
    """Each writes what it says."""
    await run("apply", "--validate=false", "-f", "-", stdin=MANIFEST.format(replicas=1))
    await run("scale", "deployment", "web", "--replicas=3")
    await run("label", "deployment", "web", "tier=front")
    await run("annotate", "deployment", "web", "note=x")
    patch = '{"spec":{"template":{"spec":{"containers":[{"name":"main","image":"web:2"}]}}}}'
    await run("patch", "deployment", "web", "-p", patch)
    found = await api.as_user(*control.ADMIN).get(appsv1.Deployment, "web", "default")
    assert (found.spec.replicas, found.metadata.labels["tier"], found.metadata.annotations["note"]) == (
        3,
        "front",
        "x",
    )
    assert found.spec.template.spec.containers[0].image == "web:2"


async def test_get_with_watch_follows(api: ApiServer, client: kubectl.Kubectl, kubeconfig: pathlib.Path) -> None:
    """What is there, then what comes."""
    await pod(api)
    words = client.command(kubeconfig, kubeconfig.parent / "cache", "get", "pods", "-w", "--no-headers")
    process = await asyncio.create_subprocess_exec(*words, stdout=asyncio.subprocess.PIPE, env=kubectl.environment())
    assert process.stdout is not None
    try:
        first = await process.stdout.readline()
        await pod(api, "other")
        second = await process.stdout.readline()
    finally:
        process.terminate()
        await process.wait()
    assert [line.split()[0] for line in (first, second)] == [b"web", b"other"]


async def test_describe_tells_of_a_pod_and_a_node(api: ApiServer, run: Run) -> None:
    """Events and Leases are asked for, too."""
    await pod(api)
    told = await run("describe", "pod", "web")
    node = await run("describe", "node", "n1")
    assert told.splitlines()[0].split() == ["Name:", "web"]
    assert "Image:" in told
    assert "Ready" in node


async def test_logs_and_top(api: ApiServer, run: Run) -> None:
    """From the node."""
    await pod(api)
    log = await run("logs", "web", "--tail=1")
    nodes = (await run("top", "nodes")).splitlines()
    pods = (await run("top", "pods")).splitlines()
    containers = (await run("top", "pods", "web", "--containers", "--no-headers")).split()
    sorted_ = (await run("top", "pods", "-l", "app=web", "--sort-by=memory", "--no-headers")).split()
    one = (await run("top", "node", "n1", "--no-headers")).split()
    tables = [(await run("get", kind + ".metrics.k8s.io")).splitlines() for kind in ("nodes", "pods")]
    assert [[line.split() for line in table] for table in tables] == [
        [["NAME", "CPU", "MEMORY", "WINDOW"], ["n1", "250m", "3Mi", "10s"]],
        [["NAME", "CPU", "MEMORY", "WINDOW"], ["web", "100m", "1Mi", "10s"]],
    ]
    assert log == "two\n"
    assert nodes[1].split()[:4] == ["n1", "250m", "6%", "3Mi"]
    assert pods[1].split() == ["web", "100m", "1Mi"]
    assert (containers, sorted_) == (["web", "main", "100m", "1Mi"], ["web", "100m", "1Mi"])
    assert one == nodes[1].split()


async def test_auth_tells_what_one_may_do(run: Run, refused: Run) -> None:
    """The newer kubectl asks in protobuf."""
    may = await run("auth", "can-i", "delete", "nodes")
    other = await refused("auth", "can-i", "list", "pods", "--as", "alice")
    rules = await run("auth", "can-i", "--list")
    assert (may, other) == ("yes\n", "")
    assert "*.*" in rules


async def test_api_resources_and_versions(run: Run) -> None:
    """What discovery tells."""
    resources = await run("api-resources", "--api-group=apps", "--no-headers")
    versions = (await run("api-versions")).split()
    version: Any = json.loads(await run("version", "-o", "json"))
    first = resources.splitlines()
    assert any(line.split()[:3] == ["deployments", "deploy", "apps/v1"] for line in first)
    assert {"v1", "apps/v1", "coordination.k8s.io/v1"} <= set(versions)
    assert version["serverVersion"]["minor"] == "32"


async def test_delete_waits_until_a_pod_is_gone(api: ApiServer, run: Run) -> None:
    """An unbound pod goes at once, and kubectl sees it."""
    await pod(api)
    said = await run("delete", "pod", "web")
    try:
        await api.as_user(*control.ADMIN).get(corev1.Pod, "web", "default")
    except errors.NotFound:
        gone = True
    else:
        gone = False
    assert (said, gone) == ('pod "web" deleted\n', True)
