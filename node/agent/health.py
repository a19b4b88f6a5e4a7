"""The node's health: faults that its parts report, pressures that are measured, told as conditions and events."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Sequence

from fairlead import clock as clocks
from fairlead.api.pb import core_v1_pb2 as corev1
from node.agent import conditions, interface, outbox

log = logging.getLogger(__name__)

SECONDS = 10.0


class Health:
    """Keeps the conditions. What changes goes to the outbox at once, as a status and as an event."""

    def __init__(
        self,
        node_name: str,
        reports: outbox.Outbox,
        clock: clocks.Clock,
    ) -> None:
        self._node_name = node_name
        self._reports = reports
        self._clock = clock
        self.left: Callable[[], conditions.Pressures] = lambda: conditions.AMPLE
        # Whether conditions are told: a node whose resources are not known yet must not be taken for ready.
        self.speaks = False
        self._faults: dict[str, str] = {}
        self._pressures = conditions.AMPLE
        self._conditions: list[corev1.NodeCondition] = []

    def conditions(self) -> Sequence[corev1.NodeCondition]:
        """Return the node's conditions as they are now; none before they may be told."""
        if not self.speaks:
            return ()
        if not self._conditions:
            self._judge()
        return self._conditions

    def fault(self, fault: interface.Fault) -> None:
        """Take that a part fails, or works again."""
        if self._faults.get(fault.part, "") == fault.message:
            return
        self._faults[fault.part] = fault.message
        log.info("fault", extra={"part": fault.part, "message_": fault.message or "over"})
        self._judge()

    def failing(self, part: str) -> bool:
        """Tell whether a part is known to fail."""
        return bool(self._faults.get(part))

    async def run(self) -> None:
        """Measure now and then, until cancelled."""
        while True:
            self._pressures = self.left()
            self._judge()
            await self._clock.sleep(SECONDS)

    def _judge(self) -> None:
        before = self._conditions
        after = conditions.conditions(before, self._faults, self._pressures, self._clock.now())
        if conditions.same(before, after):
            return
        self._conditions = after
        if before and self.speaks:
            self._reports.node_status(corev1.NodeStatus(conditions=after))
        for reason in conditions.transitions(before, after):
            self._reports.event(self._event(reason))

    def _event(self, reason: str) -> corev1.Event:
        now = int(self._clock.now())
        made = corev1.Event(type="Normal", reason=reason, count=1)
        made.message = f"Node {self._node_name} status is now: {reason}"
        made.metadata.name = f"{self._node_name}.{uuid.uuid4().hex[:16]}"
        made.metadata.namespace = "default"
        about = made.involvedObject
        about.apiVersion, about.kind, about.name, about.uid = "v1", "Node", self._node_name, self._node_name
        made.source.component, made.source.host = "kubelet", self._node_name
        made.reportingComponent, made.reportingInstance = "kubelet", self._node_name
        made.firstTimestamp.seconds = made.lastTimestamp.seconds = now
        return made
