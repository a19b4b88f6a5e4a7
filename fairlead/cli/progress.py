"""`rollout status` and `wait`: following an object until it is as wanted."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncGenerator, Sequence
from typing import Any

import click
import rich.console
import rich.progress
from google.protobuf.message import Message

from fairlead.api import codec, errors
from fairlead.api.pb import apps_v1_pb2 as appsv1
from fairlead.cli import manifests, session
from fairlead.client.interface import EventType, Selection

DURATION = re.compile(r"(?:(?P<h>\d+)h)?(?:(?P<m>\d+)m)?(?:(?P<s>\d+)s)?")
JSONPATH = re.compile(r"jsonpath=\{?(?P<path>[^}=]+)\}?(?:=(?P<value>.*))?")


def seconds(text: str) -> float:
    """Return the seconds of `90`, `90s`, `1m30s` or `2h`; UsageError for anything else."""
    with contextlib.suppress(ValueError):
        return float(text)
    found = DURATION.fullmatch(text)
    if not text or not found:
        raise click.UsageError(f'"{text}" is not a duration, for example 30s or 1m30s')
    hours, minutes, rest = (int(found[unit] or 0) for unit in "hms")
    return float(hours * 3600 + minutes * 60 + rest)


async def changes(cli: session.Session, kind: type[Message], name: str) -> AsyncGenerator[tuple[EventType, Message]]:
    """Iterate over an object's states: first what is there, then every change; survives broken watches."""
    select = Selection(fields=f"metadata.name={name}")
    while True:
        page = await cli.client.list(kind, cli.namespace, select=select)
        for item in page.items:
            yield "ADDED", item
        if not page.items:
            yield "DELETED", kind()
        stream = cli.client.watch(kind, cli.namespace, select=select, resource_version=page.resource_version)
        with contextlib.suppress(errors.Expired, errors.ServiceUnavailable):
            async with contextlib.aclosing(stream):
                async for batch in stream:
                    for event in batch:
                        if event.type != "BOOKMARK":
                            yield event.type, event.object


def rollout_state(deployment: appsv1.Deployment) -> tuple[str, bool]:
    """Return kubectl's sentence on a rollout, and whether it is done. errors.Timeout past its deadline."""
    name = deployment.metadata.name
    status, wanted = deployment.status, deployment.spec.replicas
    if deployment.metadata.generation > status.observedGeneration:
        return "Waiting for deployment spec update to be observed...", False
    if any(c.type == "Progressing" and c.reason == "ProgressDeadlineExceeded" for c in status.conditions):
        raise errors.Timeout(f'deployment "{name}" exceeded its progress deadline')
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


@click.group()
def rollout() -> None:
    """Rollouts of deployments."""


@rollout.command()
@click.argument("target", nargs=-1, required=True)
@click.option("--timeout", default="0s", help="For example 30s; 0s: no limit.")
@click.option("-w/-W", "--watch/--no-watch", default=True, help="Follow until it is done.")
@session.command
async def status(cli: session.Session, target: Sequence[str], timeout: str, watch: bool) -> None:
    """Follow a rollout: `rollout status deploy/web`."""
    found = session.targets(target)[0]
    if found.message is not appsv1.Deployment or len(found.names) != 1:
        raise click.UsageError("name one deployment, for example deploy/web")
    limit = seconds(timeout) or None
    try:
        async with asyncio.timeout(limit):
            await _follow_rollout(cli, found.names[0], watch)
    except TimeoutError as error:
        raise errors.Timeout("timed out waiting for the condition") from error


async def _follow_rollout(cli: session.Session, name: str, watch: bool) -> None:
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
    with bar:
        task = bar.add_task("rollout", name=name, total=None)
        stream = changes(cli, appsv1.Deployment, name)
        async with contextlib.aclosing(stream):
            async for change, deployment in stream:
                if change == "DELETED":
                    raise errors.not_found("apps", "deployments", name)
                assert isinstance(deployment, appsv1.Deployment)
                sentence, done = rollout_state(deployment)
                ready = min(deployment.status.availableReplicas, deployment.status.updatedReplicas)
                bar.update(task, completed=ready, total=deployment.spec.replicas)
                if sentence != said:
                    console.print(sentence, highlight=False, soft_wrap=True)
                    said = sentence
                if done or not watch:
                    return


def lookup(data: Any, path: str) -> str | None:
    """Return the value at a simple JSONPath (`.status.phase`, `.spec.ports[0].port`), None where there is none."""
    for part in re.findall(r"[^.\[\]]+", path.strip()):
        if isinstance(data, list):
            data = data[int(part)] if part.isdigit() and int(part) < len(data) else None
        elif isinstance(data, dict):
            data = data.get(part)
        else:
            return None
        if data is None:
            return None
    return str(data).lower() if isinstance(data, bool) else str(data)


def fulfilled(obj: Message, wanted: str) -> bool:
    """Tell whether an object is as `--for` says: `condition=Ready[=True]` or `jsonpath={.path}[=value]`."""
    data = codec.to_json(obj)
    if wanted.startswith("condition="):
        kind, _, value = wanted.removeprefix("condition=").partition("=")
        conditions = data.get("status", {}).get("conditions") or []
        state = next((c["status"] for c in conditions if c["type"].lower() == kind.lower()), None)
        return state is not None and state.lower() == (value or "True").lower()
    found = JSONPATH.fullmatch(wanted)
    if not found:
        raise click.UsageError(f'--for: "{wanted}" is not delete, create, condition=NAME or jsonpath={{.path}}=VALUE')
    value_now = lookup(data, found["path"])
    return value_now is not None if found["value"] is None else value_now == found["value"]


@click.command()
@click.argument("what", nargs=-1, required=True)
@click.option("--for", "wanted", required=True, help="delete, create, condition=NAME[=VALUE], jsonpath={.a.b}=VALUE")
@click.option("-l", "--selector", default="")
@click.option("--timeout", default="30s", show_default=True)
@session.command
async def wait(cli: session.Session, what: Sequence[str], wanted: str, selector: str, timeout: str) -> None:
    """Wait for objects: `wait --for=condition=Ready pod/web-1`, `wait --for=delete pods -l app=web`."""
    pending = []
    for target in session.targets(what):
        names = list(target.names)
        if not names:
            namespace = cli.namespace if target.kind.namespaced else ""
            page = await cli.client.list(target.message, namespace, select=Selection(selector))
            names = [session.metadata(item).name for item in page.items]
        pending += [(target, name) for name in names]
    if not pending and wanted != "delete":
        raise errors.NotFound("no matching resources found")
    try:
        async with asyncio.timeout(seconds(timeout)):
            await asyncio.gather(*(_wait_one(cli, target, name, wanted) for target, name in pending))
    except TimeoutError as error:
        subjects = ", ".join(f"{target.kind.resource}/{name}" for target, name in pending)
        raise errors.Timeout(f"timed out waiting for the condition on {subjects}") from error


async def _wait_one(cli: session.Session, target: session.Target, name: str, wanted: str) -> None:
    label = manifests.object_name(target.kind, name)
    stream = changes(cli, target.message, name)
    async with contextlib.aclosing(stream):
        async for change, obj in stream:
            if change == "DELETED":
                if wanted == "delete":
                    break
                if wanted != "create":
                    raise errors.not_found(target.kind.group, target.kind.resource, name)
            elif wanted == "create" or (wanted != "delete" and fulfilled(obj, wanted)):
                break
    click.echo(f"{label} {'deleted' if wanted == 'delete' else 'condition met'}")
