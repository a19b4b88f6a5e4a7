"""Assignments as they arrive, put in order: parts of a COMPLETE joined, gaps and stale states refused. Pure.

The session hands every message to `take`; what it returns is to be applied at once, as a whole.
"""

from __future__ import annotations

from dataclasses import dataclass

from fairlead.api.pb import agent_pb2 as agent


class Gap(Exception):
    """A message is missing, or out of its place: the session cannot go on."""


class Stale(Exception):
    """A COMPLETE is older than what has been applied: that control process must not be believed."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Changes to be applied together; after a complete one nothing exists that it does not name."""

    complete: bool
    changes: tuple[agent.Change, ...]
    revision: int


class Inbox:
    """The order of assignments over the life of an agent; `begin` it anew with each session."""

    def __init__(self) -> None:
        self.applied_revision = 0
        self._sequence = 0
        self._parts: list[agent.Change] | None = []

    def begin(self) -> None:
        """Expect the first part of a COMPLETE."""
        self._sequence = 0
        self._parts = []

    def take(self, message: agent.Assignments) -> Batch | None:
        """Take the next message; returns what is to be applied now, None while parts are missing."""
        self._sequence += 1
        if message.sequence != self._sequence:
            raise Gap(f"message {message.sequence} of the assignments came where {self._sequence} was due")
        if message.type == agent.Assignments.COMPLETE:
            return self._complete(message)
        if self._parts is not None:
            raise Gap("changes came before the state that they change")
        self.applied_revision = max(self.applied_revision, message.revision)
        return Batch(False, tuple(message.changes), message.revision)

    def _complete(self, message: agent.Assignments) -> Batch | None:
        if self._parts is None:
            raise Gap("a second complete state came within one session")
        if message.revision < self.applied_revision:
            raise Stale(f"revision {message.revision} is offered, {self.applied_revision} has been applied")
        self._parts.extend(message.changes)
        if not message.last:
            return None
        changes, self._parts = tuple(self._parts), None
        self.applied_revision = message.revision
        return Batch(True, changes, message.revision)
