"""What every command shares: common options, the connection, the namespace, and errors as one line."""

from __future__ import annotations

import asyncio
import functools
import os
import re
import signal
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Concatenate, ParamSpec

import click
from google.protobuf.message import Message

import fairlead
from fairlead.api import custom, errors, objects, scheme
from fairlead.cli import manifests
from fairlead.client import kubeconfig, rpcerrors
from fairlead.client.grpc import GrpcClient

P = ParamSpec("P")

INTERRUPTED = 128 + signal.SIGINT


@dataclass(slots=True)
class Options:
    """What may stand before or after the verb."""

    kubeconfig: str = ""
    context: str = ""
    namespace: str = ""


@dataclass(frozen=True, slots=True)
class Session:
    """A connected command: the client and the namespace that it works in."""

    client: GrpcClient
    namespace: str

    def namespace_of(self, kind: scheme.Kind) -> str:
        """Return the namespace in which objects of a kind are meant; nothing for cluster-scoped kinds."""
        return self.namespace if kind.namespaced else ""

    async def kinds(self) -> scheme.Scheme:
        """Return the kinds that the cluster has: built-in ones, and custom ones as far as the user may see them."""
        try:
            found = await self.client.list(custom.Definition)
        except (errors.Forbidden, errors.NotFound):
            return scheme.DEFAULT
        return custom.scheme_with(found.items)

    async def targets(self, words: Sequence[str]) -> list[Target]:
        """Read what words name, as `targets`; custom kinds are asked for where a word names no built-in one."""
        try:
            return targets(words)
        except scheme.UnknownKind:
            return targets(words, await self.kinds())


class Failure(click.ClickException):
    """What ends a command: the text is printed as it is."""

    def show(self, file: Any = None) -> None:
        """Print the text on standard error."""
        click.echo(self.message, err=True)


class Duration(click.ParamType):  # type: ignore[type-arg]
    """Seconds, written as Go writes durations: `90s`, `1m30s`, `2h`, or a bare number of seconds."""

    name = "duration"
    _PARTS = re.compile(r"(?:(?P<h>\d+)h)?(?:(?P<m>\d+)m)?(?:(?P<s>\d+(?:\.\d+)?)s)?")

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the seconds."""
        try:
            return float(value)
        except ValueError:
            found = self._PARTS.fullmatch(value)
        if not value or not found:
            self.fail(f'"{value}" is not a duration, for example 30s, 1m30s or 2h', param, ctx)
        hours, minutes, seconds = (float(found[unit] or 0) for unit in "hms")
        return hours * 3600 + minutes * 60 + seconds


DURATION = Duration()


def _note(context: click.Context, parameter: click.Parameter, value: str) -> None:
    if value:
        options: Options = context.find_root().ensure_object(Options)
        setattr(options, str(parameter.name), value)


COMMON = (
    click.option("--kubeconfig", callback=_note, expose_value=False, help="By default KUBECONFIG or ~/.kube/config."),
    click.option("--context", callback=_note, expose_value=False, help="The kubeconfig's current one by default."),
    click.option("-n", "--namespace", callback=_note, expose_value=False, help="The context's by default."),
)


def common_options(function: Callable[P, None]) -> Callable[P, None]:
    """Add the options that every command has."""
    for option in reversed(COMMON):
        function = option(function)
    return function


def command(function: Callable[Concatenate[Session, P], Awaitable[None]]) -> Callable[P, None]:
    """Make a click callback of a coroutine that takes a Session first."""

    @functools.wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        options: Options = click.get_current_context().find_root().ensure_object(Options)

        async def connected() -> None:
            async with fairlead.connect(options.kubeconfig or None, context=options.context) as client:
                namespace = options.namespace or client.namespace or "default"
                await function(Session(client, namespace), *args, **kwargs)

        try:
            asyncio.run(connected())
        except rpcerrors.Unreachable as error:
            raise Failure(unreachable(options.kubeconfig, error)) from error
        except errors.ApiError as error:
            raise Failure(sentence(error)) from error
        except manifests.ManifestError as error:
            raise Failure("\n".join(f"error: {line}" for line in str(error).splitlines())) from error
        except (kubeconfig.ConfigError, scheme.UnknownKind) as error:
            raise Failure(f"error: {error}") from error
        except KeyboardInterrupt:
            raise SystemExit(INTERRUPTED) from None

    return common_options(run)


def sentence(error: errors.ApiError) -> str:
    """Return an error of the API as kubectl prints it."""
    return f"Error from server ({error.reason}): {error}"


def unreachable(path: str, error: rpcerrors.Unreachable) -> str:
    """Return what to tell a user whose cluster does not answer."""
    chosen = path or os.environ.get("KUBECONFIG", "") or str(kubeconfig.DEFAULT_PATH)
    return f"error: no control process answers: {error}\n(the address is from {chosen}; is the cluster running?)"


@dataclass(frozen=True, slots=True)
class Target:
    """What the words after a verb name: a kind, and names (none: all that the selector allows)."""

    kind: scheme.Kind
    names: Sequence[str]

    @property
    def message(self) -> type[Any]:
        """Return the class of the kind's objects."""
        return objects.class_of(self.kind)


def targets(words: Sequence[str], kinds: scheme.Scheme = scheme.DEFAULT) -> list[Target]:
    """Read `pods`, `pods,svc`, `pod web-1 web-2` or `deploy/web svc/web`."""
    if not words:
        raise click.UsageError("name a resource, for example `pods` or `deployment/web`")
    if any("/" in word for word in words):
        return [_one(word, kinds) for word in words]
    named, names = words[0].split(","), list(words[1:])
    if len(named) > 1 and names:
        raise click.UsageError("names go with one resource type")
    if named == ["all"]:
        return [Target(kind, []) for kind in kinds if "all" in kind.categories]
    return [Target(kinds.find(word), names) for word in named]


def _one(word: str, kinds: scheme.Scheme) -> Target:
    kind, _, name = word.partition("/")
    if not name or "/" in name:
        raise click.UsageError(f'"{word}": write every object as kind/name, or one kind and then names')
    return Target(kinds.find(kind), [name])


def metadata(obj: Message) -> Any:
    """Return an object's metadata."""
    return obj.metadata  # type: ignore[attr-defined]
