"""Gets, lists and watches of one kind over the watch cache.

The registry inherits this. A read is linearizable unless it says otherwise: `resourceVersion=0` takes what is there,
another number waits until the cache has it. Pages after the first are read from etcd at the first page's revision,
unless the cache still shows it.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from control.apiserver import selection
from control.apiserver import views as viewing
from control.apiserver.strategies import strategy as strategies
from control.store import cache as caches
from control.store import interface
from control.store.entry import Entry
from control.store.watcher import Limits
from fairlead import slices
from fairlead.api import errors, scheme

PAGE_ITEMS = 500
PODS_BY_NODE = "node"  # the index that field selectors on spec.nodeName use
LAST_REVISION = (1 << 63) - 1
REVISION_DIGITS = 64  # leading zeros are let pass, more digits than int() reads are not
CONTINUE_VERSION = "meta.k8s.io/v1"
ANY_REVISION = -1  # a continue token's, whose reader takes the rest of a list as it is
LIST_TOO_OLD = "The resourceVersion for the provided list is too old."
PAGE_TOO_OLD = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list "
    "without the continue parameter, or use the continue token in this response to retrieve the remainder of the "
    "results. Continuing with the provided token results in an inconsistent list - objects that were created, "
    "modified, or deleted between the time the first chunk was returned and now may show up in the list."
)


@dataclass(frozen=True, slots=True)
class ListQuery:
    """What a list asks for; names as in Kubernetes' ListOptions."""

    namespace: str = ""
    labels: str = ""
    fields: str = ""
    limit: int = 0
    continue_: str = ""
    resource_version: str = ""
    resource_version_match: str = ""


@dataclass(frozen=True, slots=True)
class WatchQuery:
    """What a watch asks for. `bookmark_seconds`: how often it hears of progress without changes; 0: never.

    `initial_events` says whether it is told of what is there; None leaves that to the resource version.
    """

    namespace: str = ""
    labels: str = ""
    fields: str = ""
    resource_version: str = ""
    bookmark_seconds: float = 0.0
    initial_events: bool | None = None

    @property
    def begins_with_state(self) -> bool:
        """Whether the watch tells of what is there before it tells of changes."""
        return not self.resource_version.strip("0") if self.initial_events is None else self.initial_events


@dataclass(frozen=True, slots=True)
class Listing:
    """A page of a collection, read at `revision`."""

    entries: Sequence[Entry]
    revision: int
    continue_: str = ""
    remaining: int = 0


class Reader:
    """The reading half of a kind's registry."""

    def __init__(
        self,
        strategy: strategies.Strategy[Any],
        store: interface.Store,
        cache: caches.Cache,
        views: viewing.Views,
    ) -> None:
        self.strategy = strategy
        self.views = views
        self.kind = strategy.kind
        self._store = store
        self._cache = cache

    async def get(self, namespace: str, name: str, resource_version: str = "") -> Entry:
        """Return an object; errors.NotFound."""
        await self._reach(resource_version)
        entry = self._cache.get(self.kind, namespace, name)
        if entry is None:
            raise self.not_found(name)
        return await self.presented(entry)

    async def presented(self, entry: Entry) -> Entry:
        """Return an entry as the registry's version shows it."""
        return (await self.views.present([entry]))[0]

    async def list(self, query: ListQuery) -> Listing:
        """Return what is selected of a collection, in key order."""
        selector = selection.Selector(self.strategy, query.labels, query.fields)
        if query.continue_:
            revision, start = self._parse_continue(query.continue_, query.namespace)
            if query.resource_version not in ("", "0"):
                raise errors.BadRequest("specifying resource version is not allowed when using continue")
            if revision == ANY_REVISION:
                await self._cache.fresh()
                return await self._from_cache(query, selector, start)
            try:
                return await self._page(query, selector, revision, start)
            except errors.Expired:
                expired = errors.Expired(PAGE_TOO_OLD)
                expired.continue_ = continue_token(self.kind, query.namespace, start, ANY_REVISION)
                raise expired from None
        if query.resource_version_match == "Exact":
            try:
                return await self._page(query, selector, parse_version(query.resource_version), "")
            except errors.Expired:
                raise errors.Expired(LIST_TOO_OLD) from None
        await self._reach(query.resource_version)
        return await self._from_cache(query, selector, "")

    def watch(self, query: WatchQuery) -> AsyncGenerator[Sequence[selection.Event], None]:
        """Return an iterator over the changes of what is selected, after a revision or the collection itself.

        errors.BadRequest, at once, for a query that cannot be understood.
        """
        selector = selection.Selector(self.strategy, query.labels, query.fields)
        after = 0 if query.resource_version in ("", "0") else parse_version(query.resource_version)
        return self._watch(query, selector, after)

    async def _watch(
        self, query: WatchQuery, selector: selection.Selector, after: int
    ) -> AsyncGenerator[Sequence[selection.Event], None]:
        limits = Limits(progress_seconds=query.bookmark_seconds)
        initial: list[selection.Event] | None = None
        if query.begins_with_state:
            await self._reach(query.resource_version)
            after = self._cache.revision
            entries = await self._select(query.namespace, selector)
            initial = [selection.Event("ADDED", entry, entry.revision) async for entry in slices.sliced(entries)]
            if query.initial_events or query.bookmark_seconds:
                initial.append(selection.Event("BOOKMARK", None, after, initial_end=True))
        elif not after:
            await self._reach(query.resource_version)
            after = self._cache.revision
        elif after > self._cache.revision:
            await self._cache.wait_for(after)
        watcher = self._cache.watch(self.kind, query.namespace, after=after, limits=limits)
        async with watcher:
            if initial is not None:
                yield initial
            async for batch in watcher:
                changes = await self.views.present_changes(batch.changes)
                events = [event for change in changes if (event := selector.event(change)) is not None]
                if not events and query.bookmark_seconds:
                    events = [selection.Event("BOOKMARK", None, batch.revision)]
                if events:
                    yield events

    def not_found(self, name: str) -> errors.NotFound:
        """Return the error of an object that does not exist."""
        return errors.not_found(self.kind.group, self.kind.resource, name)

    async def _reach(self, resource_version: str) -> None:
        """Wait until the cache may serve a read."""
        if resource_version == "":
            await self._cache.fresh()
        elif resource_version != "0":
            await self._cache.wait_for(parse_version(resource_version))
        else:
            await self._cache.ready()

    async def _select(self, namespace: str, selector: selection.Selector) -> Sequence[Entry]:
        """Return what is selected, as of the cache's revision when this is called."""
        name = selector.fields.required("metadata.name")
        namespace = namespace or selector.fields.required("metadata.namespace") or ""
        if name and (namespace or not self.kind.namespaced):
            found = self._cache.get(self.kind, namespace, name)
            return await selector.select(await self.views.present([found] if found else []))
        node = selector.fields.required("spec.nodeName") if self.kind.resource == "pods" else None
        if node:
            entries = sorted(self._cache.find(self.kind, PODS_BY_NODE, node), key=lambda entry: entry.key)
            in_namespace = [entry for entry in entries if namespace in ("", entry.object.metadata.namespace)]
            return await selector.select(in_namespace)
        return await selector.select(await self.views.present(self._cache.list(self.kind, namespace)))

    async def _from_cache(self, query: ListQuery, selector: selection.Selector, start: str) -> Listing:
        revision = self._cache.revision
        entries = await self._select(query.namespace, selector)
        if start:
            entries = [entry for entry in entries if entry.key >= start]
        if not query.limit or len(entries) <= query.limit:
            return Listing(entries, revision)
        page = entries[: query.limit]
        remaining = len(entries) - query.limit if selector.empty else 0
        token = continue_token(self.kind, query.namespace, page[-1].key + "\0", revision)
        return Listing(page, revision, token, remaining)

    async def _page(self, query: ListQuery, selector: selection.Selector, revision: int, start: str) -> Listing:
        if revision == self._cache.revision:
            return await self._from_cache(query, selector, start)
        prefix = self.kind.key_prefix(query.namespace)
        found: list[Entry] = []
        while True:
            size = max(query.limit - len(found), 1) if query.limit else PAGE_ITEMS
            page = await self._store.list(prefix, start=start, limit=size, revision=revision)
            for item in page.items:
                start = item.key + "\0"
                entry = await self.presented(self.decode(item))
                if selector.matches(entry.object):
                    found.append(entry)
            if not page.remaining:
                return Listing(found, revision)
            if query.limit and len(found) >= query.limit:
                remaining = page.remaining if selector.empty else 0
                token = continue_token(self.kind, query.namespace, start, revision)
                return Listing(found, revision, token, remaining)

    def decode(self, item: interface.KeyValue) -> Entry:
        """Return the entry of a stored value."""
        return self.views.decode(item, self.kind)

    def _parse_continue(self, token: str, namespace: str) -> tuple[int, str]:
        try:
            parsed = orjson.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
            revision, start = int(parsed["rv"]), str(parsed["start"])
            if parsed["v"] != CONTINUE_VERSION:
                raise ValueError(parsed["v"])
            if revision != ANY_REVISION and not 0 < revision <= LAST_REVISION:
                raise ValueError("no such resource version")
        except (binascii.Error, ValueError, KeyError, TypeError):
            text = "invalid continue token: continue key is not valid: it is none that this server gave"
            raise errors.BadRequest(text) from None
        return revision, self.kind.key_prefix(namespace) + start


def continue_token(kind: scheme.Kind, namespace: str, start: str, revision: int) -> str:
    """Return the token for a collection's keys from `start` on, at a revision."""
    start = start.removeprefix(kind.key_prefix(namespace))
    token = orjson.dumps({"v": CONTINUE_VERSION, "rv": revision, "start": start})
    return base64.urlsafe_b64encode(token).decode().rstrip("=")


def parse_version(text: str) -> int:
    """Return a resourceVersion as a revision; errors.BadRequest for what is none."""
    if not text.isascii() or not text.isdecimal():
        raise errors.BadRequest(f'Invalid value: "{text}": resource version must be a non-negative integer')
    if len(text) > REVISION_DIGITS or int(text) > LAST_REVISION:
        raise errors.BadRequest(f'Invalid value: "{text}": resource version is out of range')
    return int(text)
