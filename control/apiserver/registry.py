"""The generic registry: every verb on the objects of one kind, by its strategy, over store and cache.

The API server owns one for each kind and calls it for authorised users. A write is prepared, judged by admission and
strategy, and committed on the revision that it was decided on (`writing`); where another was faster, an unconditional
write is decided anew on what that one left.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from control.apiserver import authn, bulk, deletion, field, reading, system, warnings, writing
from control.apiserver import hooks as hooking
from control.apiserver import views as viewing
from control.apiserver.admission import plugin
from control.apiserver.managed import applying, content, managers, tracker
from control.apiserver.strategies import strategy as strategies
from control.apiserver.validation import meta
from control.store import cache as caches
from control.store import interface
from control.store.entry import Entry
from fairlead.api import errors, objects, scheme
from fairlead.api.pb import meta_v1_pb2 as metav1

NAME_ATTEMPTS = 8
DELETES_IN_FLIGHT = 32
UNTRACKED = frozenset({"binding"})  # Kubernetes records nobody for what these write


@dataclass(frozen=True, slots=True)
class Actor:
    """Who writes, and how: for admission, audit and dry runs. `manager` is whom managedFields name.

    `through` is the subresource that managedFields name where a write of the object itself came through one (scale):
    what that shows of the object is what admission judges. `admitted`: it has judged what the caller sent already.
    `asked` is the version that the request named.
    """

    user: authn.User
    dry_run: bool = False
    manager: str = ""
    through: str = ""
    admitted: bool = False
    asked: scheme.Kind | None = None

    @property
    def owner(self) -> str:
        """The manager that fields are owned by: the one named, or the component that the user is."""
        return self.manager or managers.of_user(self.user)


@dataclass(frozen=True, slots=True)
class _Change:
    """An update: what it makes of the stored object, through which subresource.

    `by` is the subresource that managedFields name; None where they are not to be touched.
    """

    make: Callable[[Any], Any]
    subresource: str
    by: str | None


class Registry(writing.Writer):
    """All verbs on one kind."""

    def __init__(
        self,
        strategy: strategies.Strategy[Any],
        store: interface.Store,
        cache: caches.Cache,
        *,
        admission: plugin.Chain,
        now: Callable[[], float],
        hooks: hooking.Hooks | None = None,
        views: viewing.Views = viewing.AS_STORED,
    ) -> None:
        super().__init__(strategy, store, cache, views, hooks)
        self._admission = admission
        self._now = now
        self._tracker = tracker.Tracker(strategy, now)
        self._applier = applying.Applier(self._tracker)

    async def create(self, actor: Actor, obj: Any, namespace: str) -> Entry:
        """Create an object, which now belongs to the registry; returns it as stored."""
        if why := self.strategy.uncreatable:
            raise errors.NotImplementedByServer(why, group=self.kind.group, kind=self.kind.resource)
        bulk.check(obj)
        system.prepare_new(self.kind, obj.metadata, namespace)
        self.strategy.default(obj)
        self._tracker.created(obj, actor.owner)
        return await self._create_named(actor, obj)

    async def _create_named(self, actor: Actor, obj: Any) -> Entry:
        generated = obj.metadata.generateName if not obj.metadata.name else ""
        for attempt in range(NAME_ATTEMPTS):
            if generated:
                obj.metadata.name = self.strategy.generate_name(generated)
            try:
                return await self._create(actor, objects.copy(obj) if generated else obj)
            except errors.AlreadyExists:
                if not generated or attempt == NAME_ATTEMPTS - 1:
                    raise
        raise AssertionError("unreachable")

    async def _create(self, actor: Actor, obj: Any) -> Entry:
        metadata = obj.metadata
        uid, now = str(uuid.uuid4()), int(self._now())
        metadata.uid = uid
        metadata.creationTimestamp.seconds = now
        request = plugin.Request(
            actor.user,
            "CREATE",
            self.kind,
            metadata.namespace,
            metadata.name,
            obj=obj,
            dry_run=actor.dry_run,
            asked=actor.asked,
        )
        await self._admission.admit(request)
        metadata = obj.metadata  # a webhook may have put another in its place
        if metadata.namespace != request.namespace:
            raise errors.BadRequest(system.OTHER_NAMESPACE)
        metadata.uid, metadata.creationTimestamp.seconds, request.name = uid, now, metadata.name
        self.strategy.prepare_for_create(obj)
        faults = field.judged(lambda: [*self._metadata_faults(metadata), *self.strategy.validate(obj)])
        field.refuse(faults, self.kind.group, self.kind.kind, metadata.name)
        self._advise(obj, None)
        self.strategy.canonicalize(obj)
        await self._admission.validate(request)
        if actor.dry_run:
            return await self._dry_created(obj)
        async with self._hooks.turn():
            return await self._insert(obj)

    async def update(
        self,
        actor: Actor,
        namespace: str,
        name: str,
        change: Callable[[Any], Any],
        subresource: str = "",
    ) -> Entry:
        """Replace an object by what `change` makes of the stored one; returns it as stored.

        `change` must leave its argument alone. It may raise, and is called again where another write came between.
        """
        by = actor.through or subresource
        made = _Change(change, subresource, None if by in UNTRACKED else by)
        async with self._hooks.turn():
            return await self._update(actor, namespace, name, made)

    async def apply(
        self,
        actor: Actor,
        namespace: str,
        name: str,
        applied: applying.Application,
        may_create: Callable[[], None],
    ) -> tuple[Entry, bool]:
        """Apply a configuration to an object, or create it so; returns it as stored, and whether it was created.

        `may_create` raises where the user may only change what exists.
        """
        return await self._written_or_created(
            name,
            lambda: self._apply(actor, namespace, name, applied),
            None if applied.subresource else lambda: self._apply_new(actor, namespace, name, applied),
            may_create,
        )

    async def put(
        self, actor: Actor, namespace: str, name: str, change: Callable[[Any], Any], may_create: Callable[[], None]
    ) -> tuple[Entry, bool]:
        """Replace an object as `update` does, or create it where a replacement of its kind may; says whether it did.

        `change` is then called with an empty object. `may_create` raises where the user may only change what exists.
        """
        return await self._written_or_created(
            name,
            lambda: self.update(actor, namespace, name, change),
            (lambda: self._put_new(actor, namespace, name, change)) if self.strategy.created_by_update else None,
            may_create,
        )

    async def _written_or_created(
        self,
        name: str,
        write: Callable[[], Awaitable[Entry]],
        create: Callable[[], Awaitable[Entry]] | None,
        may_create: Callable[[], None],
    ) -> tuple[Entry, bool]:
        """Change an object, or create it where there is none; over again where another was faster."""
        for _ in range(writing.WRITE_ATTEMPTS):
            try:
                return await write(), False
            except errors.NotFound as error:
                if error.name != name or create is None:
                    raise
            may_create()
            try:
                return await create(), True
            except errors.AlreadyExists:
                continue
        raise self._too_contended("write", name)

    async def _apply(self, actor: Actor, namespace: str, name: str, applied: applying.Application) -> Entry:
        subresource = "" if actor.through else applied.subresource
        made = _Change(lambda old: self._applier.apply(old, applied), subresource, None)
        async with self._hooks.turn():
            return await self._update(actor, namespace, name, made)

    async def _apply_new(self, actor: Actor, namespace: str, name: str, applied: applying.Application) -> Entry:
        obj = self._applier.apply(content.empty_of(self.kind), applied)
        if obj.metadata.uid:
            why = (
                f"uid mismatch: the provided object specified uid {obj.metadata.uid},"
                " and no existing object was found"
            )
            raise errors.conflict(self.kind.group, self.kind.resource, name, why)
        obj.metadata.name = obj.metadata.name or name
        bulk.check(obj)
        system.prepare_new(self.kind, obj.metadata, namespace)
        self.strategy.default(obj)
        return await self._create_named(actor, obj)

    async def _put_new(self, actor: Actor, namespace: str, name: str, change: Callable[[Any], Any]) -> Entry:
        obj = change(content.empty_of(self.kind))
        if obj.metadata.uid:
            why = f"Precondition failed: UID in precondition: {obj.metadata.uid}, UID in object meta: "
            raise errors.conflict(self.kind.group, self.kind.resource, name, why)
        obj.metadata.name, obj.metadata.resourceVersion = name, ""  # there is no revision to compare with
        return await self.create(actor, obj, namespace)

    async def _update(self, actor: Actor, namespace: str, name: str, change: _Change) -> Entry:
        entry, sure = await self._cached(namespace, name), False
        for _ in range(writing.WRITE_ATTEMPTS):
            if entry is None:
                entry, sure = await self._stored(namespace, name), True
            try:
                obj = change.make(entry.object)
                bulk.check(obj)
                await self._prepare_update(actor, obj, entry.object, change)
            except errors.ApiError:
                newer = entry if sure else await self._newer(entry)
                if newer is entry:
                    raise
                entry, sure = newer, True
                continue
            # what a hook allocates is part of the decision, so it is made anew with each try
            companions = hooking.Companions()
            await self._hooks.before_write(obj, entry.object, companions)
            system.keep_times(obj, entry.object)
            if obj == entry.object and not companions.writes and not entry.stale:
                if sure:
                    return writing.own(entry)
                entry, sure = await self._newer(entry), True
                continue
            if actor.dry_run:
                return Entry(entry.key, self.kind, obj, entry.revision)
            outcome = await self._replace(entry, obj, companions)
            if isinstance(outcome, Entry):
                return outcome
            current = outcome.current[0]
            if current is None:
                raise self.not_found(name)
            entry, sure = await self.presented(self.decode(current)), True
        raise self._too_contended("update", name)

    async def _prepare_update(self, actor: Actor, obj: Any, old: Any, change: _Change) -> None:
        """Make a changed object ready to be stored, or refuse it."""
        metadata, before, subresource = obj.metadata, old.metadata, change.subresource
        system.check_preconditions(self.kind, metadata, before)
        is_judged = subresource in ("", "status") and not self.strategy.allow_unconditional_update
        if is_judged and system.is_unconditional(metadata):
            raise system.unconditional(self.kind, before.name)
        system.keep(metadata, before)
        if not subresource:
            self.strategy.default(obj)
        elif subresource == "status":
            self.strategy.default_status(obj)
        if change.by is not None:
            self._tracker.updated(obj, old, actor.owner, change.by)
        through = actor.through or subresource
        request = plugin.Request(
            actor.user,
            "UPDATE",
            self.kind,
            before.namespace,
            before.name,
            through,
            obj,
            old,
            actor.dry_run,
            asked=actor.asked,
        )
        admission = self._chain(actor)
        if actor.through:
            request.obj, request.old = self.strategy.scale_of(obj), self.strategy.scale_before(old)
        await admission.admit(request)
        if actor.through:
            self.strategy.set_replicas(obj, request.obj.spec.replicas)
        metadata = obj.metadata  # a webhook may have put another in its place
        self._settle(obj, old, subresource)
        faults = field.judged(lambda: self._judge_update(obj, old, subresource))
        field.refuse(faults, self.kind.group, self.kind.kind, before.name)
        if not subresource:
            self._advise(obj, old)
        self.strategy.canonicalize(obj)
        if actor.through:
            request.obj = self.strategy.scale_of(obj)
        await admission.validate(request)
        metadata.resourceVersion = before.resourceVersion

    def _settle(self, obj: Any, old: Any, subresource: str) -> None:
        """Take over from the old object what a caller may not choose through a subresource, or the object itself."""
        if subresource == "status":
            self.strategy.prepare_for_status_update(obj, old)
        elif subresource in self.strategy.parts:
            self.strategy.prepare_for_part(subresource, obj, old)
        elif not subresource:
            self.strategy.prepare_for_update(obj, old)

    def _judge_update(self, obj: Any, old: Any, subresource: str) -> field.Faults:
        faults = [*meta.validate_update(obj.metadata, old.metadata), *self._metadata_faults(obj.metadata)]
        if subresource == "status":
            return faults + list(self.strategy.validate_status_update(obj, old))
        if subresource in self.strategy.parts:
            return faults + list(self.strategy.validate_part(subresource, obj, old))
        return faults if subresource else faults + list(self.strategy.validate_update(obj, old))

    async def delete(
        self, actor: Actor, namespace: str, name: str, options: metav1.DeleteOptions
    ) -> tuple[Entry, bool]:
        """Delete an object; returns its last state and whether it is gone."""
        deletion.check_options(options)
        async with self._hooks.turn():
            return await self._remove(actor, namespace, name, options)

    async def _remove(
        self, actor: Actor, namespace: str, name: str, options: metav1.DeleteOptions
    ) -> tuple[Entry, bool]:
        entry, sure = await self._cached(namespace, name), False
        request = plugin.Request(
            actor.user,
            "DELETE",
            self.kind,
            namespace,
            name,
            dry_run=actor.dry_run,
            options=options,
            asked=actor.asked,
        )
        admission = self._chain(actor)
        for _ in range(writing.WRITE_ATTEMPTS):
            if entry is None:
                entry, sure = await self._stored(namespace, name), True
            try:
                deletion.check_preconditions((self.kind.group, self.kind.resource), entry.object, options)
                request.old = entry.object
                await admission.judge(request)
            except errors.ApiError:
                newer = entry if sure else await self._newer(entry)
                if newer is entry:
                    raise
                entry, sure = newer, True
                continue
            decided = deletion.decide(self.strategy, entry.object, options, int(self._now()))
            if isinstance(decided, deletion.Mark) and decided.obj == entry.object:
                if sure:
                    return writing.own(entry), False
                entry, sure = await self._newer(entry), True
                continue
            if actor.dry_run:
                return writing.own(entry), isinstance(decided, deletion.Remove)
            outcome = await self._delete(entry, decided)
            if isinstance(outcome, Entry):
                return outcome, isinstance(decided, deletion.Remove)
            if outcome.current[0] is None:
                raise self.not_found(name)
            entry, sure = await self.presented(self.decode(outcome.current[0])), True
        raise self._too_contended("delete", name)

    async def delete_collection(
        self, actor: Actor, query: reading.ListQuery, options: metav1.DeleteOptions
    ) -> Sequence[Entry]:
        """Delete everything that is selected, several at a time; returns what was deleted or marked."""
        listing = await self.list(query)
        gate = asyncio.Semaphore(DELETES_IN_FLIGHT)

        async def delete(entry: Entry) -> Entry | None:
            metadata = entry.object.metadata
            async with gate:
                try:
                    return (await self.delete(actor, metadata.namespace, metadata.name, options))[0]
                except errors.NotFound:
                    return None

        done = await asyncio.gather(*(delete(entry) for entry in listing.entries))
        return [entry for entry in done if entry is not None]

    def _chain(self, actor: Actor) -> plugin.Chain:
        """Return the plugins that judge a write: none where they have judged what brings it about."""
        return plugin.NOBODY if actor.admitted else self._admission

    def _metadata_faults(self, metadata: metav1.ObjectMeta) -> list[errors.Cause]:
        rule, short = self.strategy.name_rule, self.strategy.short_finalizers
        return meta.validate(metadata, self.kind.namespaced, rule, short_finalizers=short)

    def _advise(self, obj: Any, old: Any) -> None:
        if warnings.wanted():
            for text in self.strategy.advise(obj, old):
                warnings.add(text)
