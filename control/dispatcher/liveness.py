"""When a node counts as gone: the judgement of the control process that holds, or last held, its session.

Pure: the caller gives the monotonic time. A node is in one of these states here:

    (unknown) --opened--> LIVE --silent for a grace--> DECLARED --heard--> LIVE
                           |  \\--closed--> CLOSED --a grace passes--> DECLARED
                           |                 |                           |
                           +-----------------+------- superseded --------+---> (unknown)

LIVE: a session is open here. CLOSED: it ended, and the agent has one grace to be back, at any control process.
DECLARED: Ready=Unknown is, or is to be, written, at the session's epoch. Whoever takes the node's next epoch makes
the others forget it (`superseded`); a control process that dies forgets all, and then the leader judges by the
Lease's age. What a process did not observe because it was itself stopped or busy is not held against any node:
`tick` moves all deadlines by the time that the process lost.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass, replace

# `tick` is called about this often; judged: it adds at most this much to the time until a node is declared.
TICK_SECONDS = 0.25
# A tick that comes this much too late means that the process was away or has more to do than it can: messages wait.
LATE_SECONDS = 0.1
# A message passes through so many turns of the event loop before it is heard, each as late as the tick.
TURNS = 3


class State(enum.Enum):
    """What is known of a node's session."""

    LIVE = "live"
    CLOSED = "closed"
    DECLARED = "declared"


@dataclass(frozen=True, slots=True)
class Tracked:
    """A node as it was last observed; `since` is when it was last heard of, or when its session closed."""

    node: str
    epoch: int
    state: State
    since: float


class Liveness:
    """The nodes whose newest epoch, as far as is known, was given by this control process."""

    def __init__(self, grace_seconds: float) -> None:
        self.grace = grace_seconds
        self._nodes: dict[str, Tracked] = {}
        self._ticked: float | None = None

    def get(self, node: str) -> Tracked | None:
        """Return what is known of a node."""
        return self._nodes.get(node)

    def opened(self, node: str, epoch: int, now: float) -> None:
        """Take that a session has begun."""
        self._nodes[node] = Tracked(node, epoch, State.LIVE, now)

    def heard(self, node: str, epoch: int, now: float) -> bool:
        """Take a message of a session; returns True where the node had been declared gone and is back."""
        tracked = self._nodes.get(node)
        if tracked is None or tracked.epoch != epoch:
            return False
        self._nodes[node] = Tracked(node, epoch, State.LIVE, now)
        return tracked.state is State.DECLARED

    def closed(self, node: str, epoch: int, now: float) -> None:
        """Take that a session has ended, for whatever reason."""
        tracked = self._nodes.get(node)
        if tracked is not None and tracked.epoch == epoch and tracked.state is State.LIVE:
            self._nodes[node] = Tracked(node, epoch, State.CLOSED, now)

    def superseded(self, node: str, epoch: int) -> None:
        """Take that the node's Lease shows an epoch above this one, or that the node is deleted."""
        tracked = self._nodes.get(node)
        if tracked is not None and tracked.epoch <= epoch:
            del self._nodes[node]

    def tick(self, now: float) -> Sequence[Tracked]:
        """Return the nodes whose grace has ended since the last call, each once, now DECLARED."""
        late = 0.0 if self._ticked is None else now - self._ticked - TICK_SECONDS
        self._ticked = now
        if late > LATE_SECONDS:
            self._nodes = {
                name: replace(node, since=min(now, node.since + TURNS * late)) for name, node in self._nodes.items()
            }
        due = [
            replace(node, state=State.DECLARED)
            for node in self._nodes.values()
            if node.state is not State.DECLARED and now - node.since >= self.grace
        ]
        self._nodes.update((node.node, node) for node in due)
        return due
