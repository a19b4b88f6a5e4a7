"""The garbage collector: objects whose owners are gone go too.

Deleting an owner in the background lets its dependents go afterwards; in the foreground the owner waits for those
that block it; orphaning cuts the references first. The graph comes from informers of every kind that may own or be
owned; that an owner is gone is asked of the API itself before anything is deleted.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from typing import Any

import orjson

from control.controllers import customkinds, framework, ownergraph
from control.controllers.ownergraph import Node
from fairlead.api import codec, errors, objects, scheme
from fairlead.api.pb import meta_v1_pb2 as metav1
from fairlead.client import informer, interface

# Kinds that own nothing, are owned by nothing, and are many.
IGNORED = frozenset({"Event"})


class GarbageCollector(framework.Controller):
    """Judges objects that have owners, and owners that wait; one key an object."""

    name = "garbage-collector"
    workers = 8

    def __init__(self, context: framework.Context, kinds: scheme.Scheme = scheme.DEFAULT) -> None:
        super().__init__(context)
        self._graph = ownergraph.Graph()
        self._followed: dict[str, informer.Informer[Any]] = {}
        for kind in kinds:
            if kind.kind not in IGNORED:
                self._follow(kind)
        self._custom = customkinds.CustomKinds(self.informers, kinds, began=self._follow, ended=self._forget)

    def _follow(self, kind: scheme.Kind) -> None:
        carrier = objects.class_of(kind)
        name = objects.type_name(carrier)
        followed = self._followed[name] = self.informers.of(carrier)

        def changed(change: str, old: Any | None, new: Any | None) -> None:
            self._changed(name, old, new)

        followed.add_handler(changed)

    def _forget(self, kind: scheme.Kind) -> None:
        """Stop following a custom kind that is gone; its objects went before it."""
        carrier = objects.class_of(kind)
        followed = self._followed.pop(objects.type_name(carrier), None)
        for obj in followed.list() if followed is not None else ():
            node = Node(objects.type_name(carrier), objects.key_of(obj))
            self._graph.put(node, ownergraph.meta_of(obj), None)
            self._owner_gone(ownergraph.meta_of(obj))
        self.informers.drop(carrier)

    def keys(self) -> Iterable[str]:
        """Return every object that has an owner or waits as one."""
        for name, followed in self._followed.items():
            for obj in followed.list():
                meta = ownergraph.meta_of(obj)
                if meta.ownerReferences or ownergraph.is_waiting(meta) or ownergraph.is_orphaning(meta):
                    yield Node(name, objects.key_of(obj)).text()

    def _changed(self, name: str, old: Any | None, new: Any | None) -> None:
        obj = new if new is not None else old
        assert obj is not None
        node = Node(name, objects.key_of(obj))
        before = ownergraph.meta_of(old) if old is not None else None
        after = ownergraph.meta_of(new) if new is not None else None
        if before is None or after is None or _linked(before) != _linked(after):
            self._graph.put(node, before, after)
        if not self._running:
            return
        if before is not None and (after is None or after.uid != before.uid):
            self._owner_gone(before)
        elif before is not None and after is not None and _linked(before) != _linked(after):
            self._look_at_owners(before)
        if after is not None and _concerns(before, after):
            self.enqueue(node.text())

    def _owner_gone(self, meta: metav1.ObjectMeta) -> None:
        """Look at what the object owned, and at the owners that waited for it."""
        for dependent in self._graph.dependents(meta.uid):
            self.enqueue(dependent.text())
        self._look_at_owners(meta)

    def _look_at_owners(self, meta: metav1.ObjectMeta) -> None:
        """Look at the object's owners, which it may have held until now."""
        for uid in ownergraph.owners(meta):
            owner = self._graph.place(uid)
            if owner is not None:
                self.enqueue(owner.text())

    def _object(self, node: Node) -> Any | None:
        followed = self._followed.get(node.kind)
        return followed.get_key(node.key) if followed is not None else None

    async def reconcile(self, key: str) -> framework.Result:
        node = ownergraph.parse(key)
        obj = self._object(node)
        if obj is None:
            return framework.nothing("gone")
        meta = ownergraph.meta_of(obj)
        if ownergraph.is_orphaning(meta):
            return await self._orphan(key, obj)
        if ownergraph.is_waiting(meta):
            return await self._release(key, obj)
        absent, waiting = await self._judge_owners(meta)
        decision = ownergraph.decide(meta, absent, waiting, self._is_blocked(meta.uid))
        if decision.action == "keep":
            return framework.nothing("has its owners")
        with contextlib.suppress(errors.NotFound):
            if decision.action == "drop":
                await self._drop(key, obj, decision.drop)
                return framework.Result(f"dropped {len(decision.drop)} owners that are gone")
            preconditions = metav1.Preconditions(uid=meta.uid, resourceVersion=meta.resourceVersion)
            options = metav1.DeleteOptions(propagationPolicy=decision.policy, preconditions=preconditions)
            await self.client.delete(type(obj), meta.name, meta.namespace, options=options)
        return framework.Result(f"deleted, as its owners are gone ({decision.policy})")

    async def _judge_owners(self, meta: metav1.ObjectMeta) -> tuple[set[str], set[str]]:
        """Return the owners that are certainly gone and those that wait for their dependents."""
        absent, waiting = set(), set()
        for reference in meta.ownerReferences:
            place = self._graph.place(reference.uid)
            if place is not None:
                owner = self._object(place)
                if owner is not None and ownergraph.is_waiting(ownergraph.meta_of(owner)):
                    waiting.add(reference.uid)
            elif await self._is_absent(reference, meta.namespace):
                absent.add(reference.uid)
        return absent, waiting

    async def _is_absent(self, reference: metav1.OwnerReference, namespace: str) -> bool:
        """Ask the API for an owner that the informers do not show; one of a kind that is not served stays."""
        try:
            kind = self._custom.scheme.by_kind(reference.apiVersion, reference.kind)
        except scheme.UnknownKind:
            return False
        try:
            where = namespace if kind.namespaced else ""
            owner = await self.client.get(objects.class_of(kind), reference.name, where)
        except errors.NotFound:
            return True
        return ownergraph.meta_of(owner).uid != reference.uid

    def _is_blocked(self, uid: str) -> bool:
        return ownergraph.blocking(uid, self._metas(uid))

    def _metas(self, uid: str) -> Iterable[metav1.ObjectMeta]:
        for node in self._graph.dependents(uid):
            obj = self._object(node)
            if obj is not None:
                yield ownergraph.meta_of(obj)

    async def _release(self, key: str, obj: Any) -> framework.Result:
        """Let an owner go that waits, once nothing blocks it; else see that its dependents go."""
        meta = ownergraph.meta_of(obj)
        if not self._is_blocked(meta.uid):
            await self._remove_finalizer(key, obj, ownergraph.FOREGROUND)
            return framework.Result("nothing blocks it any more")
        if ownergraph.is_holding(meta) and ownergraph.in_circle(meta.uid, self._metas):
            await self._unblock(key, obj)
            return framework.Result("waits for itself, and holds its owners no longer")
        dependents = self._graph.dependents(meta.uid)
        for dependent in dependents:
            self.enqueue(dependent.text())
        return framework.nothing(f"waits for {len(dependents)} dependents")

    async def _orphan(self, key: str, obj: Any) -> framework.Result:
        """Cut the references to an owner, then let it go."""
        uid = ownergraph.meta_of(obj).uid
        dependents = self._graph.dependents(uid)
        for node in dependents:
            dependent = self._object(node)
            if dependent is not None:
                with contextlib.suppress(errors.NotFound):
                    await self._drop(key, dependent, {uid})
        await self._remove_finalizer(key, obj, ownergraph.ORPHAN)
        return framework.Result(f"orphaned {len(dependents)} dependents")

    async def _drop(self, key: str, obj: Any, drop: Iterable[str]) -> None:
        kept = ownergraph.without(ownergraph.meta_of(obj).ownerReferences, set(drop))
        await self._patch(key, obj, {"ownerReferences": [codec.to_json(each) for each in kept]})

    async def _unblock(self, key: str, obj: Any) -> None:
        """Let an object's owners go without waiting for it."""
        references = [codec.to_json(each) for each in ownergraph.meta_of(obj).ownerReferences]
        with contextlib.suppress(errors.NotFound):
            await self._patch(
                key, obj, {"ownerReferences": [{**each, "blockOwnerDeletion": False} for each in references]}
            )

    async def _remove_finalizer(self, key: str, obj: Any, finalizer: str) -> None:
        kept = [each for each in ownergraph.meta_of(obj).finalizers if each != finalizer]
        with contextlib.suppress(errors.NotFound):
            await self._patch(key, obj, {"finalizers": kept})

    async def _patch(self, key: str, obj: Any, changes: dict[str, Any]) -> None:
        meta = ownergraph.meta_of(obj)
        body = {"metadata": {"uid": meta.uid, "resourceVersion": meta.resourceVersion, **changes}}
        patch = interface.Patch(interface.PatchType.MERGE, orjson.dumps(body))
        await self.client.patch(type(obj), meta.name, meta.namespace, patch)


def _linked(meta: metav1.ObjectMeta) -> tuple[Any, ...]:
    return meta.uid, [(reference.uid, reference.blockOwnerDeletion) for reference in meta.ownerReferences]


def _concerns(before: metav1.ObjectMeta | None, after: metav1.ObjectMeta) -> bool:
    """Whether a change is worth a look: the object waits as an owner, or has other owners than before."""
    if ownergraph.is_waiting(after) or ownergraph.is_orphaning(after):
        return True
    return bool(after.ownerReferences) and (before is None or ownergraph.owners(before) != ownergraph.owners(after))
