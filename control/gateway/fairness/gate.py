"""The gate that every request from outside passes: it lets it in, lets it wait, or turns it away.

REST and gRPC enter here once they know the caller; the control plane's own parts, within the process, do not. Schemas
and levels are the watch cache's, looked up anew when one has changed; which flow a user's request belongs to is
remembered until then.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from prometheus_client import core as prometheus

from control.apiserver import authz
from control.gateway.fairness import levels, schemas
from control.store import cache as caches
from fairlead.api import errors, scheme
from fairlead.api.pb import flowcontrol_v1_pb2 as flowcontrolv1

SEATS = 600  # Kubernetes: 400 requests in flight that read, 200 that write
WAIT_SECONDS = 15.0  # Kubernetes: a quarter of the minute that a request may take
RETRY_AFTER_SECONDS = 1
REMEMBERED = 8192
REMEMBERED_CHARACTERS = 400  # of what a caller chooses; longer ones are looked up each time
TOO_MANY = "too many requests, please try again later"
# Connections rather than requests: nothing of theirs is carried out here at a stretch.
STREAMS = frozenset(
    {
        "nodes/proxy", "pods/attach", "pods/exec", "pods/log", "pods/portforward", "pods/proxy", "services/proxy",
    }
)  # fmt: skip
FLOW_SCHEMA_HEADER = "X-Kubernetes-PF-FlowSchema-UID"
PRIORITY_LEVEL_HEADER = "X-Kubernetes-PF-PriorityLevel-UID"

Waiter = asyncio.Future[None]
Level = levels.Level[Waiter]
_Key = tuple[str, str]


def is_stream(asked: authz.Attributes) -> bool:
    """Say whether a request takes no seat: the subresource of another resource only has the name of one that does."""
    return not asked.group and asked.target in STREAMS


class Flow:
    """A flow: its level, by which name it queues there, and what answers say of it."""

    __slots__ = ("headers", "key", "labels", "level")

    def __init__(self, schema: schemas.Schema, level: Level, distinguisher: str) -> None:
        self.level = level
        self.key = (schema.name, distinguisher)
        self.labels = (level.shape.name, schema.name)
        self.headers = {FLOW_SCHEMA_HEADER: schema.uid, PRIORITY_LEVEL_HEADER: level.shape.uid}


class Ticket:
    """A seat that a request has; `leave` gives it back, at the first call."""

    __slots__ = ("_gate", "flow")

    def __init__(self, gate: Gate, flow: Flow) -> None:
        self._gate: Gate | None = gate
        self.flow = flow

    def leave(self) -> None:
        """Give the seat back."""
        gate, self._gate = self._gate, None
        if gate is not None:
            gate.left(self.flow)


class Refused(errors.TooManyRequests):
    """A request that was turned away, with what its answer says of its flow."""

    def __init__(self, flow: Flow) -> None:
        super().__init__(TOO_MANY, retry_after_seconds=RETRY_AFTER_SECONDS)
        self.headers = flow.headers


class Gate:
    """The priority levels of one process. `seats` is how many requests are carried out at once, in all levels."""

    def __init__(self, cache: caches.Cache, *, seats: int = SEATS, wait_seconds: float = WAIT_SECONDS) -> None:
        self._cache = cache
        self._seats = seats
        self._wait_seconds = wait_seconds
        self._schema_kind = scheme.DEFAULT.of(flowcontrolv1.FlowSchema)
        self._level_kind = scheme.DEFAULT.of(flowcontrolv1.PriorityLevelConfiguration)
        self._seen = (-1, -1)
        self._levels: dict[str, Level] = {}
        self._schemas: Sequence[schemas.Schema] = ()
        self._flows: dict[tuple[Any, ...], Flow] = {}
        self._dispatched: Counter[_Key] = Counter()
        self._executing: Counter[_Key] = Counter()
        self._waiting: Counter[_Key] = Counter()
        self._rejected: Counter[tuple[str, str, str]] = Counter()

    async def enter(self, asked: authz.Attributes) -> Ticket:
        """Return a seat for a request, now or when its turn has come; errors.TooManyRequests."""
        flow = self.flow(asked)
        verdict = flow.level.arrive(flow.key)
        if verdict is levels.Verdict.MAY_WAIT:
            await self._wait(flow)
        elif verdict is not levels.Verdict.ADMITTED:
            full = verdict is levels.Verdict.QUEUE_FULL
            raise self._refused(flow, "queue-full" if full else "concurrency-limit")
        self._dispatched[flow.labels] += 1
        self._executing[flow.labels] += 1
        return Ticket(self, flow)

    def left(self, flow: Flow) -> None:
        """Take a seat back, and wake whose turn it is."""
        self._executing[flow.labels] -= 1
        _wake(flow.level.leave())

    def flow(self, asked: authz.Attributes) -> Flow:
        """Return the flow that a request belongs to."""
        seen = (self._cache.version(self._schema_kind), self._cache.version(self._level_kind))
        if seen != self._seen:
            self._configure()
            self._seen = seen
        user = asked.user
        key = (
            user.name,
            user.groups,
            asked.verb,
            asked.group,
            asked.resource,
            asked.subresource,
            asked.namespace,
            asked.path,
        )
        found = self._flows.get(key)
        if found is None:
            schema = schemas.classify(self._schemas, asked)
            found = Flow(schema, self._levels[schema.level], schema.distinguisher(asked))
            if sum(map(len, key[2:])) <= REMEMBERED_CHARACTERS:
                if len(self._flows) >= REMEMBERED:
                    self._flows.clear()
                self._flows[key] = found
        return found

    def _configure(self) -> None:
        """Take over what the cache shows; a level that is gone lives on in its tickets."""
        configured = [entry.object for entry in self._cache.list(self._level_kind)]
        shapes = levels.shapes(configured, self._seats)  # type: ignore[arg-type]
        for name in self._levels.keys() - shapes.keys():
            _wake(self._levels.pop(name).resize(levels.Shape(name, exempt=True)))
        for name, shape in shapes.items():
            if name in self._levels:
                _wake(self._levels[name].resize(shape))
            else:
                self._levels[name] = levels.Level(shape)
        found = [entry.object for entry in self._cache.list(self._schema_kind)]
        self._schemas = schemas.compiled(found, shapes)  # type: ignore[arg-type]
        self._flows.clear()

    async def _wait(self, flow: Flow) -> None:
        """Wait for a seat, until it is the flow's turn; a caller that hangs up gives its place to the next."""
        waiter: Waiter = asyncio.get_running_loop().create_future()
        flow.level.wait(flow.key, waiter)
        self._waiting[flow.labels] += 1
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._wait_seconds):
                    await asyncio.shield(waiter)
            if not waiter.done():
                flow.level.give_up(flow.key, waiter)
                raise self._refused(flow, "time-out")
        except asyncio.CancelledError:
            if waiter.done():
                _wake(flow.level.leave())
            else:
                flow.level.give_up(flow.key, waiter)
            self._rejected[*flow.labels, "cancelled"] += 1
            raise
        finally:
            self._waiting[flow.labels] -= 1

    def _refused(self, flow: Flow, reason: str) -> Refused:
        self._rejected[*flow.labels, reason] += 1
        return Refused(flow)

    def collect(self) -> Iterable[prometheus.Metric]:
        """Iterate over the figures, under Kubernetes' names: a collector of prometheus_client."""
        names = ["priority_level", "flow_schema"]
        dispatched = prometheus.CounterMetricFamily(
            "apiserver_flowcontrol_dispatched_requests_total", "Requests that got a seat.", labels=names
        )
        rejected = prometheus.CounterMetricFamily(
            "apiserver_flowcontrol_rejected_requests_total",
            "Requests that were turned away.",
            labels=[*names, "reason"],
        )
        executing = prometheus.GaugeMetricFamily(
            "apiserver_flowcontrol_current_executing_requests", "Requests that have a seat.", labels=names
        )
        waiting = prometheus.GaugeMetricFamily(
            "apiserver_flowcontrol_current_inqueue_requests", "Requests that wait for a seat.", labels=names
        )
        seats = prometheus.GaugeMetricFamily(
            "apiserver_flowcontrol_nominal_limit_seats", "Seats of a level.", labels=names[:1]
        )
        limits = {(name,): level.shape.seats for name, level in self._levels.items()}
        yield _filled(dispatched, self._dispatched)
        yield _filled(rejected, self._rejected)
        yield _filled(executing, self._executing)
        yield _filled(waiting, self._waiting)
        yield _filled(seats, limits)


def _filled(family: Any, figures: Mapping[Any, int]) -> prometheus.Metric:
    for labels, figure in sorted(figures.items()):
        family.add_metric(list(labels), figure)
    return cast(prometheus.Metric, family)


def _wake(waiters: Iterable[Waiter]) -> None:
    for waiter in waiters:
        waiter.set_result(None)
