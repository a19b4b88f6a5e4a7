"""The recorder: what is asked of the API server becomes events of audit.k8s.io/v1, as JSON lines.

The API server wraps its request methods in `recorded`; edges wrap what does not pass these (paths, streams) in
`Recorder.recording`, and say where a request comes from with `arrive`. A list's items are not logged.
"""

from __future__ import annotations

import contextlib
import contextvars
import dataclasses
import functools
import time
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import orjson
from google.protobuf.message import Message

from control.apiserver import authn, authz
from control.apiserver.audit import policy as policies
from control.apiserver.target import Target
from control.store.entry import Entry
from fairlead.api import codec, errors, names, objects, times
from fairlead.api.pb import meta_v1_pb2 as metav1

API_VERSION = "audit.k8s.io/v1"
DECISION = "authorization.k8s.io/decision"
REASON = "authorization.k8s.io/reason"
SUCCESS = {"create": 201}

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Source:
    """Where a request comes from."""

    uri: str = ""
    addresses: tuple[str, ...] = ()
    agent: str = ""
    audit_id: str = ""


NOWHERE = Source()
_source: contextvars.ContextVar[Source] = contextvars.ContextVar("audit-source", default=NOWHERE)
_impersonator: contextvars.ContextVar[authn.User | None] = contextvars.ContextVar("audit-impersonator", default=None)
_current: contextvars.ContextVar[Event | None] = contextvars.ContextVar("audit-event", default=None)


def arrive(source: Source) -> None:
    """Say where the request comes from that is carried out from here on, in this task."""
    _source.set(source)


def acts_for(caller: authn.User | None) -> None:
    """Say who sent the request that is carried out from here on, where it acts as somebody else."""
    _impersonator.set(caller)


def decided(decision: authz.Decision) -> None:
    """Note why the request that is being carried out is allowed or refused."""
    event = _current.get()
    if event is not None:
        event.decided(decision)


def started(code: int) -> None:
    """Note that the stream that is being carried out has been answered with a code, and goes on."""
    event = _current.get()
    if event is not None:
        event.started(code)


def annotate(key: str, value: str, level: policies.Level = policies.Level.METADATA) -> None:
    """Add to the event of the request that is being carried out; a key's first value stays, as in Kubernetes.

    `level` is from which on the event says it. A key that is no qualified name with a prefix is dropped.
    """
    event = _current.get()
    if event is not None:
        event.annotate(key, value, level)


class Event:
    """One request on its way to the log."""

    __slots__ = (
        "_annotations",
        "_begun",
        "_decision",
        "_guarded",
        "_head",
        "_reference",
        "_request",
        "_response",
        "_write",
        "code",
    )

    def __init__(
        self, decision: policies.Decision, request: authz.Attributes, write: Callable[[bytes], None], version: str
    ) -> None:
        source, caller = _source.get(), _impersonator.get()
        self.code = SUCCESS.get(request.verb, 200)
        self._guarded = policies.guarded(request)
        self._decision = decision
        self._write = write
        self._begun = _now()
        self._annotations: dict[str, str] = {}
        self._request: Any = None
        self._response: Any = None
        self._reference = _reference(request, version)
        self._head: dict[str, Any] = {
            "kind": "Event",
            "apiVersion": API_VERSION,
            "level": decision.level.text,
            "auditID": source.audit_id or str(uuid.uuid4()),
            "requestURI": source.uri or request.path,
            "verb": request.verb,
            "user": _user(caller or request.user),
        }
        if caller is not None:
            self._head["impersonatedUser"] = _user(request.user)
        if source.addresses:
            self._head["sourceIPs"] = list(source.addresses)
        if source.agent:
            self._head["userAgent"] = source.agent

    def anonymous(self) -> None:
        """Say that nobody knows whose the request is."""
        self._head["user"] = {}

    def decided(self, decision: authz.Decision) -> None:
        """Note an authorizer's answer."""
        self._annotations[DECISION] = "allow" if decision.allowed else "forbid"
        self._annotations[REASON] = decision.reason

    def annotate(self, key: str, value: str, level: policies.Level) -> None:
        """Note what admission has to say of the request."""
        if key.count("/") == 1 and not names.qualified_name(key) and self._decision.level >= level:
            self._annotations.setdefault(key, value)

    def asked(self, body: Any) -> None:
        """Note what a request carries: an object, a message, or a patch's bytes."""
        self._refer(body)
        if self._decision.level >= policies.Level.REQUEST:
            self._request = self._shown(body)

    def answered(self, answer: Any) -> None:
        """Note what a request is answered: an entry, or what has one."""
        entry = answer[0] if isinstance(answer, tuple) else answer
        if not isinstance(entry, Entry):
            return
        self._refer(entry.object)
        if self._decision.level >= policies.Level.REQUEST_RESPONSE:
            self._response = self._shown(entry.object)

    def _refer(self, obj: Any) -> None:
        """Complete what the event says of the object that it is about."""
        metadata = getattr(obj, "metadata", None)
        if not isinstance(metadata, metav1.ObjectMeta) or not self._reference:
            return
        for name in ("name", "namespace", "uid", "resourceVersion"):
            if not self._reference[name]:
                self._reference[name] = getattr(metadata, name)

    @contextlib.contextmanager
    def current(self) -> Iterator[None]:
        """Let what is decided within the context belong to this request."""
        token = _current.set(self)
        try:
            yield
        finally:
            _current.reset(token)

    def started(self, code: int) -> None:
        """Write the stage between the beginning of an answer and its end, as what takes its time has."""
        self.code = code
        self.stage("ResponseStarted", {"metadata": {}, "code": code})

    def ended(self, error: BaseException | None = None) -> None:
        """Write the last stage: how the request ended, or that this server broke."""
        told: dict[str, Any] = {}
        if isinstance(error, errors.ApiError):
            self.code = error.code
            told = {"status": "Failure", "reason": error.reason}
            if not self._guarded:  # the message may repeat what was written
                told["message"] = error.message
        elif isinstance(error, Exception):
            self.code = 500
            if not isinstance(error, OSError):  # a caller who has gone
                what = f"APIServer panic'd: {type(error).__name__}"
                broken = {
                    "metadata": {},
                    "status": "Failure",
                    "message": what,
                    "reason": "InternalError",
                    "code": 500,
                }
                self.stage("Panic", broken)
                return
        self.stage("ResponseComplete", {"metadata": {}, **told, "code": self.code})

    def _shown(self, body: Any) -> Any:
        if isinstance(body, bytes):
            try:
                return orjson.loads(body)
            except orjson.JSONDecodeError:
                return None
        if not isinstance(body, Message | objects.Unstructured):
            return None
        shown = codec.to_json(body)
        if self._decision.omit_managed_fields and isinstance(shown.get("metadata"), dict):
            shown["metadata"].pop("managedFields", None)
        return shown

    def stage(self, name: str, status: dict[str, Any] | None = None) -> None:
        """Write the event as it is at a stage, unless the policy omits the stage."""
        if name in self._decision.omit_stages:
            return
        event = {**self._head, "stage": name}
        if self._reference:
            event["objectRef"] = {key: value for key, value in self._reference.items() if value}
        if status is not None:
            event["responseStatus"] = status
        for key, value in (("requestObject", self._request), ("responseObject", self._response)):
            if value is not None and name != "RequestReceived":
                event[key] = value
        event["requestReceivedTimestamp"], event["stageTimestamp"] = self._begun, _now()
        if self._annotations:
            event["annotations"] = dict(self._annotations)
        self._write(orjson.dumps(event))


class Recorder:
    """Notes requests as a policy says; `write` takes a line and must not take time."""

    def __init__(self, policy: policies.Policy, write: Callable[[bytes], None]) -> None:
        self._policy = policy
        self._write = write

    def begin(self, request: authz.Attributes, version: str = "") -> Event | None:
        """Begin to note a request; None where the policy does not want it."""
        caller = _impersonator.get()
        judged = request if caller is None else dataclasses.replace(request, user=caller)
        decision = self._policy.decide(judged)
        if decision.level is policies.Level.NONE:
            return None
        event = Event(decision, request, self._write, version)
        event.stage("RequestReceived")
        return event

    def unknown(self, request: authz.Attributes, version: str, attempted: Sequence[str]) -> None:
        """Note a request whose caller could not prove who it is, and how it tried to."""
        decision = self._policy.decide(request)
        if decision.level is policies.Level.NONE:
            return
        tried = f"attempted: {', '.join(attempted)}" if attempted else "no credentials provided"
        status = {"metadata": {}, "status": "Failure", "message": f"Authentication failed, {tried}", "code": 401}
        event = Event(decision, request, self._write, version)
        event.anonymous()
        event.stage("ResponseStarted", status)

    def unended(
        self, request: authz.Attributes, version: str = ""
    ) -> contextlib.AbstractContextManager[Event | None]:
        """Note a request that fails within the context; of one that does not, the caller tells how it ends."""
        return _failing(self.begin(request, version))

    @contextlib.contextmanager
    def recording(self, request: authz.Attributes, version: str = "") -> Iterator[Event | None]:
        """Note a request that is carried out within the context, and how it ends; None: it is not logged."""
        event = self.begin(request, version)
        if event is None:
            yield None
            return
        failure: BaseException | None = None
        try:
            with event.current():
                yield event
        except BaseException as error:
            failure = error
            raise
        finally:
            event.ended(failure)


@contextlib.contextmanager
def _failing(event: Event | None) -> Iterator[Event | None]:
    if event is None:
        yield None
        return
    try:
        with event.current():
            yield event
    except BaseException as error:
        event.ended(error)
        raise


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


async def carried(frames: Any, event: Event | None, code: int) -> AsyncGenerator[Any, None]:
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


async def _until_closed(changes: AsyncGenerator[Any, None], event: Event) -> AsyncGenerator[Any, None]:
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


def _reference(request: authz.Attributes, version: str) -> dict[str, str]:
    if request.path:
        return {}
    return {
        "resource": request.resource,
        "namespace": request.namespace,
        "name": request.name,
        "uid": "",
        "apiGroup": request.group,
        "apiVersion": version,
        "resourceVersion": "",
        "subresource": request.subresource,
    }


def _user(user: authn.User) -> dict[str, Any]:
    shown: dict[str, Any] = {"username": user.name, "groups": list(user.groups)}
    if user.uid:
        shown["uid"] = user.uid
    if user.extra:
        shown["extra"] = {key: list(values) for key, values in user.extra}
    return shown


def _now() -> str:
    seconds, fraction = divmod(time.time_ns(), 10**9)
    return times.format_micros(seconds, fraction)
