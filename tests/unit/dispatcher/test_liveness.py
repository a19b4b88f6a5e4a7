"""When a node is declared gone."""

from __future__ import annotations

from control.dispatcher import liveness

GRACE = 3.0


def ticking(judge: liveness.Liveness, start: float, end: float) -> list[tuple[float, str]]:
    """Tick four times a second and return who was declared when."""
    declared = []
    now = start
    while now <= end:
        declared += [(now, node.node) for node in judge.tick(now)]
        now += liveness.TICK_SECONDS
    return declared


def test_silent_node_is_declared_once_after_its_grace() -> None:
    """An open session without heartbeats counts for one grace."""
    judge = liveness.Liveness(GRACE)
    judge.tick(0.0)
    judge.opened("a", 1, 0.0)

    assert ticking(judge, 0.25, 10.0) == [(3.0, "a")]


def test_heartbeats_keep_a_node_alive() -> None:
    """Each message of the session begins the grace anew."""
    judge = liveness.Liveness(GRACE)
    judge.opened("a", 1, 0.0)
    for second in range(10):
        judge.heard("a", 1, float(second))
        assert not judge.tick(second + 0.5)


def test_closed_session_has_one_grace_to_come_back() -> None:
    """The grace counts from the end of the session; a new session here ends the wait."""
    judge = liveness.Liveness(GRACE)
    judge.opened("a", 1, 0.0)
    judge.opened("b", 1, 0.0)
    judge.closed("a", 1, 1.0)
    judge.closed("b", 1, 1.0)
    judge.opened("b", 2, 3.5)

    assert ticking(judge, 1.0, 5.0) == [(4.0, "a")]


def test_taken_over_node_is_not_this_process_business() -> None:
    """A higher epoch elsewhere ends the judgement here."""
    judge = liveness.Liveness(GRACE)
    judge.opened("a", 1, 0.0)
    judge.closed("a", 1, 1.0)

    judge.superseded("a", 2)

    assert not ticking(judge, 1.0, 10.0)
    assert judge.get("a") is None


def test_old_epochs_end_does_not_touch_the_new() -> None:
    """Closing, hearing and superseding an older session change nothing of the newer."""
    judge = liveness.Liveness(GRACE)
    judge.opened("a", 2, 0.0)

    judge.closed("a", 1, 0.0)
    judge.superseded("a", 1)
    heard = judge.heard("a", 1, 2.9)

    assert not heard
    assert judge.get("a") == liveness.Tracked("a", 2, liveness.State.LIVE, 0.0)


def test_node_that_speaks_again_on_its_old_session_is_back() -> None:
    """After a healed partition the same stream goes on; its first message says that the node is back, once."""
    judge = liveness.Liveness(GRACE)
    judge.tick(0.0)
    judge.opened("a", 1, 0.0)
    ticking(judge, 0.25, 4.0)

    assert [judge.heard("a", 1, now) for now in (5.0, 5.1)] == [True, False]


def test_stopped_process_does_not_blame_the_nodes() -> None:
    """A process that did not run for a minute gives each node its grace anew."""
    judge = liveness.Liveness(GRACE)
    judge.tick(0.0)
    judge.opened("a", 1, 0.0)

    assert not judge.tick(60.0)
    assert ticking(judge, 60.25, 65.0) == [(63.0, "a")]


def test_busy_process_is_patient() -> None:
    """While every tick comes half a second late, heartbeats wait, too, and nobody is declared."""
    judge = liveness.Liveness(GRACE)
    judge.tick(0.0)
    judge.opened("a", 1, 0.0)

    assert not any(judge.tick(number * 0.75) for number in range(1, 40))


def test_slightly_late_ticks_change_nothing() -> None:
    """A loop that is a little busy still declares in time."""
    judge = liveness.Liveness(GRACE)
    judge.tick(0.0)
    judge.opened("a", 1, 0.0)

    declared = [number for number in range(1, 20) if judge.tick(number * 0.3)]

    assert declared == [10]
