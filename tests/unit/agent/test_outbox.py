"""What waits to be said."""

from __future__ import annotations

from fairlead.api.pb import agent_pb2 as agent
from fairlead.api.pb import core_v1_pb2 as corev1
from node.agent import outbox


def pod(name: str) -> corev1.Pod:
    """Return a pod."""
    made = corev1.Pod()
    made.metadata.name, made.metadata.namespace, made.metadata.uid = name, "default", f"uid-{name}"
    return made


def said(box: outbox.Outbox) -> list[str]:
    """Return what `drain` yields, a word a message."""
    words = []
    for message in box.drain():
        which = message.WhichOneof("message")
        content = getattr(message, which)
        words.append(f"{which} {getattr(content, 'name', '')}".strip())
    return words


async def test_newest_status_of_a_pod_is_sent_once() -> None:
    """A status that was not sent yet is replaced by the next."""
    box = outbox.Outbox()
    box.status(pod("web"), corev1.PodStatus(phase="Pending"))
    box.status(pod("web"), corev1.PodStatus(phase="Running"))

    (message,) = box.drain()

    assert message.pod_status.status.phase == "Running"
    assert said(box) == []


async def test_termination_is_repeated_until_the_pod_is_no_longer_assigned() -> None:
    """A control process may die before it has deleted the pod."""
    box = outbox.Outbox()
    box.terminated("default", "web", "uid-web")
    first = said(box)
    box.begin([], [])
    second = said(box)
    box.applied([agent.Change(removed=agent.Removed(resource="pods", name="web", uid="uid-web"))], complete=False)
    box.begin([], [])

    assert (first, second, said(box)) == (["pod_terminated web"], ["pod_terminated web"], [])


async def test_complete_state_acknowledges_terminations() -> None:
    """A COMPLETE that does not name the pod says that its object is gone."""
    box = outbox.Outbox()
    box.terminated("default", "web", "uid-web")
    box.terminated("default", "db", "uid-db")

    box.applied([agent.Change(pod=pod("db"))], complete=True)
    box.begin([], [])

    assert said(box) == ["pod_terminated db"]


async def test_new_session_hears_every_status() -> None:
    """What the last control process knew, the next one may not."""
    box = outbox.Outbox()
    statuses = [(pod("a"), corev1.PodStatus(phase="Running")), (pod("b"), corev1.PodStatus(phase="Failed"))]

    box.begin(statuses, [agent.TokenNeeded(pod_uid="uid-a")])

    assert said(box) == ["pod_status a", "pod_status b", "token_needed"]


async def test_oldest_events_give_way() -> None:
    """Without a control plane events do not pile up."""
    box = outbox.Outbox()
    for number in range(outbox.EVENTS_KEPT + 1):
        event = corev1.Event()
        event.metadata.name = str(number)
        box.event(event)

    got = [message.event.metadata.name for message in box.drain()]

    assert (len(got), got[0]) == (outbox.EVENTS_KEPT, "1")


async def test_node_conditions_are_sent_as_a_whole() -> None:
    """Two changes before one is sent make one message with the newest conditions."""
    box = outbox.Outbox()
    for status in ("True", "False"):
        news = corev1.NodeStatus()
        news.conditions.add(type="Ready", status=status)
        box.node_status(news)

    (message,) = box.drain()

    assert [c.status for c in message.node_status.status.conditions] == ["False"]
