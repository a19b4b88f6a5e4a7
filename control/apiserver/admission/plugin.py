"""The `Plugin`: what may change or refuse a write after it is authorised and before it is stored.

The registry runs the chain of plugins twice for each write: every `admit`, in order, before validation, then every
`validate` on what will be stored. Plugins may await I/O.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from google.protobuf.message import Message

from control.apiserver import authn
from fairlead.api import errors, scheme

M = TypeVar("M", bound=Message)

Operation = Literal["CREATE", "UPDATE", "DELETE", "CONNECT"]


@dataclass(slots=True)
class Request:
    """A write under judgement. `obj` is None for a deletion, `old` for a creation; `admit` may change `obj`.

    `kind` is the resource's. A subresource may carry something else, which then is `obj`: fairlead.api.subresources.
    `asked` is the version of the resource that the request named, where that is another; `options` are a deletion's.

    A plugin that changed what earlier ones have seen sets `reinvoke`: then all admit once more, with `reinvoked` set.
    `notes` is what a plugin keeps for itself between its calls for one request.
    """

    user: authn.User
    operation: Operation
    kind: scheme.Kind
    namespace: str
    name: str
    subresource: str = ""
    obj: Any = None
    old: Any = None
    dry_run: bool = False
    options: Any = None
    asked: scheme.Kind | None = None
    reinvoke: bool = False
    reinvoked: bool = False
    notes: dict[str, Any] = field(default_factory=dict)

    def forbidden(self, why: str) -> errors.Forbidden:
        """Return the refusal of this request: `pods "web-1" is forbidden: <why>`."""
        return errors.forbidden(self.kind.group, self.kind.resource, self.name, why)


def created(request: Request, message: type[M]) -> M | None:
    """Return the object of a kind that a request creates, None where it does something else."""
    if request.operation == "CREATE" and not request.subresource and isinstance(request.obj, message):
        return request.obj
    return None


def updated(request: Request, message: type[M]) -> M | None:
    """Return the object of a kind that a request changes, None where it does something else."""
    if request.operation == "UPDATE" and not request.subresource and isinstance(request.obj, message):
        return request.obj
    return None


class Unknown(ValueError):
    """A name that no plugin has."""


class Plugin:
    """A judge of writes that lets everything pass; subclasses override what they care for."""

    @property
    def name(self) -> str:
        """Return the name by which settings turn the plugin off: Kubernetes' name, which the class has."""
        return type(self).__name__

    async def admit(self, request: Request) -> None:
        """Change the request's object, or refuse it with an error."""

    async def validate(self, request: Request) -> None:
        """Refuse the request with an error; change nothing."""


class Chain:
    """Plugins in their order."""

    def __init__(self, plugins: Sequence[Plugin] = ()) -> None:
        self._admitting = [one for one in plugins if type(one).admit is not Plugin.admit]
        self._validating = [one for one in plugins if type(one).validate is not Plugin.validate]

    async def admit(self, request: Request) -> None:
        """Let every plugin change or refuse, and all once more where one asks for it."""
        for one in self._admitting:
            await one.admit(request)
        if request.reinvoke and not request.reinvoked:
            request.reinvoked = True
            for one in self._admitting:
                await one.admit(request)

    async def validate(self, request: Request) -> None:
        """Let every plugin refuse."""
        for one in self._validating:
            await one.validate(request)

    async def judge(self, request: Request) -> None:
        """Do both for what is not stored."""
        await self.admit(request)
        await self.validate(request)


NOBODY = Chain()
