"""The agent's side of the session: dial, say Hello, apply assignments, report, dial again.

`Session.run` is one of the agent's root tasks. While no control process answers, nothing that runs is touched.
Heartbeats have a task of their own and wait for at most one message that is being written.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Protocol

import grpc

from fairlead.api.pb import agent_pb2 as agent
from fairlead.api.pb import core_v1_pb2 as corev1
from node.agent import inbox, interface, link, outbox, streams
from node.runtime import interface as runtime

log = logging.getLogger(__name__)

PROTOCOL_VERSION = 1
CONNECT_SECONDS = 1.5
WELCOME_SECONDS = 10.0
RUNNING_SECONDS = 0.5
# One heartbeat in so many is answered, and so many answers may be missing.
ANSWERED_BEATS = 5
MISSING_ANSWERS = 3


class Ended(Exception):
    """The session is over, for the reason that the text gives; another is to be begun."""


class Owner(Protocol):
    """What the session serves: the agent."""

    @property
    def pods(self) -> interface.Pods:
        """Return the pod machinery; errors.ServiceUnavailable while it is not there."""
        ...

    async def running(self) -> Sequence[agent.RunningPod]:
        """Return the pods on the node, as far as is known by now."""
        ...

    def repeat(self) -> None:
        """Report everything again, to a new session."""
        ...

    def node(self) -> corev1.Node:
        """Return the Node as the agent would register it now, conditions included."""
        ...

    def welcomed(self, welcome: agent.Welcome) -> None:
        """Take what the control process says of the cluster."""
        ...

    def apply(self, changes: Sequence[agent.Change], *, complete: bool) -> None:
        """Apply assignments."""
        ...


class Session:
    """The agent's sessions, one after the other."""

    def __init__(self, owner: Owner, reports: outbox.Outbox, dial: link.Link, endpoints: link.Endpoints) -> None:
        self._owner = owner
        self._reports = reports
        self._dial = dial
        self.endpoints = endpoints
        self._inbox = inbox.Inbox()
        self._cluster_id = 0
        self.epoch = 0
        self.synced = asyncio.Event()

    @property
    def applied_revision(self) -> int:
        """Return the revision of what was applied last."""
        return self._inbox.applied_revision

    async def run(self) -> None:
        """Hold a session, with this control process or that, until cancelled."""
        while True:
            endpoint = self.endpoints.current
            try:
                why = await self._hold(endpoint)
            except (Ended, inbox.Gap, inbox.Stale) as ended:
                why = str(ended)
            except grpc.aio.AioRpcError as error:
                why = f"{error.code().name}: {error.details()}"
            except (TimeoutError, OSError) as error:
                why = str(error) or "no answer"
            self.synced.clear()
            pause = self.endpoints.failed()
            log.info("session ended", extra={"endpoint": endpoint, "reason": why})
            await asyncio.sleep(pause)

    async def _hold(self, endpoint: str) -> str:
        """Hold one session to its end; returns why it ended."""
        async with self._dial.channel(endpoint, link.SESSION) as channel:
            async with asyncio.timeout(CONNECT_SECONDS):
                await channel.channel_ready()
            call = link.Stub(channel).session()
            try:
                welcome = await self._greet(call)
                log.info("session began", extra={"endpoint": endpoint, "epoch": welcome.epoch})
                self._begin(welcome)
                begun = time.monotonic()
                try:
                    return await self._converse(call, endpoint, welcome)
                finally:
                    self.endpoints.lasted(time.monotonic() - begun)
            finally:
                call.cancel()

    async def _greet(self, call: Any) -> agent.Welcome:
        hello = agent.Hello(
            protocol_version=PROTOCOL_VERSION,
            cluster_id=self._cluster_id,
            applied_revision=self._inbox.applied_revision,
            node=self._owner.node(),
            pods=await self._running(),
        )
        async with asyncio.timeout(WELCOME_SECONDS):
            await call.write(agent.AgentMessage(hello=hello))
            answer = await call.read()
        if answer is link.EOF:
            raise Ended(f"{(await call.code()).name}: {await call.details()}")
        if answer.WhichOneof("message") != "welcome":
            raise Ended(answer.goodbye or "the answer to Hello was no Welcome")
        welcome: agent.Welcome = answer.welcome
        return welcome

    async def _running(self) -> Sequence[agent.RunningPod]:
        """Return the pods on the node; none where the runtime does not answer, which is no reason not to dial."""
        try:
            async with asyncio.timeout(RUNNING_SECONDS):
                return await self._owner.running()
        except (TimeoutError, runtime.RuntimeFault):
            return ()

    def _begin(self, welcome: agent.Welcome) -> None:
        self._cluster_id = welcome.cluster_id
        self.epoch = welcome.epoch
        self.endpoints.learn(welcome.endpoints)
        self._inbox.begin()
        self._owner.welcomed(welcome)
        self._owner.repeat()

    async def _converse(self, call: Any, endpoint: str, welcome: agent.Welcome) -> str:
        writing = asyncio.Lock()

        async def send(message: agent.AgentMessage) -> None:
            async with writing:
                await call.write(message)

        patience = Patience(ANSWERED_BEATS * welcome.heartbeat_milliseconds / 1000)
        parts = {
            "heartbeats": _beat(send, welcome.heartbeat_milliseconds / 1000),
            "reports": self._report(send),
            "assignments": self._receive(call, endpoint, patience),
            "patience": patience.run(),
        }
        return await first_of(parts)

    async def _report(self, send: Callable[[agent.AgentMessage], Coroutine[Any, Any, None]]) -> str:
        while True:
            await self._reports.wait()
            for message in self._reports.drain():
                await send(message)

    async def _receive(self, call: Any, endpoint: str, patience: Patience) -> str:
        def connect() -> grpc.aio.Channel:
            return self._dial.channel(endpoint, link.STREAMS)

        async with streams.Streams(connect, lambda: self._owner.pods) as served:
            while (message := await call.read()) is not link.EOF:
                patience.heard()
                match message.WhichOneof("message"):
                    case "assignments":
                        self._take(message.assignments)
                    case "open_stream":
                        served.open(message.open_stream)
                    case "close_stream":
                        served.close(message.close_stream.id)
                    case "goodbye":
                        return str(message.goodbye)
        return f"{(await call.code()).name}: {await call.details()}"

    def _take(self, message: agent.Assignments) -> None:
        batch = self._inbox.take(message)
        if batch is None:
            return
        self._reports.applied(batch.changes, complete=batch.complete)
        self._owner.apply(batch.changes, complete=batch.complete)
        if batch.complete:
            log.info("state applied", extra={"revision": batch.revision, "changes": len(batch.changes)})
            self.synced.set()


class Patience:
    """How long a control process may be silent: it is looked for as often as it should answer.

    A look that comes late counts once: what the agent lost, stopped or starved, is not held against the other side.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._heard = False

    def heard(self) -> None:
        """Take that a message has come."""
        self._heard = True

    async def run(self) -> str:
        """Wait until nothing has come for too long; raises Ended."""
        silent = 0
        while silent < MISSING_ANSWERS:
            self._heard = False
            await asyncio.sleep(self._seconds)
            silent = 0 if self._heard else silent + 1
        raise Ended(f"the control process has been silent for {silent * self._seconds:g} s")


async def _beat(send: Callable[[agent.AgentMessage], Coroutine[Any, Any, None]], seconds: float) -> str:
    sequence = 0
    while True:
        sequence += 1
        await send(agent.AgentMessage(heartbeat=agent.Heartbeat(sequence=sequence)))
        await asyncio.sleep(seconds)


async def first_of(parts: dict[str, Coroutine[Any, Any, str]]) -> str:
    """Run all until the first ends, cancel the others; returns what it returned or raises what it raised."""
    tasks = [asyncio.create_task(part, name=f"session {name}") for name, part in parts.items()]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return next(task.result() for task in done)
