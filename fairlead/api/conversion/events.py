"""Events: events.k8s.io/v1 names the fields of core v1 anew. Pure."""

from __future__ import annotations

from fairlead.api.conversion import renaming
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import events_v1_pb2 as eventsv1

_FROM_HUB = {
    "involvedObject": "regarding",
    "message": "note",
    "reportingComponent": "reportingController",
    "source": "deprecatedSource",
    "firstTimestamp": "deprecatedFirstTimestamp",
    "lastTimestamp": "deprecatedLastTimestamp",
    "count": "deprecatedCount",
}
_TO_HUB = {new: old for old, new in _FROM_HUB.items()}
_REFERENCE = ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")
FIELDS = {f"regarding.{part}": f"involvedObject.{part}" for part in _REFERENCE} | {
    "reportingController": "reportingComponent"
}


def to_hub(obj: eventsv1.Event) -> corev1.Event:
    """Return an Event as core v1 has it."""
    return renaming.renamed(obj, corev1.Event, _TO_HUB)


def from_hub(obj: corev1.Event) -> eventsv1.Event:
    """Return an Event as events.k8s.io/v1 has it."""
    return renaming.renamed(obj, eventsv1.Event, _FROM_HUB)
