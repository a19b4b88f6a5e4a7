"""Aggregated APIs: requests that go on to a Service, with the caller's name, and what comes back."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import orjson
import pytest

from control.apiserver.server import ApiServer
from tests.support import extension
from tests.support.extension import FLUNDERS, Backend, aggregate
from tests.unit.gateway.rest.conftest import Caller


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


async def test_a_watch_flows_and_ends_with_its_caller(api: ApiServer, call: Caller) -> None:
    """An event is there before the next one happens; who leaves is not sent any more."""
    event = b'{"type":"ADDED","object":{}}\n'

    async def follow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n" % (len(event), event))

    async with extension.speaking(follow) as speaker:
        await aggregate(api, speaker)
        async with call.session.get(f"{call.url}{FLUNDERS}?watch=1") as answer:
            first = await answer.content.readline()
            answer.close()

        assert (answer.status, first) == (200, event)
        assert await speaker.heard.get() == b""


async def test_an_answer_that_is_cut_looks_cut(api: ApiServer, call: Caller, backend: Backend) -> None:
    """Half an answer is neither passed on as a whole one, nor followed by another."""
    await aggregate(api, backend)
    backend.cut = True

    with pytest.raises(aiohttp.ClientPayloadError):
        await call("GET", FLUNDERS)


async def test_nothing_is_asked_for_that_the_caller_did_not_ask_for(
    api: ApiServer, server: Any, backend: Backend
) -> None:
    """Who takes no packed answers would not know what to do with one."""
    await aggregate(api, backend)
    admin = server.tls("admin", "system:masters")
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port, ssl=admin, server_hostname="127.0.0.1")

    writer.write(f"GET {FLUNDERS} HTTP/1.1\r\nHost: x\r\nConnection: X-Hop, close\r\nX-Hop: 1\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()

    (asked,) = backend.asked
    assert answer.startswith(b"HTTP/1.1 201 ")
    sent = {name for name in asked.headers if not name.startswith(("X-Remote-", "X-Forwarded-"))}
    assert sent == {"Host"}


async def test_a_server_that_does_not_listen_is_told(api: ApiServer, call: Caller) -> None:
    """As unavailable, with what went wrong."""
    async with extension.serving() as backend:
        pass
    await aggregate(api, backend)

    answer = await call("GET", FLUNDERS)

    assert answer.status == 503
    assert "error trying to reach service" in answer.json["message"]
