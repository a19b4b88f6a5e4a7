"""`get` and `logs`."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Sequence

import click
from google.protobuf.message import Message

from fairlead.api import errors, objects
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.cli import printing, session
from fairlead.client.interface import ObjectList, Selection


@click.command()
@click.argument("what", nargs=-1, required=True)
@click.option("-o", "--output", type=click.Choice(printing.FORMATS), default="table")
@click.option("-l", "--selector", default="", help="Label selector, for example app=web.")
@click.option("--field-selector", default="", help="Field selector, for example spec.nodeName=node-1.")
@click.option("-A", "--all-namespaces", is_flag=True)
@click.option("-w", "--watch", is_flag=True, help="Go on printing changes.")
@click.option("--ignore-not-found", is_flag=True)
@click.option("--no-headers", is_flag=True)
@session.command
async def get(
    cli: session.Session,
    what: Sequence[str],
    output: str,
    selector: str,
    field_selector: str,
    all_namespaces: bool,
    watch: bool,
    ignore_not_found: bool,
    no_headers: bool,
) -> None:
    """Show objects: `get pods`, `get pod web-1 -o yaml`, `get deploy/web svc/web`, `get all -A`."""
    wanted = session.targets(what)
    if watch and len(wanted) != 1:
        raise click.UsageError("-w watches one resource type")
    select = Selection(selector, field_selector)
    found: list[tuple[session.Target, ObjectList[Message]]] = []
    for target in wanted:
        found.append((target, await _read(cli, target, select, all_namespaces, ignore_not_found)))
    everything = [obj for _, page in found for obj in page.items]
    prefix = len(wanted) > 1
    if output in ("yaml", "json"):
        single = len(wanted) == 1 and len(wanted[0].names) == 1 and len(everything) == 1
        if everything or not ignore_not_found:
            click.echo(printing.documents(everything, output, single=single))
    elif output == "name":
        if everything:
            click.echo(printing.names(everything))
    else:
        _tables(found, output == "wide", all_namespaces, no_headers, prefix)
    if not everything and output in ("table", "wide") and not ignore_not_found and not watch:
        namespaced = any(target.kind.namespaced for target in wanted) and not all_namespaces
        click.echo("No resources found" + (f" in {cli.namespace} namespace." if namespaced else ""), err=True)
    if watch:
        await _watch(cli, *found[0], select, output, all_namespaces)


async def _read(
    cli: session.Session, target: session.Target, select: Selection, everywhere: bool, tolerant: bool
) -> ObjectList[Message]:
    namespace = cli.namespace if target.kind.namespaced and not everywhere else ""
    if not target.names:
        return await cli.client.list(target.message, namespace, select=select)
    items = []
    for name in target.names:
        try:
            items.append(await cli.client.get(target.message, name, namespace))
        except errors.NotFound:
            if not tolerant:
                raise
    newest = max((int(session.metadata(item).resourceVersion) for item in items), default=0)
    return ObjectList(items, str(newest) if newest else "")


def _tables(
    found: Sequence[tuple[session.Target, ObjectList[Message]]],
    wide: bool,
    everywhere: bool,
    no_headers: bool,
    prefix: bool,
) -> None:
    first = True
    for target, page in found:
        if not page.items:
            continue
        if not first:
            click.echo()
        first = False
        table = printing.Table(
            target.kind, wide=wide, namespaces=everywhere and target.kind.namespaced, headers=not no_headers
        )
        group = f".{target.kind.group}" if target.kind.group else ""
        table.write(page.items, f"{target.kind.singular}{group}/" if prefix else "")


async def _watch(
    cli: session.Session,
    target: session.Target,
    page: ObjectList[Message],
    select: Selection,
    output: str,
    everywhere: bool,
) -> None:
    namespace = cli.namespace if target.kind.namespaced and not everywhere else ""
    table = printing.Table(
        target.kind, wide=output == "wide", namespaces=everywhere and target.kind.namespaced, headers=not page.items
    )
    stream = cli.client.watch(target.message, namespace, select=select, resource_version=page.resource_version)
    async with contextlib.aclosing(stream):
        async for batch in stream:
            changed = [event.object for event in batch if event.type != "BOOKMARK"]
            shown = [obj for obj in changed if not target.names or session.metadata(obj).name in target.names]
            if not shown:
                continue
            if output in ("yaml", "json"):
                for obj in shown:
                    click.echo(("---\n" if output == "yaml" else "") + printing.documents([obj], output, single=True))
            elif output == "name":
                click.echo(printing.names(shown))
            else:
                table.write(shown)


@click.command()
@click.argument("target")
@click.option("-c", "--container", default="")
@click.option("-f", "--follow", is_flag=True)
@click.option("-p", "--previous", is_flag=True, help="The log of the container's last instance.")
@click.option("--tail", type=int, default=-1, help="Only so many of the last lines.")
@click.option("--since", "since_seconds", type=int, default=0, help="Only what is not older than so many seconds.")
@click.option("--timestamps", is_flag=True)
@click.option("--limit-bytes", type=int, default=0)
@session.command
async def logs(
    cli: session.Session,
    target: str,
    container: str,
    follow: bool,
    previous: bool,
    tail: int,
    since_seconds: int,
    timestamps: bool,
    limit_bytes: int,
) -> None:
    """Print a container's log: `logs web-1`, `logs deploy/web -f`."""
    pod = await _pod_of(cli, target)
    options = corev1.PodLogOptions(container=container, follow=follow, previous=previous, timestamps=timestamps)
    if tail >= 0:
        options.tailLines = tail
    if since_seconds:
        options.sinceSeconds = since_seconds
    if limit_bytes:
        options.limitBytes = limit_bytes
    async for data in cli.client.logs(cli.namespace, pod, options):
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()


async def _pod_of(cli: session.Session, word: str) -> str:
    """Return the pod that a word names: itself, or the first of a workload's."""
    kind, _, name = word.rpartition("/")
    if not kind or kind in ("pod", "pods", "po"):
        return name
    target = session.targets([word])[0]
    owner = await cli.client.get(target.message, name, cli.namespace)
    selector = getattr(getattr(owner, "spec", None), "selector", None)
    labels = getattr(selector, "matchLabels", selector)
    if not labels:
        raise click.UsageError(f"{word}: has no selector for pods")
    chosen = Selection(",".join(f"{key}={value}" for key, value in sorted(labels.items())))
    pods = (await cli.client.list(corev1.Pod, cli.namespace, select=chosen)).items
    if not pods:
        raise errors.NotFound(f"{word}: no pods match its selector")
    pods = sorted(pods, key=lambda pod: (pod.status.phase != "Running", objects.key_of(pod)))
    if len(pods) > 1:
        click.echo(f"Found {len(pods)} pods, using pod/{pods[0].metadata.name}", err=True)
    return pods[0].metadata.name
