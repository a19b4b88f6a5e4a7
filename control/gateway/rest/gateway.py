"""The gateway: every HTTP request of Kubernetes' API, from its path to the answer.

`listening.py` serves it. A request is identified, routed (to a handler of the table, a verb, or a document) and
answered; API errors become Kubernetes' Status here and nowhere else.
"""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Awaitable, Callable

from aiohttp import web

from control.apiserver import authn, authz, server, warnings
from control.apiserver.audit import event as audit
from control.apiserver.audit import recording
from control.apiserver.target import Target
from control.gateway.aggregation import aggregation
from control.gateway.fairness import gate as gates
from control.gateway.rest import (
    admitting,
    answers,
    counting,
    discovery,
    documents,
    media,
    paths,
    queries,
    users,
)
from control.gateway.rest import handlers as handling
from control.gateway.rest import verbs as carrying
from fairlead import slices
from fairlead.api import codec, errors, scheme

REQUESTS_A_PASS = 16  # that begin in one pass of the loop: up to a millisecond each before they first wait


class Gateway:
    """Answers requests. `table` and `extra` are for those who serve more than the registry has."""

    def __init__(
        self,
        api: server.ApiServer,
        identify: users.Identify,
        table: handling.Handlers,
        elsewhere: aggregation.Aggregation,
        gate: gates.Gate,
    ) -> None:
        self._api = api
        self._identify = identify
        self._verbs = carrying.Verbs(api)
        self._gate = gate
        self._turns = slices.Turns(REQUESTS_A_PASS)
        self._counting = counting.Counting(self._gate)
        self.handlers = table
        self.aggregation = elsewhere
        self._documents = documents.Documents(api, elsewhere, self.handlers, self._counting)
        self.extra = self._documents.extra

    async def close(self) -> None:
        """Close the connections that were opened for callers."""
        await self.aggregation.close()

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer a request."""
        await self._turns.turn()
        audit_id = answers.header_text(request.headers.get("Audit-Id", "")) or str(uuid.uuid4())
        with warnings.collected() as warned:
            try:
                return admitting.finished(request, await self._route(request, audit_id, warned))
            except errors.ApiError as error:
                failure = error
            except codec.DecodeError as error:
                failure = errors.BadRequest(str(error))
            response = answers.failure(failure, _form_of_errors(request), audit_id, warned)
            return admitting.finished(request, response)

    async def _route(self, request: web.BaseRequest, audit_id: str, warned: list[str]) -> web.StreamResponse:
        raw = request.rel_url.raw_path
        path = paths.parse(raw)
        user = await self._caller(request, path, audit_id)
        try:
            return await self._carried(request, user, path, (audit_id, warned))
        except errors.ApiError as error:
            failure = error
        except codec.DecodeError as error:
            failure = errors.BadRequest(str(error))
        if self._api.auditor is not None:
            self._api.auditor.failed(_told(user, request, path), path.version if path is not None else "", failure)
        raise failure

    async def _carried(
        self, request: web.BaseRequest, user: authn.User, path: paths.Path | None, told: tuple[str, list[str]]
    ) -> web.StreamResponse:
        """Carry out the request of a known caller; `told` are the audit id and what the caller is warned of."""
        raw, (audit_id, warned) = request.rel_url.raw_path, told
        handler = self.handlers.of_path(raw) or self.aggregation.forwarding.handler(raw)
        if handler is not None:
            call = handling.Call(request, user, request.method.lower(), None, raw)
            return await self._handled(handler, call, _told(user, request, path))
        if path is None:
            asked = authz.Attributes(user, request.method.lower(), path=raw)

            async def reading(_: Callable[[], None]) -> web.StreamResponse:
                return await self._noted(asked, self._documents.answer(request, asked, audit_id))

            return await admitting.carry_out(self._gate, request, asked, reading)
        asked = _asked(user, request, path)

        async def answering(started: Callable[[], None]) -> web.StreamResponse:
            kind = await self._kind(path)
            if kind is None:
                return answers.no_page()
            call = handling.Call(request, user, asked.verb, _target(kind, path), path.rest, started)
            return await self._counted(call, self._carry_out(call, path, audit_id, warned))

        return await admitting.carry_out(self._gate, request, asked, answering)

    async def _handled(
        self, handler: handling.Handler, call: handling.Call, asked: authz.Attributes
    ) -> web.StreamResponse:
        """Answer a path that has a handler."""

        async def answering(started: Callable[[], None]) -> web.StreamResponse:
            return await self._noted(asked, handler(dataclasses.replace(call, started=started)))

        return await admitting.carry_out(self._gate, call.request, asked, answering)

    async def _counted(self, call: handling.Call, answering: Awaitable[web.StreamResponse]) -> web.StreamResponse:
        """Answer a request for a resource, and count it."""
        begun = self._counting.begun(call.verb)
        code = 500
        try:
            response = await answering
            code = response.status
        except errors.ApiError as error:
            code = error.code
            raise
        finally:
            self._counting.ended(call, code, begun)
        return response

    async def _carry_out(
        self, call: handling.Call, path: paths.Path, audit_id: str, warned: list[str]
    ) -> web.StreamResponse:
        target = call.target
        handler = self.handlers.of_resource(target.kind.group_resource, target.subresource, call.verb)
        if handler is not None:
            return await self._noted(recording.attributes(call.user, call.verb, target), handler(call))
        if path.rest:
            raise errors.no_resource()
        accept = call.request.headers.get("Accept", "")
        messages = target.kind.message is not None
        tables = tuple(discovery.verbs(target.kind, target.subresource)) != scheme.QUESTION
        negotiate = media.streamed if call.verb == "watch" else media.accepted
        answer = answers.Answer(call.request, negotiate(accept, messages=messages, tables=tables), audit_id)
        answer.warnings = warned
        return await self._verbs.carry_out(call, path, answer)

    async def _kind(self, path: paths.Path) -> scheme.Kind | None:
        """Return the kind of a path, None where not even its group and version are served."""
        try:
            kind = await self._api.kinds.resolve(path.group, path.version, path.resource)
            if self._api.kinds.serves(kind):
                return kind
        except errors.NotFound:
            pass
        if (path.group, path.version) in self._documents.groups():
            raise errors.no_resource()
        return None

    async def _caller(self, request: web.BaseRequest, path: paths.Path | None, audit_id: str) -> authn.User:
        """Return the user of a request, and let the audit log know where the request comes from."""
        auditor = self._api.auditor
        if auditor is None:
            return await self._identify(request)
        source = users.source(request, audit_id)
        try:
            user = await self._identify(request)
        except errors.Unauthorized:
            audit.arrive(source)
            self._note_stranger(auditor, request, path)
            raise
        except users.ImpersonationRefused as error:
            audit.arrive(source)
            auditor.failed(_told(error.caller, request, path), path.version if path is not None else "", error)
            raise
        audit.arrive(source)
        return user

    def _note_stranger(self, auditor: recording.Recorder, request: web.BaseRequest, path: paths.Path | None) -> None:
        """Let the audit log note a request of nobody."""
        asked = _told(authn.User(""), request, path)
        version = path.version if path is not None else ""
        auditor.unknown(asked, version, users.attempted(request))

    async def _noted(self, asked: authz.Attributes, answering: Awaitable[web.StreamResponse]) -> web.StreamResponse:
        """Let the audit log note a request that is carried out here."""
        with self._api.noted(asked) as event:
            response = await answering
            if event is not None:
                event.code = response.status
            return response


def _asked(user: authn.User, request: web.BaseRequest, path: paths.Path | None) -> authz.Attributes:
    """Return what a request asks for, of a resource or of a path that is none's."""
    if path is None:
        return authz.Attributes(user, request.method.lower(), path=request.rel_url.raw_path)
    verb = paths.verb(request.method, path, queries.flag(request.query, "watch"))
    return authz.Attributes(user, verb, path.group, path.resource, path.subresource, path.namespace, path.name)


def _told(user: authn.User, request: web.BaseRequest, path: paths.Path | None) -> authz.Attributes:
    """Return what the audit log is told of a request, also of one whose method nothing has."""
    try:
        return _asked(user, request, path)
    except errors.MethodNotAllowed:
        return _asked(user, request, None)


def _target(kind: scheme.Kind, path: paths.Path) -> Target:
    return Target(kind, path.namespace, "" if path.watching else path.name, path.subresource)


def _form_of_errors(request: web.BaseRequest) -> media.Form:
    """Return the form of an error: the one that the caller accepts, JSON where that is none."""
    try:
        return media.Form(media.accepted(request.headers.get("Accept", "").replace(";as=", ";was=")).format)
    except errors.NotAcceptable:
        return media.PLAIN
