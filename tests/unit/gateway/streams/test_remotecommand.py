"""Exec and attach over every protocol that clients speak, to a container that pretends."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json

import aiohttp
import hypothesis
import pytest
from hypothesis import strategies as st

from control.apiserver import authn
from control.gateway.streams import terminal
from fairlead.api.pb import admissionregistration_v1_pb2 as registrationv1
from node.runtime import interface as runtime
from node.runtime import memory as runtimes
from tests.integration.dispatcher import harness
from tests.support import hooks, streaming
from tests.unit.apiserver.admission import test_webhooks

EXEC = f"{streaming.PODS}/web/exec?stdout=true&stderr=true"
Mutating = registrationv1.MutatingWebhookConfiguration
Validating = registrationv1.ValidatingWebhookConfiguration
SUCCESS = {"metadata": {}, "status": "Success"}
EXIT_3 = {
    "metadata": {},
    "status": "Failure",
    "message": "command terminated with non-zero exit code: 3",
    "reason": "NonZeroExitCode",
    "details": {"causes": [{"reason": "ExitCode", "message": "3"}]},
}
BINARY = ["v5.channel.k8s.io", "v4.channel.k8s.io", "channel.k8s.io"]
UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": base64.b64encode(bytes(16)).decode(),
}
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
        ("gone/exec", 404, "NotFound", 'pods "gone" not found'),
        ("gone/attach", 404, "NotFound", 'pods "gone" not found'),
        ("gone/portforward", 404, "NotFound", 'pods "gone" not found'),
        ("web/exec?container=no", 400, "BadRequest", "container no is not valid for pod web"),
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


@pytest.mark.parametrize(
    ("path", "code", "message"),
    [
        ("web/exec?stdout=1&command=ls", 400, "Upgrade request required"),
        ("web/exec", 400, "Upgrade request required"),
        ("web/portforward", 400, "Upgrade request required"),
        ("gone/exec", 404, 'pods "gone" not found'),
        ("gone/portforward", 404, 'pods "gone" not found'),
        ("waiting/attach", 400, "pod waiting does not have a host assigned"),
        ("waiting/portforward", 400, "pod waiting does not have a host assigned"),
    ],
)
async def test_a_request_without_upgrade_is_refused(path: str, code: int, message: str) -> None:
    """In Kubernetes' words, and only once the pod and its node are known."""
    async with streaming.cluster() as made:
        await harness.create_pod(made.control.client, "waiting")
        async with made.http.post(f"{made.url}{streaming.PODS}/{path}") as answer:
            assert (answer.status, (await answer.json())["message"]) == (code, message)


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


async def test_fifty_streams_do_not_wait_for_each_other() -> None:
    """Fifty conversations are open at once, and each is answered whatever the others do."""
    async with streaming.cluster() as made, contextlib.AsyncExitStack() as stack:
        url = f"{made.url}{EXEC}&stdin=true&command=cat"
        opening = [made.http.ws_connect(url, protocols=["v5.channel.k8s.io"]) for _ in range(50)]
        sockets = [await stack.enter_async_context(one) for one in opening]

        async def converse(number: int, socket: aiohttp.ClientWebSocketResponse) -> bytes:
            await socket.send_bytes(f"\0line {number}".encode())
            await socket.receive_bytes()  # the empty message that says it is open
            return await socket.receive_bytes()

        got = [await converse(number, sockets[number]) for number in reversed(range(50))]

        assert got == [f"\x01line {number}".encode() for number in reversed(range(50))]
        for socket in sockets:
            await socket.send_bytes(b"\xff\x00")
        ends = await asyncio.gather(*(conversation(socket) for socket in sockets))
        assert all(json.loads(end[3]) == SUCCESS for end in ends)


@pytest.mark.parametrize("protocol", [*BINARY, *ENCODED])
async def test_messages_that_mean_nothing_are_passed_over(protocol: str) -> None:
    """Empty ones, unknown channels, sizes that are none, text for bytes: the conversation goes on."""
    noise: list[str | bytes] = [b"", "", b"\x09what", b"\x04{}", b"\x04nonsense}", b"\xff", b"\xff\x09", "9!!", "x"]
    async with streaming.cluster() as made:
        url = f"{made.url}{EXEC}&stdin=true&command=cat"

        async with made.http.ws_connect(url, protocols=[protocol]) as socket:
            for one in noise:
                await (socket.send_str(one) if isinstance(one, str) else socket.send_bytes(one))
            if protocol in ENCODED:
                await socket.send_str("0" + base64.b64encode(b"real").decode())
            else:
                await socket.send_bytes(b"\0real")
            await socket.receive()
            got = await socket.receive()

        want = "1" + base64.b64encode(b"real").decode() if protocol in ENCODED else b"\x01real"
        assert got.data == want


async def test_a_message_over_the_limit_ends_the_conversation() -> None:
    """Four megabytes are more than any client sends at once."""
    async with streaming.cluster() as made:
        url = f"{made.url}{EXEC}&stdin=true&command=cat"

        async with made.http.ws_connect(url, protocols=["v4.channel.k8s.io"]) as socket:
            with contextlib.suppress(ConnectionError):  # it is refused before it is complete
                await socket.send_bytes(bytes((4 << 20) + 1))
            got = await conversation(socket)

        assert got in ({1: b""}, {})
        await made.until_quiet()


@hypothesis.given(st.lists(st.binary(max_size=40), max_size=8))
def test_sizes_are_found_however_they_are_cut(noise: list[bytes]) -> None:
    """Whatever surrounds a terminal's size, it arrives, and nothing else does."""
    buffer = bytearray()
    for piece in noise:
        buffer += piece
        terminal.sizes(buffer)
    buffer += b"}"
    terminal.sizes(buffer)
    found = []
    for piece in (b'{"Width":80,', b'"Height":24}\n{"Width":1', b',"Height":70000}'):
        buffer += piece
        found += terminal.sizes(buffer)

    assert [(frame.resize.width, frame.resize.height) for frame in found] == [(80, 24)]
    assert not buffer


REFUSED = 'admission webhook "policy.example.com" denied the request: no shells'
CONNECTS = (
    "{operations: [CONNECT], apiGroups: [''], apiVersions: [v1], resources: ['pods/*', 'services/*', 'nodes/*']}"
)


@pytest.mark.parametrize("verb", ["exec", "attach"])
async def test_a_webhook_refuses_before_the_upgrade(verb: str) -> None:
    """Over SPDY and over a WebSocket the answer is a plain Status with Kubernetes' words."""
    path = f"{streaming.PODS}/web/{verb}?stdout=true&command=sh"
    async with streaming.cluster() as made, hooks.serving(hooks.deny(message="no shells", code=403)) as hook:
        await test_webhooks.configure(made.control.api, Validating, hook, rules=CONNECTS)
        status, head, dialled = await streaming.dial_spdy(made.url, path, "v4.channel.k8s.io")
        length = int(head.lower().split(b"content-length:")[1].split()[0])
        body = json.loads(await dialled.reader.readexactly(length))
        await dialled.close()
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await made.http.ws_connect(made.url + path, protocols=["v5.channel.k8s.io"])

        assert (status, body["kind"], body["message"]) == (403, "Status", REFUSED)
        assert refused.value.status == 403
        assert [one["object"]["stdout"] for one in hook.asked] == [True, True]
        await made.until_quiet()


async def test_a_webhook_changes_what_is_run() -> None:
    """Its command is the one that is run."""
    other = hooks.patch({"op": "replace", "path": "/command", "value": ["echo", "nothing", "to", "see"]})
    async with streaming.cluster() as made, hooks.serving(other) as hook:
        await test_webhooks.configure(made.control.api, Mutating, hook, rules=CONNECTS)
        url = f"{made.url}{EXEC}&command=exit&command=3"

        async with made.http.ws_connect(url, protocols=["v5.channel.k8s.io"]) as socket:
            got = await conversation(socket)

        assert got[1] == b"nothing to see\n"
        await made.until_quiet()


class Faulty(runtimes.MemoryRuntime):
    """A runtime with a fault that nobody foresaw."""

    async def exec(self, container: str, options: runtime.ExecOptions) -> runtime.Stream:
        """Fail."""
        raise ValueError("unforeseen")


async def test_a_fault_that_nobody_foresaw_is_told_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    """The caller hears of it at once, the node's log says why, and the next stream is served."""
    async with streaming.cluster(containers=Faulty(images=[streaming.IMAGE])) as made:
        async with made.http.get(f"{made.url}{EXEC}&command=true", headers=UPGRADE) as refused:
            said = await refused.json()
        async with made.http.get(f"{made.url}{streaming.PODS}/web/log") as log:
            status = log.status

        assert (refused.status, said["message"]) == (500, "the stream failed: the node's log says why")
        assert status == 200
        [told] = [one for one in caplog.records if one.message == "a stream failed"]
        assert told.exc_info is not None
        assert str(told.exc_info[1]) == "unforeseen"
        await made.until_quiet()
