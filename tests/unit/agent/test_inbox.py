"""The order of assignments."""

from __future__ import annotations

import pytest

from fairlead.api.pb import agent_pb2 as agent
from node.agent import inbox

COMPLETE, INCREMENTAL = agent.Assignments.COMPLETE, agent.Assignments.INCREMENTAL


def message(
    sequence: int, *, revision: int = 10, complete: bool = False, last: bool = True, pod: str = "web"
) -> agent.Assignments:
    """Return assignments of one pod."""
    made = agent.Assignments(type=COMPLETE if complete else INCREMENTAL, sequence=sequence, revision=revision)
    made.last = complete and last
    made.changes.add().pod.metadata.name = pod
    return made


def test_parts_are_applied_together() -> None:
    """A COMPLETE takes effect at its last part, with the changes of all."""
    box = inbox.Inbox()

    first = box.take(message(1, complete=True, last=False, pod="a"))
    second = box.take(message(2, complete=True, pod="b"))

    assert first is None
    assert second is not None
    assert (second.complete, [change.pod.metadata.name for change in second.changes]) == (True, ["a", "b"])
    assert box.applied_revision == 10


def test_incomplete_state_changes_nothing() -> None:
    """Until the last part has come, the applied revision stays."""
    box = inbox.Inbox()

    box.take(message(1, complete=True, last=False))

    assert box.applied_revision == 0


def test_gap_is_refused() -> None:
    """A number that was skipped, or came twice, ends the session."""
    for wrong in (1, 3):
        box = inbox.Inbox()
        box.take(message(1, complete=True))
        with pytest.raises(inbox.Gap, match=f"message {wrong} of the assignments came where 2 was due"):
            box.take(message(wrong))


def test_change_before_the_state_is_refused() -> None:
    """INCREMENTAL has nothing to build on before a COMPLETE is whole."""
    box = inbox.Inbox()
    box.take(message(1, complete=True, last=False))

    with pytest.raises(inbox.Gap, match="changes came before the state"):
        box.take(message(2))


def test_older_state_is_refused() -> None:
    """A control process whose state lies before what was applied is not believed; the same revision is fine."""
    box = inbox.Inbox()
    box.take(message(1, revision=20, complete=True))
    box.take(message(2, revision=25))
    box.begin()

    with pytest.raises(inbox.Stale, match="revision 24 is offered, 25 has been applied"):
        box.take(message(1, revision=24, complete=True))
    box.begin()
    assert box.take(message(1, revision=25, complete=True)) is not None


def test_new_session_counts_from_one() -> None:
    """`begin` forgets numbers and half a state, not the applied revision."""
    box = inbox.Inbox()
    box.take(message(1, complete=True, last=False, pod="half"))
    box.begin()

    got = box.take(message(1, complete=True, pod="whole"))

    assert got is not None
    assert [change.pod.metadata.name for change in got.changes] == ["whole"]
