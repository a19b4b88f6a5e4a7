"""A small client over a dict: just enough of the API's rules for loops that use only `Client`.

Compare-and-swap by resourceVersion, uids, finalizers, graceful deletion of bound pods, watches with compaction.
What it cannot do (selectors, patches, validation) raises.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Sequence
from typing import Any

from fairlead.api import errors, objects, scheme
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import meta_v1_pb2 as metav1
from fairlead.client import interface


class Tiny:
    """Objects of every kind, one history of events, and the faults that a test asks for."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], Any] = {}
        self.history: list[tuple[int, str, interface.WatchEvent[Any]]] = []
        self.revision = 1
        self.compacted = 0
        self.writes: list[str] = []
        self.faults: list[Exception] = []
        self.watchers: set[asyncio.Queue[Any]] = set()
        self.down: Exception | None = None
        self._uids = itertools.count(1)
        self._lists = 0

    # What a test does to the server

    def put(self, *some: Any) -> None:
        """Store objects as they are, with a uid and a revision."""
        for obj in some:
            fresh = objects.copy(obj)
            known = self.objects.get(self._key(fresh))
            fresh.metadata.uid = (
                (known.metadata.uid if known else "") or fresh.metadata.uid or f"uid-{next(self._uids)}"
            )
            self._commit("MODIFIED" if known is not None else "ADDED", fresh)

    def remove(self, kind: type[Any], name: str, namespace: str = "") -> None:
        """Remove an object, whatever holds it."""
        self._remove(self.objects[kind.DESCRIPTOR.name, f"{namespace}/{name}"])

    def bookmark(self) -> None:
        """Tell every watcher how far it is."""
        for queue in self.watchers:
            queue.put_nowait(("bookmark", self.revision))

    def cut(self, error: Exception) -> None:
        """End every watch with an error."""
        for queue in self.watchers:
            queue.put_nowait(("error", error))

    def compact(self) -> None:
        """Forget all history."""
        self.compacted = self.revision
        self.history.clear()

    def all(self, kind: type[Any], namespace: str = "") -> list[Any]:
        """Return the objects of a kind by name."""
        return [
            obj
            for (name, key), obj in sorted(self.objects.items(), key=lambda item: item[0])
            if name == kind.DESCRIPTOR.name and (not namespace or key.startswith(f"{namespace}/"))
        ]

    # Client

    async def get(self, kind: type[Any], name: str, namespace: str = "", *, resource_version: str = "") -> Any:
        await self._pass()
        found = self.objects.get((kind.DESCRIPTOR.name, f"{namespace}/{name}"))
        if found is None:
            row = scheme.DEFAULT.of(kind)
            raise errors.not_found(row.group, row.resource, name)
        return found

    async def list(self, kind: type[Any], namespace: str = "", **options: Any) -> interface.ObjectList[Any]:
        await self._pass()
        self._lists += 1
        return interface.ObjectList(self.all(kind, namespace), str(self.revision))

    async def watch(
        self, kind: type[Any], namespace: str = "", *, select: Any = None, resource_version: str = ""
    ) -> AsyncIterator[Sequence[interface.WatchEvent[Any]]]:
        await self._pass()
        since = int(resource_version)
        if since < self.compacted:
            raise errors.Expired("too old resource version")
        queue: asyncio.Queue[Any] = asyncio.Queue()
        for revision, name, event in self.history:
            if revision > since:
                queue.put_nowait((name, event))
        self.watchers.add(queue)
        try:
            while True:
                what, event = await queue.get()
                if what == "error":
                    raise event
                if what == "bookmark":
                    mark = kind()
                    mark.metadata.resourceVersion = str(event)
                    yield [interface.WatchEvent("BOOKMARK", mark)]
                elif what == kind.DESCRIPTOR.name and namespace in ("", event.object.metadata.namespace):
                    yield [event]
        finally:
            self.watchers.discard(queue)

    async def create(self, obj: Any, *, namespace: str = "", dry_run: bool = False, field_manager: str = "") -> Any:
        await self._pass()
        fresh = objects.copy(obj)
        fresh.metadata.namespace = fresh.metadata.namespace or namespace
        if not fresh.metadata.name:
            fresh.metadata.name = f"{fresh.metadata.generateName}{next(self._uids):05}"
        if self._key(fresh) in self.objects:
            row = scheme.DEFAULT.of(fresh)
            raise errors.already_exists(row.group, row.resource, fresh.metadata.name)
        fresh.metadata.uid = f"uid-{next(self._uids)}"
        fresh.metadata.generation = 1
        self._wrote("create", fresh)
        return self._commit("ADDED", fresh)

    async def update(self, obj: Any, *, subresource: str = "", dry_run: bool = False, field_manager: str = "") -> Any:
        await self._pass()
        known = await self.get(type(obj), obj.metadata.name, obj.metadata.namespace)
        if obj.metadata.resourceVersion not in ("", known.metadata.resourceVersion):
            row = scheme.DEFAULT.of(obj)
            raise errors.conflict(row.group, row.resource, obj.metadata.name)
        fresh = objects.copy(known if subresource == "status" else obj)
        if subresource == "status":
            fresh.status.CopyFrom(obj.status)
        elif hasattr(fresh, "status"):
            fresh.status.CopyFrom(known.status)
            if hasattr(fresh, "spec") and fresh.spec != known.spec:
                fresh.metadata.generation = known.metadata.generation + 1
        self._wrote(f"update {subresource}".strip(), fresh)
        if fresh.metadata.HasField("deletionTimestamp") and not fresh.metadata.finalizers:
            return self._remove(fresh)
        return self._commit("MODIFIED", fresh)

    async def delete(
        self, kind: type[Any], name: str, namespace: str = "", *, options: metav1.DeleteOptions | None = None
    ) -> Any:
        await self._pass()
        known = await self.get(kind, name, namespace)
        if options is not None and options.preconditions.uid not in ("", known.metadata.uid):
            row = scheme.DEFAULT.of(known)
            raise errors.conflict(row.group, row.resource, name, "the UID in the precondition does not match")
        self._wrote("delete", known)
        now = options is not None and options.HasField("gracePeriodSeconds") and options.gracePeriodSeconds == 0
        held = bool(known.metadata.finalizers) or (
            isinstance(known, corev1.Pod) and bool(known.spec.nodeName) and not now
        )
        if not held:
            return self._remove(known)
        if known.metadata.HasField("deletionTimestamp"):
            return known
        fresh = objects.copy(known)
        fresh.metadata.deletionTimestamp.seconds = 1
        fresh.metadata.deletionGracePeriodSeconds = 30
        return self._commit("MODIFIED", fresh)

    async def post(
        self, kind: type[Any], name: str, namespace: str, subresource: str, body: Any, *, dry_run: bool = False
    ) -> Any:
        await self._pass()
        if subresource != "binding":
            raise NotImplementedError(subresource)
        fresh = objects.copy(await self.get(kind, name, namespace))
        if fresh.spec.nodeName:
            raise errors.conflict("", "pods", name, f"pod {name} is already assigned to node {fresh.spec.nodeName}")
        fresh.spec.nodeName = body.target.name
        fresh.status.conditions.add(type="PodScheduled", status="True")
        self._wrote("bind", fresh)
        self._commit("MODIFIED", fresh)
        return body

    async def patch(self, *args: Any, **options: Any) -> Any:
        raise NotImplementedError

    async def delete_collection(self, kind: type[Any], namespace: str = "", **options: Any) -> int:
        found = self.all(kind, namespace)
        for obj in found:
            await self.delete(kind, obj.metadata.name, obj.metadata.namespace)
        return len(found)

    def _key(self, obj: Any) -> tuple[str, str]:
        return obj.DESCRIPTOR.name, f"{obj.metadata.namespace}/{obj.metadata.name}"

    def _wrote(self, verb: str, obj: Any) -> None:
        if obj.DESCRIPTOR.name not in ("Lease", "Event"):
            self.writes.append(f"{verb} {obj.DESCRIPTOR.name} {obj.metadata.name}")

    def _commit(self, change: Any, fresh: Any) -> Any:
        self.revision += 1
        fresh.metadata.resourceVersion = str(self.revision)
        self.objects[self._key(fresh)] = fresh
        self._tell(change, fresh)
        return fresh

    def _remove(self, known: Any) -> Any:
        self.revision += 1
        last = objects.copy(known)
        last.metadata.resourceVersion = str(self.revision)
        self.objects.pop(self._key(known), None)
        self._tell("DELETED", last)
        return last

    def _tell(self, change: Any, obj: Any) -> None:
        event = interface.WatchEvent(change, obj)
        name = obj.DESCRIPTOR.name
        self.history.append((self.revision, name, event))
        for queue in self.watchers:
            queue.put_nowait((name, event))

    async def _pass(self) -> None:
        await asyncio.sleep(0)
        if self.down is not None:
            raise self.down
        if self.faults:
            raise self.faults.pop(0)
