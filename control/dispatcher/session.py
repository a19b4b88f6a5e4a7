"""One agent's session, once it has its epoch: what is sent to it, and what is taken from it.

`service` makes it from a Hello and runs `write` and `read` beside each other; whichever ends, ends the session.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable

from control.dispatcher import assignments, feed, intake, settings
from fairlead.api.pb import agent_pb2 as agent
from fairlead.api.pb import coordination_v1_pb2 as coordinationv1
from fairlead.api.pb import core_v1_pb2 as corev1

# An agent that does not read for this long is cut off; it then dials again.
SEND_SECONDS = 30.0

Send = Callable[[bytes], Awaitable[None]]


class Session:
    """A session of one epoch. `wake` it when its cursor has news; `end` it to say goodbye."""

    def __init__(
        self,
        node: corev1.Node,
        epoch: int,
        lease: coordinationv1.Lease,
        cursor: assignments.Cursor,
        into: intake.Intake,
    ) -> None:
        self.node = node.metadata.name
        self.node_uid = node.metadata.uid
        self.epoch = epoch
        self.lease = lease
        self.renewed_at = 0.0
        self.cursor = cursor
        self.intake = into
        self._registered = node
        self._wake = asyncio.Event()
        self._messages: deque[agent.ControlMessage] = deque()
        self._tokens: deque[agent.ServiceAccountToken] = deque()
        self._goodbye = ""
        self._beat = 0
        self._beaten = asyncio.Event()
        self._sending = asyncio.Lock()
        into.on_token = self.send_token

    def wake(self) -> None:
        """Let the writer look for news."""
        self._wake.set()

    def end(self, why: str) -> None:
        """Say goodbye and end the session."""
        self._goodbye = self._goodbye or why
        self._wake.set()

    def open_stream(self, request: agent.OpenStream) -> None:
        """Ask the agent for a stream."""
        self._messages.append(agent.ControlMessage(open_stream=request))
        self._wake.set()

    def send_token(self, token: agent.ServiceAccountToken) -> None:
        """Send a token among the assignments."""
        self._tokens.append(token)
        self._wake.set()

    async def write(self, state: feed.Feed, made: settings.Settings, send: Send) -> None:
        """Send Welcome, the COMPLETE, and then news until the session is to end."""
        await self._send(send, self._welcome(made).SerializeToString())
        revision = await state.caught_up()
        for part in state.cluster.complete(self.cursor, revision):
            await self._send(send, part)
        self._wake.set()
        while not self._goodbye:
            await self._wake.wait()
            self._wake.clear()
            while self._messages:
                await self._send(send, self._messages.popleft().SerializeToString())
            for part in state.cluster.incremental(self.cursor):
                await self._send(send, part)
            while self._tokens:
                await self._send(send, state.cluster.extra(self.cursor, self._tokens.popleft()))
        await self._send(send, agent.ControlMessage(goodbye=self._goodbye).SerializeToString())

    async def answer(self, send: Send) -> None:
        """Answer heartbeats, also while `write` waits for the newest state."""
        while True:
            await self._beaten.wait()
            self._beaten.clear()
            beat = agent.ControlMessage(heartbeat=agent.Heartbeat(sequence=self._beat))
            await self._send(send, beat.SerializeToString())

    async def read(
        self, messages: AsyncIterator[agent.AgentMessage], heard: Callable[[agent.AgentMessage], None]
    ) -> None:
        """Take the agent's messages until it ends the session."""
        async for message in messages:
            heard(message)
            if message.WhichOneof("message") == "heartbeat":
                self._beat = message.heartbeat.sequence
                self._beaten.set()
            else:
                self.intake.take(message)

    def _welcome(self, made: settings.Settings) -> agent.ControlMessage:
        welcome = agent.Welcome(
            protocol_version=settings.PROTOCOL_VERSION,
            cluster_id=made.cluster_id,
            epoch=self.epoch,
            heartbeat_milliseconds=round(made.heartbeat_seconds * 1000),
            grace_milliseconds=round(made.grace_seconds * 1000),
            pod_cidrs=self._registered.spec.podCIDRs,
            cluster_dns=made.cluster_dns,
            cluster_domain=made.cluster_domain,
            cluster_cidrs=made.cluster_cidrs,
            service_cidrs=made.service_cidrs,
            endpoints=made.endpoints,
        )
        return agent.ControlMessage(welcome=welcome)

    async def _send(self, send: Send, message: bytes) -> None:
        async with asyncio.timeout(SEND_SECONDS), self._sending:
            await send(message)
