"""What every controller is made of: a queue of keys, workers, and one `reconcile` a key.

A controller registers handlers on shared informers when it is made, and works only while `run` is awaited, which
the leader does. `reconcile` reads the informers, acts once, and returns a sentence: its log line. This is the only
place of the controllers where any exception is caught: the key comes back after a pause that doubles.
"""

from __future__ import annotations

import abc
import asyncio
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar, cast

from google.protobuf.message import Message

from fairlead import clock as clocks
from fairlead.api import errors, objects
from fairlead.client import events, informer, interface, workqueue

M = TypeVar("M", bound=Message)

log = logging.getLogger(__name__)

# How long a reconcile waits for the informers to show what the last one wrote.
LAG_SECONDS = 5.0
SLICE_KEYS = 200


@dataclass(frozen=True, slots=True)
class Result:
    """What a reconcile did, in a sentence; `acted` where it changed something; when to look again."""

    sentence: str
    acted: bool = True
    again_seconds: float | None = None


def nothing(sentence: str, again_seconds: float | None = None) -> Result:
    """Return the result of a reconcile that had nothing to do."""
    return Result(sentence, acted=False, again_seconds=again_seconds)


@dataclass(frozen=True, slots=True)
class Context:
    """What a controller works with: its own client, the shared informers, a recorder, the time."""

    client: interface.Client
    informers: informer.Informers
    recorder: events.Recorder
    clock: clocks.Clock = clocks.SYSTEM


class Controller(abc.ABC):
    """A queue of keys and the workers that reconcile them."""

    name: ClassVar[str]
    workers: ClassVar[int] = 4

    def __init__(self, context: Context) -> None:
        self.client = context.client
        self.informers = context.informers
        self.recorder = context.recorder
        self.clock = context.clock
        self.queue: workqueue.Queue[str] = workqueue.Queue(clock=context.clock)
        self._running = False
        self._written: dict[str, dict[informer.Informer[Any], int]] = {}

    @abc.abstractmethod
    def keys(self) -> Iterable[str]:
        """Return every key, to be looked at when the controller starts."""

    @abc.abstractmethod
    async def reconcile(self, key: str) -> Result:
        """Look at one key and act once."""

    def enqueue(self, key: str, after_seconds: float = 0.0) -> None:
        """Look at a key soon; nothing happens while the controller does not run."""
        if self._running:
            self.queue.add_after(key, after_seconds)

    def wrote(self, key: str, written: Message) -> None:
        """Note a write, so that the key's next reconcile waits until its informer shows it."""
        followed = self.informers.of(type(written))
        version = int(cast(Any, written).metadata.resourceVersion or 0)
        marks = self._written.setdefault(key, {})
        marks[followed] = max(version, marks.get(followed, 0))

    async def run(self) -> None:
        """Reconcile every key, then those that change, until cancelled."""
        await self.informers.synced()
        self._running = True
        try:
            async with asyncio.TaskGroup() as tasks:
                for number in range(self.workers):
                    tasks.create_task(self._work(), name=f"{self.name} worker {number}")
                for count, key in enumerate(self.keys()):
                    self.queue.add(key)
                    if count % SLICE_KEYS == SLICE_KEYS - 1:
                        await asyncio.sleep(0)
        finally:
            self._running = False
            self.queue.clear()
            self._written.clear()

    async def _work(self) -> None:
        while True:
            key = await self.queue.get()
            try:
                await self.process(key)
            finally:
                self.queue.done(key)

    async def process(self, key: str) -> str:
        """Reconcile a key once, log its sentence, and plan its return; returns the sentence."""
        where = {"controller": self.name, "key": key}
        try:
            await self._caught_up(key)
            result = await self.reconcile(key)
        except errors.Conflict as error:
            log.debug("decided on an old state", extra={**where, "error": str(error)})
            self.queue.retry(key)
            return str(error)
        except (errors.ApiError, TimeoutError) as error:
            pause = self.queue.retry(key)
            log.warning("reconcile failed", extra={**where, "error": str(error) or "timed out", "again_in": pause})
            return str(error)
        except Exception as error:
            pause = self.queue.retry(key)
            log.exception("reconcile broke", extra={**where, "again_in": pause})
            return repr(error)
        self.queue.forget(key)
        if result.again_seconds is not None:
            self.queue.add_after(key, result.again_seconds)
        log.log(logging.INFO if result.acted else logging.DEBUG, result.sentence, extra=where)
        return result.sentence

    async def _caught_up(self, key: str) -> None:
        marks = self._written.pop(key, None)
        if not marks:
            return
        try:
            async with asyncio.timeout(LAG_SECONDS):
                for followed, revision in marks.items():
                    await followed.wait_for_revision(revision)
        except TimeoutError:
            self._written[key] = marks
            raise TimeoutError("the cache does not show the last write yet") from None


class OfKind(Controller, Generic[M]):
    """A controller of the objects of one kind: it has a key for each, and looks at those that change."""

    kind: ClassVar[type[Any]]

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.known: informer.Informer[M] = self.informers.of(self.kind)
        self.known.add_handler(self._changed)

    def keys(self) -> Iterable[str]:
        """Return the key of every object."""
        return [objects.key_of(cast(Any, each)) for each in self.known.list()]

    def _changed(self, change: str, old: M | None, new: M | None) -> None:
        if new is not None:
            self.enqueue(objects.key_of(cast(Any, new)))


def owner_key(obj: Message, kind: str) -> str | None:
    """Return the key of the object's controller if it is of this kind."""
    reference = objects.controller_of(cast(Any, obj))
    if reference is None or reference.kind != kind:
        return None
    return f"{cast(Any, obj).metadata.namespace}/{reference.name}"


def controller_index(obj: Message) -> tuple[str, ...]:
    """Index an object by its controller's uid, or by `orphan:<namespace>` if it has none."""
    reference = objects.controller_of(cast(Any, obj))
    return (reference.uid,) if reference is not None else (f"orphan:{cast(Any, obj).metadata.namespace}",)
