"""What every command shares: options, the connection, the namespace, and errors as one line."""

from __future__ import annotations

import asyncio
import functools
import os
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Concatenate, ParamSpec

import click
from google.protobuf.message import Message

import fairlead
from fairlead.api import errors, scheme
from fairlead.cli import manifests
from fairlead.client import kubeconfig
from fairlead.client.grpc import GrpcClient

P = ParamSpec("P")


@dataclass(slots=True)
class Options:
    """The options before the verb."""

    kubeconfig: str
    namespace: str


@dataclass(frozen=True, slots=True)
class Session:
    """A connected command: the client and the namespace that it works in."""

    client: GrpcClient
    namespace: str


def command(function: Callable[Concatenate[Session, P], Awaitable[None]]) -> Callable[P, None]:
    """Make a click callback of a coroutine that takes a Session first."""

    @functools.wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        options: Options = click.get_current_context().find_root().obj

        async def connected() -> None:
            path = options.kubeconfig or os.environ.get("KUBECONFIG", "")
            async with fairlead.connect(path or None) as client:
                namespace = options.namespace or client.namespace or "default"
                await function(Session(client, namespace), *args, **kwargs)

        try:
            asyncio.run(connected())
        except errors.ApiError as error:
            raise click.ClickException(f"({error.reason}): {error}") from error
        except (manifests.ManifestError, kubeconfig.ConfigError, scheme.UnknownKind) as error:
            raise click.ClickException(str(error)) from error

    return run


@dataclass(frozen=True, slots=True)
class Target:
    """What the words after a verb name: a kind, and names (none: all that the selector allows)."""

    kind: scheme.Kind
    names: Sequence[str]

    @property
    def message(self) -> type[Message]:
        """Return the kind's message class."""
        if self.kind.message is None:
            raise click.UsageError(f"{self.kind.resource}: custom resources have no message")
        return self.kind.message


def targets(words: Sequence[str]) -> list[Target]:
    """Read `pods`, `pods,svc`, `pod web-1 web-2` or `deploy/web svc/web`."""
    if not words:
        raise click.UsageError("name a resource, for example `pods` or `deployment/web`")
    if any("/" in word for word in words):
        found = []
        for word in words:
            kind, _, name = word.partition("/")
            if not name:
                raise click.UsageError(f'"{word}": write every object as kind/name, or one kind and then names')
            found.append(Target(scheme.DEFAULT.find(kind), [name]))
        return found
    kinds, names = words[0].split(","), list(words[1:])
    if len(kinds) > 1 and names:
        raise click.UsageError("names go with one resource type")
    if kinds == ["all"]:
        return [Target(kind, []) for kind in scheme.DEFAULT if "all" in kind.categories]
    return [Target(scheme.DEFAULT.find(kind), names) for kind in kinds]


def metadata(obj: Message) -> Any:
    """Return an object's metadata."""
    return obj.metadata  # type: ignore[attr-defined]
