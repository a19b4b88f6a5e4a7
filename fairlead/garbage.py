"""How often a long-running program looks for reference cycles."""

from __future__ import annotations

import gc

# Young objects between collections, how many of those make the next generation due, and how many of these the last. A
# control process holds hundreds of thousands of objects that stay, and looking at one takes up to two microseconds
# while all else waits: so few are looked at in one go, each twice while it is young, and all together hardly ever.
THRESHOLDS = (4_000, 3, 10_000)


def collect_rarely() -> None:
    """Let cycles wait; nearly all garbage is freed by its reference count at once."""
    gc.set_threshold(*THRESHOLDS)


def settle() -> None:
    """Leave out of every later collection what is there now: a program's modules and classes, once it serves."""
    gc.collect()
    gc.freeze()
