"""An informer: a local, indexed copy of a collection that follows the API by list and watch.

Scheduler, controllers and dispatcher read from informers and never poll. `run` keeps the copy: it lists, watches
from the list's revision, resumes a broken watch where it stopped, and lists again when that revision is gone.
Handlers are called in the order of events, without awaiting, and see the copy already changed. Objects are
shared with whoever else holds them and must never be changed.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import itertools
import logging
import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Generic, Literal, TypeVar, cast

from google.protobuf.message import Message

from fairlead import clock as clocks
from fairlead import slices
from fairlead.api import errors, objects
from fairlead.client import interface

M = TypeVar("M", bound=Message)

Change = Literal["ADDED", "MODIFIED", "DELETED"]
# Called with what happened, the object before (None if added) and the object after (None if deleted).
Handler = Callable[[Change, M | None, M | None], None]
Indexer = Callable[[M], Iterable[str]]

log = logging.getLogger(__name__)

FIRST_RETRY_SECONDS = 0.05
# Short, so that loops act soon after an outage; jitter keeps many informers from coming back at once.
LONGEST_RETRY_SECONDS = 3.0
PAGE_SIZE = 500
# How long changes are gathered when so many came in a row, each this soon after the one before.
GATHER_SECONDS = 0.002
GATHER_AFTER = 16


class _Index(Generic[M]):
    """Objects by the values that a function gives them."""

    def __init__(self, values_of: Indexer[M]) -> None:
        self.values_of = values_of
        self.buckets: dict[str, dict[str, M]] = {}

    def replace(self, key: str, old: M | None, new: M | None) -> None:
        before = set(self.values_of(old)) if old is not None else set()
        after = list(self.values_of(new)) if new is not None else []
        for value in before.difference(after):
            bucket = self.buckets[value]
            del bucket[key]
            if not bucket:
                del self.buckets[value]
        if new is not None:
            for value in after:
                self.buckets.setdefault(value, {})[key] = new


class Informer(Generic[M]):
    """A local copy of the objects of one kind that `namespace` and `select` let through."""

    def __init__(
        self,
        client: interface.Client,
        kind: type[M],
        *,
        namespace: str = "",
        select: interface.Selection = interface.EVERYTHING,
        clock: clocks.Clock = clocks.SYSTEM,
    ) -> None:
        self.kind = kind
        self._client = client
        self._namespace = namespace
        self._select = select
        self._clock = clock
        self._objects: dict[str, M] = {}
        self._by_namespace = _Index[M](lambda obj: (cast(Any, obj).metadata.namespace,))
        self._indexes: dict[str, _Index[M]] = {}
        self._handlers: list[Handler[M]] = []
        self._synced = asyncio.Event()
        self._revision = 0
        self._waiters: list[tuple[int, int, asyncio.Future[None]]] = []
        self._order = itertools.count()

    # Reading

    @property
    def revision(self) -> int:
        """Return the revision up to which every change is known; 0 before the first list."""
        return self._revision

    @property
    def has_synced(self) -> bool:
        """Whether the first list has been taken in."""
        return self._synced.is_set()

    def get(self, name: str, namespace: str = "") -> M | None:
        """Return the object of this name, or None."""
        return self._objects.get(f"{namespace}/{name}" if namespace else name)

    def get_key(self, key: str) -> M | None:
        """Return the object of `namespace/name` (`name` if cluster-scoped), or None."""
        return self._objects.get(key)

    def list(self, namespace: str = "") -> Sequence[M]:
        """Return all objects, or those of one namespace."""
        if not namespace:
            return list(self._objects.values())
        return list(self._by_namespace.buckets.get(namespace, {}).values())

    def by_index(self, name: str, value: str) -> Sequence[M]:
        """Return the objects that the index gives this value."""
        return list(self._indexes[name].buckets.get(value, {}).values())

    def index_values(self, name: str) -> Iterator[str]:
        """Iterate over the values that the index holds."""
        return iter(list(self._indexes[name].buckets))

    def __len__(self) -> int:
        return len(self._objects)

    def __contains__(self, key: str) -> bool:
        return key in self._objects

    # Setting up

    def add_index(self, name: str, values_of: Indexer[M]) -> None:
        """Index objects by what `values_of` says of each; adding the same name again changes nothing."""
        if name in self._indexes:
            return
        index = self._indexes[name] = _Index(values_of)
        for key, obj in self._objects.items():
            index.replace(key, None, obj)

    def add_handler(self, handler: Handler[M]) -> None:
        """Call `handler` for every change from now on, after ADDED for each object that is there already."""
        self._handlers.append(handler)
        for obj in list(self._objects.values()):
            handler("ADDED", None, obj)

    def remove_handler(self, handler: Handler[M]) -> None:
        """Stop calling a handler."""
        self._handlers.remove(handler)

    # Waiting

    async def synced(self) -> None:
        """Wait until the first list has been taken in."""
        await self._synced.wait()

    async def wait_for_revision(self, revision: int | str) -> None:
        """Wait until every change up to `revision` is known; bookmarks move it where nothing changes."""
        wanted = int(revision)
        if self._revision >= wanted:
            return
        reached: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiters, (wanted, next(self._order), reached))
        await reached

    # Following

    async def run(self) -> None:
        """Keep the copy until cancelled; errors of the API are logged and retried with growing pauses."""
        pause = FIRST_RETRY_SECONDS
        listed = stale = False
        while True:
            before = self._revision
            try:
                if not listed:
                    # "0" asks for whatever the server has at hand; after a gap the answer must be fresh
                    await self._relist("" if stale else str(self._revision))
                    listed, stale = True, False
                await self._follow()
            except errors.Expired as error:
                log.info("watch expired", extra={"kind": self.kind.__name__, "error": str(error)})
                # a server that refuses even the list it was asked for is retried with a pause
                if listed:
                    listed, stale = False, True
                    continue
                stale = True
            except errors.ApiError as error:
                log.warning("watch failed", extra={"kind": self.kind.__name__, "error": str(error)})
            if self._revision > before:
                pause = FIRST_RETRY_SECONDS
            await self._clock.sleep(pause * random.uniform(0.5, 1.0))
            pause = min(pause * 2, LONGEST_RETRY_SECONDS)

    async def _follow(self) -> None:
        watch = self._client.watch(
            self.kind, self._namespace, select=self._select, resource_version=str(self._revision)
        )
        async with contextlib.aclosing(cast(Any, watch)) as batches:
            last, streak = 0.0, 0
            async for batch in batches:
                await self._apply_batch(batch)
                now = time.monotonic()
                streak = streak + 1 if now - last < GATHER_SECONDS else 0
                if streak >= GATHER_AFTER:
                    # changes pour in: taking them a few at a time costs much less than one by one
                    await asyncio.sleep(GATHER_SECONDS)
                    now = time.monotonic()
                last = now

    async def _apply_batch(self, batch: Sequence[interface.WatchEvent[M]]) -> None:
        async for event in slices.sliced(batch):
            meta = cast(Any, event.object).metadata
            if event.type != "BOOKMARK":
                self._apply(event.type, event.object)
            self._advance(int(meta.resourceVersion))

    async def _relist(self, revision: str) -> None:
        """Read the whole collection, in pages, and turn the difference to the copy into changes."""
        found: dict[str, M] = {}
        page = await self._page(revision, "")
        while True:
            for obj in page.items:
                found[objects.key_of(cast(Any, obj))] = obj
            if not page.continue_:
                break
            page = await self._page("", page.continue_)
        async for key in slices.sliced([key for key in self._objects if key not in found]):
            self._apply("DELETED", self._objects[key])
        async for obj in slices.sliced(found.values()):
            self._apply("ADDED", obj)
        self._synced.set()
        self._advance(int(page.resource_version))

    async def _page(self, revision: str, continue_: str) -> interface.ObjectList[M]:
        return await self._client.list(
            self.kind,
            self._namespace,
            select=self._select,
            limit=PAGE_SIZE,
            continue_=continue_,
            resource_version=revision,
        )

    def _apply(self, change: Change, obj: M) -> None:
        key = objects.key_of(cast(Any, obj))
        old = self._objects.get(key)
        if change == "DELETED":
            if old is None:
                return
            del self._objects[key]
            self._index(key, old, None)
            self._tell("DELETED", obj, None)
            return
        if old is not None and _version(old) == _version(obj):
            return
        self._objects[key] = obj
        self._index(key, old, obj)
        self._tell("MODIFIED" if old is not None else "ADDED", old, obj)

    def _index(self, key: str, old: M | None, new: M | None) -> None:
        self._by_namespace.replace(key, old, new)
        for index in self._indexes.values():
            index.replace(key, old, new)

    def _tell(self, change: Change, old: M | None, new: M | None) -> None:
        for handler in self._handlers:
            handler(change, old, new)

    def _advance(self, revision: int) -> None:
        if revision <= self._revision:
            return
        self._revision = revision
        while self._waiters and self._waiters[0][0] <= revision:
            reached = heapq.heappop(self._waiters)[2]
            if not reached.done():
                reached.set_result(None)


def _version(obj: Message) -> str:
    return cast(str, cast(Any, obj).metadata.resourceVersion)


class Informers:
    """The informers that the loops of one program share, one a kind and namespace; `run` follows them all."""

    def __init__(self, client: interface.Client, *, clock: clocks.Clock = clocks.SYSTEM) -> None:
        self._client = client
        self._clock = clock
        self._informers: dict[str, Informer[Any]] = {}
        self._running: asyncio.TaskGroup | None = None
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def of(self, kind: type[M], namespace: str = "") -> Informer[M]:
        """Return the informer of a kind, made at the first call and followed from then on, or from `run` on."""
        name = f"{namespace}/{objects.type_name(kind)}"
        if name not in self._informers:
            made = Informer(self._client, kind, namespace=namespace, clock=self._clock)
            self._informers[name] = made
            self._follow(name, made)
        return cast(Informer[M], self._informers[name])

    def drop(self, kind: type[Any], namespace: str = "") -> None:
        """Forget a kind that is no longer served; who shares its informer drops it, too."""
        name = f"{namespace}/{objects.type_name(kind)}"
        self._informers.pop(name, None)
        task = self._tasks.pop(name, None)
        if task is not None:
            task.cancel()

    async def run(self) -> None:
        """Follow every informer until cancelled; one ends with an error, all end."""
        try:
            async with asyncio.TaskGroup() as tasks:
                self._running = tasks
                for name, informer in self._informers.items():
                    self._follow(name, informer)
                await asyncio.Event().wait()
        finally:
            self._running = None
            self._tasks.clear()

    def _follow(self, name: str, informer: Informer[Any]) -> None:
        if self._running is not None:
            task = self._running.create_task(informer.run(), name=f"informer {informer.kind.__name__}")
            self._tasks[name] = task

    async def synced(self) -> None:
        """Wait until each that is there has its first list."""
        for informer in list(self._informers.values()):
            await informer.synced()
