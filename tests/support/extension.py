"""Another API server in a test, whose group Flunders belong to: the aggregated API of a cluster."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import ssl
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import orjson
from aiohttp import web

from control import pki
from control.apiserver.server import ApiServer
from fairlead.api.pb import apiregistration_v1_pb2 as apiregistrationv1
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.client import interface

GROUP, VERSION = "wardle.example.com", "v1alpha1"
FLUNDERS = f"/apis/{GROUP}/{VERSION}/namespaces/default/flunders"
HOST = "wardle.default.svc"
RESOURCES = {
    "kind": "APIResourceList",
    "apiVersion": "v1",
    "groupVersion": f"{GROUP}/{VERSION}",
    "resources": [
        {
            "name": "flunders",
            "singularName": "flunder",
            "namespaced": True,
            "kind": "Flunder",
            "verbs": ["create", "delete", "get", "list", "patch"],
        }
    ],
}
KIND = {"group": GROUP, "kind": "Flunder", "version": VERSION}
META = "io.k8s.apimachinery.pkg.apis.meta.v1"
_TEXT = {"type": "string"}
_NAMED = [{"$ref": "#/parameters/namespace"}, {"in": "path", "name": "name", "type": "string", "required": True}]
# What such a server tells in version 2, a group of somebody else's among it.
SWAGGER: dict[str, Any] = {
    "swagger": "2.0",
    "info": {"title": "wardle", "version": "0.1"},
    "parameters": {"namespace": {"in": "path", "name": "namespace", "type": "string", "required": True}},
    "paths": {
        f"/apis/{GROUP}/{VERSION}/namespaces/{{namespace}}/flunders/{{name}}": {
            "parameters": _NAMED,
            "get": {
                "description": "read a flunder",
                "operationId": "readFlunder",
                "produces": ["application/json"],
                "x-kubernetes-group-version-kind": KIND,
                "responses": {"200": {"description": "OK", "schema": {"$ref": "#/definitions/wardle.Flunder"}}},
            },
            "put": {
                "description": "replace a flunder",
                "operationId": "replaceFlunder",
                "consumes": ["application/json"],
                "x-kubernetes-group-version-kind": KIND,
                "parameters": [{"in": "body", "name": "body", "schema": {"$ref": "#/definitions/wardle.Flunder"}}],
                "responses": {},
            },
        },
        "/apis/other.example.com/v1/things": {"get": {"responses": {}}},
    },
    "definitions": {
        "wardle.Flunder": {
            "description": "A fish of the flat kind.",
            "type": "object",
            "properties": {
                "apiVersion": _TEXT,
                "kind": _TEXT,
                "metadata": {"description": "Its name.", "$ref": f"#/definitions/{META}.ObjectMeta"},
                "spec": {"$ref": "#/definitions/wardle.FlunderSpec"},
            },
            "x-kubernetes-group-version-kind": [KIND],
        },
        "wardle.FlunderSpec": {
            "type": "object",
            "required": ["depth"],
            "properties": {
                "depth": {"type": "integer", "format": "int32", "description": "How deep it swims, in fathoms."},
                "spots": {"type": "array", "items": _TEXT},
            },
        },
        f"{META}.ObjectMeta": {"type": "object", "properties": {"name": _TEXT, "namespace": _TEXT}},
        "other.Thing": {"type": "object"},
    },
}
V2, V3 = "/openapi/v2", "/openapi/v3"
V3_OWN = f"{V3}/apis/{GROUP}/{VERSION}"
INDEX = {"paths": {f"apis/{GROUP}/{VERSION}": {"serverRelativeURL": f"{V3_OWN}?hash=A1"}}}
Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Listening:
    """Where a server is, and who vouches for it."""

    port: int
    authority: bytes


@dataclass
class Backend(Listening):
    """Another API server: what it was asked, and what it answers.

    `resources` is the text of its discovery, `headers` come with every answer, `status` with that of its discovery.
    If it is `cut`, it ends half-way through its answers. `documents` has the texts of OpenAPI by their paths.
    With `objects`, by their paths, it creates, gets, merges and deletes them; without, it says what it was asked.
    """

    asked: list[web.BaseRequest] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    resources: bytes = orjson.dumps(RESOURCES)
    headers: dict[str, str] = field(default_factory=dict)
    status: int = 200
    cut: bool = False
    documents: dict[str, bytes] = field(default_factory=dict)
    objects: dict[str, Any] | None = None


def credentials() -> tuple[bytes, ssl.SSLContext]:
    """Return the certificate of an authority, and the TLS of a server that it vouches for."""
    authority = pki.create_authority("wardle-ca")
    certificate, key = authority.issue(pki.Subject("wardle", hosts=(HOST,), server=True))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    with tempfile.NamedTemporaryFile() as file:
        file.write(certificate + key)
        file.flush()
        context.load_cert_chain(file.name)
    return authority.pem, context


@contextlib.asynccontextmanager
async def serving() -> AsyncIterator[Backend]:
    """Serve Flunders."""
    authority, context = credentials()
    made = Backend(0, authority)

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        made.asked.append(request)
        if request.headers.get("Upgrade") == "websocket":
            return await _shout(request)
        made.bodies.append(await request.read())
        if made.cut:
            return await half(request)
        if request.path.startswith("/openapi/"):
            return _document(request, made)
        if request.path.endswith("/v1alpha1"):
            body, kind = made.resources, "application/json"
            return web.Response(body=body, status=made.status, headers=made.headers, content_type=kind)
        if made.objects is not None:
            return _stored(request, made.objects, made.bodies[-1])
        headers = {"Audit-Id": "theirs", **made.headers}
        return web.json_response({"path": request.path_qs}, status=201, headers=headers)

    runner = web.ServerRunner(web.Server(handle), shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    made.port = runner.addresses[0][1]
    try:
        yield made
    finally:
        await runner.cleanup()


@dataclass
class Speaker(Listening):
    """A server that talks in a protocol of its own once it has read the head of a request; and what it heard."""

    heads: list[bytes] = field(default_factory=list)
    heard: asyncio.Queue[bytes] = field(default_factory=asyncio.Queue)


@contextlib.asynccontextmanager
async def speaking(talk: Talk) -> AsyncIterator[Speaker]:
    """Serve connections, each with what `talk` does; what comes after that is heard, to the end."""
    authority, context = credentials()
    made = Speaker(0, authority)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            made.heads.append(await reader.readuntil(b"\r\n\r\n"))
            await talk(reader, writer)
            await made.heard.put(await reader.read())
        except (ConnectionError, asyncio.IncompleteReadError):
            await made.heard.put(b"")
        finally:
            writer.close()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    made.port = listener.sockets[0].getsockname()[1]
    async with listener:
        yield made


def _document(request: web.BaseRequest, made: Backend) -> web.Response:
    body = made.documents.get(request.path)
    if body is None:
        return web.Response(status=404)
    tag = f'"{hashlib.sha256(body).hexdigest()}"'
    if request.headers.get("If-None-Match") == tag:
        return web.Response(status=304, headers={"ETag": tag})
    return web.Response(body=body, headers={"ETag": tag, **made.headers}, content_type="application/json")


def _stored(request: web.BaseRequest, objects: dict[str, Any], body: bytes) -> web.Response:
    path = request.path
    if request.method == "POST":
        made = orjson.loads(body)
        path = f"{path}/{made['metadata']['name']}"
        objects[path] = made
        return web.json_response(made, status=201)
    if path not in objects:
        missing = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404}
        return web.json_response(missing, status=404)
    if request.method == "DELETE":
        return web.json_response(objects.pop(path))
    if request.method == "PATCH":
        objects[path] = _merged(objects[path], orjson.loads(body))
    return web.json_response(objects[path])


def _merged(value: Any, patch: Any) -> Any:
    if not isinstance(value, dict) or not isinstance(patch, dict):
        return patch
    found = {**value, **{name: _merged(value.get(name), each) for name, each in patch.items()}}
    return {name: each for name, each in found.items() if each is not None}


async def half(request: web.BaseRequest) -> web.StreamResponse:
    """Begin an answer, and hang up in its midst."""
    response = web.StreamResponse(headers={"Content-Length": "100"})
    await response.prepare(request)
    await response.write(b"half")
    assert request.transport is not None
    request.transport.close()
    return response


async def _shout(request: web.BaseRequest) -> web.WebSocketResponse:
    """Say over a WebSocket what is said, louder; and take leave of who does."""
    socket = web.WebSocketResponse(protocols=["shout"])
    await socket.prepare(request)
    async for message in socket:
        if message.data == "bye":
            await socket.close(message=b"bye")
        else:
            await socket.send_str(message.data.upper())
    return socket


async def aggregate(api: ApiServer, backend: Listening, status: str = "True") -> None:
    """Make a Service that leads to a server, and its APIService with a condition."""
    client = api.as_user("admin", ["system:masters"])
    await judge(client, await register(client, backend), status)
    await api.cache.fresh()


async def judge(client: interface.Client, made: apiregistrationv1.APIService, status: str = "True") -> None:
    """Say of an APIService whether it is available."""
    made.status.conditions.add(type="Available", status=status)
    await client.update(made, subresource="status")


async def register(client: interface.Client, backend: Listening) -> apiregistrationv1.APIService:
    """Make a Service that leads to a server, and its APIService."""
    service = corev1.Service()
    service.metadata.name, service.metadata.namespace = "wardle", "default"
    service.spec.type, service.spec.externalName = "ExternalName", "localhost"
    await client.create(service)
    return await client.create(apiservice(backend, backend.port))


def apiservice(backend: Listening, port: int) -> apiregistrationv1.APIService:
    """Return the APIService of a server, for a port of its Service."""
    made = apiregistrationv1.APIService()
    made.metadata.name = f"{VERSION}.{GROUP}"
    made.spec.group, made.spec.version = GROUP, VERSION
    made.spec.service.namespace, made.spec.service.name, made.spec.service.port = "default", "wardle", port
    made.spec.caBundle = backend.authority
    made.spec.groupPriorityMinimum, made.spec.versionPriority = 1000, 15
    return made
