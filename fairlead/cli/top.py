"""`top nodes` and `top pods`: CPU, memory and GPU as figures and bars."""

from __future__ import annotations

import json
from collections.abc import Sequence

import click
import rich.console
import rich.table
import rich.text
from google.protobuf import json_format

from fairlead.api import errors
from fairlead.api.pb import metrics_pb2
from fairlead.cli import session

BAR_WIDTH = 12
MIB = 1024 * 1024


def bar(fraction: float, width: int = BAR_WIDTH) -> str:
    """Return a bar of a fraction of 1: full and empty cells, and the percentage."""
    full = round(min(max(fraction, 0.0), 1.0) * width)
    return "█" * full + "░" * (width - full) + f" {fraction * 100:3.0f}%"


def node_row(node: metrics_pb2.NodeMetrics) -> Sequence[str]:
    """Return name, CPU, its bar, memory, its bar, and the GPUs of a node."""
    cpu = node.cpu.used_cores / node.cpu.cores if node.cpu.cores else 0.0
    memory = node.memory.working_set / node.memory.total if node.memory.total else 0.0
    gpus = [
        f"{gpu.name} {bar(gpu.utilisation / 100)} {gpu.memory_used // MIB}/{gpu.memory_total // MIB}Mi"
        f" {gpu.temperature}°C {gpu.power:.0f}W"
        for gpu in node.gpus
    ]
    return (
        node.node,
        f"{node.cpu.used_cores * 1000:.0f}m",
        bar(cpu),
        f"{node.memory.working_set // MIB}Mi",
        bar(memory),
        "\n".join(gpus) or f"none ({node.gpu_message})",
    )


def _print(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    table = rich.table.Table(box=None, pad_edge=False, header_style="")
    for header in headers:
        table.add_column(header, no_wrap=header != "GPU")
    for row in rows:
        table.add_row(*(rich.text.Text(cell) for cell in row))
    console = rich.console.Console()
    console.print(table) if console.is_terminal else rich.console.Console(width=200).print(table)


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
        raise errors.NotFound(f'no metrics of node "{name}"' if name else "no node has reported metrics yet")
    if output == "json":
        click.echo(json.dumps([_plain(node) for node in found], indent=2))
        return
    _print(("NAME", "CPU(cores)", "CPU%", "MEMORY(bytes)", "MEMORY%", "GPU"), [node_row(node) for node in found])


@top.command()
@click.argument("name", default="")
@click.option("-A", "--all-namespaces", is_flag=True)
@session.command
async def pods(cli: session.Session, name: str, all_namespaces: bool) -> None:
    """CPU and memory of pods."""
    answer = await cli.client.top(pods=True, namespace="" if all_namespaces else cli.namespace)
    rows = []
    for node in answer.nodes:
        for pod in node.pods:
            if name and pod.name != name:
                continue
            cpu = sum(container.used_cores for container in pod.containers)
            memory = sum(container.working_set for container in pod.containers)
            share = bar(cpu / node.cpu.cores if node.cpu.cores else 0.0)
            cells = (pod.name, f"{cpu * 1000:.0f}m", share, f"{memory // MIB}Mi")
            rows.append((pod.namespace, *cells) if all_namespaces else cells)
    if not rows:
        raise errors.NotFound(f'no metrics of pod "{name}"' if name else "no metrics of pods in this namespace")
    headers = ("NAME", "CPU(cores)", "CPU of node", "MEMORY(bytes)")
    _print(("NAMESPACE", *headers) if all_namespaces else headers, sorted(rows))


def _plain(node: metrics_pb2.NodeMetrics) -> dict[str, object]:
    """Return a report as plain values under the names of its message."""
    return json_format.MessageToDict(
        node, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
