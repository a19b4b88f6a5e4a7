"""How often a long-running program looks for reference cycles."""

from __future__ import annotations

import gc

# Young objects between collections, and how many of those make the next older generation due. A control process holds
# hundreds of thousands of objects that stay, and a full collection looks at all of them while everything else waits.
THRESHOLDS = (50_000, 20, 100)


def collect_rarely() -> None:
    """Let cycles wait; nearly all garbage is freed by its reference count at once."""
    gc.set_threshold(*THRESHOLDS)


def settle() -> None:
    """Leave out of every later collection what is there now: a program's modules and classes, once it serves."""
    gc.collect()
    gc.freeze()
