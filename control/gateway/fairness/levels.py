"""The seats and queues of a priority level: who is admitted, who waits, who is turned away. Pure.

`gate.py` owns the levels and wakes those whom `leave` and `resize` admit. Each flow has its own queue; free seats
go to the queues in turn, so that a flow that floods its queue delays the others of its level by one request at most.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Generic, TypeVar

from control.apiserver.strategies import flowdefaults
from fairlead.api.pb import flowcontrol_v1_pb2 as flowcontrolv1

Flow = tuple[str, str]  # a schema's name, and what distinguishes its flows
W = TypeVar("W")


class Verdict(Enum):
    """What becomes of a request that arrives; `QUEUE_FULL` and `NO_SEAT` are refusals."""

    ADMITTED = auto()
    MAY_WAIT = auto()
    QUEUE_FULL = auto()
    NO_SEAT = auto()


@dataclass(frozen=True, slots=True)
class Shape:
    """How many requests a level carries out at once, and how many wait: of one flow, and in all."""

    name: str
    uid: str = ""
    exempt: bool = False
    seats: int = 0
    queue_length: int = 0
    waiting: int = 0


@dataclass(slots=True)
class Level(Generic[W]):
    """A priority level at work. A waiter stands for a request that waits; what it is, is the caller's."""

    shape: Shape
    executing: int = 0
    waiting: int = 0
    _queues: dict[Flow, deque[W]] = field(default_factory=dict)  # in the order of whose turn it is

    def arrive(self, flow: Flow) -> Verdict:
        """Give a request a seat, or say whether it may `wait` for one."""
        shape = self.shape
        if shape.exempt or (self.executing < shape.seats and not self.waiting):
            self.executing += 1
            return Verdict.ADMITTED
        if not shape.queue_length:
            return Verdict.NO_SEAT
        queue = self._queues.get(flow)
        length = len(queue) if queue is not None else 0
        if length >= shape.queue_length or self.waiting >= shape.waiting:
            return Verdict.QUEUE_FULL
        return Verdict.MAY_WAIT

    def wait(self, flow: Flow, waiter: W) -> None:
        """Let a request that may wait stand at the end of its flow's queue."""
        self._queues.setdefault(flow, deque()).append(waiter)
        self.waiting += 1

    def leave(self) -> Sequence[W]:
        """Give a seat back; returns those who have one now."""
        self.executing -= 1
        return self._admit() if self.waiting else ()

    def give_up(self, flow: Flow, waiter: W) -> None:
        """Let a waiter go that nobody has admitted."""
        queue = self._queues[flow]
        queue.remove(waiter)
        self.waiting -= 1
        if not queue:
            del self._queues[flow]

    def resize(self, shape: Shape) -> Sequence[W]:
        """Change seats and queues; returns those who have a seat now. Nobody loses a seat or a place."""
        self.shape = shape
        return self._admit()

    def _admit(self) -> Sequence[W]:
        admitted = []
        while self._queues and (self.shape.exempt or self.executing < self.shape.seats):
            flow = next(iter(self._queues))
            queue = self._queues.pop(flow)
            admitted.append(queue.popleft())
            self.waiting -= 1
            self.executing += 1
            if queue:
                self._queues[flow] = queue  # behind the others
        return admitted


def shapes(found: Iterable[flowcontrolv1.PriorityLevelConfiguration], seats: int) -> dict[str, Shape]:
    """Return the levels' shapes by name, which divide the seats by their shares; mandatory ones are always there."""
    known = {one.metadata.name: one for one in _MANDATORY} | {one.metadata.name: one for one in found}
    total = sum(_shares(one) for one in known.values()) or 1
    return {name: _shape(one, math.ceil(seats * _shares(one) / total)) for name, one in known.items()}


_MANDATORY = [one for one in flowdefaults.levels() if one.metadata.name in flowdefaults.MANDATORY]


def _shares(level: flowcontrolv1.PriorityLevelConfiguration) -> int:
    spec = level.spec
    return spec.exempt.nominalConcurrencyShares if spec.type == "Exempt" else spec.limited.nominalConcurrencyShares


def _shape(level: flowcontrolv1.PriorityLevelConfiguration, seats: int) -> Shape:
    meta, response = level.metadata, level.spec.limited.limitResponse
    if level.spec.type == "Exempt":
        return Shape(meta.name, meta.uid, exempt=True, seats=seats)
    if response.type != "Queue":
        return Shape(meta.name, meta.uid, seats=seats)
    length = response.queuing.queueLengthLimit
    return Shape(meta.name, meta.uid, False, seats, length, response.queuing.queues * length)
