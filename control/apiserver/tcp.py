"""A TCP connection to a port of a pod's address, as a socket of this process.

The bytes go through the agent's session: a control host may have no way to a pod's address. What listens on the pod's
loopback alone is not reached, as no Service reaches it: that takes a port-forward.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from control.apiserver import relay
from fairlead.api import errors
from fairlead.api.pb import cluster_pb2 as cluster

CHUNK_BYTES = 32 << 10


@dataclass(frozen=True, slots=True)
class Opened:
    """A connected socket, and what is set once either side has ended the connection."""

    near: socket.socket
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    def take(self) -> socket.socket:
        """Return the socket for somebody who closes it, whenever the context ends."""
        taken = socket.socket(fileno=self.near.detach())
        taken.setblocking(False)
        return taken


@contextlib.asynccontextmanager
async def connection(streams: relay.Relay, namespace: str, pod: str, port: int) -> AsyncIterator[Opened]:
    """Give a connected socket until the end of the context.

    errors.ServiceUnavailable where nothing answers on the port; a connection that breaks later is closed.
    """
    near, far = socket.socketpair()
    near.setblocking(False)
    opened = Opened(near)
    reader, writer = await asyncio.open_connection(sock=far)

    async def sent() -> AsyncIterator[cluster.ClientFrame]:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(CHUNK_BYTES):
                yield cluster.ClientFrame(data=data)
        opened.ended.set()

    start = cluster.StreamStart(namespace=namespace, pod=pod, port=port, to_address=True)
    output = streams.port_forward(start, sent())
    try:
        async with contextlib.aclosing(output):  # type: ignore[type-var]
            try:
                await anext(output)
            except errors.ApiError as error:
                raise errors.ServiceUnavailable(f"error trying to reach service: {error.message}") from error
            receiving = asyncio.create_task(_receive(output, writer, opened.ended), name="connection to a pod")
            try:
                yield opened
            finally:
                receiving.cancel()
                await asyncio.gather(receiving, return_exceptions=True)
    finally:
        near.close()
        writer.close()


async def _receive(
    output: AsyncIterator[cluster.ServerFrame], writer: asyncio.StreamWriter, ended: asyncio.Event
) -> None:
    try:
        async for frame in output:
            if frame.data:
                writer.write(frame.data)
                await writer.drain()
    except (errors.ApiError, ConnectionError):
        pass  # whoever reads sees the connection end before the answer does
    finally:
        writer.close()
        ended.set()
