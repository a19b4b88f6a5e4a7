"""`rollout`: following, repeating, pausing and taking back a Deployment's rollouts."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import json
from collections.abc import Sequence

import click
import rich.console
import rich.progress

from fairlead.api import codec, errors, scheme
from fairlead.api.pb import apps_v1_pb2 as appsv1
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.cli import following, session
from fairlead.client.interface import Patch, PatchType

DEPLOYMENT = scheme.DEFAULT.of(appsv1.Deployment)
REVISION = "deployment.kubernetes.io/revision"
CHANGE_CAUSE = "kubernetes.io/change-cause"
RESTARTED_AT = "kubectl.kubernetes.io/restartedAt"
TEMPLATE_HASH = "pod-template-hash"


def state_of(deployment: appsv1.Deployment) -> tuple[str, bool]:
    """Return kubectl's sentence on a rollout, and whether it is done; Failure past its deadline."""
    name = deployment.metadata.name
    status, wanted = deployment.status, deployment.spec.replicas
    if deployment.metadata.generation > status.observedGeneration:
        return "Waiting for deployment spec update to be observed...", False
    if any(c.type == "Progressing" and c.reason == "ProgressDeadlineExceeded" for c in status.conditions):
        raise session.Failure(f'error: deployment "{name}" exceeded its progress deadline')
    waiting = f'Waiting for deployment "{name}" rollout to finish:'
    if status.updatedReplicas < wanted:
        return f"{waiting} {status.updatedReplicas} out of {wanted} new replicas have been updated...", False
    if status.replicas > status.updatedReplicas:
        old = status.replicas - status.updatedReplicas
        return f"{waiting} {old} old replicas are pending termination...", False
    if status.availableReplicas < status.updatedReplicas:
        ready = f"{status.availableReplicas} of {status.updatedReplicas}"
        return f"{waiting} {ready} updated replicas are available...", False
    return f'deployment "{name}" successfully rolled out', True


def names_of(words: Sequence[str]) -> Sequence[str]:
    """Return the Deployments that words name."""
    names: list[str] = []
    for target in session.targets(words):
        if target.kind is not DEPLOYMENT or not target.names:
            raise click.UsageError("name deployments, for example deploy/web")
        names += target.names
    return names


@click.group()
def rollout() -> None:
    """Rollouts of deployments."""


@rollout.command()
@click.argument("target", nargs=-1, required=True)
@click.option("--timeout", type=session.DURATION, default="0s", help="For example 30s; 0s: no limit.")
@click.option("-w/-W", "--watch/--no-watch", default=True, help="Follow until it is done.")
@session.command
async def status(cli: session.Session, target: Sequence[str], timeout: float, watch: bool) -> None:
    """Follow a rollout: `rollout status deploy/web`."""
    try:
        async with asyncio.timeout(timeout or None):
            for name in names_of(target):
                await _follow(cli, name, watch)
    except TimeoutError as error:
        raise session.Failure("error: timed out waiting for the condition") from error


async def _follow(cli: session.Session, name: str, watch: bool) -> None:
    console = rich.console.Console()
    bar = rich.progress.Progress(
        rich.progress.TextColumn("{task.fields[name]}"),
        rich.progress.BarColumn(),
        rich.progress.MofNCompleteColumn(),
        console=console,
        disable=not console.is_terminal,
        transient=True,
    )
    said = ""
    states = following.one(cli.client, DEPLOYMENT, cli.namespace, name)
    with bar:
        task = bar.add_task("rollout", name=name, total=None)
        async with contextlib.aclosing(states):
            async for state in states:
                deployment = state.object
                if state.change == "DELETED" or not isinstance(deployment, appsv1.Deployment):
                    raise errors.not_found("apps", "deployments", name)
                sentence, done = state_of(deployment)
                ready = min(deployment.status.availableReplicas, deployment.status.updatedReplicas)
                bar.update(task, completed=ready, total=deployment.spec.replicas)
                if sentence != said:
                    console.print(sentence, highlight=False, soft_wrap=True)
                    said = sentence
                if done or not watch:
                    return


async def _patch(cli: session.Session, name: str, change: object, *, strategic: bool = True) -> None:
    form = PatchType.STRATEGIC if strategic else PatchType.JSON
    await cli.client.patch(appsv1.Deployment, name, cli.namespace, Patch(form, json.dumps(change).encode()))


@rollout.command()
@click.argument("target", nargs=-1, required=True)
@session.command
async def restart(cli: session.Session, target: Sequence[str]) -> None:
    """Replace every pod, a few at a time: `rollout restart deploy/web`."""
    now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    for name in names_of(target):
        await _patch(cli, name, {"spec": {"template": {"metadata": {"annotations": {RESTARTED_AT: now}}}}})
        click.echo(f"deployment.apps/{name} restarted")


@rollout.command()
@click.argument("target", nargs=-1, required=True)
@session.command
async def pause(cli: session.Session, target: Sequence[str]) -> None:
    """Let changes wait: `rollout pause deploy/web`."""
    for name in names_of(target):
        await _patch(cli, name, {"spec": {"paused": True}})
        click.echo(f"deployment.apps/{name} paused")


@rollout.command()
@click.argument("target", nargs=-1, required=True)
@session.command
async def resume(cli: session.Session, target: Sequence[str]) -> None:
    """Roll out what waited: `rollout resume deploy/web`."""
    for name in names_of(target):
        await _patch(cli, name, {"spec": {"paused": None}})
        click.echo(f"deployment.apps/{name} resumed")


async def _revisions(cli: session.Session, name: str) -> dict[int, appsv1.ReplicaSet]:
    """Return a Deployment's ReplicaSets by their revision, oldest first."""
    deployment = await cli.client.get(appsv1.Deployment, name, cli.namespace)
    page = await cli.client.list(appsv1.ReplicaSet, cli.namespace)
    owned = [
        item
        for item in page.items
        if any(ref.controller and ref.uid == deployment.metadata.uid for ref in item.metadata.ownerReferences)
    ]
    numbered = {int(item.metadata.annotations.get(REVISION, "0")): item for item in owned}
    return dict(sorted(numbered.items()))


@rollout.command()
@click.argument("target", nargs=-1, required=True)
@session.command
async def history(cli: session.Session, target: Sequence[str]) -> None:
    """List the revisions that can be gone back to."""
    for name in names_of(target):
        found = await _revisions(cli, name)
        click.echo(f"deployment.apps/{name} ")
        click.echo("REVISION  CHANGE-CAUSE")
        for number, revision in found.items():
            click.echo(f"{number:<9} {revision.metadata.annotations.get(CHANGE_CAUSE, '<none>')}")
        click.echo()


@rollout.command()
@click.argument("target", nargs=-1, required=True)
@click.option("--to-revision", type=int, default=0, help="A number that `history` lists; the one before by default.")
@session.command
async def undo(cli: session.Session, target: Sequence[str], to_revision: int) -> None:
    """Go back to an earlier revision: `rollout undo deploy/web`."""
    for name in names_of(target):
        found = await _revisions(cli, name)
        if not to_revision and len(found) < 2:
            raise session.Failure(f'error: no rollout history found for deployment "{name}"')
        number = to_revision or list(found)[-2]
        if number not in found:
            raise session.Failure(f"error: unable to find specified revision {number} in history")
        template = corev1.PodTemplateSpec()
        template.CopyFrom(found[number].spec.template)
        template.metadata.labels.pop(TEMPLATE_HASH, None)
        change = [{"op": "replace", "path": "/spec/template", "value": codec.to_json(template)}]
        await _patch(cli, name, change, strategic=False)
        click.echo(f"deployment.apps/{name} rolled back")
