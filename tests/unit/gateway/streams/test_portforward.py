"""Port-forward over every protocol that clients speak, to a server that the pretended network leads to."""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator

import aiohttp
import pytest

from control.gateway.streams import portforward
from control.gateway.streams import session as sessions
from fairlead.api.pb import admissionregistration_v1_pb2 as registrationv1
from tests.integration.dispatcher import harness
from tests.support import hooks, streaming
from tests.unit.apiserver.admission import test_webhooks

CONNECTS = "{operations: [CONNECT], apiGroups: [''], apiVersions: [v1], resources: [pods/portforward]}"
Validating = registrationv1.ValidatingWebhookConfiguration
PATH = f"{streaming.PODS}/web/portforward"


@contextlib.asynccontextmanager
async def shouting(made: streaming.Cluster) -> AsyncIterator[None]:
    """Let the pods' ports lead to a server that gives back lines in capitals, and at the end says good-bye."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(line.upper())
            await writer.drain()
        writer.write(b"bye")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as listening:
        made.network.port = listening.sockets[0].getsockname()[1]
        yield


class Tunnel:
    """The wire of a client whose SPDY runs inside a WebSocket."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket

    async def read(self) -> bytes:
        """Return what came next."""
        message = await self.socket.receive()
        return message.data if message.type is aiohttp.WSMsgType.BINARY else b""

    async def write(self, data: bytes) -> None:
        """Write."""
        await self.socket.send_bytes(data)

    async def close(self) -> None:
        """Close."""
        await self.socket.close()


@contextlib.asynccontextmanager
async def spoken(made: streaming.Cluster, tunnelled: bool) -> AsyncIterator[sessions.Session]:
    """Give a SPDY connection for port-forward, plain or inside a WebSocket."""
    if not tunnelled:
        async with streaming.spdy(made.url, PATH, portforward.PROTOCOL) as session:
            yield session
        return
    async with made.http.ws_connect(made.url + PATH, protocols=[portforward.TUNNEL]) as socket:
        assert socket.protocol == portforward.TUNNEL
        session = sessions.Session(Tunnel(socket), server=False)
        running = asyncio.create_task(session.run())
        try:
            yield session
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


async def pair(session: sessions.Session, number: int, port: int = 80) -> tuple[sessions.Stream, sessions.Stream]:
    """Open the streams of a connection, as kubectl does: data and error."""
    named = {"requestID": str(number), "port": str(port)}
    error = await session.open({**named, "streamType": "error"})
    await error.end()
    return await session.open({**named, "streamType": "data"}), error


@pytest.mark.parametrize("tunnelled", [False, True])
async def test_connections_pass_and_half_close(tunnelled: bool) -> None:
    """What is sent comes back; FIN reaches the server, whose last words and end come back."""
    async with streaming.cluster() as made, shouting(made), spoken(made, tunnelled) as session:
        data, error = await pair(session, 0)
        await data.write(b"hello\n")
        first = await data.read()
        await data.end()

        assert (first, await streaming.read_all(data.read), await streaming.read_all(error.read)) == (
            b"HELLO\n",
            b"bye",
            b"",
        )
        assert made.network.to_address is False


@pytest.mark.parametrize("tunnelled", [False, True])
async def test_a_port_that_nobody_serves_is_told(tunnelled: bool) -> None:
    """On the stream of errors, in kubelet's words; other connections go on."""
    async with streaming.cluster() as made, shouting(made), spoken(made, tunnelled) as session:
        good, _ = await pair(session, 0)
        bad, error = await pair(session, 1, port=9)
        said = (await streaming.read_all(error.read)).decode()
        await good.write(b"still here\n")

        assert said.startswith("error forwarding port 9 to pod web, uid ")
        assert said.endswith("connection refused")
        assert await streaming.read_all(bad.read) == b""
        assert await good.read() == b"STILL HERE\n"


async def test_fifty_connections_do_not_wait_for_each_other() -> None:
    """One that nobody reads or ends holds up none of the others; a cut ends them all."""
    async with streaming.cluster() as made, shouting(made):
        async with spoken(made, tunnelled=False) as session:
            silent, _ = await pair(session, 1000)
            await silent.write(b"x" * 50_000)
            pairs = [(await pair(session, number))[0] for number in range(50)]

            async def ask(number: int, stream: sessions.Stream) -> bytes:
                await stream.write(f"line {number}\n".encode())
                return await stream.read()

            got = await asyncio.gather(*(ask(number, stream) for number, stream in enumerate(pairs)))

        assert got == [f"LINE {number}\n".encode() for number in range(50)]
        await made.until_quiet()


async def test_a_caller_that_goes_on_sending_to_a_closed_port_holds_up_nobody() -> None:
    """What it sends is dropped; other connections over the same upgrade go on."""
    async with streaming.cluster() as made, shouting(made), spoken(made, tunnelled=False) as session:
        refused, error = await pair(session, 0, port=9)
        assert await streaming.read_all(error.read)
        for _ in range(64):
            await refused.write(bytes(32 << 10))
        data, _ = await pair(session, 1)
        await data.write(b"on\n")

        assert await data.read() == b"ON\n"


@pytest.mark.parametrize(
    "named",
    [
        {"streamType": "data", "requestID": "1"},
        {"streamType": "data", "requestID": "1", "port": "0"},
        {"streamType": "data", "requestID": "1", "port": "65536"},
        {"streamType": "data", "requestID": "1", "port": "99999999999999999999"},
        {"streamType": "stdin", "requestID": "1", "port": "80"},
        {"requestID": "1", "port": "80"},
    ],
)
async def test_streams_that_say_too_little_are_reset(named: dict[str, str]) -> None:
    """And the connection goes on."""
    async with streaming.cluster() as made, shouting(made), spoken(made, tunnelled=False) as session:
        wrong = await session.open(named)
        await wrong.over.wait()
        data, _ = await pair(session, 2)
        await data.write(b"on\n")

        assert await data.read() == b"ON\n"


async def test_clients_without_request_ids_are_paired_by_number() -> None:
    """The oldest clients open error, then data."""
    async with streaming.cluster() as made, shouting(made), spoken(made, tunnelled=False) as session:
        await session.open({"streamType": "error", "port": "80"})
        data = await session.open({"streamType": "data", "port": "80"})
        await data.write(b"old\n")

        assert await data.read() == b"OLD\n"


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("ports=65536", 'cannot convert to []int32: strconv.ParseUint: parsing "65536": value out of range'),
        ("ports=80,x", 'cannot convert to []int32: strconv.ParseUint: parsing "x": invalid syntax'),
        ("ports=", 'cannot convert to []int32: strconv.ParseUint: parsing "": invalid syntax'),
        ("ports=-1", 'cannot convert to []int32: strconv.ParseUint: parsing "-1": invalid syntax'),
        ("ports=80&ports=0", 'port "80,0" must be > 0'),
        ("ports=" + ",".join(["80"] * 129), "129 ports are more than the 128 that one WebSocket has channels for"),
    ],
)
async def test_ports_that_are_none_are_refused(query: str, message: str) -> None:
    """In Kubernetes' words, before the upgrade."""
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
    async with streaming.cluster() as made, made.http.get(f"{made.url}{PATH}?{query}", headers=upgrade) as answer:
        got = await answer.json()

    assert (answer.status, got["message"]) == (400, message)


@pytest.mark.parametrize(("protocol", "count"), [("v4.channel.k8s.io", 128), ("v4.base64.channel.k8s.io", 40)])
async def test_many_ports_have_a_channel_each(protocol: str, count: int) -> None:
    """The last one's is answered as the first one's is."""
    async with streaming.cluster() as made, shouting(made):
        url = f"{made.url}{PATH}?ports={','.join(['80'] * count)}"
        async with made.http.ws_connect(url, protocols=[protocol]) as socket:
            opened = [(await socket.receive()).data for _ in range(2 * count)]
            last = 2 * count - 2
            if "base64" in protocol:
                await socket.send_str(chr(ord("0") + last) + base64.b64encode(b"on\n").decode())
            else:
                await socket.send_bytes(bytes((last,)) + b"on\n")
            answer = (await socket.receive()).data

        channels = [ord(one[0]) - ord("0") if isinstance(one, str) else one[0] for one in opened]
        assert channels == list(range(2 * count))
        text = chr(ord("0") + last) + base64.b64encode(b"ON\n").decode()
        assert answer == (text if "base64" in protocol else bytes((last,)) + b"ON\n")
        await made.until_quiet()


@pytest.mark.parametrize("protocol", ["v4.channel.k8s.io", "portforward.k8s.io", "v4.base64.channel.k8s.io"])
async def test_a_plain_websocket_has_two_channels_a_port(protocol: str) -> None:
    """Each says its port first, then data and errors; the Python client speaks so."""
    encoded = "base64" in protocol

    async def receive(socket: aiohttp.ClientWebSocketResponse) -> tuple[int, bytes]:
        message = await socket.receive()
        if encoded:
            return int(message.data[0]), base64.b64decode(message.data[1:])
        return message.data[0], message.data[1:]

    async with streaming.cluster() as made, shouting(made):
        url = f"{made.url}{PATH}?ports=80&ports=9"
        async with made.http.ws_connect(url, protocols=[protocol]) as socket:
            said = [await receive(socket) for _ in range(5)]
            line = b"hello\n"
            if encoded:
                await socket.send_str("0" + base64.b64encode(line).decode())
            else:
                await socket.send_bytes(b"\x00" + line)
            answer = await receive(socket)

        assert said[:4] == [(0, b"P\0"), (1, b"P\0"), (2, b"\x09\0"), (3, b"\x09\0")]
        assert said[4][0] == 3
        assert said[4][1].startswith(b"error forwarding port 9")
        assert answer == (0, b"HELLO\n")
        await made.until_quiet()


async def test_a_channel_before_the_first_is_nobodys() -> None:
    """In the forms whose channels are digits, too: the connection goes on."""
    async with streaming.cluster() as made, shouting(made):
        url = f"{made.url}{PATH}?ports=80"
        async with made.http.ws_connect(url, protocols=["v4.base64.channel.k8s.io"]) as socket:
            for channel in (" ", "0"):
                await socket.send_str(channel + base64.b64encode(b"hello\n").decode())
            said = [(await socket.receive()).data for _ in range(3)]

        assert said[2] == "0" + base64.b64encode(b"HELLO\n").decode()
        await made.until_quiet()


async def test_noise_after_the_upgrade_ends_the_connection() -> None:
    """Bytes that are no SPDY are answered with GOAWAY and the end, never with silence."""
    async with streaming.cluster() as made:
        status, _, dialled = await streaming.dial_spdy(made.url, PATH, portforward.PROTOCOL)
        await dialled.write(b"\x80\x07GET / HTTP/1.1\r\n\r\n")

        got = await streaming.read_all(dialled.read)

        assert (status, got[:4]) == (101, bytes.fromhex("80030007"))
        dialled.writer.close()
        await made.until_quiet()


async def test_a_pod_without_a_node_is_refused() -> None:
    """With a Status, before the upgrade."""
    async with streaming.cluster() as made:
        await harness.create_pod(made.control.client, "waiting")
        headers = {"Connection": "Upgrade", "Upgrade": "SPDY/3.1"}
        url = f"{made.url}{streaming.PODS}/waiting/portforward"

        async with made.http.post(url, headers=headers) as answer:
            got = await answer.json()

        assert (answer.status, got["message"]) == (400, "pod waiting does not have a host assigned")


async def test_a_webhook_refuses_before_the_upgrade() -> None:
    """With the ports that a WebSocket names; SPDY names them later."""
    async with streaming.cluster() as made, hooks.serving(hooks.deny(message="no", code=403)) as hook:
        await test_webhooks.configure(made.control.api, Validating, hook, rules=CONNECTS)
        status, _, dialled = await streaming.dial_spdy(made.url, PATH, portforward.PROTOCOL)
        await dialled.close()
        for protocol, query in (("v4.channel.k8s.io", "?ports=80,443"), (portforward.TUNNEL, "")):
            with pytest.raises(aiohttp.WSServerHandshakeError, match="403"):
                await made.http.ws_connect(made.url + PATH + query, protocols=[protocol])

        assert status == 403
        assert [one["object"].get("ports", []) for one in hook.asked] == [[], [80, 443], []]
        await made.until_quiet()
