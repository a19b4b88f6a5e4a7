"""A gateway on the loopback that a fuzzer talks to in bytes, in a thread with a loop of its own."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import logging
import socket
import threading
from collections.abc import Iterator, Sequence
from typing import Any

from aiohttp import web

from control.apiserver import authn, relay
from control.gateway.rest import listening, wiring
from fairlead.api import codec, errors, scheme
from fairlead.client.interface import Client
from fairlead.testing import control
from tests.fuzz import requests

ANSWER_SECONDS = 30.0
MOST_BYTES = 64 << 20


class Faults(logging.Handler):
    """Keeps what is logged as an error: a request that ended in an exception of ours."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(self.format(record))


class Wire:
    """One connection at a time to a gateway; an answer is its status and body."""

    def __init__(self, port: int, faults: Faults) -> None:
        self._address = ("127.0.0.1", port)
        self._faults = faults
        self._socket: socket.socket | None = None
        self._left = b""

    @property
    def port(self) -> int:
        """Return where the gateway listens."""
        return self._address[1]

    def ask(self, method: str, path: bytes, headers: Sequence[tuple[bytes, bytes]] = (), body: bytes = b"") -> int:
        """Send a request; returns the status, 0 where the server hung up on nonsense. Fails on faults of ours."""
        lines = [b"%b %b HTTP/1.1" % (method.encode(), path), b"Host: x", b"Content-Length: %d" % len(body)]
        lines += [b"%b: %b" % header for header in headers]
        return self.send(b"\r\n".join(lines) + b"\r\n\r\n" + body)

    def send(self, data: bytes) -> int:
        """Send bytes; returns the status of the answer."""
        self._faults.texts.clear()
        try:
            if self._socket is None:
                self._socket = socket.create_connection(self._address, ANSWER_SECONDS)
            self._socket.sendall(data)
            line = data.partition(b"\r\n")[0]
            status = self._answer(self._socket, line.startswith(b"HEAD "), b"watch" in line)
        except (ConnectionError, EOFError):
            status = 0
            self.close()
        except TimeoutError:
            self.close()
            raise AssertionError(f"no answer to {data[:300]!r}") from None
        if status in (0, 500):
            assert not self._faults.texts, "\n".join(self._faults.texts)
        assert status not in (500, 502), f"{status} for {data[:1000]!r}"
        return status

    def close(self) -> None:
        """Close the connection."""
        if self._socket is not None:
            self._socket.close()
        self._socket, self._left = None, b""

    def _answer(self, connection: socket.socket, head_only: bool, endless: bool) -> int:
        head = self._until(connection, b"\r\n\r\n")
        status = int(head[9:12])
        lines = [line.partition(b":") for line in head.lower().split(b"\r\n")[1:]]
        fields = {name: value.strip() for name, _, value in lines}
        if status == 100:
            return self._answer(connection, head_only, endless)
        if status == 200 and endless:
            self.close()
            return status
        if fields.get(b"transfer-encoding") == b"chunked" and not head_only:
            while size := int(self._until(connection, b"\r\n"), 16):
                self._take(connection, size + 2)
            self._until(connection, b"\r\n")
        elif not head_only and b"upgrade" not in fields:
            self._take(connection, int(fields.get(b"content-length", b"0")))
        if fields.get(b"connection") == b"close" or status == 101:
            self.close()
        return status

    def _until(self, connection: socket.socket, mark: bytes) -> bytes:
        while mark not in self._left:
            self._more(connection)
        found, _, self._left = self._left.partition(mark)
        return found

    def _take(self, connection: socket.socket, size: int) -> None:
        assert size < MOST_BYTES
        while len(self._left) < size:
            self._more(connection)
        self._left = self._left[size:]

    def _more(self, connection: socket.socket) -> None:
        data = connection.recv(1 << 16)
        if not data:
            raise EOFError
        self._left += data


@contextlib.contextmanager
def serving() -> Iterator[Wire]:
    """Serve an API with an object of each kind; every caller is an administrator."""
    ready = threading.Event()
    found: list[tuple[asyncio.AbstractEventLoop, asyncio.Event, int]] = []
    faults = Faults()

    async def identify(request: web.BaseRequest) -> authn.User:
        return authn.user("admin", ("system:masters",))

    async def main() -> None:
        async with control.memory_api() as api:
            await _fill(api.as_user(*control.ADMIN))
            made = wiring.gateway_of(api, relay.NoRelay(), identify)
            listener = await listening.serve("127.0.0.1", 0, made)
            stop = asyncio.Event()
            found.append((asyncio.get_running_loop(), stop, listener.port))
            ready.set()
            await stop.wait()
            await listener.stop()

    logger = logging.getLogger()
    logger.addHandler(faults)
    thread = threading.Thread(target=asyncio.run, args=(main(),), name="gateway")
    thread.start()
    assert ready.wait(30), "the gateway did not begin"
    loop, stop, port = found[0]
    wire = Wire(port, faults)
    try:
        yield wire
    finally:
        wire.close()
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        logger.removeHandler(faults)


async def _fill(client: Client) -> None:
    """Create one object of each kind, so that there is something to change."""
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": "samples"}}
    for document in (requests.SAMPLES[0], account, *requests.SAMPLES[1:]):
        with contextlib.suppress(errors.ApiError, codec.DecodeError):
            found = copy.deepcopy(document)
            kind = scheme.DEFAULT.by_kind(found["apiVersion"], found["kind"])
            made: Any = codec.from_json(found, kind.message, strict=False)
            await client.create(made)
