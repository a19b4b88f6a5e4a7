"""An event of audit.k8s.io/v1: one request on its way to the log, which hears of what the request meets.

The recorder begins and ends it. Whoever carries the request out (authorisation, admission, streams) tells the event
of the task that runs: `decided`, `annotate`, `started`. Edges say with `arrive` where requests come from.
"""

from __future__ import annotations

import contextlib
import contextvars
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import orjson
from google.protobuf.message import Message

from control.apiserver import authn, authz
from control.apiserver.audit import policy as policies
from control.store.entry import Entry
from fairlead.api import codec, errors, names, objects, times
from fairlead.api.pb import meta_v1_pb2 as metav1

API_VERSION = "audit.k8s.io/v1"
DECISION = "authorization.k8s.io/decision"
REASON = "authorization.k8s.io/reason"
SUCCESS = {"create": 201}


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
_noted: contextvars.ContextVar[bool] = contextvars.ContextVar("audit-noted", default=False)
_current: contextvars.ContextVar[Event | None] = contextvars.ContextVar("audit-event", default=None)


def arrive(source: Source) -> None:
    """Say where the request comes from that is carried out from here on, in this task."""
    _source.set(source)
    _noted.set(False)


def begun() -> None:
    """Say that the log has looked at the request that is carried out here."""
    _noted.set(True)


def is_begun() -> bool:
    """Say whether the log has looked at the request that is carried out here."""
    return _noted.get()


def acts_for(caller: authn.User | None) -> None:
    """Say who sent the request that is carried out from here on, where it acts as somebody else."""
    _impersonator.set(caller)


def impersonator() -> authn.User | None:
    """Return who sent the request that is carried out here, where it acts as somebody else."""
    return _impersonator.get()


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
            "user": authn.info(caller or request.user),
        }
        if caller is not None:
            self._head["impersonatedUser"] = authn.info(request.user)
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


def _now() -> str:
    seconds, fraction = divmod(time.time_ns(), 10**9)
    return times.format_micros(seconds, fraction)
