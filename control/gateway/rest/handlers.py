"""The table of what is answered by a handler of its own rather than by the API server's request methods.

Whoever adds streams, documents or a whole API registers here; the gateway finds the caller first, and turns the API
errors that a handler raises into Kubernetes' Status. A handler authorises what it does.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

from aiohttp import web

from control.apiserver import authn
from control.apiserver.target import Target


def _nothing() -> None:
    """Do nothing."""


@dataclass(frozen=True, slots=True)
class Call:
    """A request that a handler answers: its caller, its verb, what it is about, and what its path ends with.

    `rest` is the path behind the subresource, as a proxy passes it on; for a path that is no resource's it is the
    whole path and `about` is None. A watch calls `started` once it only waits for changes, an upgrade once it is
    agreed on.
    """

    request: web.BaseRequest
    user: authn.User
    verb: str
    about: Target | None
    rest: str = ""
    started: Callable[[], None] = _nothing

    @property
    def target(self) -> Target:
        """Return what a request for a resource is about; handlers of bare paths do not ask."""
        assert self.about is not None
        return self.about


Handler = Callable[[Call], Awaitable[web.StreamResponse]]


class Handlers:
    """Handlers by resource, subresource and verb, and by path."""

    def __init__(self) -> None:
        self._resources: dict[tuple[str, str, str], Handler] = {}
        self._paths: dict[str, Handler] = {}

    def add(self, resource: str, subresource: str, verbs: Iterable[str], handler: Handler) -> None:
        """Route a subresource of a resource (`pods`, or `deployments.apps`) to a handler.

        Verbs are Kubernetes': a GET of `pods/exec` is `get`, a POST `create`.
        """
        for verb in verbs:
            self._resources[resource, subresource, verb] = handler

    def add_path(self, path: str, handler: Handler) -> None:
        """Route a path to a handler, and all that lies below it where it ends in a slash."""
        self._paths[path] = handler

    def paths(self) -> Iterable[str]:
        """Return the paths that are registered."""
        return self._paths.keys()

    def of_resource(self, resource: str, subresource: str, verb: str) -> Handler | None:
        """Return the handler of a resource's subresource."""
        return self._resources.get((resource, subresource, verb))

    def of_path(self, path: str) -> Handler | None:
        """Return the handler of a path, that of the longest prefix where several are registered."""
        found = self._paths.get(path)
        while found is None and "/" in path[:-1]:
            path = path[: path.rindex("/", 0, -1) + 1]
            found = self._paths.get(path)
        return found
