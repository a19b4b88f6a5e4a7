"""Termination messages of containers that are there no more."""

from __future__ import annotations

from node.agent import messages
from node.pods import memory as memory_folder
from node.runtime import interface as runtime
from tests.support import pods

GONE = runtime.Container(
    "gone", "gone", "", "", {runtime.CONTAINER_LABEL: "main"}, "exited", 1.0, 1.0, finished_at=2.0, exit_code=1
)


class _Seen:
    """What was seen of the node's containers."""

    def of(self, uid: str) -> list[runtime.Container]:
        """Return the one that ended."""
        return [GONE]

    async def refresh(self, container: str) -> None:
        """Nothing changes."""


async def test_a_log_that_cannot_be_read_is_told_in_the_message() -> None:
    """What the runtime says of it; a message of the container's own makes the log unnecessary."""
    pod = pods.pod()
    pod.spec.containers[0].terminationMessagePolicy = messages.FALLBACK
    parts = pods.parts(_Seen())
    folder = memory_folder.MemoryFolder("/root", pods.UID)
    left = messages.Messages(parts, folder)
    await left.catch_up(pod)
    why = 'no container with ID "gone" found: no such container'
    assert left.read == {"gone": f"Error on reading termination message from logs: {why}"}
    left.forget(GONE)
    folder.messages[("main", 0)] = "because"
    await left.catch_up(pod)
    assert left.read == {"gone": "because"}
