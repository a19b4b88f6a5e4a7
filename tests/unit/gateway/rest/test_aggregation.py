"""Aggregated APIs: requests that go on to a Service, with the caller's name, and what comes back."""

from __future__ import annotations

import contextlib
import ssl
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import orjson
import pytest
from aiohttp import web

from control import pki
from control.apiserver.server import ApiServer
from fairlead.api.pb import apiregistration_v1_pb2 as apiregistrationv1
from fairlead.api.pb import core_v1_pb2 as corev1
from tests.unit.gateway.rest.conftest import Caller

FLUNDERS = "/apis/wardle.example.com/v1alpha1/namespaces/default/flunders"
RESOURCES = {
    "kind": "APIResourceList",
    "apiVersion": "v1",
    "groupVersion": "wardle.example.com/v1alpha1",
    "resources": [
        {"name": "flunders", "singularName": "flunder", "namespaced": True, "kind": "Flunder", "verbs": ["get"]}
    ],
}


@dataclass
class Backend:
    """Another API server: where it is, who vouches for it, what it was asked, and what it answers.

    `resources` is the text of its discovery, `headers` come with every answer, `status` with that of its discovery.
    """

    port: int
    authority: bytes
    asked: list[web.BaseRequest] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    resources: bytes = orjson.dumps(RESOURCES)
    headers: dict[str, str] = field(default_factory=dict)
    status: int = 200


@contextlib.asynccontextmanager
async def serving() -> AsyncIterator[Backend]:
    """Serve Flunders."""
    authority = pki.create_authority("wardle-ca")
    certificate, key = authority.issue(pki.Subject("wardle", hosts=("wardle.default.svc",), server=True))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    with tempfile.NamedTemporaryFile() as file:
        file.write(certificate + key)
        file.flush()
        context.load_cert_chain(file.name)
    made = Backend(0, authority.pem)

    async def handle(request: web.BaseRequest) -> web.Response:
        made.asked.append(request)
        made.bodies.append(await request.read())
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


@pytest.fixture
async def backend() -> AsyncIterator[Backend]:
    """Another API server."""
    async with serving() as made:
        yield made


async def aggregate(api: ApiServer, backend: Backend, status: str = "True") -> None:
    """Make a Service that leads to the backend, and its APIService with a condition."""
    client = api.as_user("admin", ["system:masters"])
    service = corev1.Service()
    service.metadata.name, service.metadata.namespace = "wardle", "default"
    service.spec.type, service.spec.externalName = "ExternalName", "localhost"
    await client.create(service)
    made = apiregistrationv1.APIService()
    made.metadata.name = "v1alpha1.wardle.example.com"
    made.spec.group, made.spec.version = "wardle.example.com", "v1alpha1"
    made.spec.service.namespace, made.spec.service.name, made.spec.service.port = "default", "wardle", backend.port
    made.spec.caBundle = backend.authority
    made.spec.groupPriorityMinimum, made.spec.versionPriority = 1000, 15
    made = await client.create(made)
    made.status.conditions.add(type="Available", status=status)
    await client.update(made, subresource="status")
    await api.cache.fresh()


async def test_a_request_goes_on_with_its_callers_name(api: ApiServer, call: Caller, backend: Backend) -> None:
    """Method, query, body and headers as they came, but for who somebody claims to be; the answer as it comes."""
    await aggregate(api, backend)

    answer = await call(
        "POST", f"{FLUNDERS}?dryRun=All", {"a": 1}, X_Remote_User="mallory", Authorization="Bearer x", X_Trace="t"
    )

    assert (answer.status, answer.json) == (201, {"path": f"{FLUNDERS}?dryRun=All"})
    assert answer.headers["Audit-Id"] == "theirs"
    (asked,) = backend.asked
    assert (asked.method, orjson.loads(backend.bodies[0])) == ("POST", {"a": 1})
    assert asked.headers.getall("X-Remote-User") == ["admin"]
    assert "system:masters" in asked.headers.getall("X-Remote-Group")
    assert asked.headers["X-Trace"] == "t"
    assert asked.headers["Content-Length"] == str(len(backend.bodies[0]))
    assert "Authorization" not in asked.headers


async def test_a_group_that_is_served_elsewhere_is_discovered(api: ApiServer, call: Caller, backend: Backend) -> None:
    """In the list of groups, in aggregated discovery with the resources that the other server tells."""
    await aggregate(api, backend)
    accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"

    groups = (await call("GET", "/apis")).json["groups"]
    found = (await call("GET", "/apis", accept=accept)).json["items"]

    assert "wardle.example.com" in [group["name"] for group in groups]
    (wardle,) = [one for one in found if one["metadata"]["name"] == "wardle.example.com"]
    assert [one["resource"] for one in wardle["versions"][0]["resources"]] == ["flunders"]


async def test_a_server_that_is_not_available_is_not_asked(api: ApiServer, call: Caller, backend: Backend) -> None:
    """Its requests fail at once; its group is in discovery, where clients hear that its resources are not known."""
    await aggregate(api, backend, status="False")

    answer = await call("GET", FLUNDERS)
    groups = (await call("GET", "/apis")).json["groups"]
    accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
    found = {one["metadata"]["name"]: one for one in (await call("GET", "/apis", accept=accept)).json["items"]}

    assert (answer.status, answer.json["reason"]) == (503, "ServiceUnavailable")
    assert backend.asked == []
    assert "wardle.example.com" in [group["name"] for group in groups]
    assert found["wardle.example.com"]["versions"] == [{"version": "v1alpha1", "freshness": "Stale"}]
    assert found["apps"]["versions"][0]["freshness"] == "Current"


async def test_a_caller_who_may_not_is_refused_here(
    api: ApiServer, server: Any, call: Caller, backend: Backend
) -> None:
    """Nothing goes on."""
    await aggregate(api, backend)

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=server.tls("bob"))) as session:
        refused = await Caller(session, server.url)("GET", FLUNDERS)

    assert refused.status == 403
    assert refused.json["message"] == (
        'flunders.wardle.example.com is forbidden: User "bob" cannot list resource "flunders" in API group'
        ' "wardle.example.com" in the namespace "default"'
    )
    assert backend.asked == []


async def test_a_server_that_does_not_listen_is_told(api: ApiServer, call: Caller) -> None:
    """As unavailable, with what went wrong."""
    async with serving() as backend:
        pass
    await aggregate(api, backend)

    answer = await call("GET", FLUNDERS)

    assert answer.status == 503
    assert "error trying to reach service" in answer.json["message"]
