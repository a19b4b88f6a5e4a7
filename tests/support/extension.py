"""Another API server in a test, whose group Flunders belong to: the aggregated API of a cluster."""

from __future__ import annotations

import contextlib
import ssl
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import orjson
from aiohttp import web

from control import pki
from control.apiserver.server import ApiServer
from fairlead.api.pb import apiregistration_v1_pb2 as apiregistrationv1
from fairlead.api.pb import core_v1_pb2 as corev1

GROUP, VERSION = "wardle.example.com", "v1alpha1"
FLUNDERS = f"/apis/{GROUP}/{VERSION}/namespaces/default/flunders"
HOST = "wardle.default.svc"
RESOURCES = {
    "kind": "APIResourceList",
    "apiVersion": "v1",
    "groupVersion": f"{GROUP}/{VERSION}",
    "resources": [
        {"name": "flunders", "singularName": "flunder", "namespaced": True, "kind": "Flunder", "verbs": ["get"]}
    ],
}


@dataclass
class Listening:
    """Where a server is, and who vouches for it."""

    port: int
    authority: bytes


@dataclass
class Backend(Listening):
    """Another API server: what it was asked, and what it answers.

    `resources` is the text of its discovery, `headers` come with every answer, `status` with that of its discovery.
    If it is `cut`, it ends half-way through its answers.
    """

    asked: list[web.BaseRequest] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    resources: bytes = orjson.dumps(RESOURCES)
    headers: dict[str, str] = field(default_factory=dict)
    status: int = 200
    cut: bool = False


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
            return await _half(request)
        if request.path.endswith("/v1alpha1"):
            body, kind = made.resources, "application/json"
            return web.Response(body=body, status=made.status, headers=made.headers, content_type=kind)
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


async def _half(request: web.BaseRequest) -> web.StreamResponse:
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
    service = corev1.Service()
    service.metadata.name, service.metadata.namespace = "wardle", "default"
    service.spec.type, service.spec.externalName = "ExternalName", "localhost"
    await client.create(service)
    made = apiregistrationv1.APIService()
    made.metadata.name = f"{VERSION}.{GROUP}"
    made.spec.group, made.spec.version = GROUP, VERSION
    made.spec.service.namespace, made.spec.service.name, made.spec.service.port = "default", "wardle", backend.port
    made.spec.caBundle = backend.authority
    made.spec.groupPriorityMinimum, made.spec.versionPriority = 1000, 15
    made = await client.create(made)
    made.status.conditions.add(type="Available", status=status)
    await client.update(made, subresource="status")
    await api.cache.fresh()
