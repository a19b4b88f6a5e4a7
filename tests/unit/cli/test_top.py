"""`top`: figures and bars of what nodes report."""

from __future__ import annotations

import json

from fairlead.api.pb import metrics_pb2 as metrics
from fairlead.cli import top
from tests.support import served

MIB = 1024 * 1024


def report(plane: served.Plane) -> None:
    """Let two nodes report: one with two GPUs and a pod, one without."""
    first = metrics.NodeMetrics(node="node-1")
    first.cpu.cores, first.cpu.used_cores = 4, 1.0
    first.memory.total, first.memory.working_set = 8192 * MIB, 4096 * MIB
    first.gpus.add(
        name="NVIDIA H200",
        utilisation=75,
        memory_total=1024 * MIB,
        memory_used=256 * MIB,
        temperature=61,
        power=402.4,
    )
    first.gpus.add(name="NVIDIA H200", memory_total=1024 * MIB, temperature=38, power=75.2)
    pod = first.pods.add(namespace="default", name="web-1")
    pod.containers.add(name="web", used_cores=0.25, working_set=100 * MIB)
    pod.containers.add(name="side", used_cores=0.05, working_set=28 * MIB)
    second = metrics.NodeMetrics(node="node-2", gpu_message="NVML Shared Library Not Found")
    second.cpu.cores, second.cpu.used_cores = 2, 0.004
    second.memory.total, second.memory.working_set = 2048 * MIB, 256 * MIB
    second.pods.add(namespace="kube-system", name="dns-1").containers.add(
        name="dns", used_cores=0.01, working_set=9 * MIB
    )
    plane.relay.nodes[:] = [first, second]


def test_nodes(plane: served.Plane) -> None:
    """CPU, memory and each GPU, with bars; a node without a GPU says why."""
    report(plane)

    assert plane.out("top", "nodes") == (
        "NAME     CPU(cores)   CPU%                MEMORY(bytes)   MEMORY%             GPU\n"
        "node-1   1000m        ███░░░░░░░░░  25%   4096Mi          ██████░░░░░░  50%   "
        "NVIDIA H200 █████████░░░  75% 256/1024Mi 61°C 402W\n"
        "                                                                              "
        "NVIDIA H200 ░░░░░░░░░░░░   0% 0/1024Mi 38°C 75W\n"
        "node-2   4m           ░░░░░░░░░░░░   0%   256Mi           ██░░░░░░░░░░  12%   "
        "none (NVML Shared Library Not Found)\n"
    )


def test_pods(plane: served.Plane) -> None:
    """The sum of a pod's containers, beside its node's CPU and memory."""
    report(plane)

    assert plane.out("top", "pods") == (
        "NAME    CPU(cores)   CPU of node         MEMORY(bytes)   MEMORY of node\n"
        "web-1   300m         █░░░░░░░░░░░   8%   128Mi           ░░░░░░░░░░░░   2%\n"
    )
    assert [line.split()[:2] for line in plane.out("top", "pods", "-A").splitlines()] == [
        ["NAMESPACE", "NAME"],
        ["default", "web-1"],
        ["kube-system", "dns-1"],
    ]


def test_reports_as_json(plane: served.Plane) -> None:
    """Under the names of their message, in its units."""
    report(plane)

    (node,) = json.loads(plane.out("top", "nodes", "node-1", "-o", "json"))

    assert node["gpus"][0]["utilisation"] == 75
    assert node["memory"]["working_set"] == str(4096 * MIB)


def test_no_report_yet(plane: served.Plane) -> None:
    """One line says whose is missing."""
    assert plane.cli("top", "nodes").output == "error: no node has reported metrics yet\n"
    assert plane.cli("top", "nodes", "node-9").output == 'error: no metrics of node "node-9"\n'
    assert plane.cli("top", "pods").output == "error: no metrics of pods in namespace default\n"


def test_bars_are_full_at_most() -> None:
    """More than all is shown as all, with its figure."""
    assert (top.bar(0.5, 4), top.bar(1.3, 4)) == ("██░░  50%", "████ 130%")
