"""What comes from nodes over REST: logs as plain text, and the metrics that `kubectl top` shows."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from control.apiserver import relay
from control.apiserver.server import ApiServer
from fairlead.api import errors
from fairlead.api.pb import cluster_pb2 as cluster
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.testing import control, samples
from fairlead.testing import rest as testing
from tests.unit.gateway.rest.conftest import Caller

METRICS = "/apis/metrics.k8s.io/v1beta1"


class Nodes(relay.NoRelay):
    """A relay to one node, which runs one container and reports what it uses."""

    def __init__(self) -> None:
        self.asked: list[corev1.PodLogOptions] = []

    async def logs(self, namespace: str, pod: str, options: corev1.PodLogOptions) -> AsyncIterator[bytes]:
        """Tell two lines of a container that is called main."""
        self.asked.append(options)
        if options.container not in ("", "main"):
            raise errors.BadRequest(f"container {options.container} is not valid for pod {pod}")
        yield b""
        yield b"one\n"
        yield b"two\n"

    async def top(self, request: cluster.TopRequest) -> cluster.TopResponse:
        """Return one report."""
        answer = cluster.TopResponse()
        report = answer.nodes.add(node="n1", window_seconds=10)
        report.timestamp.seconds = 1_700_000_000
        report.cpu.used_cores, report.memory.working_set = 0.25, 3 * 1024 * 1024
        if request.pods:
            pod = report.pods.add(namespace="default", name="web-1")
            pod.containers.add(name="main", used_cores=0.0012345, working_set=2048)
            pod.containers.add(name="helper", used_cores=0.001, working_set=8192)
        return answer


@pytest.fixture
def nodes() -> Nodes:
    """The node."""
    return Nodes()


@pytest.fixture
async def server(api: ApiServer, nodes: Nodes) -> AsyncIterator[testing.Server]:
    """A gateway that reaches the node, with its objects."""
    admin = api.as_user(*control.ADMIN)
    account = corev1.ServiceAccount()
    account.metadata.name, account.metadata.namespace = "default", "default"
    await admin.create(account)
    await admin.create(samples.node("n1", labels={"zone": "a"}))
    await admin.create(samples.pod("web-1", labels={"app": "web"}))
    async with testing.serve(api, nodes) as made:
        yield made


async def test_a_log_is_plain_text(call: Caller, nodes: Nodes) -> None:
    """Its options reach the node."""
    answer = await call(
        "GET", "/api/v1/namespaces/default/pods/web-1/log?container=main&tailLines=2&timestamps=true&sinceSeconds=60"
    )
    wanted = corev1.PodLogOptions(container="main", tailLines=2, timestamps=True, sinceSeconds=60)
    assert (answer.status, answer.body, answer.headers["Content-Type"]) == (200, b"one\ntwo\n", "text/plain")
    assert nodes.asked == [wanted]


async def test_a_log_that_cannot_be_had_is_an_error(call: Caller) -> None:
    """What the node refuses before the first line, and options that contradict each other."""
    path = "/api/v1/namespaces/default/pods/web-1/log"
    other = await call("GET", f"{path}?container=other")
    invalid = await call("GET", f"{path}?tailLines=-1")
    unreadable = await call("GET", f"{path}?tailLines=x")
    assert (other.status, other.json["message"]) == (400, "container other is not valid for pod web-1")
    assert (invalid.status, invalid.json["message"]) == (
        422,
        'PodLogOptions "web-1" is invalid: tailLines: Invalid value: -1: must be greater than or equal to 0',
    )
    assert (unreadable.status, unreadable.json["message"]) == (400, 'strconv.ParseInt: parsing "x": invalid syntax')


async def test_a_log_needs_the_right_to_read_it(server: testing.Server) -> None:
    """A user without roles is forbidden."""
    tls = aiohttp.TCPConnector(ssl=server.tls("eve"))
    async with aiohttp.ClientSession(connector=tls) as session:
        answer = await Caller(session, server.url)("GET", "/api/v1/namespaces/default/pods/web-1/log")
    assert (answer.status, answer.json["message"]) == (
        403,
        'pods "web-1" is forbidden: User "eve" cannot get resource "pods/log" in API group ""'
        ' in the namespace "default"',
    )


def figures(cpu: str, memory: str) -> dict[str, Any]:
    """Return what is used."""
    return {"cpu": cpu, "memory": memory}


async def test_the_metrics_of_nodes_and_pods_are_kubernetes(call: Caller) -> None:
    """metrics.k8s.io/v1beta1, with the labels of the objects."""
    stamp = {"timestamp": "2023-11-14T22:13:20Z", "window": "10s"}
    created = {"creationTimestamp": "2023-11-14T22:13:20Z"}
    nodes = await call("GET", f"{METRICS}/nodes")
    pods = await call("GET", f"{METRICS}/namespaces/default/pods?labelSelector=app%3Dweb")
    labels = {"kubernetes.io/hostname": "n1", "zone": "a"}
    assert nodes.json == {
        "apiVersion": "metrics.k8s.io/v1beta1",
        "kind": "NodeMetricsList",
        "metadata": {},
        "items": [
            {"metadata": {"name": "n1", "labels": labels, **created}, **stamp, "usage": figures("250m", "3Mi")},
        ],
    }
    assert pods.json["items"] == [
        {
            "metadata": {"name": "web-1", "namespace": "default", "labels": {"app": "web"}, **created},
            **stamp,
            "containers": [
                {"name": "main", "usage": figures("1234500n", "2Ki")},
                {"name": "helper", "usage": figures("1m", "8Ki")},
            ],
        }
    ]


async def test_the_metrics_of_one_and_of_none(call: Caller) -> None:
    """One object by its name; an unknown one is not found; nothing is written there."""
    one = await call("GET", f"{METRICS}/nodes/n1")
    none = await call("GET", f"{METRICS}/nodes/n2")
    wrong = await call("POST", f"{METRICS}/nodes", {})
    empty = await call("GET", f"{METRICS}/pods?labelSelector=app%3Dother")
    assert (one.status, one.json["kind"], one.json["usage"]) == (200, "NodeMetrics", figures("250m", "3Mi"))
    assert (none.status, none.json["message"]) == (404, 'nodes.metrics.k8s.io "n2" not found')
    assert wrong.status == 405
    assert (empty.json["kind"], empty.json["items"]) == ("PodMetricsList", [])


async def test_the_metrics_are_a_table_to_who_wants_one(call: Caller) -> None:
    """Metrics-server's columns; a pod's figures are its containers' together, and its row has its metadata."""
    accept = "application/json;as=Table;v=v1;g=meta.k8s.io"
    nodes = await call("GET", f"{METRICS}/nodes", accept=accept)
    pod = await call("GET", f"{METRICS}/namespaces/default/pods/web-1?includeObject=None", accept=accept)
    none = await call("GET", f"{METRICS}/pods?labelSelector=app%3Dother", accept=accept)
    assert (nodes.json["kind"], nodes.json["metadata"]) == ("Table", {})
    assert [column["name"] for column in nodes.json["columnDefinitions"]] == ["Name", "cpu", "memory", "Window"]
    assert [row["cells"] for row in nodes.json["rows"]] == [["n1", "250m", "3Mi", "10s"]]
    assert nodes.json["rows"][0]["object"]["metadata"]["labels"]["zone"] == "a"
    assert pod.json["rows"] == [{"cells": ["web-1", "2234500n", "10Ki", "10s"], "object": None}]
    assert none.json["rows"] == []


async def test_the_metrics_can_be_selected_by_name(call: Caller) -> None:
    """As `kubectl top --field-selector` asks; another field is none of them."""
    one = await call("GET", f"{METRICS}/pods?fieldSelector=metadata.name%3Dweb-1")
    none = await call("GET", f"{METRICS}/pods?fieldSelector=metadata.namespace%21%3Ddefault")
    wrong = await call("GET", f"{METRICS}/pods?fieldSelector=spec.nodeName%3Dn1")
    assert ([len(answer.json["items"]) for answer in (one, none)], wrong.status) == ([1, 0], 400)
    assert wrong.json["message"] == (
        '"spec.nodeName" is not a known field selector: only "metadata.name", "metadata.namespace"'
    )
