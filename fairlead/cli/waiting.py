"""`wait`: until objects are as wanted."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Sequence
from typing import Any

import click
from google.protobuf.message import Message

from fairlead.api import codec, errors
from fairlead.cli import following, manifests, session
from fairlead.client.interface import Selection

JSONPATH = re.compile(r"jsonpath=\{?(?P<path>[^}=]+)\}?(?:=(?P<value>.*))?")


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
    """Tell whether an object is as `--for` says: `condition=Ready[=True]` or `jsonpath={.path}[=value]`.

    A condition counts only where it is about the object's newest generation.
    """
    data = codec.to_json(obj)
    if wanted.startswith("condition="):
        kind, _, value = wanted.removeprefix("condition=").partition("=")
        status, generation = data.get("status", {}), data["metadata"].get("generation", 0)
        if status.get("observedGeneration", generation) < generation:
            return False
        states = (c["status"] for c in status.get("conditions") or [] if c["type"].lower() == kind.lower())
        return next(states, "").lower() == (value or "True").lower()
    found = JSONPATH.fullmatch(wanted)
    assert found
    value_now = lookup(data, found["path"])
    return value_now is not None if found["value"] is None else value_now == found["value"]


def _checked(context: click.Context, parameter: click.Parameter, wanted: str) -> str:
    if wanted in ("delete", "create") or wanted.startswith("condition=") or JSONPATH.fullmatch(wanted):
        return wanted
    raise click.BadParameter(f'"{wanted}" is not delete, create, condition=NAME or jsonpath={{.path}}=VALUE')


@click.command()
@click.argument("what", nargs=-1, required=True)
@click.option(
    "--for",
    "wanted",
    required=True,
    callback=_checked,
    help="delete, create, condition=NAME[=VALUE] or jsonpath={.path}[=VALUE]",
)
@click.option("-l", "--selector", default="")
@click.option("--all", "everything", is_flag=True, help="All objects of the type in the namespace.")
@click.option("--timeout", type=session.DURATION, default="30s", show_default=True)
@session.command
async def wait(
    cli: session.Session, what: Sequence[str], wanted: str, selector: str, everything: bool, timeout: float
) -> None:
    """Wait for objects: `wait --for=condition=Ready pod/web-1`, `wait --for=delete pods -l app=web`."""
    pending = []
    for target in await cli.targets(what):
        names = list(target.names)
        if not names:
            if not selector and not everything:
                raise click.UsageError("resource name, -l or --all must be specified")
            page = await cli.client.list(target.message, cli.namespace_of(target.kind), select=Selection(selector))
            names = [session.metadata(item).name for item in page.items]
        pending += [(target, name) for name in names]
    if not pending and wanted != "delete":
        raise session.Failure("error: no matching resources found")
    left = {f"{target.kind.resource}/{name}" for target, name in pending}

    async def wait_one(target: session.Target, name: str) -> None:
        await _until(cli, target, name, wanted)
        left.discard(f"{target.kind.resource}/{name}")

    try:
        async with asyncio.timeout(timeout):
            await asyncio.gather(*(wait_one(target, name) for target, name in pending))
    except TimeoutError as error:
        text = f"timed out waiting for the condition on {', '.join(sorted(left))}"
        raise session.Failure(f"error: {text}") from error


async def _until(cli: session.Session, target: session.Target, name: str, wanted: str) -> None:
    states = following.one(cli.client, target.kind, cli.namespace_of(target.kind), name)
    async with contextlib.aclosing(states):
        async for state in states:
            if state.change == "DELETED" or state.object is None:
                if wanted == "delete":
                    break
                if wanted != "create":
                    raise errors.not_found(target.kind.group, target.kind.resource, name)
            elif wanted == "create" or (wanted != "delete" and fulfilled(state.object, wanted)):
                break
    click.echo(f"{manifests.object_name(target.kind, name)} {'deleted' if wanted == 'delete' else 'condition met'}")
