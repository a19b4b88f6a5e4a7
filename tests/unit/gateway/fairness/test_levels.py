"""Seats and queues of a priority level, decided without a loop."""

from __future__ import annotations

import hypothesis
from hypothesis import strategies as st

from control.apiserver.strategies import flowdefaults
from control.gateway.fairness import levels
from control.gateway.fairness.levels import Verdict

ALICE, BOB = ("users", "alice"), ("users", "bob")


def level(seats: int, *, length: int = 0, waiting: int = 0) -> levels.Level[str]:
    """Return a level whose waiters are texts."""
    return levels.Level(levels.Shape("work", "", False, seats, length, waiting))


def test_seats_are_given_until_there_are_none() -> None:
    """A level that rejects keeps nobody waiting."""
    one = level(2)

    assert [one.arrive(ALICE) for _ in range(3)] == [Verdict.ADMITTED, Verdict.ADMITTED, Verdict.NO_SEAT]
    assert one.leave() == ()
    assert one.arrive(BOB) is Verdict.ADMITTED


def test_free_seats_go_to_the_flows_in_turn() -> None:
    """Whoever floods its queue delays another flow by one request."""
    one = level(1, length=10, waiting=100)
    one.arrive(ALICE)
    for number in range(3):
        one.wait(ALICE, f"alice-{number}")
    one.wait(BOB, "bob-0")

    assert [*one.leave(), *one.leave(), *one.leave(), *one.leave()] == ["alice-0", "bob-0", "alice-1", "alice-2"]


def test_who_comes_later_does_not_overtake_who_waits() -> None:
    """A seat is free only if nobody waits for one."""
    one = level(1, length=1, waiting=10)
    one.arrive(ALICE)
    one.wait(ALICE, "first")
    admitted = one.leave()

    assert admitted == ["first"]
    assert one.arrive(BOB) is Verdict.MAY_WAIT


def test_a_queue_is_bounded_for_a_flow_and_in_all() -> None:
    """A full queue of one flow does not turn another away; a full level turns away everyone."""
    one = level(1, length=2, waiting=3)
    one.arrive(ALICE)
    one.wait(ALICE, "a")
    one.wait(ALICE, "b")

    assert one.arrive(ALICE) is Verdict.QUEUE_FULL
    assert one.arrive(BOB) is Verdict.MAY_WAIT
    one.wait(BOB, "c")
    assert one.arrive(("users", "carol")) is Verdict.QUEUE_FULL


def test_a_waiter_that_gives_up_leaves_no_trace() -> None:
    """Its place is the next one's."""
    one = level(1, length=1, waiting=1)
    one.arrive(ALICE)
    one.wait(ALICE, "a")

    one.give_up(ALICE, "a")

    assert (one.waiting, one.arrive(ALICE), one.leave()) == (0, Verdict.MAY_WAIT, ())


def test_more_seats_let_in_who_waits() -> None:
    """A level that is changed forgets nobody; one that becomes exempt lets in all."""
    one = level(1, length=9, waiting=9)
    one.arrive(ALICE)
    for name in "abcd":
        one.wait(ALICE, name)

    assert one.resize(levels.Shape("work", "", False, 3, 9, 9)) == ["a", "b"]
    assert one.resize(levels.Shape("work", exempt=True)) == ["c", "d"]


def test_shares_divide_the_seats() -> None:
    """The default levels' 245 shares divide 600 seats, rounded up; exempt has none and needs none."""
    got = {name: one.seats for name, one in levels.shapes(flowdefaults.levels(), 600).items()}

    assert got == {
        "exempt": 0,
        "catch-all": 13,
        "system": 74,
        "node-high": 98,
        "leader-election": 25,
        "workload-high": 98,
        "workload-low": 245,
        "global-default": 49,
    }


def test_mandatory_levels_exist_without_objects() -> None:
    """Whoever deletes them does not stop the API."""
    got = levels.shapes([], 600)

    assert got["exempt"].exempt
    assert got["catch-all"].seats == 600


steps = st.lists(st.tuples(st.sampled_from(["arrive", "leave", "give up"]), st.integers(0, 3)), max_size=60)


@hypothesis.given(steps, st.integers(0, 3), st.integers(0, 3), st.integers(0, 8))
def test_bounds_hold_whatever_comes(doing: list[tuple[str, int]], seats: int, length: int, waiting: int) -> None:
    """Never more in seats than there are, never more in queues than allowed; no seat is free while one waits."""
    one = level(seats, length=length, waiting=waiting)
    queued: list[tuple[levels.Flow, str]] = []
    for number, (what, who) in enumerate(doing):
        flow = ("users", str(who))
        if what == "arrive" and one.arrive(flow) is Verdict.MAY_WAIT:
            one.wait(flow, str(number))
            queued.append((flow, str(number)))
        elif what == "leave" and one.executing:
            admitted = set(one.leave())
            queued = [each for each in queued if each[1] not in admitted]
        elif what == "give up" and queued:
            one.give_up(*queued.pop(who % len(queued)))

        assert one.executing <= seats
        assert one.waiting == len(queued) <= waiting
        assert all(sum(each[0] == flow for each in queued) <= length for flow, _ in queued)
        assert not queued or one.executing == seats
