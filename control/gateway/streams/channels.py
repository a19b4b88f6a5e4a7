"""The `Channels` protocol: a caller's ends of one stream, whichever protocol carries them; and the loop over them.

Exec, attach and port-forward are written against it once: `websocket.py` and `spdychannels.py` carry it out. Frames
are those of `control.apiserver.relay`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Protocol

from fairlead import supervise
from fairlead.api import errors
from fairlead.api.pb import cluster_pb2 as cluster

PING_SECONDS = 30.0  # keeps idle streams open through proxies, and finds callers that vanished
CHUNK_BYTES = 32 << 10
QUEUED_FRAMES = 16


class Channels(Protocol):
    """What a caller sends and what it is sent."""

    def frames(self) -> AsyncIterator[cluster.ClientFrame]:
        """Iterate over what the caller sends; a slow reader slows the caller."""
        ...

    async def send(self, frame: cluster.ServerFrame) -> None:
        """Send a frame, waiting while the caller does not read; ConnectionError where it has gone."""
        ...

    async def finish(self) -> None:
        """Tell the caller that nothing more comes."""
        ...

    async def gone(self) -> None:
        """Carry the caller's frames until it has gone."""
        ...


async def carry(output: AsyncIterator[cluster.ServerFrame], channels: Channels) -> None:
    """Pass a node's frames on until the last or until the caller has gone, then finish.

    An error of the API becomes a last status.
    """

    async def pass_on() -> None:
        try:
            async for frame in output:
                await channels.send(frame)
        except errors.ApiError as error:
            await channels.send(cluster.ServerFrame(status=error.status()))

    with contextlib.suppress(ConnectionError):
        await supervise.first_of(pass_on(), channels.gone())
        await channels.finish()


class Later:
    """The frames of channels that are opened later: the node is asked before the caller's connection is upgraded."""

    def __init__(self) -> None:
        self._channels: asyncio.Future[Channels] = asyncio.get_running_loop().create_future()

    def open(self, channels: Channels) -> None:
        """Let the frames come."""
        if not self._channels.done():
            self._channels.set_result(channels)

    async def frames(self) -> AsyncIterator[cluster.ClientFrame]:
        """Iterate over the frames of the channels, once they are there."""
        channels = await self._channels
        async for frame in channels.frames():
            yield frame


def data_frames(data: bytes) -> list[cluster.ClientFrame]:
    """Return frames that carry data of any size."""
    pieces = (data[start : start + CHUNK_BYTES] for start in range(0, len(data), CHUNK_BYTES))
    return [cluster.ClientFrame(data=piece) for piece in pieces]
