"""Requests over HTTPS that pass the gate, wait before it, or are turned away; and what `Expect` is answered."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import orjson
import pytest
from aiohttp import web

from control.apiserver.server import ApiServer
from control.gateway.fairness import gate as gates
from control.gateway.rest import admitting, handlers
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import flowcontrol_v1_pb2 as flowcontrolv1
from fairlead.api.pb import rbac_v1_pb2 as rbacv1
from fairlead.testing import control
from fairlead.testing import rest as testing

JSON = {"Content-Type": "application/json"}
PODS = "/api/v1/namespaces/default/pods"
RBAC = "rbac.authorization.k8s.io"
MAPS = "/api/v1/namespaces/default/configmaps"


class Slow:
    """A handler that answers when it is told to."""

    def __init__(self) -> None:
        self.begun, self.go_on = asyncio.Event(), asyncio.Event()

    async def __call__(self, call: handlers.Call) -> web.StreamResponse:
        self.begun.set()
        await self.go_on.wait()
        return web.Response(text="slow")


@pytest.fixture
async def narrow(api: ApiServer) -> AsyncIterator[testing.Server]:
    """A gateway with one seat a level; the catch-all, for whom no schema takes, has no queue."""
    admin = api.as_user(*control.ADMIN)
    for schema in ("global-default", "service-accounts"):
        await admin.delete(flowcontrolv1.FlowSchema, schema)
    role = rbacv1.ClusterRole()
    role.metadata.name = "readers"
    role.rules.add(verbs=["*"], apiGroups=["*"], resources=["*"])
    await admin.create(role)
    binding = rbacv1.ClusterRoleBinding()
    binding.metadata.name = "readers"
    binding.roleRef.apiGroup, binding.roleRef.kind, binding.roleRef.name = RBAC, "ClusterRole", "readers"
    binding.subjects.add(kind="Group", name="system:authenticated", apiGroup=RBAC)
    await admin.create(binding)
    await api.cache.fresh()
    async with testing.serve(api, gate=gates.Gate(api.cache, seats=1)) as made:
        yield made


@contextlib.asynccontextmanager
async def session(server: testing.Server, user: str, *groups: str) -> AsyncIterator[aiohttp.ClientSession]:
    """Connections of a user."""
    connector = aiohttp.TCPConnector(ssl=server.tls(user, *groups))
    async with aiohttp.ClientSession(server.url, connector=connector) as made:
        yield made


async def test_a_full_level_turns_away_as_kubernetes_does(narrow: testing.Server, api: ApiServer) -> None:
    """429 TooManyRequests with Retry-After and the flow's uids, while administrators and probes are served."""
    slow = Slow()
    narrow.gateway.handlers.add_path("/slow", slow)
    async with session(narrow, "alice") as alice, session(narrow, "root", "system:masters") as root:
        waiting = asyncio.create_task(_get(alice, "/slow"))
        await slow.begun.wait()
        refused = await _get(alice, PODS)
        others = [await _get(root, PODS), await _get(alice, "/livez"), await _get(alice, "/readyz")]
        slow.go_on.set()
        first = await waiting
        again = await _get(alice, PODS)

    status, headers, body = refused
    assert status == 429
    assert headers["Retry-After"] == "1"
    assert orjson.loads(body) == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": "too many requests, please try again later",
        "reason": "TooManyRequests",
        "details": {"retryAfterSeconds": 1},
        "code": 429,
    }
    assert [one[0] for one in (*others, first, again)] == [200] * 5
    schema = await api.as_user(*control.ADMIN).get(flowcontrolv1.FlowSchema, "catch-all")
    level = await api.as_user(*control.ADMIN).get(flowcontrolv1.PriorityLevelConfiguration, "catch-all")
    for _, told, _ in (refused, first, again):
        assert told["X-Kubernetes-PF-FlowSchema-UID"] == schema.metadata.uid
        assert told["X-Kubernetes-PF-PriorityLevel-UID"] == level.metadata.uid


@pytest.mark.parametrize(
    "query",
    ["watch=1", "watch=1&resourceVersion=0", "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan"],
)
async def test_a_watch_has_a_seat_only_while_it_starts(narrow: testing.Server, query: str) -> None:
    """Ten watches on one seat, each of which hears of what is there, and requests beside them."""
    async with session(narrow, "alice") as alice, contextlib.AsyncExitStack() as stack:
        for _ in range(10):
            watch = await stack.enter_async_context(alice.get(f"/api/v1/namespaces?{query}"))
            assert watch.status == 200
            assert b"ADDED" in await watch.content.readline()

        assert (await _get(alice, PODS))[0] == 200


async def test_a_watch_of_changes_alone_gives_its_seat_back(narrow: testing.Server, api: ApiServer) -> None:
    """It reads nothing that is there."""
    revision = api.cache.revision
    async with (
        session(narrow, "alice") as alice,
        alice.get(f"{PODS}?watch=1&resourceVersion={revision}") as watch,
    ):
        assert watch.status == 200

        assert (await _get(alice, PODS))[0] == 200


async def test_an_answer_in_pieces_names_its_flow(server: testing.Server, api: ApiServer) -> None:
    """Also where its headers go out before its end."""
    made = corev1.ConfigMap(data={"text": "x" * 200_000})
    made.metadata.name, made.metadata.namespace = "long", "default"
    await api.as_user(*control.ADMIN).create(made)
    async with session(server, "root", "system:masters") as root:
        status, headers, _ = await _get(root, MAPS)

    schema = await api.as_user(*control.ADMIN).get(flowcontrolv1.FlowSchema, "exempt")
    assert (status, headers["X-Kubernetes-PF-FlowSchema-UID"]) == (200, schema.metadata.uid)


async def test_figures_are_on_metrics(server: testing.Server) -> None:
    """Under Kubernetes' names."""
    async with session(server, "root", "system:masters") as root:
        await _get(root, PODS)
        _, _, text = await _get(root, "/metrics")

    line = b'apiserver_flowcontrol_dispatched_requests_total{flow_schema="exempt",priority_level="exempt"} 2.0'
    assert line in text


async def test_a_body_is_asked_for_where_the_caller_expects_it(server: testing.Server) -> None:
    """`Expect: 100-continue`, which curl sends with long bodies, is answered before the body comes."""
    body = orjson.dumps({"metadata": {"name": "expected"}})
    async with session(server, "root", "system:masters") as root:
        async with asyncio.timeout(10):
            async with root.post(MAPS, data=body, headers=JSON, expect100=True) as answer:
                got = answer.status

    assert got == 201


async def test_who_is_refused_need_not_send_a_body(server: testing.Server) -> None:
    """The connection then ends: nobody could tell a body from the next request."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port, ssl=server.tls())
    lines = (
        f"POST {MAPS} HTTP/1.1",
        "Host: x",
        "Authorization: Bearer wrong",
        "Expect: 100-continue",
        "Content-Length: 9",
    )
    writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
    async with asyncio.timeout(10):
        got = await reader.readuntil(b"\r\n\r\n")
    writer.close()

    assert got.startswith(b"HTTP/1.1 401 ")
    assert b"Connection: close" in got


async def test_other_expectations_fail(server: testing.Server) -> None:
    """417, as RFC 9110 has it."""
    async with (
        session(server, "root", "system:masters") as root,
        root.get(PODS, headers={"Expect": "cake"}) as answer,
    ):
        assert answer.status == 417


async def test_a_body_that_never_comes_ends_the_request(
    server: testing.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """504 Timeout, as Kubernetes answers what it could not do in time."""
    monkeypatch.setattr(admitting, "REQUEST_SECONDS", 0.05)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port, ssl=server.tls("root", "system:masters"))
    writer.write(f"POST {MAPS} HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{{".encode())
    async with asyncio.timeout(10):
        got = await reader.readline()
    writer.close()

    assert got == b"HTTP/1.1 504 Gateway Timeout\r\n"


async def test_what_has_started_has_all_the_time_that_it_wants(
    server: testing.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As an upgrade that is agreed on."""
    monkeypatch.setattr(admitting, "REQUEST_SECONDS", 0.05)
    over = asyncio.Event()

    async def lasting(call: handlers.Call) -> web.StreamResponse:
        call.started()
        asyncio.get_running_loop().call_later(0.1, over.set)
        await over.wait()
        return web.Response(text="done")

    server.gateway.handlers.add_path("/lasting", lasting)
    async with session(server, "root", "system:masters") as root:
        assert (await _get(root, "/lasting"))[::2] == (200, b"done")


async def _get(session: aiohttp.ClientSession, path: str) -> tuple[int, Any, bytes]:
    async with asyncio.timeout(10), session.get(path) as answer:
        return answer.status, answer.headers, await answer.read()
