"""The `Plugin`: what may change or refuse a write after it is authorised and before it is stored.

The registry runs the chain of plugins twice for each write: every `admit`, in order, before validation, then every
`validate` on what will be stored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from control.apiserver import authn
from fairlead.api import scheme

Operation = Literal["CREATE", "UPDATE", "DELETE", "CONNECT"]


@dataclass(slots=True)
class Request:
    """A write under judgement. `obj` is None for a deletion, `old` for a creation; `admit` may change `obj`."""

    user: authn.User
    operation: Operation
    kind: scheme.Kind
    namespace: str
    name: str
    subresource: str = ""
    obj: Any = None
    old: Any = None
    dry_run: bool = False


class Plugin:
    """A judge of writes that lets everything pass; subclasses override what they care for."""

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
        """Let every plugin change or refuse."""
        for one in self._admitting:
            await one.admit(request)

    async def validate(self, request: Request) -> None:
        """Let every plugin refuse."""
        for one in self._validating:
            await one.validate(request)
