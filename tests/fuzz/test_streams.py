"""Frames of every form on real connections: exec, attach and port-forward over WebSockets and SPDY, to a real agent.

A caller sends frames that are good, of the wrong kind, cut or spoilt, and reads little. None leaves a task or memory
behind, ends in an exception of ours, or hangs.
"""

from __future__ import annotations

import asyncio
import base64
import gc
import logging
import os
import random
import tracemalloc

import pytest

from control.gateway.streams.spdy import connection, frames
from tests.support import streaming

TIMES = int(os.environ.get("FUZZ_TIMES", "1"))
CONNECTIONS = 60
ANSWER_SECONDS = 60.0
GROWTH_BYTES = 1 << 20
PATHS = ("exec?command=cat&stdin=true&stdout=true", "exec?command=cat&stdout=true&tty=true&stdin=true",
         "attach?stdout=true&stdin=true", "portforward?ports=80&ports=9")  # fmt: skip
SOCKETS = ("v5.channel.k8s.io", "v4.channel.k8s.io", "v4.base64.channel.k8s.io", "SPDY/3.1+portforward.k8s.io", "")
SPDY = ("v4.channel.k8s.io", "channel.k8s.io", "portforward.k8s.io")
TYPES = ("stdin", "stdout", "stderr", "error", "resize", "data", "", "nonsense")

pytestmark = pytest.mark.timeout(120 + 60 * TIMES)


def socket_frame(rng: random.Random, data: bytes) -> bytes:
    """Return a frame of a WebSocket (RFC 6455), mostly a good one of a client."""
    opcode = rng.choice([1, 2, 2, 2, 2, 0, 8, 9, 10, 3, 15])
    head = opcode | (0x80 if rng.random() < 0.9 else 0) | (0x40 if rng.random() < 0.05 else 0)
    masked = 0x80 if rng.random() < 0.95 else 0
    if len(data) < 126:
        length = bytes((masked | len(data),))
    elif rng.random() < 0.9:
        length = bytes((masked | 126,)) + len(data).to_bytes(2)
    else:
        length = bytes((masked | 127,)) + rng.choice([len(data), 1 << 62, 1 << 63]).to_bytes(8)
    key = rng.randbytes(4) if masked else b""
    body = bytes(byte ^ key[index % 4] for index, byte in enumerate(data)) if masked else data
    return bytes((head,)) + length + key + body


def channel_data(rng: random.Random) -> bytes:
    """Return a message of a channel, in bytes or base64."""
    body = rng.choice(
        [b"hello\n", b"", b'{"Width":80,"Height":24}', b'{"Width":', bytes(200), rng.randbytes(20), b"\0"]
    )
    if rng.random() < 0.3:
        return bytes((rng.randrange(32, 127),)) + base64.b64encode(body)
    return bytes((rng.choice([0, 1, 2, 3, 4, 5, 255, rng.randrange(256)]),)) + body


def spdy_bytes(rng: random.Random) -> bytes:
    """Return what a SPDY client sends, in good order or in none."""
    client = connection.Connection(server=False)
    encoder = frames.Encoder()
    wire = bytearray()
    for _ in range(rng.randrange(1, 12)):
        if rng.random() < 0.7:
            named = {"streamtype": rng.choice(TYPES), "port": rng.choice(["80", "9", "x", "-1"]), "requestid": "1"}
            stream = client.open(named, fin=rng.random() < 0.2)
            client.send(stream, rng.randbytes(rng.choice([0, 5, 300])), fin=rng.random() < 0.3)
            if rng.random() < 0.2:
                client.reset(stream)
            wire += client.outgoing()
        else:
            number = rng.randrange(40)
            frame = rng.choice([
                frames.RstStream(number, 1), frames.WindowUpdate(number, 1 << 30), frames.Ping(number),
                frames.Data(number, b"x"), frames.GoAway(number), frames.Settings({7: rng.randrange(1 << 32)}),
            ])  # fmt: skip
            wire += encoder.encode(frame)
    return bytes(wire)


def spoilt(rng: random.Random, wire: bytes) -> bytes:
    """Return bytes of which now and then some changed."""
    changed = bytearray(wire)
    while changed and rng.random() < 0.4:
        where = rng.randrange(len(changed))
        if rng.random() < 0.6:
            changed[where] ^= 1 << rng.randrange(8)
        else:
            del changed[where : where + rng.randrange(1, 6)]
    return bytes(changed)


def upgrading(rng: random.Random) -> tuple[bytes, bytes]:
    """Return a request that upgrades its connection, and what is sent over it."""
    lines = [f"GET {streaming.PODS}/web/{rng.choice(PATHS)} HTTP/1.1", "Host: x", "Connection: Upgrade"]
    if rng.random() < 0.5:
        protocol = rng.choice(SOCKETS)
        lines += ["Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="]
        lines += [f"Sec-WebSocket-Protocol: {protocol}"] if protocol else []
        messages = [channel_data(rng) for _ in range(rng.randrange(1, 10))]
        if "SPDY" in protocol:
            messages = [spdy_bytes(rng)]
        sent = b"".join(socket_frame(rng, one) for one in messages)
    else:
        lines += ["Upgrade: SPDY/3.1", f"X-Stream-Protocol-Version: {rng.choice(SPDY)}"]
        sent = spdy_bytes(rng)
    return ("\r\n".join(lines) + "\r\n\r\n").encode(), spoilt(rng, sent)


async def converse(url: str, rng: random.Random) -> int:
    """Open a connection, send what makes little sense, and leave; returns the status of the answer."""
    host, port = url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head, sent = upgrading(rng)
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            writer.write(head)
            status = int((await reader.readuntil(b"\r\n\r\n")).split()[1])
            if status != 101:
                return status
            writer.write(sent)
            await writer.drain()
            if rng.random() < 0.5:
                writer.write_eof()
                while await reader.read(1 << 16):
                    pass
            return status
    except ConnectionError:
        return 101
    finally:
        writer.transport.abort()


async def test_frames_of_every_form_leave_nothing_behind(caplog: pytest.LogCaptureFixture) -> None:
    """Neither on the control host nor on the node; asked again, the same takes no more memory."""
    rng = random.Random(20261126)
    seeds = [rng.randbytes(8) for _ in range(CONNECTIONS * TIMES)]
    async with streaming.cluster() as made:

        async def ask() -> int:
            statuses = [await converse(made.url, random.Random(seed)) for seed in seeds]
            assert statuses.count(101) > len(seeds) // 2
            assert all(status < 500 for status in statuses), statuses
            await made.until_quiet()
            gc.collect()
            return tracemalloc.get_traced_memory()[0]

        tracemalloc.start()
        try:
            await ask()
            before = await ask()
            after = await ask()
        finally:
            tracemalloc.stop()

    assert [one.getMessage() for one in caplog.records if one.levelno >= logging.ERROR] == []
    assert after - before < GROWTH_BYTES
