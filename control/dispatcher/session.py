"""One agent's session, once it has its epoch: what is sent to it, and what is taken from it.

`service` makes it from a Hello and runs `write` and `read` beside each other; whichever ends, ends the session.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable
from typing import Any

from control.dispatcher import assignments, feed, intake, settings
from fairlead import bells, slices
from fairlead.api.pb import agent_pb2 as agent
from fairlead.api.pb import core_v1_pb2 as corev1

# An agent that does not read for this long is cut off; it then dials again.
SEND_SECONDS = 30.0
# One heartbeat in so many is answered: agent.proto's promise.
ANSWERED = 5

Send = Callable[[bytes], Awaitable[None]]


class Session:
    """A session of one epoch. `wake` it when its cursor has news; `end` it to say goodbye."""

    def __init__(
        self,
        node: corev1.Node,
        epoch: int,
        cursor: assignments.Cursor,
        into: intake.Intake,
        monotonic: Callable[[], float],
    ) -> None:
        self.node = node.metadata.name
        self.node_uid = node.metadata.uid
        self.epoch = epoch
        self.renewed_at = 0.0
        self.cursor = cursor
        self.intake = into
        self._pod_cidrs = tuple(node.spec.podCIDRs)
        self._wake = bells.Bell()
        self._messages: list[agent.ControlMessage] = []
        self._tokens: list[agent.ServiceAccountToken] = []
        self._goodbye = ""
        self._beat = 0
        self._monotonic = monotonic
        self.sending_since: float | None = None
        self.cut = bells.Bell()
        into.on_token = self.send_token

    def wake(self) -> None:
        """Let the writer look for news."""
        self._wake.set()

    def end(self, why: str) -> None:
        """Say goodbye and end the session."""
        self._goodbye = self._goodbye or why
        self._wake.set()

    def stuck(self, now: float) -> bool:
        """Tell whether the agent has not read for too long; such a session is to be `cut`."""
        return self.sending_since is not None and now - self.sending_since > SEND_SECONDS

    def open_stream(self, request: agent.OpenStream) -> None:
        """Ask the agent for a stream."""
        self._messages.append(agent.ControlMessage(open_stream=request))
        self._wake.set()

    def close_stream(self, id_: str) -> None:
        """Tell the agent that the caller of a stream has gone."""
        self._messages.append(agent.ControlMessage(close_stream=agent.CloseStream(id=id_)))
        self._wake.set()

    def send_token(self, token: agent.ServiceAccountToken) -> None:
        """Send a token among the assignments."""
        self._tokens.append(token)
        self._wake.set()

    async def write(self, state: feed.Feed, made: settings.Settings, send: Send, turns: slices.Turns) -> None:
        """Send Welcome, the COMPLETE, and then news and answers, in its turn, until the session is to end."""
        await send(self._welcome(made).SerializeToString())
        revision = await self._answering(state.caught_up(), send)
        await self._pass_all(state.cluster.complete(self.cursor, revision), send)
        self._wake.set()
        while not self._goodbye:
            await self._wake.wait()
            await turns.turn()
            self._wake.clear()
            await self._answer(send)
            while self._messages:
                await self._pass(self._messages.pop(0).SerializeToString(), send)
            await self._pass_all(state.cluster.incremental(self.cursor), send)
            while self._tokens:
                await self._pass(state.cluster.extra(self.cursor, self._tokens.pop(0)), send)
        await send(agent.ControlMessage(goodbye=self._goodbye).SerializeToString())

    async def _answering(self, wait: Coroutine[Any, Any, int], send: Send) -> int:
        """Wait for something, answering heartbeats meanwhile."""
        waiting = asyncio.create_task(wait, name="caught up")
        waiting.add_done_callback(lambda _: self._wake.set())
        try:
            while not waiting.done():
                await self._wake.wait()
                self._wake.clear()
                await self._answer(send)
            return waiting.result()
        finally:
            waiting.cancel()

    async def _answer(self, send: Send) -> None:
        if self._beat:
            beat, self._beat = self._beat, 0
            await send(agent.ControlMessage(heartbeat=agent.Heartbeat(sequence=beat)).SerializeToString())

    async def _pass_all(self, messages: Iterable[bytes], send: Send) -> None:
        """Send messages, the last of which does not stay with a session that waits for news."""
        for message in messages:
            await self._pass(message, send)

    async def _pass(self, message: bytes, send: Send) -> None:
        """Send a message that an agent may take long to read."""
        self.sending_since = self._monotonic()
        await send(message)
        self.sending_since = None

    async def read(
        self, messages: AsyncIterator[agent.AgentMessage], heard: Callable[[agent.AgentMessage], None]
    ) -> None:
        """Take the agent's messages until it ends the session."""
        async for message in messages:
            heard(message)
            if message.WhichOneof("message") == "heartbeat":
                if message.heartbeat.sequence % ANSWERED == 0:
                    self._beat = message.heartbeat.sequence
                    self._wake.set()
            else:
                self.intake.take(message)

    def _welcome(self, made: settings.Settings) -> agent.ControlMessage:
        welcome = agent.Welcome(
            protocol_version=settings.PROTOCOL_VERSION,
            cluster_id=made.cluster_id,
            epoch=self.epoch,
            heartbeat_milliseconds=round(made.heartbeat_seconds * 1000),
            grace_milliseconds=round(made.grace_seconds * 1000),
            pod_cidrs=self._pod_cidrs,
            cluster_dns=made.cluster_dns,
            cluster_domain=made.cluster_domain,
            cluster_cidrs=made.cluster_cidrs,
            service_cidrs=made.service_cidrs,
            endpoints=made.endpoints,
        )
        return agent.ControlMessage(welcome=welcome)
