"""What has changed of one kind lately, for watchers that come from a revision in the past; `table` keeps one.

The newest changes are as their readers get them. Older ones are for the rare watcher that reconnects: what they
replaced is packed into bytes, and their number and bytes are bounded.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from control.store.entry import Change

REMEMBERED_CHANGES = 4_096  # what a watcher that reconnects may have missed of one kind
REMEMBERED_BYTES = 8 << 20  # of replaced objects; a kind of large objects is remembered for fewer changes
# A reader is seldom further behind than this; one that is decodes what it has not read yet.
UNPACKED_CHANGES = 128


class History:
    """One kind's recent changes in revision order; a watch may start at `floor`, or after it."""

    def __init__(self, changes: int = REMEMBERED_CHANGES, size: int = REMEMBERED_BYTES) -> None:
        self._limit = changes
        self._size = size
        self._unpacked: deque[Change] = deque()
        self._packed: deque[Change] = deque()
        self._bytes = 0
        self.floor = 0

    def extend(self, changes: Sequence[Change]) -> None:
        """Remember changes, and forget the oldest above the limits."""
        self._unpacked.extend(changes)
        while len(self._unpacked) > UNPACKED_CHANGES:
            change = self._unpacked.popleft()
            _pack(change)
            self._packed.append(change)
            self._bytes += _size(change)
        while self._bytes > self._size or len(self._packed) + len(self._unpacked) > self._limit:
            self._forget_oldest()

    def since(self, revision: int) -> Sequence[Change]:
        """Return the changes after a revision that is not below `floor`."""
        recent = [change for change in self._unpacked if change.revision > revision]
        if len(recent) < len(self._unpacked):
            return recent
        older: list[Change] = []
        for change in reversed(self._packed):
            if change.revision <= revision:
                break
            older.append(change)
        older.reverse()
        return older + recent

    def clear(self, floor: int) -> None:
        """Begin anew at a revision: after a list, what lies before it is not known."""
        self._unpacked.clear()
        self._packed.clear()
        self._bytes = 0
        self.floor = floor

    def _forget_oldest(self) -> None:
        if self._packed:
            change = self._packed.popleft()
            self._bytes -= _size(change)
        else:
            change = self._unpacked.popleft()
        self.floor = change.revision


def _pack(change: Change) -> None:
    """Pack what a change has replaced or deleted."""
    if change.previous is not None:
        change.previous.pack()
    if change.type == "DELETED":
        change.entry.pack()
    else:
        change.entry.release()


def _size(change: Change) -> int:
    """Return the bytes that a packed change holds."""
    size = len(change.previous.wire()) if change.previous is not None else 0
    return size + len(change.entry.wire()) if change.type == "DELETED" else size
