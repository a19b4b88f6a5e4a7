"""Events about pods, as kubelet makes them."""

from __future__ import annotations

from fairlead import clock as clocks
from fairlead.api.pb import core_v1_pb2 as corev1
from node.agent import recorder
from tests.support import pods


def test_events_of_one_moment_keep_their_order_in_their_names() -> None:
    """kubectl sorts by whole seconds and keeps the list's order, which is that of the names, within one."""
    sent: list[corev1.Event] = []
    made = recorder.Recorder("node-1", clocks.FakeClock(), sent.append)
    for reason in ("Pulled", "Created", "Started"):
        made.record(pods.pod(), recorder.NORMAL, reason, "as it says")

    names = [event.metadata.name for event in sent]
    assert [event.reason for event in sorted(sent, key=lambda one: one.metadata.name)] == [
        "Pulled",
        "Created",
        "Started",
    ]
    assert len(set(names)) == 3


def test_the_same_news_is_the_same_event_counted_up() -> None:
    """Its name and first moment stay, whatever came between."""
    sent: list[corev1.Event] = []
    clock = clocks.FakeClock()
    made = recorder.Recorder("node-1", clock, sent.append)
    for reason in ("BackOff", "Pulled", "BackOff"):
        made.record(pods.pod(), recorder.WARNING, reason, "as it says")
        clock.advance(5.0)

    first, _, again = sent
    assert (again.metadata.name, again.count, again.firstTimestamp) == (first.metadata.name, 2, first.firstTimestamp)
    assert again.lastTimestamp.seconds == first.lastTimestamp.seconds + 10
