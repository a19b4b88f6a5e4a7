"""The watch cache: every object of the cluster in memory, as far as one revision.

Each control process has one. It lists once, follows one watch on the whole of etcd, and serves every get,
list and watch of the API. A linearizable read is `await fresh()` and then a plain read: `get` and `list` are
functions, so what they return between two awaits belongs to one `revision`.

The watch spans all keys, not /registry/ alone, so that every revision of etcd arrives as an event and a quorum
read's revision is always reached. Keys that no kind of the scheme claims pass by; the scheme is the process's own
and grows and shrinks with the definitions of custom resources that the cache holds. Past changes are kept for
each kind (`remembered_changes`), so that a reader that reconnects goes on where it was.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import logging
import math
import time
from collections.abc import Sequence

from control.store import definitions, history, interface, mutation, quorum, table, watcher
from control.store import entry as entries
from control.store.entry import Change, Entry
from fairlead import slices
from fairlead.api import codec, conversion, errors
from fairlead.api import scheme as schemes

WAIT_SECONDS = interface.UNAVAILABLE_SECONDS - 0.1  # the rest is the caller's, to report in time
RETRY_SECONDS = 0.5
SLICE_SECONDS = 0.005  # the longest that applying changes keeps the loop to itself
PAGE_ITEMS = 500
TICK_SECONDS = 0.05
READERS_A_PASS = 64  # of those that hear of one change; each has some 100 µs to do
ROOT = "/registry/"

_Changes = dict[str, list[Change]]

_log = logging.getLogger(__name__)


class Cache:
    """Objects of all kinds at one revision, kept current by `run`."""

    def __init__(
        self,
        store: interface.Store,
        scheme: schemes.Scheme | None = None,
        *,
        remembered_changes: int = history.REMEMBERED_CHANGES,
        detect_mutations: bool | None = None,
    ) -> None:
        self._store = store
        self.scheme = scheme or schemes.DEFAULT.copy()
        self._remembered_changes = remembered_changes
        self._tables: dict[str, table.Table] = {}
        for kind in self.scheme:
            self._tables.setdefault(kind.prefix, table.Table(kind, remembered_changes))
        self._depths = self._prefix_depths()
        self._definitions = definitions.Definitions(self.scheme)
        self._detector = mutation.MutationDetector(detect_mutations)
        self._revision = 0
        self._filled = asyncio.Event()
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._order = itertools.count()
        self._reads = quorum.Reads(store)
        self._ticking: asyncio.Handle | None = None
        self._due = math.inf  # of the tick: uvloop's handles of what is due at once do not tell
        self._turns = slices.Turns(READERS_A_PASS)
        self._shortest = math.inf  # the interval of the watcher that wants progress most often

    async def run(self) -> None:
        """Fill the cache and follow the store, for ever; one supervised task of the process."""
        while True:
            try:
                if not self._filled.is_set():
                    await self._fill()
                await self._follow()
            except errors.Expired:
                _log.warning("history is compacted, listing again", extra={"revision": self._revision})
                self._filled.clear()
            except (errors.ServiceUnavailable, errors.Timeout) as error:
                _log.warning("etcd does not answer", extra={"error": str(error)})
                await asyncio.sleep(RETRY_SECONDS)

    async def ready(self) -> None:
        """Wait until the cache has been filled for the first time."""
        if not self._revision:
            await self._filled.wait()

    @property
    def revision(self) -> int:
        """The revision that reads show: 0 before the first fill."""
        return self._revision

    async def wait_for(self, revision: int, timeout: float = WAIT_SECONDS) -> None:
        """Wait until reads show a revision; errors.Timeout, as Kubernetes words it, where that takes too long."""
        if revision <= self._revision:
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiter = (revision, next(self._order), future)
        heapq.heappush(self._waiting, waiter)
        try:
            async with asyncio.timeout(timeout):
                await future
        except TimeoutError:
            raise errors.too_large_resource_version(revision, self._revision) from None
        finally:
            if revision > self._revision:
                self._waiting.remove(waiter)
                heapq.heapify(self._waiting)

    async def fresh(self) -> int:
        """Make the following reads linearizable: wait until the cache has what etcd had when this was called.

        Returns the revision of that quorum read, which all who call meanwhile share. ServiceUnavailable within
        WAIT_SECONDS where no leader answers or the watch does not follow.
        """
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                revision = await asyncio.shield(self._reads.next())
                await self.wait_for(revision, 2 * WAIT_SECONDS)
        except TimeoutError:
            raise errors.ServiceUnavailable("etcd does not answer, or its watch lags behind") from None
        return revision

    def get(self, kind: schemes.Kind, namespace: str, name: str) -> Entry | None:
        """Return an object; the namespace is empty for a cluster-scoped kind."""
        return self._table(kind).get(kind.key(namespace, name))

    def list(self, kind: schemes.Kind, namespace: str = "") -> Sequence[Entry]:
        """Return a collection in key order, as of `revision`; a fresh list of shared entries."""
        return self._table(kind).list(namespace)

    def index(self, kind: schemes.Kind, name: str, function: table.IndexFunction) -> None:
        """Keep a kind's objects by the values that a pure function finds in each (pods by node, by owner)."""
        self._tables[kind.prefix].index(name, function)

    def find(self, kind: schemes.Kind, name: str, value: str) -> Sequence[Entry]:
        """Return the entries that an index holds under a value, in no particular order."""
        return self._table(kind).find(name, value)

    def version(self, kind: schemes.Kind) -> int:
        """Return a number that changes with any object of a kind: for what is computed from all of them."""
        return self._table(kind).version

    def watch(
        self,
        kind: schemes.Kind,
        namespace: str = "",
        *,
        after: int,
        limits: watcher.Limits = watcher.USUAL,
    ) -> watcher.Watcher:
        """Return an async iterator over the changes with revisions above `after`, in batches.

        errors.Expired here where `after` is older than what the cache remembers, later where the reader falls
        behind its limits. Close it, or use it in `async with`. The cache must be ready.
        """
        if not self._revision:
            raise errors.ServiceUnavailable("the watch cache is not filled yet")
        source = self._table(kind)
        if after < source.history.floor:
            raise errors.Expired(f"too old resource version: {after} ({source.history.floor})")
        made = watcher.Watcher(
            kind.key_prefix(namespace) if namespace else "",
            after,
            published=lambda: self._revision,
            detach=source.watchers.discard,
            turns=self._turns,
            limits=limits,
        )
        missed = source.history.since(after)
        if missed:
            made.offer(missed)
        source.watchers.add(made)
        self._shortest = min(self._shortest, made.progress_seconds)
        self._arm()
        return made

    def check_mutations(self) -> None:
        """Raise MutatedError where a reader has changed a shared object; does nothing unless it detects."""
        self._detector.check()

    def _table(self, kind: schemes.Kind) -> table.Table:
        """Return a kind's table; errors.NotFound where a custom kind has gone meanwhile."""
        found = self._tables.get(kind.prefix)
        if found is None:
            raise errors.no_resource()
        return found

    async def _fill(self) -> None:
        """Read everything at one revision and show it; watchers see what changed since the last fill."""
        revision = await self._fill_definitions()
        found: dict[str, dict[str, Entry]] = {prefix: {} for prefix in self._tables}
        pause = _Pause()
        start, remaining = "", 1
        while remaining:
            page = await self._store.list(ROOT, start=start, limit=PAGE_ITEMS, revision=revision)
            remaining = page.remaining
            for item in page.items:
                start = item.key + "\0"
                source = self._locate(item.key)
                held = source and self._decode(source, item)
                if source and held:
                    found[source.kind.prefix][item.key] = held
                if pause.due():
                    await asyncio.sleep(0)
        self._replace(found, revision)
        _log.info("filled the watch cache", extra={"revision": revision, "objects": sum(map(len, found.values()))})

    async def _fill_definitions(self) -> int:
        """Learn which custom kinds there are, before their objects are read; returns the revision of that."""
        known: set[str] = set()
        page = await self._store.list(definitions.KIND.key_prefix())
        for item in page.items:
            held = self._decode(self._tables[definitions.KIND.prefix], item)
            if held is not None:
                known.add(item.key)
                self._keep(self._definitions.apply(item.key, held.object))  # type: ignore[arg-type]
        for key in set(self._definitions.keys()) - known:
            self._keep(self._definitions.apply(key, None))
        return page.revision

    def _keep(self, effect: definitions.Effect) -> None:
        """Begin or end the table of a custom kind; its watchers end with it."""
        if effect.ends is not None:
            gone = self._tables.pop(effect.ends.prefix, None)
            for reader in list(gone.watchers) if gone is not None else ():
                reader.close()
        if effect.begins is not None:
            present = self._tables.get(effect.begins.prefix)
            if present is not None:
                present.kind = effect.begins
            else:
                self._tables[effect.begins.prefix] = table.Table(effect.begins, self._remembered_changes)
        self._depths = self._prefix_depths()

    def _prefix_depths(self) -> Sequence[int]:
        return sorted({prefix.count("/") + 1 for prefix in self._tables}, reverse=True)

    async def _define(self, event: interface.Event, change: Change) -> None:
        """Take in a changed definition. What already lies under its prefix is read as of the change's revision."""
        definition = change.entry.object if change.type != "DELETED" else None
        effect = self._definitions.apply(event.key, definition)  # type: ignore[arg-type]
        begins = effect.begins
        fresh = begins is not None and begins.prefix not in self._tables
        self._keep(effect)
        if begins is None or not fresh:
            return
        source = self._tables[begins.prefix]
        held = []
        page = await self._store.list(begins.key_prefix(), revision=event.revision)
        async for item in slices.sliced(page.items):
            entry = self._decode(source, item) if self._locate(item.key) is source else None
            if entry is not None:
                self._detector.saw(entry)
                held.append(entry)
        source.fill(held)
        source.history.clear(event.revision)

    def _replace(self, found: dict[str, dict[str, Entry]], revision: int) -> None:
        first = not self._revision
        for prefix, source in self._tables.items():
            changes: Sequence[Change] = () if first else self._differences(source, found[prefix], revision)
            source.fill(found[prefix].values())
            for held in found[prefix].values():
                self._detector.saw(held)
            if changes:
                source.publish(changes)
            source.history.clear(revision)
        self._filled.set()
        self._publish(revision)

    def _differences(self, source: table.Table, found: dict[str, Entry], revision: int) -> Sequence[Change]:
        """Return what happened between two lists, deletions last: their own revisions are not known."""
        present: list[Change] = []
        gone: list[Change] = []
        for previous in source.list(""):
            if previous.key not in found:
                self._detector.forget(previous.key)
                gone.append(entries.deleted(previous, revision))
        for key, held in found.items():
            before = source.get(key)
            if before is None:
                present.append(Change("ADDED", held, None))
            elif before.revision != held.revision:
                present.append(Change("MODIFIED", held, before))
        present.sort(key=lambda change: change.revision)
        return present + gone

    async def _follow(self) -> None:
        async for batch in self._store.watch("", self._revision, previous=False):
            await self._apply(batch)

    async def _apply(self, batch: interface.Batch) -> None:
        """Apply events revision by revision, showing what is done whenever the loop has waited long enough."""
        changes: _Changes = {}
        pause = _Pause()
        done = self._revision
        for event in batch.events:
            if event.revision > done and pause.due():
                self._show(changes, done)
                changes = {}
                await asyncio.sleep(0)
            done = event.revision
            source = self._locate(event.key)
            change = source and self._change(source, event)
            if source and change:
                changes.setdefault(source.kind.prefix, []).append(change)
                if source.kind is definitions.KIND:
                    await self._define(event, change)
        self._show(changes, batch.revision)

    def _change(self, source: table.Table, event: interface.Event) -> Change | None:
        if event.current is None:
            self._detector.forget(event.key)
            previous = source.remove(event.key)
            return entries.deleted(previous, event.revision) if previous else None
        held = self._decode(source, event.current)
        if held is None:
            return None
        self._detector.saw(held)
        previous = source.put(held)
        return Change("MODIFIED" if previous else "ADDED", held, previous)

    def _show(self, changes: _Changes, revision: int) -> None:
        for prefix, some in changes.items():
            if prefix in self._tables:  # a custom kind's table may have ended by a later change
                self._tables[prefix].publish(some)
        self._publish(revision)

    def _publish(self, revision: int) -> None:
        self._revision = revision
        while self._waiting and self._waiting[0][0] <= revision:
            future = heapq.heappop(self._waiting)[2]
            if not future.done():
                future.set_result(None)
        self._arm()

    def _arm(self) -> None:
        """See to it that watchers without changes hear, in a while, how far the cache has come."""
        if self._shortest == math.inf:
            return
        loop = asyncio.get_running_loop()
        due = loop.time() + max(TICK_SECONDS, self._shortest)
        if due < self._due:
            self._tick_at(due)

    def _tick_at(self, due: float) -> None:
        if self._ticking is not None:
            self._ticking.cancel()
        self._ticking, self._due = asyncio.get_running_loop().call_at(due, self._tick), due

    def _tick(self) -> None:
        self._ticking, self._due = None, math.inf
        now = asyncio.get_running_loop().time()
        readers = [reader for source in self._tables.values() for reader in source.watchers]
        self._shortest = min((reader.progress_seconds for reader in readers), default=math.inf)
        wait = min((reader.tick(now) for reader in readers), default=math.inf)
        if wait < math.inf:
            self._tick_at(now + max(TICK_SECONDS, wait))

    def _locate(self, key: str) -> table.Table | None:
        """Return the table whose kind a key belongs to: the longest prefix whose rest is [namespace/]name."""
        parts = key.split("/")
        if len(parts) < 4 or parts[1] != "registry":
            return None
        for depth in self._depths:
            found = self._tables.get("/".join(parts[2 : 2 + depth]))
            if found is not None and len(parts) == 2 + depth + (2 if found.kind.namespaced else 1):
                return found
        return None

    def _decode(self, source: table.Table, item: interface.KeyValue) -> Entry | None:
        """Return the entry of a stored value; what cannot be read is reported and left out."""
        try:
            if source.kind.message is None:
                custom = codec.decode_stored_custom(item.value, source.kind)
                return Entry(item.key, custom.kind, custom, item.revision)
            stored = codec.decode_stored(item.value, scheme=self.scheme)
            # an older server may have stored another version of the kind
            return Entry(item.key, source.kind, conversion.to_hub(stored), item.revision)
        except (codec.DecodeError, schemes.UnknownKind, ValueError) as error:
            _log.error("a stored value cannot be read", extra={"key": item.key, "error": str(error)})
            return None


class _Pause:
    """Says when a loop over objects has kept the event loop long enough."""

    __slots__ = ("_until",)

    def __init__(self) -> None:
        self._until = time.monotonic() + SLICE_SECONDS

    def due(self) -> bool:
        """Whether to yield now; the next slice then begins."""
        now = time.monotonic()
        if now < self._until:
            return False
        self._until = now + SLICE_SECONDS
        return True
