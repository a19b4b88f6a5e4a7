"""Recording of Events: what happened to an object, for people who look.

Controllers, scheduler and dispatcher call `Recorder.event`, which never waits and never fails; `run` writes. Events
are best effort: repetitions become one Event with a count, many alike are combined, an object that keeps
talking is muted, and what exceeds the queue or the rate is dropped.
"""

from __future__ import annotations

import asyncio
import collections
import logging
import socket
from dataclasses import dataclass
from typing import Any, Literal, cast

from google.protobuf.message import Message

from fairlead import clock as clocks
from fairlead.api import errors, objects, times
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.client import interface

log = logging.getLogger(__name__)

Type = Literal["Normal", "Warning"]
NORMAL: Type = "Normal"
WARNING: Type = "Warning"

QUEUE_LENGTH = 1000
# Kubernetes' correlation: so many different messages alike within the window become one Event.
ALIKE_LIMIT = 10
ALIKE_SECONDS = 600.0
# Kubernetes' spam filter, for each object.
BURST_PER_OBJECT = 25
SECONDS_PER_TOKEN = 300.0
REMEMBERED = 4096
# Keeps a burst of bindings from spending the store on events about them; a small cluster never notices.
BURST = 100
WRITES_PER_SECOND = 20.0
MESSAGE_LIMIT = 1024


@dataclass(slots=True)
class _Talk:
    """How much was said of one object."""

    tokens: float
    since: float


@dataclass(frozen=True, slots=True)
class Said:
    """One thing to record."""

    about: corev1.ObjectReference
    type: Type
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Recorded:
    """An Event to write, and what it is remembered by."""

    key: tuple[str, ...]
    event: corev1.Event


class _Remembered(collections.OrderedDict[tuple[str, ...], Any]):
    """A dict that forgets what was set longest ago."""

    def remember(self, key: tuple[str, ...], value: Any) -> None:
        self[key] = value
        self.move_to_end(key)
        if len(self) > REMEMBERED:
            self.popitem(last=False)


def reference(obj: Message) -> corev1.ObjectReference:
    """Return the reference to an object, or the reference itself."""
    if isinstance(obj, corev1.ObjectReference):
        return obj
    kind, meta = objects.kind_of(cast(Any, obj)), cast(Any, obj).metadata
    return corev1.ObjectReference(
        kind=kind.kind,
        namespace=meta.namespace,
        name=meta.name,
        uid=meta.uid,
        apiVersion=kind.api_version,
        resourceVersion=meta.resourceVersion,
    )


class Correlator:
    """The memory that turns what is said into Events; pure but for that memory."""

    def __init__(self, component: str, instance: str) -> None:
        self._component = component
        self._instance = instance
        self._talk = _Remembered()
        self._alike = _Remembered()
        self._events = _Remembered()

    def correlate(self, said: Said, now: float) -> Recorded | None:
        """Return the Event to create, or to update if it has a resourceVersion; None if the object is muted."""
        about = said.about
        object_key = (about.kind, about.namespace, about.name, about.uid)
        if not self._may_talk(object_key, now):
            return None
        alike_key = (*object_key, said.type, said.reason)
        message = said.message[:MESSAGE_LIMIT]
        key: tuple[str, ...] = (*alike_key, message)
        if self._many_alike(alike_key, message, now):
            message, key = f"(combined from similar events): {message}"[:MESSAGE_LIMIT], alike_key
        known = self._events.get(key)
        event = self._again(known, message, now) if known is not None else self._first(said, message, now)
        self._remember(key, event)
        return Recorded(key, event)

    def stored(self, key: tuple[str, ...], event: corev1.Event | None) -> None:
        """Note what the API made of an Event; None where it is gone, so that the next starts anew."""
        if event is None:
            self._events.pop(key, None)
        elif key in self._events:
            self._remember(key, event)

    def _remember(self, key: tuple[str, ...], event: corev1.Event) -> None:
        """Keep an Event's bytes: a message takes four times their memory, and few are said again."""
        self._events.remember(key, event.SerializeToString())

    def _may_talk(self, key: tuple[str, ...], now: float) -> bool:
        talk = self._talk.get(key)
        if talk is None:
            talk = _Talk(float(BURST_PER_OBJECT), now)
            self._talk.remember(key, talk)
        talk.tokens = min(BURST_PER_OBJECT, talk.tokens + (now - talk.since) / SECONDS_PER_TOKEN)
        talk.since = now
        if talk.tokens < 1:
            return False
        talk.tokens -= 1
        return True

    def _many_alike(self, key: tuple[str, ...], message: str, now: float) -> bool:
        messages, since = self._alike.get(key, (set(), now))
        if now - since > ALIKE_SECONDS:
            messages = set()
        messages.add(message)
        self._alike.remember(key, (messages, now))
        return len(messages) > ALIKE_LIMIT

    def _first(self, said: Said, message: str, now: float) -> corev1.Event:
        event = corev1.Event(
            involvedObject=said.about,
            reason=said.reason,
            message=message,
            source=corev1.EventSource(component=self._component),
            firstTimestamp=times.from_seconds(now),
            lastTimestamp=times.from_seconds(now),
            count=1,
            type=said.type,
            reportingComponent=self._component,
            reportingInstance=self._instance,
        )
        event.metadata.name = f"{said.about.name}.{int(now * 1e9):x}"
        event.metadata.namespace = said.about.namespace or "default"
        return event

    def _again(self, known: bytes, message: str, now: float) -> corev1.Event:
        event = corev1.Event.FromString(known)
        event.count += 1
        event.message = message
        event.lastTimestamp.CopyFrom(times.from_seconds(now))
        return event


class Recorder:
    """The Events of one component."""

    def __init__(
        self,
        client: interface.Client,
        component: str,
        *,
        instance: str = "",
        clock: clocks.Clock = clocks.SYSTEM,
    ) -> None:
        self._client = client
        self._clock = clock
        self._tokens = float(BURST)
        self._refilled = clock.monotonic()
        self._queue: asyncio.Queue[Said] = asyncio.Queue(QUEUE_LENGTH)
        self._correlator = Correlator(component, instance or f"{component}-{socket.gethostname()}")
        self.dropped = 0

    def event(self, obj: Message, type_: Type, reason: str, message: str) -> None:
        """Say that something happened to an object; never waits."""
        try:
            self._queue.put_nowait(Said(reference(obj), type_, reason, message))
        except asyncio.QueueFull:
            self.dropped += 1

    def normal(self, obj: Message, reason: str, message: str) -> None:
        """Say something of type Normal."""
        self.event(obj, NORMAL, reason, message)

    def warning(self, obj: Message, reason: str, message: str) -> None:
        """Say something of type Warning."""
        self.event(obj, WARNING, reason, message)

    async def run(self) -> None:
        """Write what was said until cancelled."""
        while True:
            said = await self._queue.get()
            recorded = self._correlator.correlate(said, self._clock.now())
            if recorded is None:
                continue
            await self._write(recorded)
            await self._pace()

    async def _pace(self) -> None:
        """Wait until the next write may follow: after a burst so many a second."""
        now = self._clock.monotonic()
        self._tokens = min(BURST, self._tokens + (now - self._refilled) * WRITES_PER_SECOND) - 1
        self._refilled = now
        if self._tokens < 0:
            await self._clock.sleep(-self._tokens / WRITES_PER_SECOND)

    async def _write(self, recorded: Recorded) -> None:
        event = recorded.event
        try:
            if event.metadata.resourceVersion:
                stored = await self._client.update(event)
            else:
                stored = await self._client.create(event)
        except errors.ApiError as error:
            # expired, its namespace ending, the API away: the next occurrence starts anew
            log.debug("event not written", extra={"reason": event.reason, "error": str(error)})
            self._correlator.stored(recorded.key, None)
        else:
            self._correlator.stored(recorded.key, stored)
