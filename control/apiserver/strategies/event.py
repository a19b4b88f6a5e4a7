"""Events: what happened to an object; they go after an hour."""

from __future__ import annotations

from typing import ClassVar

from google.protobuf.message import Message

from control.apiserver import field
from control.apiserver.strategies import strategy
from control.apiserver.validation import meta, names
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import meta_v1_pb2 as metav1

TTL_SECONDS = 3600
TYPES = frozenset({"Normal", "Warning"})
MAX_WORD = 128
MAX_NOTE = 1024
LEAST_SERIES = 2
UNSET = "needs to be unset"

# What events.k8s.io/v1 lets nobody change, and how faults name it.
_FIXED = {
    "involvedObject": "involvedObject",
    "reason": "reason",
    "message": "message",
    "source": "source",
    "firstTimestamp": "firstTimestamp",
    "lastTimestamp": "lastTimestamp",
    "count": "count",
    "type": "type",
    "eventTime": "eventTime",
    "action": "action",
    "related": "related",
    "reportingComponent": "reportingController",
    "reportingInstance": "reportingInstance",
}


class EventStrategy(strategy.Strategy[corev1.Event]):
    """The rules of Events."""

    message = corev1.Event
    created_by_update = True
    ttl_seconds = TTL_SECONDS
    selectable: ClassVar = {
        "involvedObject.kind": lambda event: event.involvedObject.kind,
        "involvedObject.namespace": lambda event: event.involvedObject.namespace,
        "involvedObject.name": lambda event: event.involvedObject.name,
        "involvedObject.uid": lambda event: event.involvedObject.uid,
        "involvedObject.apiVersion": lambda event: event.involvedObject.apiVersion,
        "involvedObject.resourceVersion": lambda event: event.involvedObject.resourceVersion,
        "involvedObject.fieldPath": lambda event: event.involvedObject.fieldPath,
        "reason": lambda event: event.reason,
        "reportingComponent": lambda event: event.reportingComponent or event.source.component,
        "source": lambda event: event.source.component or event.reportingComponent,
        "type": lambda event: event.type,
    }

    def validate(self, obj: corev1.Event) -> field.Faults:
        """Judge an Event of either API; what events.k8s.io/v1 asks beyond this is `judge_new`."""
        return _judged(obj)

    def validate_update(self, obj: corev1.Event, old: corev1.Event) -> field.Faults:
        """Judge a changed Event, such as one that is counted up."""
        return self.validate(obj)


def judge_new(obj: corev1.Event) -> field.Faults:
    """Judge what events.k8s.io/v1 asks of a new Event: a time of its own, and none of the fields before it."""
    faults = _series(obj)
    if not _is_set(obj.eventTime):
        faults.append(field.required("eventTime"))
    if obj.type not in TYPES:
        faults.append(field.invalid("type", "", f"has invalid value: {obj.type}"))
    for name in ("firstTimestamp", "lastTimestamp"):
        if _is_set(getattr(obj, name)):
            faults.append(field.invalid(name, "", UNSET))
    if obj.count:
        faults.append(field.invalid("count", "", UNSET))
    if obj.source.component or obj.source.host:
        faults.append(field.invalid("source", "", UNSET))
    return faults


def judge_change(obj: corev1.Event, old: corev1.Event) -> field.Faults:
    """Judge what events.k8s.io/v1 lets change of an Event: its series and its metadata."""
    faults = _series(obj) if obj.series != old.series else []
    for name, shown in _FIXED.items():
        value, before = getattr(obj, name), getattr(old, name)
        if isinstance(value, Message):
            faults += meta.immutable(shown, "", not strategy.same(value, before))
        else:
            faults += meta.immutable(shown, value, value != before)
    return faults


def _judged(obj: corev1.Event) -> field.Faults:
    """Judge place and texts: an Event with a time of its own must say who did what."""
    about, timed = obj.involvedObject.namespace, _is_set(obj.eventTime)
    mismatch = field.invalid("involvedObject.namespace", about, "does not match event.namespace")
    if not about:
        places = ("default", "kube-system") if timed else ("", "default")
        faults = [] if obj.metadata.namespace in places else [mismatch]
    else:
        faults = [mismatch] if not timed and obj.metadata.namespace != about else []
    if not timed:
        return faults
    if not obj.reportingComponent:
        faults.append(field.required("reportingController"))
    faults += field.invalids("reportingController", obj.reportingComponent, names.qualified(obj.reportingComponent))
    for name in ("reportingInstance", "action", "reason"):
        value = getattr(obj, name)
        if not value:
            faults.append(field.required(name))
        elif len(value.encode()) > MAX_WORD:
            faults.append(field.invalid(name, "", f"can have at most {MAX_WORD} characters"))
    if len(obj.message.encode()) > MAX_NOTE:
        faults.append(field.invalid("message", "", f"can have at most {MAX_NOTE} characters"))
    return faults


def _series(obj: corev1.Event) -> field.Faults:
    faults: field.Faults = []
    if obj.HasField("series"):
        if obj.series.count < LEAST_SERIES:
            faults.append(field.invalid("series.count", "", f"should be at least {LEAST_SERIES}"))
        if not _is_set(obj.series.lastObservedTime):
            faults.append(field.required("series.lastObservedTime"))
    return faults


def _is_set(time: metav1.Time | metav1.MicroTime) -> bool:
    return bool(time.seconds or time.nanos)
