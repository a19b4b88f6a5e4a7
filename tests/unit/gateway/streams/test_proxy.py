"""Proxies to pods, Services and nodes: HTTP through the agent's session to a server of the test's."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from control.gateway.streams import addresses
from fairlead.api.pb import admissionregistration_v1_pb2 as registrationv1
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import discovery_v1_pb2 as discoveryv1
from tests.support import extension, hooks, streaming
from tests.unit.apiserver.admission import test_webhooks

CONNECTS = "{operations: [CONNECT], apiGroups: [''], apiVersions: [v1], resources: ['*/proxy']}"
Mutating = registrationv1.MutatingWebhookConfiguration
Validating = registrationv1.ValidatingWebhookConfiguration
POD = f"{streaming.PODS}/web:8080/proxy"
SERVICES = "/api/v1/namespaces/default/services"


@contextlib.asynccontextmanager
async def behind(made: streaming.Cluster) -> AsyncIterator[None]:
    """Let the pods' ports lead to a server that says what it was asked."""

    async def echo(request: web.Request) -> web.StreamResponse:
        body = await request.read()
        headers = {name: value for name, value in request.headers.items() if name.startswith(("X-", "Auth", "Imp"))}
        said: dict[str, Any] = {
            "method": request.method,
            "path": request.raw_path,
            "body": body.decode(),
            "headers": headers,
        }
        said["protocols"] = request.headers.get("Sec-WebSocket-Protocol")
        return web.json_response(said, status=201, headers={"X-Answer": "yes", "Set-Cookie": "a=b"})

    async def redirect(request: web.Request) -> web.StreamResponse:
        return web.Response(status=302, headers={"Location": "/elsewhere?x=1"})

    async def sockets(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse(protocols=["chat"])
        await socket.prepare(request)
        async for message in socket:
            await socket.send_str(message.data.upper())
        return socket

    async def stream(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        async for chunk in request.content.iter_any():
            await response.write(chunk)
        return response

    async def page(request: web.Request) -> web.StreamResponse:
        headers = {"Content-Encoding": "zstd-of-ours"} if request.query_string else {}
        text = '<a href="/rewriteme">test</a>'
        return web.Response(text=text, content_type=request.path[1:].replace("-", "/"), headers=headers)

    app = web.Application(client_max_size=1 << 26)
    app.router.add_get("/text-html", page)
    app.router.add_get("/text-plain", page)
    app.router.add_get("/redirect", redirect)
    app.router.add_get("/socket", sockets)
    app.router.add_get("/cut", extension.half)
    app.router.add_post("/stream", stream)
    app.router.add_route("*", "/{rest:.*}", echo)
    runner = web.AppRunner(app, shutdown_timeout=0.5)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.network.port = runner.addresses[0][1]
    try:
        yield
    finally:
        await runner.cleanup()


async def service(made: streaming.Cluster, port_name: str = "") -> None:
    """Make the Service `front` on port 80 with the pod `web` behind it."""
    fresh = corev1.Service()
    fresh.metadata.name, fresh.metadata.namespace = "front", "default"
    fresh.spec.ports.add(port=80, name=port_name).targetPort.intVal = 8080
    await made.control.client.create(fresh)
    slice_ = discoveryv1.EndpointSlice(addressType="IPv4")
    slice_.metadata.name, slice_.metadata.namespace = "front-1", "default"
    slice_.metadata.labels["kubernetes.io/service-name"] = "front"
    slice_.ports.add(name=port_name, port=8080, protocol="TCP")
    endpoint = slice_.endpoints.add(addresses=["10.128.0.2"])
    endpoint.conditions.ready = True
    endpoint.targetRef.kind, endpoint.targetRef.name, endpoint.targetRef.namespace = "Pod", "web", "default"
    await made.control.client.create(slice_)


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
async def test_every_method_reaches_the_pod(method: str) -> None:
    """Path and query as they were sent, the body, and no credentials."""
    async with streaming.cluster() as made, behind(made):
        url = f"{made.url}{POD}/a%2Fb/c?q=%20x&y"
        headers = {"Authorization": "Bearer secret", "Impersonate-User": "eve", "X-Mine": "1"}

        async with made.http.request(
            method, aiohttp.client.URL(url, encoded=True), data="body", headers=headers
        ) as got:
            said = await got.json()

        assert (got.status, got.headers["X-Answer"], got.headers["Set-Cookie"]) == (201, "yes", "a=b")
        assert (said["method"], said["path"], said["body"]) == (method, "/a%2Fb/c?q=%20x&y", "body")
        assert said["headers"]["X-Mine"] == "1"
        assert said["headers"]["X-Forwarded-Uri"] == f"{POD}/a%2Fb/c"
        assert not said["headers"].keys() & {"Authorization", "Impersonate-User"}
        assert made.network.to_address is True  # what listens on the loopback alone is for port-forward only
        await made.until_quiet()


@pytest.mark.parametrize(
    ("path", "want"),
    [("text-html", f"{POD}/rewriteme"), ("text-plain", "/rewriteme"), ("text-html?compressed", "/rewriteme")],
)
async def test_links_of_a_page_are_led_below_the_proxy(path: str, want: str) -> None:
    """Of HTML that can be read; its length is another then."""
    made_with = f'<a href="{want}">test</a>'
    async with streaming.cluster() as made, behind(made):
        async with made.http.get(f"{made.url}{POD}/{path}") as got:
            assert (got.status, await got.text()) == (200, made_with)
        async with made.http.head(f"{made.url}{POD}/{path}") as got:
            assert (got.status, got.headers["Content-Length"]) == (200, str(len('<a href="/rewriteme">test</a>')))


async def test_head_has_no_body_and_the_length() -> None:
    """As the server answered."""
    async with streaming.cluster() as made, behind(made), made.http.head(f"{made.url}{POD}/x") as got:
        assert got.status == 201
        assert int(got.headers["Content-Length"]) > 50
        assert await got.read() == b""


async def test_bodies_stream_both_ways() -> None:
    """Megabytes pass through a connection that holds kilobytes."""
    body = bytes(range(256)) * (16 << 10)
    async with streaming.cluster() as made, behind(made):

        async def pieces() -> AsyncIterator[bytes]:
            for start in range(0, len(body), 50_000):
                yield body[start : start + 50_000]

        async with made.http.post(f"{made.url}{POD}/stream", data=pieces()) as got:
            assert await got.read() == body


async def test_a_websocket_passes_through() -> None:
    """Its subprotocol and messages, and its end."""
    async with streaming.cluster() as made, behind(made):
        async with made.http.ws_connect(f"{made.url}{POD}/socket", protocols=["chat"]) as socket:
            await socket.send_str("hello")

            assert (socket.protocol, await socket.receive_str()) == ("chat", "HELLO")

        await made.until_quiet()


async def test_a_token_among_a_websockets_protocols_is_not_passed_on() -> None:
    """The pod is offered the other protocols alone."""
    token = "base64url.bearer.authorization.k8s.io.c2VjcmV0"
    async with streaming.cluster() as made, behind(made):
        async with made.http.get(f"{made.url}{POD}/x", headers={"Sec-WebSocket-Protocol": f"{token}, chat"}) as got:
            assert (await got.json())["protocols"] == "chat"
        async with made.http.ws_connect(f"{made.url}{POD}/socket", protocols=[token, "chat"]) as socket:
            assert socket.protocol == "chat"


async def test_redirects_stay_below_the_proxy() -> None:
    """A Location is rewritten; a proxy's own path without its slash is redirected to it."""
    async with streaming.cluster() as made, behind(made):
        async with made.http.get(f"{made.url}{POD}/redirect", allow_redirects=False) as first:
            pass
        async with made.http.get(f"{made.url}{POD}?a=1", allow_redirects=False) as second:
            pass

        assert (first.status, first.headers["Location"]) == (302, f"{POD}/elsewhere?x=1")
        assert (second.status, second.headers["Location"]) == (301, f"{POD}/?a=1")


async def test_an_answer_that_is_cut_looks_cut() -> None:
    """Half an answer is not passed on as a whole one."""
    async with streaming.cluster() as made, behind(made), made.http.get(f"{made.url}{POD}/cut") as got:
        with pytest.raises(aiohttp.ClientPayloadError):
            await got.read()


@pytest.mark.parametrize(("port_name", "name"), [("", "front"), ("http", "front:http"), ("http", "http:front:80")])
async def test_a_service_leads_to_one_of_its_pods(port_name: str, name: str) -> None:
    """By the port's name or number, or the one without a name."""
    async with streaming.cluster() as made, behind(made):
        await service(made, port_name)

        async with made.http.get(f"{made.url}{SERVICES}/{name}/proxy/x") as got:
            assert (got.status, (await got.json())["path"]) == (201, "/x")


@pytest.mark.parametrize(
    ("path", "code", "message"),
    [
        (f"{SERVICES}/front:81/proxy/", 503, 'no service port 81 found for service "front"'),
        (f"{SERVICES}/front:other/proxy/", 503, 'no endpoints available for service "front"'),
        (f"{SERVICES}/none/proxy/", 404, 'services "none" not found'),
        (f"{SERVICES}/ftp:front:80/proxy/", 400, 'invalid service request "ftp:front:80"'),
        (f"{streaming.PODS}/gone/proxy/", 404, 'pods "gone" not found'),
        (f"{streaming.PODS}/a:b:c:d/proxy/", 400, 'invalid pod request "a:b:c:d"'),
        (f"{streaming.PODS}/web:9/proxy/", 503, "error trying to reach service: failed to connect"),
        ("/api/v1/nodes/node-1/proxy/logs/", 501, 'node "node-1" has no port of its own'),
    ],
)
async def test_what_cannot_be_reached_is_named(path: str, code: int, message: str) -> None:
    """As a Status, in Kubernetes' words where it has them."""
    async with streaming.cluster() as made, behind(made):
        await service(made)

        async with made.http.get(made.url + path) as got:
            said = await got.json()

        assert (got.status, said["code"]) == (code, code)
        assert said["message"].startswith(message)
        await made.until_quiet()


async def test_a_node_answers_what_is_known_of_it() -> None:
    """Its health and its pods; an agent has no port to ask for more."""
    async with streaming.cluster() as made:
        async with made.http.get(f"{made.url}/api/v1/nodes/node-1/proxy/healthz") as health:
            assert (health.status, await health.text()) == (200, "ok")
        async with made.http.get(f"{made.url}/api/v1/nodes/node-1:10250/proxy/pods") as pods:
            said = json.loads(await pods.read())
            assert [pod["metadata"]["name"] for pod in said["items"]] == ["web"]


@pytest.mark.parametrize(
    ("location", "want"),
    [
        ("/x", "/p/proxy/x"),
        ("/", "/p/proxy/"),
        ("/x/?q#f", "/p/proxy/x/?q#f"),
        ("x", "x"),
        ("http://pod:80/x", "/p/proxy/x"),
        ("http://api:6443/x", "/p/proxy/x"),
        ("http://other/x", "http://other/x"),
        ("/p/proxy/x", "/p/proxy/x"),
        ("/../../x", "/x"),
        ("", ""),
    ],
)
def test_locations(location: str, want: str) -> None:
    """Absolute paths and our own hosts are led back; everything else is nobody's business."""
    got = addresses.relocated(location, "/p/proxy", ("pod:80", "api:6443"))

    assert got == want


@pytest.mark.parametrize(
    ("path", "kind", "name", "asked"),
    [
        (f"{POD}/a%20b/?x=1", "PodProxyOptions", "web:8080", "/a b/"),
        (f"{POD}", "PodProxyOptions", "web:8080", ""),
        (f"{SERVICES}/web:80/proxy/x", "ServiceProxyOptions", "web:80", "/x"),
        (f"/api/v1/nodes/{streaming.NODE}/proxy/pods", "NodeProxyOptions", streaming.NODE, "/pods"),
    ],
)
async def test_a_webhook_refuses_a_proxied_request(path: str, kind: str, name: str, asked: str) -> None:
    """It hears the name as it was written, and the path."""
    async with streaming.cluster() as made, hooks.serving(hooks.deny(message="no", code=403)) as hook:
        await test_webhooks.configure(made.control.api, Validating, hook, rules=CONNECTS)
        async with made.http.request("PUT" if "pods/" in path else "GET", made.url + path) as answer:
            said = await answer.json()

    assert (answer.status, said["message"]) == (403, 'admission webhook "policy.example.com" denied the request: no')
    (heard,) = hook.asked
    assert (heard["kind"]["kind"], heard["name"], heard["object"].get("path", "")) == (kind, name, asked)


async def test_a_webhook_leads_a_proxied_request_elsewhere() -> None:
    """The path that it wants is the one that is asked for."""
    led = hooks.patch({"op": "replace", "path": "/path", "value": "/public"})
    async with streaming.cluster() as made, behind(made), hooks.serving(led) as hook:
        await test_webhooks.configure(made.control.api, Mutating, hook, rules=CONNECTS)
        async with made.http.get(f"{made.url}{POD}/private") as answer:
            said = await answer.json()

    assert said["path"] == "/public"
