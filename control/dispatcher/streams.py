"""Streams that a control process asks an agent for, and the pairing with the agent's `Stream` calls.

The relay opens one on a session; the agent, told by OpenStream, calls `Stream` with its id; from then on frames pass
in both directions through two short pipes, so that a slow reader slows the writer.
"""

from __future__ import annotations

import asyncio
import uuid
from collections import deque
from collections.abc import AsyncIterator
from typing import Generic, TypeVar

from fairlead.api import errors
from fairlead.api.pb import agent_pb2 as agent
from fairlead.api.pb import cluster_pb2 as cluster

ARRIVAL_SECONDS = 10.0
PIPED_FRAMES = 16

T = TypeVar("T")


class Pipe(Generic[T]):
    """A bounded queue between one writer and one reader, either of which may close it."""

    def __init__(self, limit: int = PIPED_FRAMES) -> None:
        self._items: deque[T] = deque()
        self._limit = limit
        self._moved = asyncio.Condition()
        self._closed = False

    async def put(self, item: T) -> bool:
        """Add an item, waiting for room; False where the pipe is closed."""
        async with self._moved:
            await self._moved.wait_for(lambda: self._closed or len(self._items) < self._limit)
            if self._closed:
                return False
            self._items.append(item)
            self._moved.notify_all()
            return True

    async def get(self) -> T | None:
        """Return the next item; None once the pipe is closed and empty."""
        async with self._moved:
            await self._moved.wait_for(lambda: self._closed or bool(self._items))
            if not self._items:
                return None
            item = self._items.popleft()
            self._moved.notify_all()
            return item

    async def close(self) -> None:
        """Let nothing more in; what is inside can still be read."""
        async with self._moved:
            self._closed = True
            self._moved.notify_all()


class Exchange:
    """One stream between a caller and an agent."""

    def __init__(self, node: str) -> None:
        self.id = str(uuid.uuid4())
        self.node = node
        self.to_agent: Pipe[cluster.ClientFrame] = Pipe()
        self.to_caller: Pipe[agent.AgentFrame] = Pipe()
        self.arrived = asyncio.Event()
        self.over = asyncio.Event()
        self.broken = f"the stream to node {node} broke"

    async def frames(self) -> AsyncIterator[agent.AgentFrame]:
        """Iterate over the agent's frames, a status being the last; errors.ServiceUnavailable where it is lost."""
        try:
            async with asyncio.timeout(ARRIVAL_SECONDS):
                await self.arrived.wait()
        except TimeoutError:
            raise errors.ServiceUnavailable(f"node {self.node} did not open the stream") from None
        while (frame := await self.to_caller.get()) is not None:
            yield frame
            if frame.WhichOneof("frame") == "status":
                return
        raise errors.ServiceUnavailable(self.broken)


class Exchanges:
    """The streams of a control process, by id."""

    def __init__(self) -> None:
        self._open: dict[str, Exchange] = {}

    def open(self, node: str) -> Exchange:
        """Begin a stream; `close` it in every case."""
        exchange = Exchange(node)
        self._open[exchange.id] = exchange
        return exchange

    def close(self, exchange: Exchange) -> None:
        """End a stream; the agent's call ends with it."""
        self._open.pop(exchange.id, None)
        exchange.over.set()

    async def lose(self, node: str) -> None:
        """Break every stream to a node: its session is over."""
        for exchange in [exchange for exchange in self._open.values() if exchange.node == node]:
            exchange.broken = f"the stream to node {node} ended with the node's session"
            exchange.arrived.set()
            await exchange.to_caller.close()

    def claim(self, id_: str, node: str) -> Exchange:
        """Return the stream that an agent comes for; errors.NotFound where nobody asked this node for it."""
        exchange = self._open.get(id_)
        if exchange is None or exchange.node != node or exchange.arrived.is_set():
            raise errors.NotFound(f'stream "{id_}" is not asked for')
        exchange.arrived.set()
        return exchange
