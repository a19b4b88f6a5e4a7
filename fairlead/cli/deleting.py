"""`delete`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import click

from fairlead.api import errors, objects, scheme
from fairlead.api.pb import meta_v1_pb2 as metav1
from fairlead.cli import following, manifests, session
from fairlead.client import rpcerrors
from fairlead.client.interface import Selection

AT_ONCE = (
    "Warning: Immediate deletion does not wait for confirmation that the running resource has been terminated. "
    "The resource may continue to run on the cluster indefinitely."
)


@dataclass(frozen=True, slots=True)
class Doomed:
    """An object that a command line names."""

    kind: scheme.Kind
    namespace: str
    name: str

    @property
    def label(self) -> str:
        """Return `deployment.apps "web"`."""
        return f'{manifests.object_name(self.kind, self.name).partition("/")[0]} "{self.name}"'


@click.command()
@click.argument("what", nargs=-1)
@click.option("-f", "--filename", "paths", multiple=True, help="Delete what the files name.")
@click.option("-R", "--recursive", is_flag=True)
@click.option("-l", "--selector", default="")
@click.option("--all", "everything", is_flag=True, help="All objects of the type in the namespace.")
@click.option("--grace-period", type=int, default=-1, help="Seconds; 0 with --force deletes at once.")
@click.option("--now", is_flag=True, help="With a grace period of 1 second.")
@click.option("--force", is_flag=True, help="Without waiting for the node; the containers may run on.")
@click.option("--cascade", type=click.Choice(["background", "foreground", "orphan"]), default="background")
@click.option("--ignore-not-found", is_flag=True)
@click.option("--wait/--no-wait", default=True, help="Wait until the objects are gone.")
@click.option("--timeout", type=session.DURATION, default="0s", help="How long to wait; 0s: for ever.")
@session.command
async def delete(
    cli: session.Session,
    what: Sequence[str],
    paths: Sequence[str],
    recursive: bool,
    selector: str,
    everything: bool,
    grace_period: int,
    now: bool,
    force: bool,
    cascade: str,
    ignore_not_found: bool,
    wait: bool,
    timeout: float,
) -> None:
    """Delete objects: `delete pod web-1`, `delete -f web.yaml`, `delete pods -l app=web`."""
    options = _options(cascade, 1 if now else grace_period, force)
    if paths and what:
        raise click.UsageError("name objects or files, not both")
    if paths:
        kinds = await cli.kinds()
        documents = manifests.load(paths, recursive=recursive, namespace=cli.namespace, strict=False, kinds=kinds)
        doomed = [Doomed(each.kind, each.metadata.namespace, each.metadata.name) for each in documents]
    else:
        doomed = await _named(cli, what, selector, everything)
    if force:
        click.echo(AT_ONCE, err=True)
    gone, failed = [], False
    for each in doomed:
        carrier = objects.class_of(each.kind)
        try:
            last = await cli.client.delete(carrier, each.name, each.namespace, options=options)
        except rpcerrors.Unreachable:
            raise
        except errors.ApiError as error:
            if not (ignore_not_found and isinstance(error, errors.NotFound)):
                click.echo(session.sentence(error), err=True)
                failed = True
            continue
        click.echo(f"{each.label} {'force deleted' if force else 'deleted'}")
        gone.append((each, session.metadata(last).uid))
    if not doomed:
        click.echo("No resources found")
    if wait and not (force and not grace_period):
        await _until_gone(cli, gone, timeout)
    if failed:
        raise SystemExit(1)


def _options(cascade: str, grace: int, force: bool) -> metav1.DeleteOptions:
    options = metav1.DeleteOptions(propagationPolicy=cascade.capitalize())
    if force:
        options.gracePeriodSeconds = max(grace, 0)
    elif grace >= 0:
        # without --force an object must not vanish while its containers run
        options.gracePeriodSeconds = max(grace, 1)
    return options


async def _named(cli: session.Session, what: Sequence[str], selector: str, everything: bool) -> list[Doomed]:
    found = []
    for target in await cli.targets(what):
        namespace = cli.namespace_of(target.kind)
        names = list(target.names)
        if names and (selector or everything):
            raise click.UsageError("name objects, or select them with -l or --all, not both")
        if not names:
            if not selector and not everything:
                raise click.UsageError("resource(s) were provided, but no name was specified: add names, -l or --all")
            page = await cli.client.list(target.message, namespace, select=Selection(selector))
            names = [session.metadata(item).name for item in page.items]
        found += [Doomed(target.kind, namespace, name) for name in names]
    return found


async def _until_gone(cli: session.Session, gone: Sequence[tuple[Doomed, str]], timeout: float) -> None:
    """Wait until each object is gone, or another of its name has taken its place."""
    for each, uid in gone:
        try:
            async with asyncio.timeout(timeout or None):
                await following.gone(cli.client, each.kind, each.namespace, each.name, uid)
        except TimeoutError as error:
            raise session.Failure(f"error: timed out waiting for the condition on {each.label}") from error
