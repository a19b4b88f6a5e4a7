"""The dispatcher: sessions of agents, from Hello to the judgement that a node is gone.

One a control process. `Session` and `Stream` are the servicer's methods; `run` is the root task: it follows the API,
renews Leases, and judges liveness. It acts towards the API as itself where it judges, as `system:node:<name>` where
it writes what an agent reports.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

import grpc

from control.dispatcher import assignments, edge, feed, intake, leases, liveness, session, settings, streams, tenure
from fairlead import clock as clocks
from fairlead import slices, supervise
from fairlead.api import errors
from fairlead.api.pb import agent_pb2 as agent
from fairlead.api.pb import cluster_pb2 as cluster
from fairlead.api.pb import coordination_v1_pb2 as coordinationv1
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import metrics_pb2 as metrics

if TYPE_CHECKING:
    from fairlead.client import interface

log = logging.getLogger(__name__)

HELLO_SECONDS = 10.0
FAREWELL_SECONDS = 10.0
RETRY_SECONDS = 0.5
# Changes that come within this time travel together: a node's own, those of everyone among many sessions (what the
# protocol promises), and nodes that come or go, whose routes nobody needs at once and which come in hundreds.
BATCH_SECONDS = 0.02
MANY_BATCH_SECONDS = 0.05
NODES_BATCH_SECONDS = 0.5
MANY = 50
RENEWALS_IN_FLIGHT = 32
SESSIONS_A_PASS = 64  # of those that have news at once; each takes some 100 µs

Context = grpc.aio.ServicerContext[Any, Any]
# Says who calls: the user's name and groups; errors.Unauthorized where it cannot.
Identify = Callable[[Context], tuple[str, Sequence[str]]]


class Dispatcher:
    """The sessions that this control process holds."""

    def __init__(
        self,
        client: interface.Client,
        clients: interface.ClientFactory,
        made: settings.Settings,
        *,
        identify: Identify = edge.peer,
        clock: clocks.Clock = clocks.SYSTEM,
    ) -> None:
        self.settings = made
        self.state = assignments.Cluster()
        self.feed = feed.Feed(client, self.state, self._changed, clock)
        self.exchanges = streams.Exchanges()
        self._client = client
        self._clients = clients
        self._identify = identify
        self._clock = clock
        self._judge = liveness.Liveness(made.grace_seconds)
        self._sessions: dict[str, session.Session] = {}
        self._metrics: dict[str, metrics.NodeMetrics] = {}
        self._dirty: set[str] = set()
        self._everyone = False
        self._stopped = False
        self._flush: clocks.Timer | None = None
        self._flush_at = 0.0
        self._turns = slices.Turns(SESSIONS_A_PASS)

    # The root task.

    async def run(self) -> None:
        """Serve until cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self.feed.run(), name="dispatcher feed")
                tasks.create_task(self._judge_nodes(tasks), name="dispatcher liveness")
                tasks.create_task(self._renew_leases(), name="dispatcher leases")
        finally:
            self._stopped = True
            for held in self._sessions.values():
                held.end("the control process stops")

    def session_of(self, node: str) -> session.Session | None:
        """Return the session of a node that is held here, or None."""
        return self._sessions.get(node)

    def metrics(self) -> list[metrics.NodeMetrics]:
        """Return the newest report of each node whose session is held here."""
        return [self._metrics[node] for node in sorted(self._metrics)]

    async def _judge_nodes(self, tasks: asyncio.TaskGroup) -> None:
        while True:
            now = self._clock.monotonic()
            for held in self._sessions.values():
                if held.stuck(now):
                    log.warning("agent does not read", extra={"node": held.node, "epoch": held.epoch})
                    held.cut.set()
            for gone in self._judge.tick(now):
                silent = self._sessions.get(gone.node)
                if silent is not None and silent.epoch == gone.epoch:
                    silent.intake.judged_alive = False
                tasks.create_task(self._declare(gone.node, gone.epoch), name=f"declare {gone.node}")
            await self._clock.sleep(liveness.TICK_SECONDS)

    async def _declare(self, node: str, epoch: int) -> None:
        """Write that a node is gone, as soon as the API takes it, unless the node comes back before."""
        while True:
            tracked = self._judge.get(node)
            if tracked is None or tracked.epoch != epoch or tracked.state is not liveness.State.DECLARED:
                return
            try:
                done = await tenure.declare(self._client, node, epoch, self.settings.holder, self._clock.now())
            except errors.ApiError as error:
                log.warning("cannot declare a node gone", extra={"node": node, "error": error.message})
                await self._clock.sleep(RETRY_SECONDS)
                continue
            log.info("node is silent", extra={"node": node, "epoch": epoch, "done": done})
            if node not in self._sessions:
                self._judge.superseded(node, epoch)
            return

    async def _renew_leases(self) -> None:
        """Renew each live node's Lease when it is due; a process with nothing due only waits."""
        slots = asyncio.Semaphore(RENEWALS_IN_FLIGHT)
        while True:
            now = self._clock.monotonic()
            due = [held for held in self._sessions.values() if now - held.renewed_at >= leases.RENEW_SECONDS]
            async with asyncio.TaskGroup() as tasks:
                for held in due:
                    tracked = self._judge.get(held.node)
                    if tracked is not None and tracked.state is liveness.State.LIVE:
                        held.renewed_at = now
                        tasks.create_task(self._renew(held, slots), name=f"renew {held.node}")
            await self._clock.sleep(liveness.TICK_SECONDS)

    async def _renew(self, held: session.Session, slots: asyncio.Semaphore) -> None:
        async with slots:
            try:
                client = self._as_node(held.node)
                seen = self.feed.lease(held.node)
                held_by, now = self.settings.holder, self._clock.now()
                ours = await tenure.renew(client, held.node, held.epoch, seen, held_by, now)
            except errors.ApiError as error:
                log.warning("cannot renew a lease", extra={"node": held.node, "error": error.message})
                held.renewed_at += RETRY_SECONDS - leases.RENEW_SECONDS
                return
        if not ours:
            self._supersede(held.node, held.epoch, "another control process has begun a session of this node")

    # What the API shows.

    def _changed(self, obj: Any, there: bool, effect: assignments.Effect) -> None:
        if isinstance(obj, corev1.Pod):
            held = self._sessions.get(obj.spec.nodeName)
            if held is not None:
                held.intake.stored_pod(obj, there)
        elif isinstance(obj, corev1.Node):
            self._node_changed(obj, there)
        elif isinstance(obj, coordinationv1.Lease):
            number = leases.epoch(obj)
            if there and obj.spec.holderIdentity != self.settings.holder.identity:
                self._supersede(obj.metadata.name, number, f"epoch {number} has begun elsewhere")
        if effect.everyone or effect.nodes:
            self._everyone |= effect.everyone
            self._dirty |= effect.nodes
            self._flush_within(self._batch_seconds(obj, effect))

    def _batch_seconds(self, obj: Any, effect: assignments.Effect) -> float:
        """Return how long a change may wait for others: the longer, the more sessions it wakes."""
        if isinstance(obj, corev1.Node):
            return NODES_BATCH_SECONDS
        return MANY_BATCH_SECONDS if effect.everyone and len(self._sessions) > MANY else BATCH_SECONDS

    def _flush_within(self, seconds: float) -> None:
        at = self._clock.monotonic() + seconds
        if self._flush is not None:
            if self._flush_at <= at:
                return
            self._flush.cancel()
        self._flush_at = at
        self._flush = self._clock.call_later(seconds, self._wake)

    def _node_changed(self, node: corev1.Node, there: bool) -> None:
        held = self._sessions.get(node.metadata.name)
        if held is None:
            return
        if there:
            held.intake.stored_node(node)
        elif held.node_uid == node.metadata.uid:
            self._supersede(held.node, held.epoch, "the node is deleted")

    def _wake(self) -> None:
        self._flush = None
        if self._everyone:
            woken = list(self._sessions.values())
        else:
            woken = [self._sessions[node] for node in self._dirty if node in self._sessions]
        self._everyone = False
        self._dirty.clear()
        for held in woken:
            held.wake()

    def _supersede(self, node: str, epoch: int, why: str) -> None:
        """End what is held here of a node's epochs up to this one."""
        self._judge.superseded(node, epoch)
        held = self._sessions.get(node)
        if held is not None and held.epoch <= epoch:
            held.end(why)

    # The servicer.

    async def Session(self, messages: AsyncIterator[agent.AgentMessage], context: Context) -> None:
        """Serve one agent's session."""
        try:
            node = edge.node_of(*self._identify(context))
            messages = aiter(messages)
            hello = await edge.first(messages, HELLO_SECONDS)
            edge.check_hello(hello, node, self.settings)
            held = await self._begin(node, hello.hello)
            del hello  # a session lasts for days
        except errors.ApiError as error:
            await edge.abort(context, error)
            return
        try:
            await edge.begin(context)
            await self._serve(held, messages, context.write)
        except errors.ApiError as error:
            await edge.abort(context, error)
        finally:
            self._finish(held)
            await self.exchanges.lose(node)

    async def Stream(self, frames: AsyncIterator[agent.AgentFrame], context: Context) -> None:
        """Serve one stream that an agent opens because it was asked to."""
        try:
            node = edge.node_of(*self._identify(context))
            frames = aiter(frames)
            first = await edge.first(frames, HELLO_SECONDS)
            exchange = self.exchanges.claim(first.id, node)
        except errors.ApiError as error:
            await edge.abort(context, error)
            return
        try:
            await edge.begin(context)
            await supervise.first_of(_collect(exchange, frames), _forward(exchange, context.write))
        finally:
            await exchange.to_caller.close()

    async def _begin(self, node: str, hello: agent.Hello) -> session.Session:
        """Register the node, take its next epoch and end what older session is held here."""
        if self._stopped:
            raise errors.ServiceUnavailable("the control process stops")
        client = self._as_node(node)
        stored = await tenure.register(client, hello.node)
        lease = await tenure.take(client, stored, self.settings.holder, self._clock.now())
        epoch = leases.epoch(lease)
        older = self._sessions.get(node)
        if older is not None and older.epoch > epoch:
            raise errors.ServiceUnavailable("a newer session of this node has begun")
        if older is not None:
            older.end(f"epoch {epoch} has begun")
        into = intake.Intake(node, epoch, client, self.state, self.settings)
        held = session.Session(stored, epoch, self.state.open(node), into, self._clock.monotonic)
        held.renewed_at = self._clock.monotonic()
        self._sessions[node] = held
        self._judge.opened(node, epoch, self._clock.monotonic())
        into.take_node(hello.node.status)
        log.info("session began", extra={"node": node, "epoch": epoch, "applied": hello.applied_revision})
        return held

    async def _serve(
        self,
        held: session.Session,
        messages: AsyncIterator[agent.AgentMessage],
        send: Callable[[bytes], Awaitable[None]],
    ) -> None:
        def heard(message: agent.AgentMessage) -> None:
            if self._judge.heard(held.node, held.epoch, self._clock.monotonic()):
                log.info("node is heard of again", extra={"node": held.node, "epoch": held.epoch})
                held.intake.judged_alive = True
                held.intake.check_node()
            if message.WhichOneof("message") == "metrics" and self._sessions.get(held.node) is held:
                self._metrics[held.node] = message.metrics

        try:
            await supervise.first_of(
                held.write(self.feed, self.settings, send, self._turns),
                held.read(messages, heard),
                held.intake.run(),
                held.cut.wait(),
            )
        except intake.Superseded as why:
            log.info("session is superseded", extra={"node": held.node, "reason": str(why)})

    def _finish(self, held: session.Session) -> None:
        self.state.close(held.cursor)
        self._judge.closed(held.node, held.epoch, self._clock.monotonic())
        if self._sessions.get(held.node) is held:
            del self._sessions[held.node]
            self._metrics.pop(held.node, None)
        log.info("session ended", extra={"node": held.node, "epoch": held.epoch})

    def _as_node(self, node: str) -> interface.Client:
        return self._clients.as_user(edge.NODE_USER_PREFIX + node, (edge.NODE_GROUP,))


async def _forward(exchange: streams.Exchange, send: Callable[[cluster.ClientFrame], Awaitable[None]]) -> None:
    """Pass the caller's frames on until it has gone, then wait for the agent, which is told so, to end the call.

    A status of ours would have to wait for frames that are not taken, and fail where the agent ends the call first.
    """

    async def pass_on() -> None:
        while (frame := await exchange.to_agent.get()) is not None:
            await send(frame)

    await supervise.first_of(pass_on(), exchange.over.wait())
    await exchange.to_caller.close()
    await asyncio.sleep(FAREWELL_SECONDS)


async def _collect(exchange: streams.Exchange, frames: AsyncIterator[agent.AgentFrame]) -> None:
    async for frame in frames:
        await exchange.to_caller.put(frame)
