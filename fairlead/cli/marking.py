"""`label`, `annotate`, `cordon` and `uncordon`: small changes to objects by name."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import click

from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.cli import manifests, session
from fairlead.client.interface import Patch, PatchType, Selection

Changes = Mapping[str, str | None]


def split(words: Sequence[str]) -> tuple[Sequence[str], Changes]:
    """Part what names objects from changes, `key=value` and `key-` (take away)."""
    first = next((index for index, word in enumerate(words) if _is_change(word)), len(words))
    changes: dict[str, str | None] = {}
    for word in words[first:]:
        if not _is_change(word):
            raise click.UsageError(f'"{word}": write objects first, then changes as key=value or key-')
        key, equals, value = word.partition("=")
        changes[key if equals else word.removesuffix("-")] = value if equals else None
    if not changes:
        raise click.UsageError("write what to change: key=value, or key- to take it away")
    return words[:first], changes


def _is_change(word: str) -> bool:
    return "=" in word or word.endswith("-")


def verdict(before: Mapping[str, str], changes: Changes, overwrite: bool, done: str) -> str:
    """Return kubectl's word for what the changes are; Failure where they overwrite something unasked."""
    for key, value in changes.items():
        if not overwrite and value is not None and before.get(key, value) != value:
            raise session.Failure(f"error: '{key}' already has a value ({before[key]}), and --overwrite is false")
    if all(before.get(key) == value for key, value in changes.items()):
        return f"not {done}"
    return "unlabeled" if done == "labeled" and all(value is None for value in changes.values()) else done


async def _mark(
    cli: session.Session, words: Sequence[str], options: tuple[str, bool, bool], field: str, done: str
) -> None:
    selector, everything, overwrite = options
    named, changes = split(words)
    for target in await cli.targets(named):
        namespace, names = cli.namespace_of(target.kind), list(target.names)
        if not names:
            if not selector and not everything:
                raise click.UsageError("one or more names, -l or --all must be given")
            page = await cli.client.list(target.message, namespace, select=Selection(selector))
            names = [session.metadata(item).name for item in page.items]
        for name in names:
            now = session.metadata(await cli.client.get(target.message, name, namespace))
            word = verdict(dict(getattr(now, field)), changes, overwrite, done)
            if not word.startswith("not"):
                change = {"metadata": {field: changes, "resourceVersion": now.resourceVersion}}
                patch = Patch(PatchType.MERGE, json.dumps(change).encode())
                await cli.client.patch(target.message, name, namespace, patch)
            click.echo(f"{manifests.object_name(target.kind, name)} {word}")


def _options(function: Any) -> Any:
    for option in (
        click.option("--overwrite", is_flag=True, help="Let other values be replaced."),
        click.option("--all", "everything", is_flag=True, help="All objects of the type in the namespace."),
        click.option("-l", "--selector", default=""),
        click.argument("words", nargs=-1, required=True, metavar="WHAT... KEY=VALUE|KEY-..."),
    ):
        function = option(function)
    return function


@click.command()
@_options
@session.command
async def label(cli: session.Session, words: Sequence[str], selector: str, everything: bool, overwrite: bool) -> None:
    """Set labels: `label node node-1 disk=ssd`, `label pod/web-1 tier-`."""
    await _mark(cli, words, (selector, everything, overwrite), "labels", "labeled")


@click.command()
@_options
@session.command
async def annotate(
    cli: session.Session, words: Sequence[str], selector: str, everything: bool, overwrite: bool
) -> None:
    """Set annotations: `annotate deploy/web kubernetes.io/change-cause='new image'`."""
    await _mark(cli, words, (selector, everything, overwrite), "annotations", "annotated")


async def set_unschedulable(cli: session.Session, name: str, unschedulable: bool) -> None:
    """Let a node take new pods, or none; says which."""
    node = await cli.client.get(corev1.Node, name)
    done = "cordoned" if unschedulable else "uncordoned"
    if node.spec.unschedulable == unschedulable:
        click.echo(f"node/{name} already {done}")
        return
    patch = Patch(PatchType.MERGE, json.dumps({"spec": {"unschedulable": unschedulable or None}}).encode())
    await cli.client.patch(corev1.Node, name, "", patch)
    click.echo(f"node/{name} {done}")


@click.command()
@click.argument("nodes", nargs=-1, required=True)
@session.command
async def cordon(cli: session.Session, nodes: Sequence[str]) -> None:
    """Let nodes take no new pods."""
    for name in nodes:
        await set_unschedulable(cli, name, True)


@click.command()
@click.argument("nodes", nargs=-1, required=True)
@session.command
async def uncordon(cli: session.Session, nodes: Sequence[str]) -> None:
    """Let nodes take new pods again."""
    for name in nodes:
        await set_unschedulable(cli, name, False)
