"""Logs over REST."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest

from tests.integration.dispatcher import harness
from tests.support import streaming

LOG = f"{streaming.PODS}/web/log"


def write(made: streaming.Cluster, *lines: str) -> None:
    """Let the container write lines."""
    for known in made.runtime._containers.values():
        for line in lines:
            made.runtime._write(known, line)


@pytest.mark.parametrize(
    ("query", "want"),
    [
        ("", "started\none\ntwo\n"),
        ("tailLines=1", "two\n"),
        ("tailLines=0", ""),
        ("limitBytes=9", "started\no"),
        ("container=main&tailLines=2", "one\ntwo\n"),
        ("sinceTime=2100-01-01T00:00:00Z", ""),
    ],
)
async def test_logs_are_plain_text(query: str, want: str) -> None:
    """Chunked, of the lines that the query asks for."""
    async with streaming.cluster() as made:
        write(made, "one\n", "two\n")

        async with made.http.get(f"{made.url}{LOG}?{query}") as answer:
            got = await answer.text()

        assert (answer.status, answer.content_type, got) == (200, "text/plain", want)


async def test_a_pod_without_a_node_has_no_log() -> None:
    """Which is no error: there is nothing, and a container that is not the pod's is named all the same."""
    async with streaming.cluster() as made:
        await harness.create_pod(made.control.client, "waiting")
        url = f"{made.url}{streaming.PODS}/waiting/log"

        async with made.http.get(url) as answer, made.http.get(f"{url}?container=no") as refused:
            got = (answer.status, await answer.text(), refused.status)

        assert got == (204, "", 400)


async def test_a_followed_log_goes_on_and_ends_with_its_reader() -> None:
    """Headers come at once, lines as they are written, and a reader that hangs up leaves nothing behind."""
    async with streaming.cluster() as made:
        async with made.http.get(f"{made.url}{LOG}?follow=true&tailLines=0") as answer:
            reading = asyncio.create_task(answer.content.readline())
            write(made, "later\n")
            assert await reading == b"later\n"
            answer.close()

        await made.until_quiet()


@pytest.mark.parametrize(
    ("protocol", "kind", "want"),
    [
        ("binary.k8s.io", aiohttp.WSMsgType.BINARY, [b"", b"started\n", b"one\n"]),
        ("base64.binary.k8s.io", aiohttp.WSMsgType.TEXT, ["", "c3RhcnRlZAo=", "b25lCg=="]),
    ],
)
async def test_a_log_comes_over_a_websocket(protocol: str, kind: aiohttp.WSMsgType, want: list[bytes | str]) -> None:
    """As messages, the first of which is empty; the end of the log ends it."""
    async with streaming.cluster() as made:
        write(made, "one\n")
        async with made.http.ws_connect(f"{made.url}{LOG}", protocols=[protocol]) as socket:
            got = [(message.type, message.data) async for message in socket]
            code = socket.close_code

        assert (socket.protocol, code, got) == (protocol, 1000, [(kind, one) for one in want])


async def test_a_websocket_without_a_protocol_gets_bytes() -> None:
    """And a caller that leaves a log that it follows leaves nothing behind."""
    async with streaming.cluster() as made:
        async with made.http.ws_connect(f"{made.url}{LOG}?follow=true") as socket:
            assert [await socket.receive_bytes() for _ in range(2)] == [b"", b"started\n"]
            write(made, "later\n")
            assert await socket.receive_bytes() == b"later\n"

        await made.until_quiet()


async def test_what_is_asked_wrongly_is_answered_before_the_upgrade() -> None:
    """An unknown pod, a protocol that is not served."""
    async with streaming.cluster() as made:
        for url, protocol, code in (
            (LOG, "v4.channel.k8s.io", 400),
            (f"{streaming.PODS}/gone/log", "binary.k8s.io", 404),
        ):
            with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
                await made.http.ws_connect(made.url + url, protocols=[protocol])
            assert caught.value.status == code


@pytest.mark.parametrize(
    ("path", "code", "message"),
    [
        ("gone/log", 404, 'pods "gone" not found'),
        ("web/log?container=no", 400, "container no is not valid for pod web"),
        ("web/log?previous=true", 400, 'previous terminated container "main" in pod "web" not found'),
        (
            "web/log?tailLines=-1",
            422,
            'PodLogOptions "web" is invalid: tailLines: Invalid value: -1: must be greater than or equal to 0',
        ),
        (
            "web/log?limitBytes=0",
            422,
            'PodLogOptions "web" is invalid: limitBytes: Invalid value: 0: must be greater than 0',
        ),
        (
            "web/log?stream=both",
            422,
            'PodLogOptions "web" is invalid: stream: Unsupported value: "both": '
            'supported values: "All", "Stderr", "Stdout"',
        ),
        ("web/log?tailLines=x", 400, 'strconv.ParseInt: parsing "x": invalid syntax'),
    ],
)
async def test_bad_questions_are_named(path: str, code: int, message: str) -> None:
    """In Kubernetes' words."""
    async with streaming.cluster() as made, made.http.get(f"{made.url}{streaming.PODS}/{path}") as answer:
        assert (answer.status, (await answer.json())["message"]) == (code, message)
