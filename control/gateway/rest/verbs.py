"""The verbs on resources: a request becomes a call of the API server, and what that answers a response.

No rules: what may be done and what is valid is the API server's.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any

from aiohttp import web

from control.apiserver import reading, selection, server, wishes
from control.apiserver.audit import recording
from control.gateway.rest import answers, bodies, ephemeral, media, paths, queries, views
from control.gateway.rest.handlers import Call
from control.store.entry import Entry
from fairlead import slices
from fairlead.api import errors, scheme
from fairlead.api.openapi import operations
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import meta_v1_pb2 as metav1
from fairlead.api.pb import policy_v1_pb2 as policyv1
from fairlead.client.interface import Patch, PatchType

# Kubernetes ends a watch that names no timeout after half an hour to an hour, so that watches spread anew.
WATCH_SECONDS = 1800.0
BOOKMARK_LEAST_SECONDS = 1.0  # a selector that nothing matches does not turn every change into a bookmark
BATCH_BYTES = 64 * 1024
LONG_BODY_BYTES = 64 * 1024  # what is longer is read beside the loop
_OVER_NAMESPACES = ("list", "watch")  # to delete what lies in all of them at once, or to create in none, has no path
_OPTIONS = {"create": "CreateOptions", "update": "UpdateOptions", "patch": "PatchOptions"}

Events = AsyncGenerator[Sequence[selection.Event], None]


class Verbs:
    """Carries out what is asked of resources."""

    def __init__(self, api: server.ApiServer) -> None:
        self._api = api

    async def carry_out(self, call: Call, path: paths.Path, answer: answers.Answer) -> web.StreamResponse:
        """Answer a request of any verb."""
        if call.target.kind.namespaced and not call.target.namespace and call.verb not in _OVER_NAMESPACES:
            self._permit(call)
            raise errors.no_resource() if call.target.name or call.target.kind.message is None else errors.no_method()
        match call.verb:
            case "get":
                version = answer.request.query.get("resourceVersion", "")
                entry = await self._api.get(call.user, call.target, version)
                if self._old_debugger(call) and ephemeral.expected_by(call.request.headers.get("User-Agent", "")):
                    return await answer.whole(ephemeral.of_pod(entry.json()))
                return await self._answer(call, answer, entry)
            case "list":
                return await self._list(call, answer)
            case "watch":
                return await self._watch(call, path, answer)
            case "create":
                return await self._create(call, answer)
            case "update":
                return await self._update(call, answer)
            case "patch":
                return await self._patch(call, answer)
            case "delete":
                return await self._delete(call, answer)
        return await self._delete_collection(call, answer)

    def _permit(self, call: Call, fields: str = "") -> None:
        """Raise where the caller may not do this, before its body is read: that may be long, and costly to read."""
        target = call.target
        try:
            self._api.permit(call.user, call.verb, target, fields)
        except errors.ApiError:
            with self._api.noted(recording.attributes(call.user, call.verb, target), target.kind.version):
                self._api.permit(call.user, call.verb, target, fields)

    async def _answer(
        self, call: Call, answer: answers.Answer, entry: Entry, status: int = 200
    ) -> web.StreamResponse:
        return await answer.whole(_view(call, answer).one(entry), status)

    async def _list(self, call: Call, answer: answers.Answer) -> web.StreamResponse:
        view = _view(call, answer, many=True)
        query = queries.listing(call.request.query, call.target.namespace)
        listing = await self._api.list(call.user, call.target.kind, query)
        return await answer.stream(view.collection(listing))

    async def _create(self, call: Call, answer: answers.Answer) -> web.StreamResponse:
        self._permit(call)
        how = _writing(call)
        obj = await self._body(call, how)
        entry = await self._api.create(call.user, call.target, obj, dry_run=how.dry_run, manager=how.manager)
        if isinstance(entry.object, corev1.Binding | policyv1.Eviction):
            return await answer.message(success(code=201), 201)
        return await self._answer(call, answer, entry, 201)

    async def _update(self, call: Call, answer: answers.Answer) -> web.StreamResponse:
        self._permit(call)
        how = _writing(call)
        old = ephemeral.as_pod(await body(call.request)) if self._old_debugger(call) else None
        obj = await self._body(call, how, old)
        entry, created = await self._api.put(call.user, call.target, obj, dry_run=how.dry_run, manager=how.manager)
        if old is not None:
            return await answer.whole(ephemeral.of_pod(entry.json()))
        return await self._answer(call, answer, entry, 201 if created else 200)

    async def _patch(self, call: Call, answer: answers.Answer) -> web.StreamResponse:
        self._permit(call)
        kind = media.patch_type(call.request.headers.get("Content-Type", ""))
        how = _writing(call)
        patch = Patch(kind, await body(call.request), how.force, how.validation)
        if kind is PatchType.APPLY:
            manager = call.request.query.get("fieldManager", "")  # it has no other than the one that it names
            entry, created = await self._api.apply(
                call.user, call.target, patch, dry_run=how.dry_run, manager=manager
            )
            return await self._answer(call, answer, entry, 201 if created else 200)
        entry = await self._api.patch(call.user, call.target, patch, dry_run=how.dry_run, manager=how.manager)
        return await self._answer(call, answer, entry)

    def _old_debugger(self, call: Call) -> bool:
        """Say whether a request is about what `kubectl debug` of older releases takes for an object of its own."""
        return self._api.settings.api_compat == scheme.COMPAT_1_20 and ephemeral.concerns(call.target)

    async def _body(self, call: Call, how: queries.Writing, instead: bytes | None = None) -> Any:
        """Return the object that a request, or what stands for its body, carries."""
        format_ = media.body_format(call.request.headers.get("Content-Type", ""))
        data = await body(call.request) if instead is None else instead
        unknown = self._api.kinds.unknown_fields(call.target.kind)
        told = (data, format_, call.target.kind, call.target.subresource, how.validation, unknown)
        if len(data) > LONG_BODY_BYTES:
            return await asyncio.to_thread(bodies.decode, *told)
        return bodies.decode(*told)

    async def _delete(self, call: Call, answer: answers.Answer) -> web.StreamResponse:
        self._permit(call)
        options = await _deletion(call)
        entry, gone = await self._api.delete(call.user, call.target, options)
        if gone and call.target.kind.resource not in operations.RETURNED:
            return await answer.message(success(entry))
        waits = options.propagationPolicy == "Foreground" or (
            options.HasField("orphanDependents") and not options.orphanDependents
        )
        return await self._answer(call, answer, entry, 202 if waits and not gone else 200)

    async def _delete_collection(self, call: Call, answer: answers.Answer) -> web.StreamResponse:
        view = _view(call, answer, many=True)
        query = queries.listing(call.request.query, call.target.namespace)
        self._permit(call, query.fields)
        entries = await self._api.delete_collection(call.user, call.target.kind, query, await _deletion(call))
        revision = max((entry.revision for entry in entries), default=self._api.cache.revision)
        return await answer.stream(view.collection(reading.Listing(entries, revision)))

    async def _watch(self, call: Call, path: paths.Path, answer: answers.Answer) -> web.StreamResponse:
        query = queries.watching(call.request.query, call.target.namespace, path.name)
        seconds = queries.number(call.request.query, "timeoutSeconds")
        view = _view(call, answer)
        events = self._api.watch(call.user, call.target.kind, query)
        response = answer.opened()
        await response.prepare(call.request)
        if not query.begins_with_state:
            call.started()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds or WATCH_SECONDS * (1 + random.random())), contextlib.aclosing(events):
                sender = _Sender(response, view)
                await sender.send(events, bool(query.initial_events), call.started)
        await response.write_eof()
        return response


class _Sender:
    """Sends the events of one watch."""

    def __init__(self, response: web.StreamResponse, view: views.View) -> None:
        self._response = response
        self._view = view

    async def send(self, events: Events, marked: bool, started: Callable[[], None]) -> None:
        """Send events until the watch ends, an error as the last; `marked` says that a mark ends the initial ones.

        `started` is called once what is there has been read.
        """
        clock = asyncio.get_running_loop().time
        marked_at = -BOOKMARK_LEAST_SECONDS
        try:
            async for some in events:
                started()
                parts: list[bytes] = []
                size = 0
                async for event in slices.sliced(some):
                    if event.type == "BOOKMARK":
                        if event.initial_end and not marked:
                            continue
                        if not event.initial_end and clock() - marked_at < BOOKMARK_LEAST_SECONDS:
                            continue
                        marked_at = clock()
                    parts.append(self._view.event(event))
                    size += len(parts[-1])
                    if size > BATCH_BYTES:
                        await self._response.write(b"".join(parts))
                        parts, size = [], 0
                if parts:
                    await self._response.write(b"".join(parts))
        except errors.ApiError as error:
            await self._response.write(self._view.failure(error.status()))


def success(entry: Entry | None = None, code: int = 0) -> metav1.Status:
    """Return the Status of something that was done; of a deletion with what is gone."""
    status = metav1.Status(status="Success", code=code)
    if entry is not None:
        meta = entry.object.metadata
        status.details.name, status.details.uid = meta.name, meta.uid
        status.details.group, status.details.kind = entry.kind.group, entry.kind.resource
    return status


async def body(request: web.BaseRequest) -> bytes:
    """Return a request's body; errors.RequestEntityTooLarge over the limit."""
    try:
        return await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise errors.RequestEntityTooLarge(
            f"Request entity is too large: limit is {request.client_max_size}", retry_after_seconds=0
        ) from None


def _view(call: Call, answer: answers.Answer, *, many: bool = False) -> views.View:
    include = call.request.query.get("includeObject", "")
    return views.choose(call.target.kind, answer.form, include, many=many)


def _writing(call: Call) -> queries.Writing:
    wishes.tell(call.request.query)
    agent = call.request.headers.get("User-Agent", "")
    return queries.writing(call.request.query, agent, _OPTIONS[call.verb])


async def _deletion(call: Call) -> metav1.DeleteOptions:
    data = await body(call.request)
    if data:
        options = bodies.deletion(data, call.request.headers.get("Content-Type", ""))
    else:
        options = queries.deletion(call.request.query)
    queries.check_deletion(options)
    return options
