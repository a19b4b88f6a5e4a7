"""Upgrades of aggregated APIs: bytes both ways between a caller and another API server, and their ends."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import orjson

from control.apiserver.audit import policy, recording
from control.apiserver.server import ApiServer
from control.gateway.fairness import gate as gates
from fairlead.api.pb import rbac_v1_pb2 as rbacv1
from fairlead.testing import control
from fairlead.testing import rest as testing
from tests.support import extension
from tests.support.extension import FLUNDERS, aggregate, speaking
from tests.unit.gateway.rest.conftest import Caller

CONSOLE = f"{FLUNDERS}/a/console"
AGREED = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\nX-Chosen: v4\r\n\r\n"
RBAC = "rbac.authorization.k8s.io"
TOKEN = "base64url.bearer.authorization.k8s.io.c2VjcmV0"
LONG = bytes(range(256)) * (4 << 10)
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def agree(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Agree to an upgrade, and go on in the same breath."""
    writer.write(AGREED + b"hello")


@contextlib.asynccontextmanager
async def dialled(server: testing.Server, *user: str, **headers: str) -> AsyncIterator[Streams]:
    """Ask for an upgrade over a connection of its own."""
    tls = server.tls(*(user or (control.ADMIN[0], *control.ADMIN[1])))
    reader, writer = await asyncio.open_connection(testing.HOST, server.port, ssl=tls, server_hostname=testing.HOST)
    named = {"Host": "x", "Connection": "Upgrade", "Upgrade": "SPDY/3.1", "Content-Length": "0", **headers}
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in named.items())
    writer.write(f"POST {CONSOLE}?width=80 HTTP/1.1\r\n{lines}\r\n".encode())
    try:
        yield reader, writer
    finally:
        writer.close()


async def answered(reader: asyncio.StreamReader) -> bytes:
    """Read the head of an answer."""
    return await reader.readuntil(b"\r\n\r\n")


async def test_a_websocket_of_an_aggregated_api(api: ApiServer, call: Caller, backend: extension.Backend) -> None:
    """Its subprotocol, its messages and its end; the caller's name goes along, what proves it does not."""
    await aggregate(api, backend)
    headers = {"X-Remote-User": "mallory", "Cookie": "a=b"}

    async with call.session.ws_connect(call.url + CONSOLE, protocols=[TOKEN, "shout"], headers=headers) as socket:
        await socket.send_str("hello")
        said = await socket.receive_str()
        await socket.send_str("bye")
        last = await socket.receive()

    assert (socket.protocol, said) == ("shout", "HELLO")
    assert (last.type, last.data, last.extra) == (aiohttp.WSMsgType.CLOSE, 1000, "bye")
    (asked,) = backend.asked
    assert (asked.path, asked.headers["Sec-WebSocket-Protocol"]) == (CONSOLE, "shout")
    assert asked.headers.getall("X-Remote-User") == ["admin"]
    assert asked.headers["Cookie"] == "a=b"


async def test_any_upgrade_becomes_bytes_both_ways(api: ApiServer, server: testing.Server) -> None:
    """The request and the answer as they were sent but for who calls; then a megabyte each way, none of it lost."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await agree(reader, writer)
        writer.write(await reader.readexactly(len(LONG)))

    async with speaking(echo) as speaker:
        await aggregate(api, speaker)
        async with dialled(server, Authorization="Bearer x", X_Remote_Group="gods", X_Trace="t") as (reader, writer):
            head = await answered(reader)
            writer.write(LONG)
            said = await reader.readexactly(len(b"hello") + len(LONG))

    asked = speaker.heads[0].split(b"\r\n")
    assert head.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
    assert {b"Upgrade: SPDY/3.1", b"Connection: Upgrade", b"X-Chosen: v4"} <= set(head.split(b"\r\n"))
    assert said == b"hello" + LONG
    assert asked[0] == f"POST {CONSOLE}?width=80 HTTP/1.1".encode()
    assert {b"Connection: Upgrade", b"Upgrade: SPDY/3.1", b"X-Trace: t", b"X-Remote-User: admin"} <= set(asked)
    assert not [line for line in asked if line.startswith((b"Authorization", b"X-Remote-Group: gods"))]


async def test_the_last_words_of_a_server_reach_the_caller(api: ApiServer, server: testing.Server) -> None:
    """All that it said before it closed, then the end."""

    async def leave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(AGREED + LONG)
        writer.close()

    async with speaking(leave) as speaker:
        await aggregate(api, speaker)
        async with dialled(server) as (reader, _):
            await answered(reader)
            assert await reader.read() == LONG


async def test_the_last_words_of_a_caller_reach_the_server(api: ApiServer, server: testing.Server) -> None:
    """Who hangs up has said what it said, though nobody waits for an answer any more."""
    async with speaking(agree) as speaker:
        await aggregate(api, speaker)
        async with dialled(server) as (reader, writer):
            await answered(reader)
            writer.write(LONG)

        assert await speaker.heard.get() == LONG


async def test_an_answer_that_is_no_upgrade_is_an_answer(api: ApiServer, server: testing.Server) -> None:
    """The server's own status, headers and body; the connection then carries the next request."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 418 Teapot\r\nContent-Length: 5\r\nX-Why: tea\r\n\r\nshort")

    async with speaking(refuse) as speaker:
        await aggregate(api, speaker)
        async with dialled(server) as (reader, writer):
            head, body = await answered(reader), await reader.readexactly(5)
            writer.write(b"GET /version HTTP/1.1\r\nHost: x\r\n\r\n")
            second = await answered(reader)

    assert head.startswith(b"HTTP/1.1 418 Teapot\r\n")
    assert (b"X-Why: tea" in head, body) == (True, b"short")
    assert second.startswith(b"HTTP/1.1 200 OK\r\n")


async def test_a_server_that_dies_before_it_answers_is_unavailable(api: ApiServer, call: Caller) -> None:
    """As for every other request."""

    async def die(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    async with speaking(die) as speaker:
        await aggregate(api, speaker)
        answer = await call("GET", CONSOLE, Connection="Upgrade", Upgrade="websocket")

    assert (answer.status, answer.json["reason"]) == (503, "ServiceUnavailable")
    assert answer.json["message"].startswith("error trying to reach service: ")


async def test_an_upgrade_that_nobody_asked_for_is_none(api: ApiServer, call: Caller) -> None:
    """A caller who sent a plain request would take what follows for an answer to its next one."""
    async with speaking(agree) as speaker:
        await aggregate(api, speaker)
        answer = await call("GET", CONSOLE)

    assert (answer.status, answer.json["reason"]) == (503, "ServiceUnavailable")


async def test_who_may_not_have_a_stream_gets_none(api: ApiServer, server: testing.Server) -> None:
    """The subresource is judged here; nothing goes on."""
    async with speaking(agree) as speaker:
        await aggregate(api, speaker)
        async with dialled(server, "bob") as (reader, _):
            head = await answered(reader)
            length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            told = orjson.loads(await reader.readexactly(length))

    assert head.startswith(b"HTTP/1.1 403 ")
    assert told["message"] == (
        'flunders.wardle.example.com "a" is forbidden: User "bob" cannot create resource "flunders/console"'
        ' in API group "wardle.example.com" in the namespace "default"'
    )
    assert speaker.heads == []


async def test_a_caller_who_leaves_is_not_waited_for(api: ApiServer, server: testing.Server) -> None:
    """The server's connection ends with the caller's, although it never answered."""
    asked = asyncio.Event()

    async def ponder(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set()

    async with speaking(ponder) as speaker:
        await aggregate(api, speaker)
        async with dialled(server):
            await asked.wait()

        assert await speaker.heard.get() == b""


async def test_streams_leave_room_for_whoever_comes_next(api: ApiServer) -> None:
    """A stream that is agreed on has no seat."""
    async with (
        speaking(agree) as speaker,
        testing.serve(api, gate=gates.Gate(api.cache, seats=1, wait_seconds=2.0)) as narrow,
        contextlib.AsyncExitStack() as stack,
    ):
        await aggregate(api, speaker)
        admin = api.as_user(*control.ADMIN)
        role = rbacv1.ClusterRole()
        role.metadata.name = "everything"
        role.rules.add(verbs=["*"], apiGroups=["*"], resources=["*"])
        await admin.create(role)
        binding = rbacv1.ClusterRoleBinding()
        binding.metadata.name = "everything"
        binding.roleRef.apiGroup, binding.roleRef.kind, binding.roleRef.name = RBAC, "ClusterRole", "everything"
        binding.subjects.add(kind="User", name="alice", apiGroup=RBAC)
        await admin.create(binding)
        await api.cache.fresh()
        heads = [await answered((await stack.enter_async_context(dialled(narrow, "alice")))[0]) for _ in range(3)]

    assert {head.split(b"\r\n")[0] for head in heads} == {b"HTTP/1.1 101 Switching Protocols"}


async def test_a_stream_is_noted_when_it_begins_and_when_it_ends(api: ApiServer, server: testing.Server) -> None:
    """The audit log has three stages of it, as of an exec."""
    lines: list[bytes] = []
    everything = {"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": [{"level": "Metadata"}]}
    ended = asyncio.Event()

    def stages() -> list[tuple[str, Any]]:
        events = [orjson.loads(line) for line in lines]
        return [
            (event["stage"], event.get("responseStatus", {}).get("code"))
            for event in events
            if event.get("objectRef", {}).get("subresource") == "console"
        ]

    def write(line: bytes) -> None:
        lines.append(line)
        if b'"ResponseComplete"' in line and b"console" in line:
            ended.set()

    async def leave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await agree(reader, writer)
        await reader.readexactly(1)
        writer.close()

    async with speaking(leave) as speaker:
        await aggregate(api, speaker)
        api.auditor = recording.Recorder(policy.parse(orjson.dumps(everything).decode()), write)
        async with dialled(server) as (reader, writer):
            await answered(reader)
            during = stages()
            writer.write(b"x")
            await ended.wait()

    assert during == [("RequestReceived", None), ("ResponseStarted", 101)]
    assert stages() == [*during, ("ResponseComplete", 101)]
