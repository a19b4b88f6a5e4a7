"""Events are best effort: repetitions are counted, many alike combined, chatterers muted, none ever waits."""

from __future__ import annotations

import asyncio

from fairlead import clock as clocks
from fairlead.api import errors
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.client import events
from tests.unit.client.tiny import Tiny
from tests.unit.client.waiting import settle, until


def _pod(name: str = "web-1") -> corev1.Pod:
    pod = corev1.Pod()
    pod.metadata.name, pod.metadata.namespace, pod.metadata.uid = name, "shop", f"uid-{name}"
    return pod


def _said(message: str, name: str = "web-1") -> events.Said:
    return events.Said(events.reference(_pod(name)), events.WARNING, "Unhappy", message)


async def test_event_names_its_object_and_source() -> None:
    """What was said is written with kind, uid, component and times."""
    tiny, clock = Tiny(), clocks.FakeClock()
    recorder = events.Recorder(tiny, "scheduler", instance="scheduler-1", clock=clock)
    task = asyncio.create_task(recorder.run())
    recorder.normal(_pod(), "Scheduled", "went to node-1")
    await until(lambda: "" if tiny.all(corev1.Event) else "no event")
    (event,) = tiny.all(corev1.Event)
    about = event.involvedObject
    assert (about.kind, about.apiVersion, about.namespace, about.name, about.uid) == (
        "Pod", "v1", "shop", "web-1", "uid-web-1",
    )  # fmt: skip
    assert (event.metadata.namespace, event.type, event.count) == ("shop", "Normal", 1)
    assert (event.source.component, event.reportingInstance) == ("scheduler", "scheduler-1")
    task.cancel()
    await asyncio.wait((task,))


async def test_repetitions_are_counted() -> None:
    """The same again is one Event with a count, made anew when the API has forgotten it."""
    tiny, clock = Tiny(), clocks.FakeClock()
    recorder = events.Recorder(tiny, "scheduler", clock=clock)
    task = asyncio.create_task(recorder.run())
    for _ in range(3):
        recorder.warning(_pod(), "Unhappy", "no room")
        await settle()
        clock.advance(1)
        await settle()
    (event,) = tiny.all(corev1.Event)
    assert event.count == 3
    assert event.lastTimestamp.seconds - event.firstTimestamp.seconds == 2

    tiny.remove(corev1.Event, event.metadata.name, "shop")
    for _ in range(2):
        recorder.warning(_pod(), "Unhappy", "no room")
        await settle()
        clock.advance(1)
        await settle()
    (event,) = tiny.all(corev1.Event)
    assert event.count == 1
    task.cancel()
    await asyncio.wait((task,))


def test_many_alike_are_combined() -> None:
    """More than ten different messages of one reason become one Event that says so."""
    correlator = events.Correlator("scheduler", "scheduler-1")
    made = [correlator.correlate(_said(f"message {number}"), 100.0 + number) for number in range(12)]
    texts = [each.event.message for each in made if each is not None]
    assert texts[9] == "message 9"
    assert texts[10:] == [
        "(combined from similar events): message 10",
        "(combined from similar events): message 11",
    ]
    assert made[11] is not None
    assert made[11].event.count == 2


def test_chatterer_is_muted_for_a_while() -> None:
    """An object has 25 Events at once, then one in five minutes; others are not affected."""
    correlator = events.Correlator("scheduler", "scheduler-1")
    heard = [correlator.correlate(_said("again"), 100.0) is not None for _ in range(30)]
    assert heard.count(True) == 25
    assert correlator.correlate(_said("again", "web-2"), 100.0) is not None
    assert correlator.correlate(_said("again"), 100.0 + 299) is None
    assert correlator.correlate(_said("again"), 100.0 + 301) is not None


async def test_full_queue_drops() -> None:
    """Nobody waits for Events: beyond the queue's length they are dropped and counted."""
    recorder = events.Recorder(Tiny(), "scheduler", clock=clocks.FakeClock())
    for number in range(events.QUEUE_LENGTH + 7):
        recorder.normal(_pod(f"web-{number}"), "Scheduled", "went")
    assert recorder.dropped == 7


async def test_unreachable_api_costs_events_only() -> None:
    """A write that fails is given up; the next Event is written."""
    tiny, clock = Tiny(), clocks.FakeClock()
    recorder = events.Recorder(tiny, "scheduler", clock=clock)
    task = asyncio.create_task(recorder.run())
    tiny.faults = [errors.ServiceUnavailable("etcd does not answer")]
    recorder.normal(_pod("web-1"), "Scheduled", "went")
    await settle()
    recorder.normal(_pod("web-2"), "Scheduled", "went")
    await until(lambda: "" if tiny.all(corev1.Event) else "no event")
    assert [event.involvedObject.name for event in tiny.all(corev1.Event)] == ["web-2"]
    task.cancel()
    await asyncio.wait((task,))
