"""Events: what happened to an object; they go after an hour."""

from __future__ import annotations

from typing import ClassVar

from control.apiserver import field
from control.apiserver.strategies import strategy
from fairlead.api.pb import core_v1_pb2 as corev1

TTL_SECONDS = 3600


class EventStrategy(strategy.Strategy[corev1.Event]):
    """The rules of Events."""

    message = corev1.Event
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
        """Judge an Event: it lies in the namespace of the object that it is about, `default` for a cluster's."""
        about = obj.involvedObject.namespace
        if about and obj.metadata.namespace != about:
            text = "does not match event.namespace"
            return [field.invalid("involvedObject.namespace", about, text)]
        if not about and obj.metadata.namespace not in ("default", "kube-system"):
            return [field.invalid("involvedObject.namespace", about, "does not match event.namespace")]
        return []

    def validate_update(self, obj: corev1.Event, old: corev1.Event) -> field.Faults:
        """Judge a changed Event, such as one that is counted up."""
        return self.validate(obj)
