"""Events about pods, in kubelet's words; the pod workers record, the session sends.

The same news about the same thing is the same Event, counted up. Names carry the moment, as kubelet's do: clients
that sort by whole seconds leave the rest in the names' order.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from fairlead import clock as clocks
from fairlead.api import objects, times
from fairlead.api.pb import core_v1_pb2 as corev1

COMPONENT = "kubelet"
NORMAL, WARNING = "Normal", "Warning"
_REMEMBERED = 1024


class Recorder:
    """Makes Events and hands them on."""

    def __init__(self, node: str, clock: clocks.Clock, send: Callable[[corev1.Event], None]) -> None:
        self._node = node
        self._clock = clock
        self._send = send
        self._known: OrderedDict[tuple[str, ...], corev1.Event] = OrderedDict()
        self._named = 0

    def record(self, pod: corev1.Pod, type_: str, reason: str, message: str, container: str = "") -> None:
        """Record news about a pod or one of its containers."""
        path = _field_path(pod, container)
        news = (pod.metadata.uid, type_, reason, message, path)
        now = times.from_seconds(self._clock.now())
        event = self._known.get(news)
        if event is None:
            event = corev1.Event(reason=reason, message=message, type=type_, reportingComponent=COMPONENT)
            self._named = max(self._named + 1, int(self._clock.now() * 1e9))
            event.metadata.name = f"{pod.metadata.name}.{self._named:x}"
            event.metadata.namespace = pod.metadata.namespace
            event.metadata.creationTimestamp.SetInParent()
            about = event.involvedObject
            about.kind, about.apiVersion, about.fieldPath = "Pod", "v1", path
            about.namespace, about.name, about.uid = pod.metadata.namespace, pod.metadata.name, pod.metadata.uid
            event.source.component, event.source.host = COMPONENT, self._node
            event.reportingInstance = self._node
            event.firstTimestamp.CopyFrom(now)
            event.eventTime.SetInParent()
            self._known[news] = event
            while len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        self._known.move_to_end(news)
        event.count += 1
        event.lastTimestamp.CopyFrom(now)
        self._send(objects.copy(event))


def _field_path(pod: corev1.Pod, container: str) -> str:
    if not container:
        return ""
    if any(one.name == container for one in pod.spec.initContainers):
        return f"spec.initContainers{{{container}}}"
    if any(one.ephemeralContainerCommon.name == container for one in pod.spec.ephemeralContainers):
        return f"spec.ephemeralContainers{{{container}}}"
    return f"spec.containers{{{container}}}"
