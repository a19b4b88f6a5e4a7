"""/openapi/v2 and /openapi/v3: what is served, for kubectl's explanations and validation, and for generators.

Documents are made when first asked for and made anew once other kinds are served; a document's hash is its ETag, and
stands in the addresses that /openapi/v3 lists, so that clients keep what they have.
"""

from __future__ import annotations

import asyncio
import hashlib
import urllib.parse
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import orjson
from aiohttp import web

from control.apiserver import authz, server
from control.gateway.aggregation import aggregation, specs
from control.gateway.rest import handlers, swagger
from fairlead.api import errors, jsontext, scheme
from fairlead.api.openapi import documents, merging, naming

V2 = "/openapi/v2"
V3 = "/openapi/v3"
# Clients ask for it with an @, which no media type may have: the answer names it with a dot.
V2_PROTOBUF = ("application/com.github.proto-openapi.spec.v2@v1.0+protobuf", "spec.v2.v1.0+protobuf")
V2_PROTOBUF_TYPE = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
JSON = "application/json"
LARGE = 64 * 1024


class Document:
    """A document's bytes and their hash."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.hash = hashlib.sha512(data).hexdigest().upper()


class OpenApi:
    """Answers both paths, for what is served here and `elsewhere`."""

    def __init__(self, api: server.ApiServer, elsewhere: aggregation.Aggregation, release: str) -> None:
        self._api = api
        self._elsewhere = elsewhere
        self._release = release
        self._known: dict[str, tuple[Any, Document]] = {}

    async def __call__(self, call: handlers.Call) -> web.StreamResponse:
        """Answer a request."""
        path = call.rest.rstrip("/")
        self._api.authorize(authz.Attributes(call.user, call.verb, path=path))
        if call.request.method not in ("GET", "HEAD"):
            raise errors.no_method()
        if path == V2:
            accept = call.request.headers.get("Accept", "")
            if any(name in accept for name in V2_PROTOBUF):
                return _answer(call.request, await self._v2("v2+protobuf", _packed), V2_PROTOBUF_TYPE)
            return _answer(call.request, await self._v2("v2", jsontext.dumps), JSON)
        if path == V3:
            return _answer(call.request, Document(orjson.dumps(await self._index())), JSON)
        return await self._group_version(call, path.removeprefix(f"{V3}/"))

    async def _group_version(self, call: handlers.Call, name: str) -> web.StreamResponse:
        """Answer the document of a group and version, which is another server's to give where that has one."""
        if name in self._groups():
            return _answer(call.request, await self._v3(name), JSON)
        found = await self._elsewhere.specs.modern(name)
        if found is None:
            raise errors.no_resource()
        if found.swagger is None:
            return await self._elsewhere.forwarding.pass_on(call, found.found)
        return _answer(call.request, await self._made_modern(name, found.swagger), JSON)

    def _groups(self) -> dict[str, list[scheme.Kind]]:
        """Return the kinds that are served by the path of their group and version: `apis/apps/v1`."""
        found: dict[str, list[scheme.Kind]] = {}
        for kind in self._api.kinds.served():
            path = f"apis/{kind.group}/{kind.version}" if kind.group else f"api/{kind.version}"
            found.setdefault(path, []).append(kind)
        return found

    async def _index(self) -> Mapping[str, Any]:
        hashes = {name: (await self._v3(name)).hash for name in self._groups()}
        for name, one in (await self._elsewhere.specs.moderns()).items():
            made = one.swagger and await self._made_modern(name, one.swagger)
            hashes[name] = made.hash if made else one.hash
        for gone in self._known.keys() - {*hashes, "v2", "v2+protobuf"}:
            self._known.pop(gone, None)
        named = {name: f"?hash={urllib.parse.quote(found)}" if found else "" for name, found in hashes.items()}
        return {"paths": {name: {"serverRelativeURL": f"{V3}/{name}{query}"} for name, query in named.items()}}

    async def _document(self, name: str, of: Any, make: Callable[[], bytes]) -> Document:
        """Return a document of something, made in a thread where that has changed: a large one takes a moment."""
        known = self._known.get(name)
        if known is not None and known[0] == of:
            return known[1]
        found = Document(await asyncio.to_thread(make))
        self._known[name] = of, found
        return found

    def _shapes(self, kinds: Iterable[scheme.Kind]) -> tuple[Any, ...]:
        """Return what a document of kinds depends on: their rows and, of custom ones, their shapes."""
        return tuple((kind, id(self._api.kinds.shape(kind))) for kind in kinds)

    def _custom(self, kinds: Sequence[scheme.Kind]) -> dict[str, Mapping[str, Any]]:
        shapes = {naming.custom(kind): self._api.kinds.shape(kind) for kind in kinds if kind.message is None}
        return {name: shape.written for name, shape in shapes.items() if shape is not None}

    async def _v3(self, group_version: str) -> Document:
        kinds = self._groups()[group_version]

        def make() -> bytes:
            return jsontext.dumps(documents.v3(kinds, self._custom(kinds), self._release))

        return await self._document(group_version, self._shapes(kinds), make)

    async def _made_modern(self, group_version: str, told: specs.Swagger) -> Document:
        def make() -> bytes:
            return jsontext.dumps(merging.modern(told.part(), documents.TITLE, self._release))

        return await self._document(group_version, told.source, make)

    async def _v2(self, name: str, write: Callable[[dict[str, Any]], bytes]) -> Document:
        kinds = list(self._api.kinds.served())
        others = await self._elsewhere.specs.swaggers()

        def make() -> bytes:
            ours = documents.v2(kinds, self._custom(kinds), self._release)
            return write(merging.merged(ours, [each.part() for each in others]))

        return await self._document(name, (self._shapes(kinds), [each.source for each in others]), make)


def _packed(document: Mapping[str, Any]) -> bytes:
    return swagger.message(document).SerializeToString(deterministic=True)


def _answer(request: web.BaseRequest, made: Document, content_type: str) -> web.Response:
    named = {"ETag": f'"{made.hash}"', "Vary": "Accept", "Cache-Control": "no-cache, private"}
    if asked := request.query.get("hash"):
        if asked != made.hash:
            address = f"{request.path}?hash={made.hash}"
            return web.Response(status=301, headers={"Location": address})
        named["Cache-Control"] = "public, max-age=31536000, immutable"
    if request.headers.get("If-None-Match") == named["ETag"]:
        return web.Response(status=304, headers=named)
    response = web.Response(body=made.data, headers={**named, "Content-Type": content_type})
    if len(made.data) > LARGE:
        response.enable_compression()
    return response


def register(
    table: handlers.Handlers, api: server.ApiServer, elsewhere: aggregation.Aggregation, release: str
) -> None:
    """Route both paths here."""
    answer = OpenApi(api, elsewhere, release)
    for path in (V2, V3, f"{V3}/"):
        table.add_path(path, answer)
