"""`get`."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass

import click
from google.protobuf.message import Message

from fairlead.api import errors
from fairlead.cli import following, printing, session
from fairlead.client.interface import ObjectList, Selection


@dataclass(frozen=True, slots=True)
class Wanted:
    """What of the objects is shown, and how."""

    select: Selection
    everywhere: bool
    output: str
    headers: bool
    tolerant: bool

    def namespace(self, cli: session.Session, target: session.Target) -> str:
        """Return the namespace to look in; nothing for all."""
        return "" if self.everywhere else cli.namespace_of(target.kind)

    def table(self, target: session.Target) -> printing.Table:
        """Return an empty table for a kind."""
        namespaces = self.everywhere and target.kind.namespaced
        return printing.Table(target.kind, wide=self.output == "wide", namespaces=namespaces, headers=self.headers)


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
    targets = await cli.targets(what)
    if watch and len(targets) != 1:
        raise click.UsageError("-w watches one resource type")
    if all_namespaces and any(target.names for target in targets):
        raise session.Failure("error: a resource cannot be retrieved by name across all namespaces")
    wanted = Wanted(Selection(selector, field_selector), all_namespaces, output, not no_headers, ignore_not_found)
    found = [(target, await _read(cli, target, wanted)) for target in targets]
    everything = [obj for _, page in found for obj in page.items]
    if output in ("yaml", "json"):
        single = len(targets) == 1 and len(targets[0].names) == 1 and len(everything) == 1
        if everything or not ignore_not_found:
            click.echo(printing.documents(everything, output, single=single))
    elif output == "name":
        click.echo(printing.names(everything), nl=bool(everything))
    elif not watch:
        _tables(found, wanted)
        if not everything and not ignore_not_found:
            inside = any(target.kind.namespaced for target in targets) and not all_namespaces
            click.echo("No resources found" + (f" in {cli.namespace} namespace." if inside else ""), err=True)
    if watch:
        await _watch(cli, *found[0], wanted)


async def _read(cli: session.Session, target: session.Target, wanted: Wanted) -> ObjectList[Message]:
    namespace = wanted.namespace(cli, target)
    if not target.names:
        return await cli.client.list(target.message, namespace, select=wanted.select)
    items = []
    for name in target.names:
        try:
            items.append(await cli.client.get(target.message, name, namespace))
        except errors.NotFound:
            if not wanted.tolerant:
                raise
    newest = max((int(session.metadata(item).resourceVersion) for item in items), default=0)
    return ObjectList(items, str(newest) if newest else "")


def _tables(found: Sequence[tuple[session.Target, ObjectList[Message]]], wanted: Wanted) -> None:
    filled = [(target, page) for target, page in found if page.items]
    for number, (target, page) in enumerate(filled):
        if number:
            click.echo()
        group = f".{target.kind.group}" if target.kind.group else ""
        wanted.table(target).write(page.items, f"{target.kind.singular}{group}/" if len(found) > 1 else "")


async def _watch(cli: session.Session, target: session.Target, page: ObjectList[Message], wanted: Wanted) -> None:
    """Print what is there as a table, and changes until interrupted; a break is bridged from the last revision."""
    table, namespace = wanted.table(target), wanted.namespace(cli, target)
    if page.items and wanted.output in ("table", "wide"):
        table.write(page.items)
    revision = page.resource_version
    while True:
        stream = cli.client.watch(target.message, namespace, select=wanted.select, resource_version=revision)
        try:
            async with contextlib.aclosing(stream):
                async for batch in stream:
                    revision = session.metadata(batch[-1].object).resourceVersion
                    changed = [event.object for event in batch if event.type != "BOOKMARK"]
                    shown = [obj for obj in changed if not target.names or session.metadata(obj).name in target.names]
                    if shown:
                        _print_changes(shown, wanted.output, table)
        except errors.ServiceUnavailable:
            await following.patiently(lambda: cli.client.list(target.message, namespace, limit=1))


def _print_changes(shown: Sequence[Message], output: str, table: printing.Table) -> None:
    if output in ("yaml", "json"):
        for obj in shown:
            click.echo(("---\n" if output == "yaml" else "") + printing.documents([obj], output, single=True))
    elif output == "name":
        click.echo(printing.names(shown))
    else:
        table.write(shown)
