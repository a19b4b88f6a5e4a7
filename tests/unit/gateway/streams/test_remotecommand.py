"""Exec and attach over every protocol that clients speak, to a container that pretends."""

from __future__ import annotations

import base64
import json

import aiohttp
import pytest

from control.apiserver import authn
from tests.support import streaming

EXEC = f"{streaming.PODS}/web/exec?stdout=true&stderr=true"
SUCCESS = {"metadata": {}, "status": "Success"}
EXIT_3 = {
    "metadata": {},
    "status": "Failure",
    "message": "command terminated with non-zero exit code: 3",
    "reason": "NonZeroExitCode",
    "details": {"causes": [{"reason": "ExitCode", "message": "3"}]},
}
BINARY = ["v5.channel.k8s.io", "v4.channel.k8s.io", "channel.k8s.io"]
ENCODED = ["v4.base64.channel.k8s.io", "base64.channel.k8s.io"]


async def conversation(socket: aiohttp.ClientWebSocketResponse) -> dict[int, bytes]:
    """Return all that comes, by channel."""
    found: dict[int, bytes] = {}
    async for message in socket:
        if message.type is aiohttp.WSMsgType.BINARY:
            channel, data = message.data[0], message.data[1:]
        else:
            channel, data = int(message.data[0]), base64.b64decode(message.data[1:])
        found[channel] = found.get(channel, b"") + data
    return found


@pytest.mark.parametrize("protocol", [*BINARY, *ENCODED, ""])
async def test_exec_gives_output_over_a_websocket(protocol: str) -> None:
    """Output on channel 1; from v4 on a Status on channel 3; then the close."""
    protocols = [protocol] if protocol else []
    async with streaming.cluster() as made:
        url = f"{made.url}{EXEC}&command=echo&command=hello&command=there"

        async with made.http.ws_connect(url, protocols=protocols) as socket:
            got = await conversation(socket)

        assert socket.protocol == (protocol or None)
        assert got.pop(1) == b"hello there\n"
        assert {channel: json.loads(data) for channel, data in got.items()} == (
            {3: SUCCESS} if "v" in protocol else {}
        )
        await made.until_quiet()


@pytest.mark.parametrize("protocol", ["v5.channel.k8s.io", "channel.k8s.io"])
async def test_an_exit_code_arrives(protocol: str) -> None:
    """As a cause of a Status, or (before v4) as the text alone."""
    async with streaming.cluster() as made:
        url = f"{made.url}{EXEC}&command=exit&command=3"

        async with made.http.ws_connect(url, protocols=[protocol]) as socket:
            got = await conversation(socket)

        said = got[3].decode()
        assert said == EXIT_3["message"] if protocol == "channel.k8s.io" else json.loads(said) == EXIT_3


async def test_input_ends_by_v5s_close() -> None:
    """Channel 255 names the channel that ends: `cat` ends with its input."""
    async with streaming.cluster() as made:
        url = f"{made.url}{EXEC}&stdin=1&command=cat"

        async with made.http.ws_connect(url, protocols=["v5.channel.k8s.io"]) as socket:
            await socket.send_bytes(b"\x00one ")
            await socket.send_bytes(b"\x00two")
            await socket.send_bytes(b"\xff\x00")
            got = await conversation(socket)

        assert (got[1], json.loads(got[3])) == (b"one two", SUCCESS)


async def test_attach_gives_back_and_a_cut_leaves_nothing() -> None:
    """The main process' streams; a caller that vanishes ends what stands for it on the node."""
    async with streaming.cluster() as made:
        url = f"{made.url}{streaming.PODS}/web/attach?stdin=true&stdout=true"

        async with made.http.ws_connect(url, protocols=["v4.channel.k8s.io"]) as socket:
            first = await socket.receive_bytes()
            await socket.send_bytes(b"\x00typed")
            got = await socket.receive_bytes()
            socket._response.connection.transport.abort()

        assert (first, got) == (b"\x01", b"\x01typed")
        await made.until_quiet()


@pytest.mark.parametrize("version", [4, 3, 2, 1])
async def test_exec_over_spdy(version: int) -> None:
    """Streams by their type; FIN of stdin ends `cat`; each stream ends at the end."""
    protocol = f"v{version}.channel.k8s.io" if version > 1 else "channel.k8s.io"
    async with (
        streaming.cluster() as made,
        streaming.spdy(made.url, f"{EXEC}&stdin=true&command=cat", protocol) as session,
    ):
        error = await session.open({"streamType": "error"})
        stdin = await session.open({"streamType": "stdin"})
        stdout = await session.open({"streamType": "stdout"})
        stderr = await session.open({"streamType": "stderr"})
        await stdin.write(b"one ")
        await stdin.write(b"two")
        await stdin.end()

        got = [await streaming.read_all(stream.read) for stream in (stdout, stderr, error)]

        assert got[:2] == [b"one two", b""]
        assert (json.loads(got[2]) if version == 4 else got[2]) == (SUCCESS if version == 4 else b"")
        await made.until_quiet()


async def test_an_exit_code_arrives_over_spdy() -> None:
    """On the stream of errors."""
    async with (
        streaming.cluster() as made,
        streaming.spdy(made.url, f"{EXEC}&command=exit&command=3", "v4.channel.k8s.io") as session,
    ):
        streams = [await session.open({"streamType": name}) for name in ("error", "stdout", "stderr")]

        got = [await streaming.read_all(stream.read) for stream in streams]

        assert json.loads(got[0]) == EXIT_3


async def test_a_cut_spdy_connection_leaves_nothing() -> None:
    """The stream on the node ends with the caller's connection."""
    async with streaming.cluster() as made:
        async with streaming.spdy(made.url, f"{EXEC}&stdin=true&command=cat", "v4.channel.k8s.io") as session:
            for name in ("error", "stdin", "stdout", "stderr"):
                stream = await session.open({"streamType": name})
                if name == "stdin":
                    await stream.write(b"x")
                if name == "stdout":
                    stdout = stream
            assert await stdout.read() == b"x"

        await made.until_quiet()


@pytest.mark.parametrize(
    ("path", "code", "reason", "message"),
    [
        ("gone/exec?stdout=1&command=ls", 404, "NotFound", 'pods "gone" not found'),
        ("web/exec?stdout=1&command=ls&container=no", 400, "BadRequest", "container no is not valid for pod web"),
        ("web/exec?command=ls", 400, "BadRequest", "you must specify at least 1 of stdin, stdout, stderr"),
        ("web/exec?stdout=1", 400, "BadRequest", "you must specify at least one command for the container"),
        ("web/portforward", 400, "BadRequest", 'query parameter "port" is required'),
    ],
)
async def test_what_fails_before_the_upgrade_is_a_status(path: str, code: int, reason: str, message: str) -> None:
    """A client prints it as any other error of the API."""
    async with streaming.cluster() as made:
        url = f"{made.url}{streaming.PODS}/{path}"
        headers = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}

        async with made.http.get(url, headers=headers) as answer:
            got = await answer.json()

        assert (answer.status, got["reason"], got["message"]) == (code, reason, message)
        await made.until_quiet()


async def test_a_request_without_upgrade_is_refused() -> None:
    """In Kubernetes' words."""
    async with streaming.cluster() as made, made.http.post(f"{made.url}{EXEC}&command=ls") as answer:
        assert (answer.status, (await answer.json())["message"]) == (400, "Upgrade request required")


async def test_protocols_that_nobody_serves_are_refused() -> None:
    """SPDY answers 403 with what there is, a WebSocket 400."""
    async with streaming.cluster() as made:
        status, head, dialled = await streaming.dial_spdy(made.url, f"{EXEC}&command=ls", "v9.channel.k8s.io")
        dialled.writer.close()
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await made.http.ws_connect(f"{made.url}{EXEC}&command=ls", protocols=["v9.channel.k8s.io"])

        assert status == 403
        assert head.count(b"X-Accepted-Stream-Protocol-Versions: ") == 4
        assert refused.value.status == 400


async def test_a_caller_without_the_right_is_forbidden() -> None:
    """Before anything is looked up."""
    nobody = authn.User("eve", (authn.AUTHENTICATED,))
    async with streaming.cluster(nobody) as made, made.http.post(f"{made.url}{EXEC}&command=ls") as answer:
        got = await answer.json()

        assert (answer.status, got["reason"]) == (403, "Forbidden")
        assert got["message"].startswith(
            'pods "web" is forbidden: User "eve" cannot create resource "pods/exec" in API group "" in the namespace'
        )
