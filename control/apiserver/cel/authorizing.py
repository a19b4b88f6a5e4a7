"""Functions with which an expression asks who may do what. Source: Kubernetes' documentation, "CEL in Kubernetes".

A check is described step by step; who is asked, and about whom, is what `asking` has set around the evaluation. Pure.
"""

from __future__ import annotations

import contextlib
import contextvars
import dataclasses
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, Self

from control.apiserver.cel import functions

AUTHORIZER = "authorizer"


@dataclass(frozen=True, slots=True)
class Check:
    """A question so far: of a path, or of a group's resource; without a user it is about the one who asks."""

    user: str = ""
    path: str = ""
    group: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""

    def write(self) -> str:
        """Return the question as a text."""
        return json.dumps(dataclasses.asdict(self), sort_keys=True)

    @classmethod
    def read(cls, text: str) -> Self:
        """Return the question that a text writes."""
        return cls(**json.loads(text))


class Authorizer(Check):
    """What questions begin with."""


class PathCheck(Check):
    """A question about a path."""


class GroupCheck(Check):
    """A question about a group, which lacks its resource."""


class ResourceCheck(Check):
    """A question about a resource."""


class Decision(NamedTuple):
    """An answer."""

    allowed: bool
    reason: str

    def write(self) -> str:
        """Return the answer as a text."""
        return json.dumps(self)

    @classmethod
    def read(cls, text: str) -> Decision:
        """Return the answer that a text writes."""
        return cls(*json.loads(text))


Ask = Callable[[Check, str], Decision]
_asked: contextvars.ContextVar[Ask | None] = contextvars.ContextVar("asked", default=None)


@contextlib.contextmanager
def asking(ask: Ask | None) -> Iterator[None]:
    """Let expressions within the context ask this."""
    token = _asked.set(ask)
    try:
        yield
    finally:
        _asked.reset(token)


def _checked(check: Check, verb: str) -> Decision:
    ask = _asked.get()
    if ask is None:
        raise ValueError("no authorizer")
    return ask(check, verb)


def _on(kind: type[Check]) -> Callable[[Check, dict[str, str]], Check]:
    return lambda check, changes: kind(**{**dataclasses.asdict(check), **changes})


_path, _group, _resource, _authorizer = _on(PathCheck), _on(GroupCheck), _on(ResourceCheck), _on(Authorizer)


def _account(check: Check, namespace: str, name: str) -> Check:
    return _authorizer(check, {"user": f"system:serviceaccount:{namespace}:{name}"})


FUNCTIONS = (
    functions.function("path", lambda check, path: _path(check, {"path": path}), "authorizer.(string) pathcheck"),
    functions.function(
        "group", lambda check, group: _group(check, {"group": group}), "authorizer.(string) groupcheck"
    ),
    functions.function("serviceAccount", _account, "authorizer.(string, string) authorizer"),
    functions.function(
        "resource", lambda check, name: _resource(check, {"resource": name}), "groupcheck.(string) resourcecheck"
    ),
    functions.function(
        "subresource",
        lambda check, name: _resource(check, {"subresource": name}),
        "resourcecheck.(string) resourcecheck",
    ),
    functions.function(
        "namespace", lambda check, name: _resource(check, {"namespace": name}), "resourcecheck.(string) resourcecheck"
    ),
    functions.function(
        "name", lambda check, name: _resource(check, {"name": name}), "resourcecheck.(string) resourcecheck"
    ),
    functions.function("check", _checked, "pathcheck.(string) decision", "resourcecheck.(string) decision"),
    functions.function("allowed", lambda decision: decision.allowed, "decision.() bool"),
    functions.function("reason", lambda decision: decision.reason, "decision.() string"),
    functions.function("errored", lambda decision: False, "decision.() bool"),
    functions.function("error", lambda decision: "", "decision.() string"),
)
