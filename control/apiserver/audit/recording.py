"""The recorder: what is asked of the API server becomes events of audit.k8s.io/v1, as JSON lines.

The API server wraps its request methods in `recorded`; edges wrap what does not pass these (paths, streams) in
`Recorder.recording`. A list's items are not logged.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from typing import Any, TypeVar, cast

from control.apiserver import authn, authz
from control.apiserver.audit import event as audit
from control.apiserver.audit import policy as policies
from control.apiserver.target import Target
from fairlead.api import errors

F = TypeVar("F", bound=Callable[..., Any])


class Recorder:
    """Notes requests as a policy says; `write` takes a line and must not take time."""

    def __init__(self, policy: policies.Policy, write: Callable[[bytes], None]) -> None:
        self._policy = policy
        self._write = write

    def begin(self, request: authz.Attributes, version: str = "") -> audit.Event | None:
        """Begin to note a request; None where the policy does not want it."""
        caller = audit.impersonator()
        judged = request if caller is None else dataclasses.replace(request, user=caller)
        decision = self._policy.decide(judged)
        audit.begun()
        if decision.level is policies.Level.NONE:
            return None
        event = audit.Event(decision, request, self._write, version)
        event.stage("RequestReceived")
        return event

    def failed(self, request: authz.Attributes, version: str, error: errors.ApiError) -> None:
        """Note a request that failed before anybody began to carry it out, and so to note it."""
        event = None if audit.is_begun() else self.begin(request, version)
        if event is not None:
            event.ended(error)

    def unknown(self, request: authz.Attributes, version: str, attempted: Sequence[str]) -> None:
        """Note a request whose caller could not prove who it is, and how it tried to."""
        decision = self._policy.decide(request)
        if decision.level is policies.Level.NONE:
            return
        tried = f"attempted: {', '.join(attempted)}" if attempted else "no credentials provided"
        status = {"metadata": {}, "status": "Failure", "message": f"Authentication failed, {tried}", "code": 401}
        event = audit.Event(decision, request, self._write, version)
        event.anonymous()
        event.stage("ResponseStarted", status)

    @contextlib.contextmanager
    def unended(self, request: authz.Attributes, version: str = "") -> Iterator[audit.Event | None]:
        """Note a request that fails within the context; of one that does not, the caller tells how it ends."""
        event = self.begin(request, version)
        if event is None:
            yield None
            return
        try:
            with event.current():
                yield event
        except BaseException as error:
            event.ended(error)
            raise

    @contextlib.contextmanager
    def recording(self, request: authz.Attributes, version: str = "") -> Iterator[audit.Event | None]:
        """Note a request that is carried out within the context, and how it ends; None: it is not logged."""
        with self.unended(request, version) as event:
            yield event
        if event is not None:
            event.ended()


def attributes(user: authn.User, verb: str, target: Target) -> authz.Attributes:
    """Return a request for a resource as policies see it."""
    kind = target.kind
    return authz.Attributes(user, verb, kind.group, kind.resource, target.subresource, target.namespace, target.name)


def recorded(verb: str) -> Callable[[F], F]:
    """Make a request method of the API server note what it is asked and what it answers."""

    def wrap(method: F) -> F:
        @functools.wraps(method)
        async def called(self: Any, user: authn.User, what: Any, *more: Any, **options: Any) -> Any:
            if self.auditor is None:
                return await cast(Awaitable[Any], method(self, user, what, *more, **options))
            target = _target(what, more)
            with self.auditor.recording(attributes(user, verb, target), target.kind.version) as event:
                if event is not None and more:
                    event.asked(getattr(more[0], "body", more[0]))
                answer = await method(self, user, what, *more, **options)
                if event is not None:
                    event.answered(answer)
                return answer

        return cast(F, called)

    return wrap


def recorded_watch(method: F) -> F:
    """Make the method that returns a watch note it, from its start to its end."""

    @functools.wraps(method)
    def called(self: Any, user: authn.User, kind: Any, query: Any) -> Any:
        event = None
        if self.auditor is not None:
            event = self.auditor.begin(attributes(user, "watch", Target(kind, query.namespace)), kind.version)
        if event is None:
            return method(self, user, kind, query)
        try:
            with event.current():
                changes = method(self, user, kind, query)
        except errors.ApiError as error:
            event.ended(error)
            raise
        event.started(event.code)
        return _until_closed(changes, event)

    return cast(F, called)


async def carried(frames: Any, event: audit.Event | None, code: int) -> AsyncGenerator[Any, None]:
    """Iterate over a stream: its event is told of the first frame, with a code, and of the end."""
    if event is None:
        async with contextlib.aclosing(frames):
            async for frame in frames:
                yield frame
        return
    begun = False
    async with contextlib.aclosing(_until_closed(frames, event)) as noted:
        async for frame in noted:
            if not begun:
                event.started(code)
                begun = True
            yield frame


async def _until_closed(changes: AsyncGenerator[Any, None], event: audit.Event) -> AsyncGenerator[Any, None]:
    failure: BaseException | None = None
    try:
        async with contextlib.aclosing(changes):
            async for some in changes:
                yield some
    except BaseException as error:
        failure = error
        raise
    finally:
        event.ended(failure)


def _target(what: Any, more: tuple[Any, ...]) -> Target:
    return what if isinstance(what, Target) else Target(what, more[0].namespace)
