"""The scheduling queue: urgency, pauses, and what wakes a pod."""

from __future__ import annotations

from control.scheduler import pods, queue
from control.scheduler.framework import Event
from fairlead import clock as clocks
from fairlead.testing import samples


def _info(name: str, priority: int = 0) -> pods.PodInfo:
    pod = samples.pod(name)
    pod.spec.priority = priority
    return pods.info(pod)


def _names(waiting: queue.Queue) -> list[str]:
    found = []
    while (taken := waiting.pop_ready()) is not None:
        found.append(taken.info.pod.metadata.name)
    return found


def _pop(waiting: queue.Queue) -> queue.Waiting:
    taken = waiting.pop_ready()
    assert taken is not None
    return taken


async def test_urgent_pods_come_first_then_the_oldest() -> None:
    """Priority decides, then the order of arrival."""
    waiting = queue.Queue(clock=clocks.FakeClock())
    for name, priority in (("a", 0), ("b", 10), ("c", 0), ("d", 10)):
        waiting.add(_info(name, priority))
    assert _names(waiting) == ["b", "d", "a", "c"]


async def test_unschedulable_pod_waits_for_an_event_that_may_help() -> None:
    """An event that no plugin waits for leaves the pod; the right one wakes it, after its pause."""
    clock = clocks.FakeClock()
    waiting = queue.Queue(clock=clock)
    waiting.add(_info("a"))
    waiting.park(_pop(waiting), Event.POD_GONE)
    waiting.happened(Event.NODE_LABELS)
    assert waiting.counts == (0, 0, 1)
    waiting.happened(Event.POD_GONE)
    assert waiting.counts == (0, 1, 0)
    clock.advance(1)
    assert _names(waiting) == ["a"]


async def test_pauses_double_up_to_ten_seconds() -> None:
    """Failed attempts come back after 1, 2, 4, 8, 10, 10 s."""
    clock = clocks.FakeClock()
    waiting = queue.Queue(clock=clock)
    waiting.add(_info("a"))
    for pause in (1.0, 2.0, 4.0, 8.0, 10.0, 10.0):
        waiting.retry(_pop(waiting))
        clock.advance(pause - 0.01)
        assert waiting.counts == (0, 1, 0)
        clock.advance(0.01)
        assert waiting.counts == (1, 0, 0)


async def test_forgotten_hint_costs_five_minutes() -> None:
    """A pod that no event wakes is looked at again after 5 min."""
    clock = clocks.FakeClock()
    waiting = queue.Queue(clock=clock)
    waiting.add(_info("a"))
    waiting.park(_pop(waiting), Event(0))
    clock.advance(299)
    assert _names(waiting) == []
    clock.advance(1)
    assert _names(waiting) == ["a"]


async def test_removed_pod_does_not_come_back() -> None:
    """A pod that is bound or deleted leaves the queue in whatever state it is."""
    clock = clocks.FakeClock()
    waiting = queue.Queue(clock=clock)
    for name in ("ready", "pausing", "parked"):
        waiting.add(_info(name))
    _pop(waiting)
    waiting.retry(_pop(waiting))
    waiting.park(_pop(waiting), Event.POD_GONE)
    for name in ("ready", "pausing", "parked"):
        waiting.remove(f"uid-{name}")
    waiting.happened(Event.POD_GONE)
    clock.advance(1000)
    assert _names(waiting) == []
    assert len(waiting) == 0


async def test_changed_pod_is_ready_at_once() -> None:
    """A pod whose spec changed does not wait for its pause, and is there once."""
    clock = clocks.FakeClock()
    waiting = queue.Queue(clock=clock)
    waiting.add(_info("a"))
    waiting.park(_pop(waiting), Event.POD_GONE)
    waiting.add(_info("a"))
    assert _names(waiting) == ["a"]
    assert len(waiting) == 0
