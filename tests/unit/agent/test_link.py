"""Which control process is dialled, and when."""

from __future__ import annotations

import random

from node.agent import link


def test_each_failure_moves_to_the_next_process() -> None:
    """Three failures try all three; the first pauses are short, so that a grace is not lost."""
    endpoints = link.Endpoints(["a:1", "b:1", "c:1"], random.Random(1))

    tried, pauses = [], []
    for _ in range(3):
        tried.append(endpoints.current)
        pauses.append(endpoints.failed())

    assert sorted(tried) == ["a:1", "b:1", "c:1"]
    assert sum(pauses) < 0.3


def test_pauses_grow_to_a_bound_and_begin_anew_after_a_session_that_lasted() -> None:
    """A control plane that stays away, or ends every session at once, is asked less and less often."""
    endpoints = link.Endpoints(["a:1"], random.Random(1))
    pauses = []
    for _ in range(12):
        pauses.append(endpoints.failed())
        endpoints.lasted(0.1)

    endpoints.lasted(60.0)

    assert link.LONGEST_PAUSE_SECONDS / 2 <= pauses[-1] <= link.LONGEST_PAUSE_SECONDS
    assert endpoints.failed() <= link.FIRST_PAUSE_SECONDS


def test_learned_list_keeps_the_process_in_use() -> None:
    """A process that is no longer listed is forgotten, new ones are tried after the present one."""
    endpoints = link.Endpoints(["a:1", "b:1"], random.Random(1))
    current = endpoints.current

    endpoints.learn([current, "c:1", "d:1"])
    kept = endpoints.current
    endpoints.failed()

    assert kept == current
    assert endpoints.current in ("c:1", "d:1")
