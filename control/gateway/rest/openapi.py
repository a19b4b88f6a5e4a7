"""/openapi/v2 and /openapi/v3: what is served, for kubectl's explanations and validation, and for generators.

Documents are made when first asked for and made anew once other kinds are served; a document's hash is its ETag, and
stands in the addresses that /openapi/v3 lists, so that clients keep what they have.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Mapping
from typing import Any

import orjson
from aiohttp import web

from control.apiserver import authz, server
from control.gateway.rest import handlers, swagger
from fairlead.api import errors, jsontext, scheme
from fairlead.api.openapi import documents, naming

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
    """Answers both paths."""

    def __init__(self, api: server.ApiServer, release: str) -> None:
        self._api = api
        self._release = release
        self._known: dict[str, Document] = {}
        self._of: tuple[Any, ...] = ()

    async def __call__(self, call: handlers.Call) -> web.StreamResponse:
        """Answer a request."""
        path = call.rest.rstrip("/")
        self._api.authorize(authz.Attributes(call.user, call.verb, path=path))
        if call.request.method not in ("GET", "HEAD"):
            raise errors.no_method()
        if path == V2:
            accept = call.request.headers.get("Accept", "")
            if any(name in accept for name in V2_PROTOBUF):
                made = await self._document("v2+protobuf", self._v2_protobuf)
                return _answer(call.request, made, V2_PROTOBUF_TYPE)
            return _answer(call.request, await self._document("v2", self._v2), JSON)
        if path == V3:
            return _answer(call.request, Document(orjson.dumps(await self._index())), JSON)
        group_version = path.removeprefix(f"{V3}/")
        if group_version not in self._groups():
            raise errors.no_resource()
        made = await self._document(group_version, lambda: self._v3(group_version))
        return _answer(call.request, made, JSON)

    def _groups(self) -> dict[str, list[scheme.Kind]]:
        """Return the kinds that are served by the path of their group and version: `apis/apps/v1`."""
        found: dict[str, list[scheme.Kind]] = {}
        for kind in self._api.kinds.served():
            path = f"apis/{kind.group}/{kind.version}" if kind.group else f"api/{kind.version}"
            found.setdefault(path, []).append(kind)
        return found

    async def _index(self) -> Mapping[str, Any]:
        paths = {}
        for group_version in self._groups():
            made = await self._document(group_version, lambda name=group_version: self._v3(name))  # type: ignore[misc]
            paths[group_version] = {"serverRelativeURL": f"{V3}/{group_version}?hash={made.hash}"}
        return {"paths": paths}

    async def _document(self, name: str, make: Callable[[], bytes]) -> Document:
        """Return a document, made in a thread: a large one takes a moment."""
        served = self._served()
        if served != self._of:
            self._known, self._of = {}, served
        found = self._known.get(name)
        if found is None:
            found = Document(await asyncio.to_thread(make))
            if self._of == served:
                self._known[name] = found
        return found

    def _served(self) -> tuple[Any, ...]:
        """Return what the documents depend on: rows of kinds and, of custom ones, their shapes."""
        return tuple((kind, id(self._api.kinds.shape(kind))) for kind in self._api.kinds.served())

    def _custom(self, kinds: list[scheme.Kind]) -> dict[str, Mapping[str, Any]]:
        shapes = {naming.custom(kind): self._api.kinds.shape(kind) for kind in kinds if kind.message is None}
        return {name: shape.written for name, shape in shapes.items() if shape is not None}

    def _v3(self, group_version: str) -> bytes:
        kinds = self._groups()[group_version]
        return jsontext.dumps(documents.v3(kinds, self._custom(kinds), self._release))

    def _everything(self) -> dict[str, Any]:
        kinds = list(self._api.kinds.served())
        return documents.v2(kinds, self._custom(kinds), self._release)

    def _v2(self) -> bytes:
        return jsontext.dumps(self._everything())

    def _v2_protobuf(self) -> bytes:
        return swagger.message(self._everything()).SerializeToString(deterministic=True)


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


def register(table: handlers.Handlers, api: server.ApiServer, release: str) -> None:
    """Route both paths here."""
    answer = OpenApi(api, release)
    for path in (V2, V3, f"{V3}/"):
        table.add_path(path, answer)
