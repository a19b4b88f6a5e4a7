"""The in-process `Client`: the API of this process for one user, at the cost of a function call.

Controllers, scheduler and dispatcher get one from the API server. What reads return is the cache's own message,
shared and never to be changed; what writes return belongs to the caller.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, TypeVar, cast

from google.protobuf.message import Message

from control.apiserver import reading, selection
from control.apiserver.target import Target
from fairlead.api import objects
from fairlead.api.pb import meta_v1_pb2 as metav1
from fairlead.client.interface import EVERYTHING, ObjectList, Patch, Selection, WatchEvent

if TYPE_CHECKING:
    from control.apiserver import authn, server

M = TypeVar("M", bound=Message)
R = TypeVar("R", bound=Message)

BOOKMARK_SECONDS = 0.05  # how soon a watcher in this process hears that the cache has come further
WRITES_A_PASS = 16  # that begin in one pass of the loop: up to half a millisecond each before they first wait


class InProcessClient:
    """`Client` over an API server in the same process; writes that come at once begin in turns."""

    def __init__(self, api: server.ApiServer, user: authn.User) -> None:
        self._api = api
        self.user = user

    async def get(self, kind: type[M], name: str, namespace: str = "", *, resource_version: str = "") -> M:
        """Read an object."""
        entry = await self._api.get(self.user, self._target(kind, namespace, name), resource_version)
        return cast(M, entry.object)

    async def list(
        self,
        kind: type[M],
        namespace: str = "",
        *,
        select: Selection = EVERYTHING,
        limit: int = 0,
        continue_: str = "",
        resource_version: str = "",
    ) -> ObjectList[M]:
        """Read a collection at one revision."""
        query = reading.ListQuery(namespace, select.labels, select.fields, limit, continue_, resource_version)
        page = await self._api.list(self.user, objects.kind_of(kind), query)
        items = [cast(M, entry.object) for entry in page.entries]
        return ObjectList(items, str(page.revision), page.continue_, page.remaining)

    async def watch(
        self,
        kind: type[M],
        namespace: str = "",
        *,
        select: Selection = EVERYTHING,
        resource_version: str = "",
    ) -> AsyncIterator[Sequence[WatchEvent[M]]]:
        """Iterate over batches of changes, bookmarks included."""
        query = reading.WatchQuery(namespace, select.labels, select.fields, resource_version, BOOKMARK_SECONDS)
        events = self._api.watch(self.user, objects.kind_of(kind), query)
        async with contextlib.aclosing(events):
            async for some in events:
                yield [watch_event(kind, event) for event in some]

    async def create(self, obj: M, *, namespace: str = "", dry_run: bool = False, field_manager: str = "") -> M:
        """Create an object and return it as stored."""
        target = self._target(type(obj), namespace)
        await self._api.turns.turn()
        entry = await self._api.create(self.user, target, objects.copy(obj), dry_run=dry_run, manager=field_manager)
        return cast(M, entry.object)

    async def update(self, obj: M, *, subresource: str = "", dry_run: bool = False, field_manager: str = "") -> M:
        """Replace an object or its status."""
        meta: metav1.ObjectMeta = obj.metadata  # type: ignore[attr-defined]
        target = self._target(type(obj), meta.namespace, meta.name, subresource)
        await self._api.turns.turn()
        entry = await self._api.update(self.user, target, obj, dry_run=dry_run, manager=field_manager)
        return cast(M, entry.object)

    async def patch(
        self,
        kind: type[M],
        name: str,
        namespace: str,
        patch: Patch,
        *,
        subresource: str = "",
        dry_run: bool = False,
        field_manager: str = "",
    ) -> M:
        """Change an object by a patch document."""
        target = self._target(kind, namespace, name, subresource)
        await self._api.turns.turn()
        entry = await self._api.patch(self.user, target, patch, dry_run=dry_run, manager=field_manager)
        return cast(M, entry.object)

    async def delete(
        self, kind: type[M], name: str, namespace: str = "", *, options: metav1.DeleteOptions | None = None
    ) -> M:
        """Delete an object; returns its last state."""
        await self._api.turns.turn()
        entry, _ = await self._api.delete(self.user, self._target(kind, namespace, name), options)
        return cast(M, entry.object)

    async def delete_collection(
        self,
        kind: type[M],
        namespace: str = "",
        *,
        select: Selection = EVERYTHING,
        options: metav1.DeleteOptions | None = None,
    ) -> int:
        """Delete what is selected; returns the number of objects."""
        query = reading.ListQuery(namespace, select.labels, select.fields)
        return len(await self._api.delete_collection(self.user, objects.kind_of(kind), query, options))

    async def post(
        self, kind: type[Message], name: str, namespace: str, subresource: str, body: R, *, dry_run: bool = False
    ) -> R:
        """Create a subresource."""
        target = self._target(kind, namespace, name, subresource)
        await self._api.turns.turn()
        entry = await self._api.create(self.user, target, objects.copy(body), dry_run=dry_run)
        return cast(R, entry.object)

    def _target(self, kind: type[Message], namespace: str, name: str = "", subresource: str = "") -> Target:
        return Target(objects.kind_of(kind), namespace, name, subresource)


def watch_event(kind: type[M], event: selection.Event) -> WatchEvent[M]:
    """Return an event as clients see it; a bookmark's object carries only its revision."""
    if event.entry is not None:
        return WatchEvent(event.type, cast(M, event.entry.object))
    return WatchEvent("BOOKMARK", cast(M, selection.bookmark(kind, event)))
