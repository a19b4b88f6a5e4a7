"""`apply` and `scale`."""

from __future__ import annotations

import json
from collections.abc import Sequence

import click

from fairlead.api import errors
from fairlead.cli import apply as applying
from fairlead.cli import manifests, session
from fairlead.client.interface import Patch, PatchType


@click.command()
@click.option("-f", "--filename", "paths", multiple=True, required=True, help="A file, a folder, or - for stdin.")
@click.option("-R", "--recursive", is_flag=True)
@click.option("--dry-run", type=click.Choice(["none", "client", "server"]), default="none")
@session.command
async def apply(cli: session.Session, paths: Sequence[str], recursive: bool, dry_run: str) -> None:
    """Make the cluster have what the files say; all of the input is checked before the first write."""
    documents = manifests.load(paths, recursive=recursive, namespace=cli.namespace, kinds=await cli.kinds())
    if dry_run == "client":
        for document in documents:
            click.echo(f"{document.name} would be applied (dry run)")
        return
    steps = await applying.plan_all(cli.client, documents)
    suffix = " (server dry run)" if dry_run == "server" else ""
    for step in steps:
        if not suffix:
            try:
                await applying.carry_out(cli.client, step)
            except errors.ApiError as error:
                faults = manifests.faults_of(step.document, error)
                raise manifests.ManifestError("\n".join(faults)) from error
        click.echo(f"{step.document.name} {step.outcome}{suffix}")


@click.command()
@click.argument("what", nargs=-1, required=True)
@click.option("--replicas", type=click.IntRange(min=0), required=True)
@click.option("--current-replicas", type=int, default=-1, help="Only if this is the number now.")
@session.command
async def scale(cli: session.Session, what: Sequence[str], replicas: int, current_replicas: int) -> None:
    """Set the number of replicas: `scale deploy/web --replicas 5`."""
    for target in await cli.targets(what):
        if "scale" not in target.kind.subresources:
            raise session.Failure(f"error: {target.kind.resource} cannot be scaled")
        for name in target.names:
            await _scale(cli, target, name, replicas, current_replicas)
            click.echo(f"{manifests.object_name(target.kind, name)} scaled")


async def _scale(cli: session.Session, target: session.Target, name: str, replicas: int, expected: int) -> None:
    kind, namespace = target.message, cli.namespace_of(target.kind)
    change: dict[str, object] = {"spec": {"replicas": replicas}}
    if target.kind.message is None:
        if expected >= 0:
            raise session.Failure("error: --current-replicas is for built-in kinds")
        patch = Patch(PatchType.MERGE, json.dumps(change).encode())
        await cli.client.patch(kind, name, namespace, patch, subresource="scale")
        return
    if expected >= 0:
        now = await cli.client.get(kind, name, namespace)
        found = now.spec.replicas
        if found != expected:
            raise session.Failure(f"error: Expected replicas to be {expected}, was {found}")
        change["metadata"] = {"resourceVersion": session.metadata(now).resourceVersion}
    patch = Patch(PatchType.MERGE, json.dumps(change).encode())
    await cli.client.patch(kind, name, namespace, patch)
