"""Pods that wait until others have made room for them, each with its node.

While other pods are scheduled those of no lower priority count as if they ran there already, so that nobody takes
what was freed for them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from control.scheduler import pods as podinfos
from control.scheduler.nodes import Nodes
from fairlead.api import pods as apipods


class Nominations:
    """Nodes by waiting pod; and the pods that were told to go."""

    def __init__(self) -> None:
        self._waiting: dict[str, tuple[podinfos.PodInfo, str]] = {}
        self._going: set[str] = set()

    def node_of(self, uid: str) -> str:
        """Return the name of the node where a pod waits for room; empty where it waits for none."""
        found = self._waiting.get(uid)
        return found[1] if found is not None else ""

    def put(self, info: podinfos.PodInfo, node_name: str) -> None:
        """Let a pod wait for room on a node."""
        self._waiting[info.uid] = (info, node_name)

    def drop(self, uid: str) -> None:
        """Let a pod wait no longer: it has a node, or is gone, or there will be no room."""
        self._waiting.pop(uid, None)

    def going(self, uid: str) -> None:
        """Note that a pod will be deleted for another."""
        self._going.add(uid)

    def settled(self, uid: str) -> None:
        """Note that a pod is gone, or stays after all."""
        self._going.discard(uid)

    def waits(self, info: podinfos.PodInfo, nodes: Nodes) -> bool:
        """Say whether pods that went for a pod are still there: until they have gone no others have to."""
        return any(
            each.priority < info.priority and (each.uid in self._going or apipods.is_terminating(each.pod))
            for each in nodes.carried(self.node_of(info.uid))
        )

    @contextlib.contextmanager
    def counted(self, info: podinfos.PodInfo, nodes: Nodes) -> Iterator[None]:
        """Count the pods whose room another pod must leave alone, for the time of the block."""
        counting = [
            (each, node_name)
            for each, node_name in self._waiting.values()
            if each.uid != info.uid and each.priority >= info.priority and not nodes.node_of(each.uid)
        ]
        for each, node_name in counting:
            nodes.carry(each, node_name)
        try:
            yield
        finally:
            for each, _ in counting:
                nodes.drop(each.uid)
