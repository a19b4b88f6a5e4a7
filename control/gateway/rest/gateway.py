"""The gateway: every HTTP request of Kubernetes' API, from its path to the answer.

`listening.py` serves it. A request is identified, routed (to a handler of the table, a verb, or a document) and
answered; API errors become Kubernetes' Status here and nowhere else.
"""

from __future__ import annotations

import hashlib
import platform
import uuid
from collections.abc import Awaitable, Callable, Mapping

import orjson
from aiohttp import web

from control.apiserver import authn, authz, server, warnings
from control.apiserver.audit import recording
from control.apiserver.target import Target
from control.gateway.fairness import gate as gates
from control.gateway.rest import (
    admitting,
    aggregation,
    answers,
    counting,
    discovery,
    health,
    media,
    paths,
    queries,
    users,
)
from control.gateway.rest import handlers as handling
from control.gateway.rest import verbs as carrying
from fairlead import slices
from fairlead import version as release
from fairlead.api import codec, errors, scheme
from fairlead.api.pb import apidiscovery_v2_pb2 as apidiscoveryv2

KUBERNETES = ("1", "32")
NOT_FOUND = "the server could not find the requested resource"
REQUESTS_A_PASS = 16  # that begin in one pass of the loop: up to a millisecond each before they first wait


class Gateway:
    """Answers requests. `handlers` and `extra` are for those who serve more than the registry has."""

    def __init__(
        self,
        api: server.ApiServer,
        identify: users.Identify,
        elsewhere: aggregation.Aggregation | None = None,
        gate: gates.Gate | None = None,
    ) -> None:
        self._api = api
        self._identify = identify
        self._verbs = carrying.Verbs(api)
        self._health = health.Health(api)
        self._gate = gate or gates.Gate(api.cache)
        self._turns = slices.Turns(REQUESTS_A_PASS)
        self._counting = counting.Counting(self._gate)
        self.handlers = handling.Handlers()
        self.extra: dict[tuple[str, str], list[discovery.Resource]] = {}
        self.aggregation = elsewhere or aggregation.Aggregation(api)

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
        method, watch = request.method.lower(), queries.flag(request.query, "watch")
        user = await self._caller(request, path, audit_id)
        handler = self.handlers.of_path(raw) or self.aggregation.handler(raw)
        if handler is not None:
            return await self._handled(handler, handling.Call(request, user, method, None, raw), watch)
        if path is None:
            asked = authz.Attributes(user, method, path=raw)
            return await admitting.carry_out(
                self._gate, request, asked, lambda _: self._document(request, asked, audit_id)
            )
        asked = _asked(user, request, path)
        verb = asked.verb

        async def answering(started: Callable[[], None]) -> web.StreamResponse:
            kind = await self._kind(path)
            if kind is None:
                return answers.text("404 page not found\n", 404)
            call = handling.Call(request, user, verb, _target(kind, path), path.rest, started)
            return await self._counted(call, self._carry_out(call, path, audit_id, warned))

        return await admitting.carry_out(self._gate, request, asked, answering)

    async def _handled(self, handler: handling.Handler, call: handling.Call, watch: bool) -> web.StreamResponse:
        """Answer a path that has a handler; its watches are another server's."""

        async def answering(started: Callable[[], None]) -> web.StreamResponse:
            started()
            return await handler(call)

        asked = authz.Attributes(call.user, "watch" if watch else call.verb, path=call.rest)
        return await admitting.carry_out(self._gate, call.request, asked, answering)

    async def _counted(self, call: handling.Call, answering: Awaitable[web.StreamResponse]) -> web.StreamResponse:
        """Answer a request for a resource, and count it."""
        verb = call.verb
        begun = self._counting.begun(verb)
        code = 500
        try:
            response = await answering
            code = response.status
        except errors.ApiError as error:
            code = error.code
            raise
        finally:
            self._counting.ended(call, verb, code, begun)
        return response

    async def _carry_out(
        self, call: handling.Call, path: paths.Path, audit_id: str, warned: list[str]
    ) -> web.StreamResponse:
        target = call.target
        assert target is not None
        handler = self.handlers.of_resource(target.kind.group_resource, target.subresource, call.verb)
        if handler is not None:
            return await self._noted(recording.attributes(call.user, call.verb, target), handler(call))
        if path.rest:
            raise errors.NotFound(NOT_FOUND)
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
        if (path.group, path.version) in self._served():
            raise errors.NotFound(NOT_FOUND)
        return None

    def _served(self) -> Mapping[tuple[str, str], list[discovery.Resource]]:
        return discovery.groups(self._api.kinds.served(), self._api.kinds.stored_as, self.extra)

    async def _document(self, request: web.BaseRequest, asked: authz.Attributes, audit_id: str) -> web.StreamResponse:
        """Answer a path that is no resource's."""
        parts = [part for part in asked.path.split("/") if part]
        return await self._noted(asked, self._read(request, asked, parts, audit_id))

    async def _caller(self, request: web.BaseRequest, path: paths.Path | None, audit_id: str) -> authn.User:
        """Return the user of a request, and let the audit log know where the request comes from."""
        auditor = self._api.auditor
        if auditor is None:
            return await self._identify(request)
        source = users.source(request, audit_id)
        try:
            user = await self._identify(request)
        except errors.Unauthorized:
            recording.arrive(source)
            self._note_stranger(auditor, request, path)
            raise
        recording.arrive(source)
        return user

    def _note_stranger(self, auditor: recording.Recorder, request: web.BaseRequest, path: paths.Path | None) -> None:
        """Let the audit log note a request of nobody."""
        try:
            asked = _asked(authn.User(""), request, path)
        except errors.MethodNotAllowed:
            asked = authz.Attributes(authn.User(""), request.method.lower(), path=request.rel_url.raw_path)
        version = path.version if path is not None else ""
        auditor.unknown(asked, version, users.attempted(request))

    async def _noted(self, asked: authz.Attributes, answering: Awaitable[web.StreamResponse]) -> web.StreamResponse:
        """Let the audit log note a request that is carried out here."""
        with self._api.noted(asked) as event:
            response = await answering
            if event is not None:
                event.code = response.status
            return response

    async def _read(
        self, request: web.BaseRequest, asked: authz.Attributes, parts: list[str], audit_id: str
    ) -> web.StreamResponse:
        """Answer health, version, discovery, metrics, and at the root what there is."""
        first = parts[0] if parts else ""
        if asked.path not in users.PUBLIC:  # which must answer, too, where roles cannot be read
            self._api.authorize(asked)
        if request.method not in ("GET", "HEAD"):
            raise errors.MethodNotAllowed(paths.NOT_ALLOWED)
        if first in ("version", "healthz", "livez", "readyz"):
            found = await self._public(request, parts, audit_id)
            return found or answers.text("404 page not found\n", 404)
        if first in ("api", "apis"):
            return await self._discover(request, parts, audit_id)
        if asked.path == "/":
            return await answers.Answer(request, media.PLAIN, audit_id).whole(await self._index())
        if parts == ["metrics"]:
            response = web.Response(text=self._counting.text())
            response.headers["Content-Type"] = counting.CONTENT_TYPE
            return response
        return answers.text("404 page not found\n", 404)

    async def _index(self) -> bytes:
        """Return the paths that are no objects', as Kubernetes lists them at its root."""
        known = {"/", "/metrics", "/version", *self._health.paths()}
        known.update(path.rstrip("/") for path in self.handlers.paths())
        known.update(discovery.paths({**await self.aggregation.groups(), **self._served()}))
        return orjson.dumps({"paths": sorted(known)}, option=orjson.OPT_INDENT_2)

    async def _public(self, request: web.BaseRequest, parts: list[str], audit_id: str) -> web.StreamResponse | None:
        if parts[0] != "version":
            return await self._health.answer(request, parts[0], "/".join(parts[1:]))
        if len(parts) > 1:
            return None
        answer = answers.Answer(request, media.PLAIN, audit_id)
        return await answer.whole(orjson.dumps(version(), option=orjson.OPT_INDENT_2))

    async def _discover(self, request: web.BaseRequest, parts: list[str], audit_id: str) -> web.StreamResponse:
        served = {**await self.aggregation.groups(), **self._served()}
        accept = request.headers.get("Accept", "")
        if len(parts) == 1:
            form = media.accepted(accept, media.DISCOVERY_GROUP)
            if form.kind:
                return await self._aggregated(request, form, discovery.aggregated(served, core=parts == ["api"]))
        form = media.accepted(accept)
        answer = answers.Answer(request, media.Form(form.format), audit_id)
        match parts:
            case ["api"]:
                return await answer.message(discovery.core(request.host))
            case ["apis"]:
                return await answer.message(discovery.group_list(served))
            case ["api", version] if ("", version) in served:
                return await answer.message(discovery.resource_list(served, "", version))
            case ["apis", group] if any(group == name for name, _ in served):
                return await answer.message(discovery.group(served, group))
            case ["apis", group, version] if group and (group, version) in served:
                return await answer.message(discovery.resource_list(served, group, version))
        return answers.text("404 page not found\n", 404)

    async def _aggregated(
        self, request: web.BaseRequest, form: media.Form, found: apidiscoveryv2.APIGroupDiscoveryList
    ) -> web.StreamResponse:
        """Answer aggregated discovery, or that the caller has it already (by its ETag)."""
        data = codec.dumps(found).replace(b"apidiscovery.k8s.io/v2", form.api_version.encode(), 1)
        if form.format == "protobuf":
            data = codec.enveloped(form.api_version, media.DISCOVERY_LIST, found.SerializeToString())
        tag = f'"{hashlib.sha256(data).hexdigest().upper()}"'
        content = f"{form.content_type};g={form.group};v={form.version};as={form.kind}"
        named = {"ETag": tag, "Vary": "Accept", "Cache-Control": "public"}
        if request.headers.get("If-None-Match") == tag:
            return web.Response(status=304, headers=named)
        return web.Response(body=data, headers={**named, "Content-Type": content})


def version() -> dict[str, str]:
    """Return /version: the Kubernetes whose API this is, and what serves it."""
    major, minor = KUBERNETES
    return {
        "major": major,
        "minor": minor,
        "gitVersion": f"v{major}.{minor}.0+fairlead-{release.VERSION}",
        "gitCommit": "",
        "gitTreeState": "",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": f"python{platform.python_version()}",
        "compiler": platform.python_implementation(),
        "platform": f"{platform.system().lower()}/{_ARCHITECTURES.get(platform.machine(), platform.machine())}",
    }


_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def _asked(user: authn.User, request: web.BaseRequest, path: paths.Path | None) -> authz.Attributes:
    """Return what a request asks for, of a resource or of a path that is none's."""
    if path is None:
        return authz.Attributes(user, request.method.lower(), path=request.rel_url.raw_path)
    verb = paths.verb(request.method, path, queries.flag(request.query, "watch"))
    return authz.Attributes(user, verb, path.group, path.resource, path.subresource, path.namespace, path.name)


def _target(kind: scheme.Kind, path: paths.Path) -> Target:
    return Target(kind, path.namespace, "" if path.watching else path.name, path.subresource)


def _form_of_errors(request: web.BaseRequest) -> media.Form:
    """Return the form of an error: the one that the caller accepts, JSON where that is none."""
    try:
        return media.Form(media.accepted(request.headers.get("Accept", "").replace(";as=", ";was=")).format)
    except errors.NotAcceptable:
        return media.PLAIN
