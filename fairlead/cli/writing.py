"""`apply`, `delete` and `scale`."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence

import click
from google.protobuf.message import Message

from fairlead.api import errors
from fairlead.api.pb import meta_v1_pb2 as metav1
from fairlead.cli import apply as applying
from fairlead.cli import manifests, session
from fairlead.client.interface import Patch, PatchType, Selection

GONE_POLL_SECONDS = 0.2


@click.command()
@click.option("-f", "--filename", "paths", multiple=True, required=True, help="A file, a folder, or - for stdin.")
@click.option("-R", "--recursive", is_flag=True)
@click.option("--dry-run", type=click.Choice(["none", "client", "server"]), default="none")
@session.command
async def apply(cli: session.Session, paths: Sequence[str], recursive: bool, dry_run: str) -> None:
    """Make the cluster have what the files say; all of the input is checked before the first write."""
    documents = manifests.load(paths, recursive=recursive, namespace=cli.namespace)
    if dry_run == "client":
        for document in documents:
            click.echo(f"{document.name} would be applied (dry run)")
        return
    steps = await applying.plan_all(cli.client, documents)
    suffix = " (server dry run)" if dry_run == "server" else ""
    for step in steps:
        if not suffix:
            await applying.carry_out(cli.client, step)
        click.echo(f"{step.document.name} {step.outcome}{suffix}")


@click.command()
@click.argument("what", nargs=-1)
@click.option("-f", "--filename", "paths", multiple=True, help="Delete what the files name.")
@click.option("-R", "--recursive", is_flag=True)
@click.option("-l", "--selector", default="")
@click.option("--all", "everything", is_flag=True, help="All objects of the type in the namespace.")
@click.option("--grace-period", type=int, default=-1, help="Seconds; 0 with --force deletes at once.")
@click.option("--force", is_flag=True)
@click.option("--cascade", type=click.Choice(["background", "foreground", "orphan"]), default="background")
@click.option("--ignore-not-found", is_flag=True)
@click.option("--wait/--no-wait", default=True, help="Wait until the objects are gone.")
@click.option("--timeout", type=float, default=0.0, help="Seconds to wait; 0: for ever.")
@session.command
async def delete(
    cli: session.Session,
    what: Sequence[str],
    paths: Sequence[str],
    recursive: bool,
    selector: str,
    everything: bool,
    grace_period: int,
    force: bool,
    cascade: str,
    ignore_not_found: bool,
    wait: bool,
    timeout: float,
) -> None:
    """Delete objects: `delete pod web-1`, `delete -f web.yaml`, `delete pods -l app=web`."""
    options = metav1.DeleteOptions(propagationPolicy=cascade.capitalize())
    if force:
        options.gracePeriodSeconds = max(grace_period, 0)
    elif grace_period >= 0:
        options.gracePeriodSeconds = grace_period
    doomed = await _doomed(cli, what, paths, recursive, selector, everything)
    gone: list[tuple[type[Message], str, str, str]] = []
    for kind, namespace, name, label in doomed:
        try:
            last = await cli.client.delete(kind, name, namespace, options=options)
        except errors.NotFound:
            if not ignore_not_found:
                raise
            continue
        click.echo(f'{label.partition("/")[0]} "{name}" {"force deleted" if force else "deleted"}')
        gone.append((kind, namespace, name, session.metadata(last).uid))
    if wait:
        await _wait_gone(cli, gone, timeout)


async def _doomed(
    cli: session.Session,
    what: Sequence[str],
    paths: Sequence[str],
    recursive: bool,
    selector: str,
    everything: bool,
) -> list[tuple[type[Message], str, str, str]]:
    """Return (message class, namespace, name, label) of each object that is named."""
    if paths:
        if what:
            raise click.UsageError("name objects or files, not both")
        documents = manifests.load(paths, recursive=recursive, namespace=cli.namespace)
        return [
            (type(d.object), d.data["metadata"].get("namespace", ""), d.data["metadata"]["name"], d.name)
            for d in documents
        ]
    found = []
    for target in session.targets(what):
        namespace = cli.namespace if target.kind.namespaced else ""
        names = list(target.names)
        if not names:
            if not selector and not everything:
                raise click.UsageError("resource(s) were provided, but no name was specified: add names, -l or --all")
            page = await cli.client.list(target.message, namespace, select=Selection(selector))
            names = [session.metadata(item).name for item in page.items]
        found += [(target.message, namespace, name, manifests.object_name(target.kind, name)) for name in names]
    return found


async def _wait_gone(
    cli: session.Session, gone: Sequence[tuple[type[Message], str, str, str]], timeout: float
) -> None:
    """Wait until each object is gone, or another of its name has taken its place."""
    deadline = time.monotonic() + timeout if timeout else None
    for kind, namespace, name, uid in gone:
        while True:
            try:
                left = await cli.client.get(kind, name, namespace)
            except errors.NotFound:
                break
            if session.metadata(left).uid != uid:
                break
            if deadline and time.monotonic() > deadline:
                raise errors.Timeout(f'timed out waiting for "{name}" to be deleted')
            await asyncio.sleep(GONE_POLL_SECONDS)


@click.command()
@click.argument("what", nargs=-1, required=True)
@click.option("--replicas", type=int, required=True)
@click.option("--current-replicas", type=int, default=-1, help="Only if this is the number now.")
@session.command
async def scale(cli: session.Session, what: Sequence[str], replicas: int, current_replicas: int) -> None:
    """Set the number of replicas: `scale deploy/web --replicas 5`."""
    if replicas < 0:
        raise click.UsageError("--replicas: must not be negative")
    for target in session.targets(what):
        if "scale" not in target.kind.subresources:
            raise click.UsageError(f"{target.kind.resource} cannot be scaled")
        for name in target.names:
            change: dict[str, object] = {"spec": {"replicas": replicas}}
            if current_replicas >= 0:
                now = await cli.client.get(target.message, name, cli.namespace)
                if now.spec.replicas != current_replicas:  # type: ignore[attr-defined]
                    raise errors.Conflict(
                        f"expected replicas to be {current_replicas}, was {now.spec.replicas}"  # type: ignore[attr-defined]
                    )
                change["metadata"] = {"resourceVersion": session.metadata(now).resourceVersion}
            patch = Patch(PatchType.MERGE, json.dumps(change).encode())
            await cli.client.patch(target.message, name, cli.namespace, patch)
            click.echo(f"{manifests.object_name(target.kind, name)} scaled")
