"""`top nodes` and `top pods`: CPU, memory and GPU as figures and bars."""

from __future__ import annotations

import json
from collections.abc import Sequence

import click
from google.protobuf import json_format

from fairlead.api.pb import metrics_pb2
from fairlead.cli import printing, session

BAR_WIDTH = 12
MIB = 1024 * 1024


def bar(fraction: float, width: int = BAR_WIDTH) -> str:
    """Return a bar of a fraction of 1: full and empty cells, and the percentage."""
    full = round(min(max(fraction, 0.0), 1.0) * width)
    return "█" * full + "░" * (width - full) + f" {fraction * 100:3.0f}%"


def node_rows(node: metrics_pb2.NodeMetrics) -> list[Sequence[str]]:
    """Return name, CPU, its bar, memory and its bar, then a GPU; each further GPU has a line of its own."""
    cpu = node.cpu.used_cores / node.cpu.cores if node.cpu.cores else 0.0
    memory = node.memory.working_set / node.memory.total if node.memory.total else 0.0
    first = (
        node.node,
        f"{node.cpu.used_cores * 1000:.0f}m",
        bar(cpu),
        f"{node.memory.working_set // MIB}Mi",
        bar(memory),
    )
    gpus = [
        f"{gpu.name} {bar(gpu.utilisation / 100)} {gpu.memory_used // MIB}/{gpu.memory_total // MIB}Mi"
        f" {gpu.temperature}°C {gpu.power:.0f}W"
        for gpu in node.gpus
    ] or [f"none ({node.gpu_message})" if node.gpu_message else "none"]
    return [(*first, gpus[0]), *(("",) * len(first) + (gpu,) for gpu in gpus[1:])]


def _print(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    for line in printing.aligned([headers, *rows]):
        click.echo(line)


@click.group()
def top() -> None:
    """What nodes and pods use now."""


@top.command()
@click.argument("name", default="")
@click.option("-o", "--output", type=click.Choice(["table", "json"]), default="table")
@session.command
async def nodes(cli: session.Session, name: str, output: str) -> None:
    """CPU, memory and GPUs of nodes."""
    answer = await cli.client.top()
    found = [node for node in answer.nodes if not name or node.node == name]
    if not found:
        raise session.Failure(
            f'error: no metrics of node "{name}"' if name else "error: no node has reported metrics yet"
        )
    if output == "json":
        click.echo(json.dumps([_plain(node) for node in found], indent=2))
        return
    headers = ("NAME", "CPU(cores)", "CPU%", "MEMORY(bytes)", "MEMORY%", "GPU")
    _print(headers, [row for node in found for row in node_rows(node)])


@top.command()
@click.argument("name", default="")
@click.option("-A", "--all-namespaces", is_flag=True)
@session.command
async def pods(cli: session.Session, name: str, all_namespaces: bool) -> None:
    """CPU and memory of pods."""
    answer = await cli.client.top(pods=True, namespace="" if all_namespaces else cli.namespace)
    found = [(node, pod) for node in answer.nodes for pod in node.pods if name in ("", pod.name)]
    if not found:
        where = "any namespace" if all_namespaces else f"namespace {cli.namespace}"
        raise session.Failure(
            f'error: no metrics of pod "{name}"' if name else f"error: no metrics of pods in {where}"
        )
    rows = [(pod.namespace, *pod_row(node, pod)) for node, pod in found]
    headers = ("NAMESPACE", "NAME", "CPU(cores)", "CPU of node", "MEMORY(bytes)", "MEMORY of node")
    first = 0 if all_namespaces else 1
    _print(headers[first:], [row[first:] for row in sorted(rows)])


def pod_row(node: metrics_pb2.NodeMetrics, pod: metrics_pb2.PodMetrics) -> Sequence[str]:
    """Return name, CPU and memory of a pod, each with its share of the node's."""
    cpu = sum(container.used_cores for container in pod.containers)
    memory = sum(container.working_set for container in pod.containers)
    return (
        pod.name,
        f"{cpu * 1000:.0f}m",
        bar(cpu / node.cpu.cores if node.cpu.cores else 0.0),
        f"{memory // MIB}Mi",
        bar(memory / node.memory.total if node.memory.total else 0.0),
    )


def _plain(node: metrics_pb2.NodeMetrics) -> dict[str, object]:
    """Return a report as plain values under the names of its message."""
    return json_format.MessageToDict(
        node, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
