"""The API server: every request of every user, authorised, judged and carried out.

Edges (gRPC, REST) call the request methods, which answer cache entries, so that stored bytes go out without being
encoded again; the control plane's own parts call `client(user)`, which is the same behind the `Client` protocol.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import functools
import ipaddress
import logging
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

from google.protobuf.message import Message

from control.apiserver import (
    allocation,
    authn,
    authz,
    bearers,
    bitmaps,
    cached,
    catalogue,
    dialing,
    inprocess,
    nodeauthz,
    patching,
    reading,
    repair,
    reviews,
    selection,
    subresources,
    system,
    tokens,
    versions,
)
from control.apiserver import registry as registries
from control.apiserver.admission import chain, escalation, plugin
from control.apiserver.audit import event as audit
from control.apiserver.audit import recording
from control.apiserver.custom import showing
from control.apiserver.managed import applying, managers
from control.apiserver.rbac import authorizer as rbac
from control.apiserver.settings import Settings
from control.apiserver.target import Target
from control.apiserver.webhooks import caller
from control.store import cache as caches
from control.store import interface
from control.store.entry import Entry
from fairlead import slices
from fairlead.api import conversion, custom, errors, objects
from fairlead.api import scheme as schemes
from fairlead.api import subresources as offers
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import meta_v1_pb2 as metav1
from fairlead.client.interface import Patch, PatchType

_log = logging.getLogger(__name__)


class ApiServer:
    """The registries of all kinds, behind authorisation and admission."""

    def __init__(
        self,
        store: interface.Store,
        cache: caches.Cache,
        *,
        settings: Settings,
        now: Callable[[], float] = time.time,
        auditor: recording.Recorder | None = None,
        issuer: tokens.Issuer | None = None,
        authenticators: Sequence[bearers.Authenticator] = (),
    ) -> None:
        self.store = store
        self.cache = cache
        self.settings = settings
        self.now = now
        self.auditor = auditor
        self.turns = slices.Turns(inprocess.WRITES_A_PASS)
        known = cached.CachedObjects(cache)
        self.rbac = rbac.Authorizer(cache)
        self.authorizer: authz.Authorizer = authz.Union(
            authz.MastersAuthorizer(), nodeauthz.NodeAuthorizer(known), self.rbac
        )
        self.dialer = dialing.Dialer(cache)
        self._webhooks = caller.Caller(self.dialer)
        addresses = bitmaps.AddressRange(ipaddress.ip_network(settings.service_cidr))
        ports = bitmaps.PortRange(*settings.node_ports)
        self.repairs = repair.Repairs(store, cache, addresses, ports)
        self.kinds = catalogue.Catalogue(
            store,
            cache,
            admit=lambda versions: chain.standard(
                cache,
                store,
                escalation.Escalation(self.authorizer, self.rbac),
                self._webhooks,
                versions=versions,
                now=now,
                issues_tokens=issuer is not None,
                disabled=settings.disabled_plugins,
                pod_security=settings.pod_security,
            ),
            hooks={
                corev1.Service: allocation.ServiceAllocation(store, addresses, ports),
                custom.Definition: showing.Shown(cache),
            },
            calls=self._webhooks,
            now=now,
            compat=settings.api_compat,
        )
        self._admission = self.kinds.admission
        self.issuer = issuer
        self.bootstrap_tokens = authn.TokenAuthenticator(self._bootstrap_secret, self._utc)
        self.tokens = bearers.standard(self.bootstrap_tokens, issuer, known, authenticators)
        self._reviews = reviews.Reviews(self.authorizer, self.rbac, self.tokens, now)
        self._subresources = subresources.Subresources(self.kinds.registry, self._admission, now, issuer)

    def client(self, user: authn.User) -> inprocess.InProcessClient:
        """Return a client that acts as a user."""
        return inprocess.InProcessClient(self, user)

    def as_user(self, name: str, groups: Sequence[str] = ()) -> inprocess.InProcessClient:
        """Return a client that acts as the user of a name, in its groups and those that its name implies."""
        return self.client(authn.user(name, tuple(groups)))

    async def _bootstrap_secret(self, name: str) -> corev1.Secret | None:
        """Read a Secret that a bootstrap token names, on behalf of the server itself."""
        try:
            entry = await self.kinds.registry(schemes.DEFAULT.of(corev1.Secret)).get(authn.TOKEN_NAMESPACE, name)
        except errors.NotFound:
            return None
        assert isinstance(entry.object, corev1.Secret)
        return entry.object

    def _utc(self) -> datetime.datetime:
        return datetime.datetime.fromtimestamp(self.now(), datetime.UTC)

    def authorize(self, request: authz.Attributes) -> None:
        """Raise Forbidden where the user may not do this."""
        decision = self.authorizer.authorize(request)
        if self.auditor is not None:
            audit.decided(decision)
        if not decision.allowed:
            raise authz.refusal(request, decision.reason)

    def noted(self, request: authz.Attributes, version: str = "") -> AbstractContextManager[audit.Event | None]:
        """Return the context in which an edge carries out what is no request method here: paths and streams."""
        return self.auditor.recording(request, version) if self.auditor is not None else contextlib.nullcontext()

    def _authorize(self, user: authn.User, verb: str, target: Target, fields: str = "") -> registries.Registry:
        """Return the registry of what a user may do."""
        self.permit(user, verb, target, fields)
        return self.kinds.registry(target.kind)

    def permit(self, user: authn.User, verb: str, target: Target, fields: str = "") -> None:
        """Raise where the user may not do this, or nobody can; an edge asks before it reads a body."""
        kind = target.kind
        equals = authz.equalities(fields) if fields else None
        name = target.name or (equals or {}).get("metadata.name", "")
        scope = target.name if kind.message is corev1.Namespace else target.namespace  # it lies in itself
        self.authorize(
            authz.Attributes(user, verb, kind.group, kind.resource, target.subresource, scope, name, equals)
        )
        if target.subresource and target.subresource not in kind.subresources:
            raise errors.no_resource()
        if target.namespace and not kind.namespaced:
            raise errors.no_resource()
        if verb not in (offers.verbs(target.subresource) if target.subresource else kind.verbs):
            raise errors.no_method()

    async def close(self) -> None:
        """Close the connections that the server has opened."""
        await self._webhooks.close()
        await self.dialer.close()

    @recording.recorded("get")
    async def get(self, user: authn.User, target: Target, resource_version: str = "") -> Entry:
        """Read an object, or its `status` or `scale`."""
        found = self._authorize(user, "get", target)
        entry = await found.get(target.namespace, target.name, resource_version)
        if user.node:
            self._authorize(user, "get", target)  # the read has brought the cache up to date
        return versions.entry(self._subresources.view(entry, target.subresource), target.kind)

    @recording.recorded("list")
    async def list(self, user: authn.User, kind: schemes.Kind, query: reading.ListQuery) -> reading.Listing:
        """Read a collection."""
        found = self._authorize(user, "list", Target(kind, query.namespace), query.fields)
        return versions.listing(await found.list(versions.query(query, kind)), kind)

    @recording.recorded_watch
    def watch(
        self, user: authn.User, kind: schemes.Kind, query: reading.WatchQuery
    ) -> AsyncGenerator[Sequence[selection.Event], None]:
        """Return an iterator over a collection's changes; what is wrong with the request is raised at once."""
        found = self._authorize(user, "watch", Target(kind, query.namespace), query.fields)
        changes = found.watch(versions.query(query, kind))
        return versions.watched(changes, kind) if kind.hub else changes

    @recording.recorded("create")
    async def create(
        self, user: authn.User, target: Target, obj: Any, *, dry_run: bool = False, manager: str = ""
    ) -> Entry:
        """Create an object, post to a subresource, or ask a question; `obj` now belongs to the server."""
        own = obj.metadata.namespace if target.kind.namespaced else ""
        named = target if target.subresource else Target(target.kind, target.namespace or own)
        self.permit(user, "create", named)
        actor = registries.Actor(user, dry_run, manager, asked=target.kind)
        if not target.kind.stored:
            return await self._answer(actor, named, obj)
        found = self.kinds.registry(target.kind)
        if target.subresource:
            return await self._subresources.post(actor, target, conversion.to_hub(obj))
        _check_kind(target.kind, obj)
        return versions.entry(
            await found.create(actor, versions.to_hub(obj, target.kind), target.namespace), target.kind
        )

    async def _answer(self, actor: registries.Actor, target: Target, question: Any) -> Entry:
        """Answer what is not stored: a review, or a Binding that is posted by itself."""
        _check_kind(target.kind, question)
        named = Target(target.kind, target.namespace, question.metadata.name)
        if isinstance(question, corev1.Binding):
            return await self._subresources.post(actor, named, question)
        await self._admission.judge(
            plugin.Request(
                actor.user, "CREATE", named.kind, named.namespace, named.name, obj=question, dry_run=actor.dry_run
            )
        )
        return await self._reviews.answer(actor.user, target, question)

    async def connect(self, user: authn.User, verb: str, target: Target, options: Message) -> None:
        """Judge a stream or a proxied request before it begins; admission may change its options.

        `verb` is that of its method: `create` for POST, `get` for a WebSocket.
        """
        kind, name, subresource = target.kind, target.name, target.subresource
        self.authorize(authz.Attributes(user, verb, kind.group, kind.resource, subresource, target.namespace, name))
        await self._admission.judge(
            plugin.Request(user, "CONNECT", kind, target.namespace, name, subresource, obj=options)
        )

    async def update(
        self, user: authn.User, target: Target, obj: Any, *, dry_run: bool = False, manager: str = ""
    ) -> Entry:
        """Replace an object or a subresource of it."""
        entry, _ = await self.put(user, target, obj, dry_run=dry_run, manager=manager)
        return entry

    @recording.recorded("update")
    async def put(
        self, user: authn.User, target: Target, obj: Any, *, dry_run: bool = False, manager: str = ""
    ) -> tuple[Entry, bool]:
        """Replace an object or a subresource of it; returns it, and whether it was created.

        A few kinds are created so where they do not exist (`created_by_update`), if the user may create as well.
        """
        found = self._authorize(user, "update", target)
        system.check_place(obj.metadata, target.namespace, target.name)
        actor = registries.Actor(user, dry_run, manager, asked=target.kind)
        if self._subresources.owns(target.subresource):
            return await self._subresources.update(actor, found, target, obj), False
        _check_kind(target.kind, obj)

        def replaced(old: Message) -> Any:
            return versions.to_hub(objects.copy(obj), target.kind, old)

        if target.subresource:
            entry = await found.update(actor, target.namespace, target.name, replaced, target.subresource)
            return versions.entry(entry, target.kind), False
        may_create = functools.partial(self.permit, user, "create", target)
        entry, created = await found.put(actor, target.namespace, target.name, replaced, may_create)
        return versions.entry(entry, target.kind), created

    @recording.recorded("patch")
    async def patch(
        self, user: authn.User, target: Target, patch: Patch, *, dry_run: bool = False, manager: str = ""
    ) -> Entry:
        """Change an object, or a subresource of it, by a patch."""
        if patch.type is PatchType.APPLY:
            entry, _ = await self._apply(user, target, patch, dry_run=dry_run, manager=manager)
            return entry
        found = self._authorize(user, "patch", target)
        managers.check_plain(force=patch.force)
        actor = registries.Actor(user, dry_run, manager, asked=target.kind)
        if self._subresources.owns(target.subresource):
            return await self._subresources.patch(actor, found, target, patch)
        unknown = self.kinds.unknown_fields(target.kind)

        def change(old: Message) -> Any:
            changed = patching.apply(patch, conversion.from_hub(old, target.kind), unknown)
            system.check_place(changed.metadata, target.namespace, target.name)
            return versions.to_hub(changed, target.kind, old)

        entry = await found.update(actor, target.namespace, target.name, change, target.subresource)
        return versions.entry(entry, target.kind)

    @recording.recorded("patch")
    async def apply(
        self, user: authn.User, target: Target, patch: Patch, *, dry_run: bool = False, manager: str = ""
    ) -> tuple[Entry, bool]:
        """Apply a configuration to an object, or create it so; returns it, and whether it was created.

        `manager` is the one that the request names: it must name one.
        """
        return await self._apply(user, target, patch, dry_run=dry_run, manager=manager)

    async def _apply(
        self, user: authn.User, target: Target, patch: Patch, *, dry_run: bool, manager: str
    ) -> tuple[Entry, bool]:
        found = self._authorize(user, "patch", target)
        managers.check_apply(manager)
        long = len(patch.body) > applying.LONG_BYTES
        read = await asyncio.to_thread(applying.read, patch.body) if long else applying.read(patch.body)
        config = applying.of_hub(read, target.kind)
        applied = applying.Application(config, manager, patch.force, target.subresource)
        applying.check_target(applied, target.namespace, target.name)
        actor = registries.Actor(user, dry_run, manager, asked=target.kind)
        if self._subresources.owns(target.subresource):
            return await self._subresources.apply(actor, found, target, applied), False

        may_create = functools.partial(self.permit, user, "create", target)
        entry, created = await found.apply(actor, target.namespace, target.name, applied, may_create)
        return versions.entry(entry, target.kind), created

    @recording.recorded("delete")
    async def delete(
        self, user: authn.User, target: Target, options: metav1.DeleteOptions | None = None
    ) -> tuple[Entry, bool]:
        """Delete an object; returns its last state and whether it is gone."""
        found = self._authorize(user, "delete", target)
        options = options or metav1.DeleteOptions()
        actor = registries.Actor(user, bool(options.dryRun), asked=target.kind)
        entry, gone = await found.delete(actor, target.namespace, target.name, options)
        return versions.entry(entry, target.kind), gone

    @recording.recorded("deletecollection")
    async def delete_collection(
        self,
        user: authn.User,
        kind: schemes.Kind,
        query: reading.ListQuery,
        options: metav1.DeleteOptions | None = None,
    ) -> Sequence[Entry]:
        """Delete everything that is selected; returns what was deleted or marked."""
        found = self._authorize(user, "deletecollection", Target(kind, query.namespace), query.fields)
        options = options or metav1.DeleteOptions()
        actor = registries.Actor(user, bool(options.dryRun), asked=kind)
        deleted = await found.delete_collection(actor, versions.query(query, kind), options)
        return [versions.entry(entry, kind) for entry in deleted]


def _check_kind(kind: schemes.Kind, obj: Any) -> None:
    if kind.message is None and isinstance(obj, objects.Unstructured):
        found = obj.kind
        if found.kind != kind.kind or found.group != kind.group:
            raise errors.BadRequest(f"the object is a {found.kind}, not a {kind.kind}")
        if found.version != kind.version:
            text = f"the API version in the data ({found.api_version}) does not match the expected API version"
            raise errors.BadRequest(f"{text} ({kind.api_version})")
    elif kind.message is None or not isinstance(obj, kind.message):
        raise errors.BadRequest(f"the object is a {objects.kind_of(obj).kind}, not a {kind.kind}")
