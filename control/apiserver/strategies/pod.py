"""Pods: defaults, quality of service, graceful deletion, and what may change of a running pod."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from control.apiserver import field
from control.apiserver.advice import podspec as advice
from control.apiserver.defaults import podspec as defaults
from control.apiserver.strategies import remembered, strategy
from control.apiserver.validation import ephemeral, podannotations, podspec, podupdates, volumes
from fairlead.api import objects, quantity
from fairlead.api.fields import sets
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import meta_v1_pb2 as metav1

ANNOTATIONS = "metadata.annotations"
EPHEMERAL = "ephemeralcontainers"
FINISHED = frozenset({"Failed", "Succeeded"})
_COMPUTE = ("cpu", "memory")
STATUS_RESETS = sets.of("spec", "metadata.deletionTimestamp", "metadata.ownerReferences")


class PodStrategy(strategy.Strategy[corev1.Pod]):
    """The rules of pods."""

    message = corev1.Pod
    parts = frozenset({EPHEMERAL})
    selectable: ClassVar = {
        "spec.nodeName": lambda pod: pod.spec.nodeName,
        "spec.restartPolicy": lambda pod: pod.spec.restartPolicy,
        "spec.schedulerName": lambda pod: pod.spec.schedulerName,
        "spec.serviceAccountName": lambda pod: pod.spec.serviceAccountName,
        "spec.hostNetwork": lambda pod: "true" if pod.spec.hostNetwork else "false",
        "status.phase": lambda pod: pod.status.phase,
        "status.podIP": lambda pod: pod.status.podIP,
        "status.nominatedNodeName": lambda pod: pod.status.nominatedNodeName,
    }

    def __init__(self) -> None:
        super().__init__()
        self._defaulted = remembered.Remembered(_defaulted)
        self._qos = remembered.Remembered(qos_class)
        self._faults = remembered.Remembered(_faults)

    def default(self, obj: corev1.Pod) -> None:
        """Fill in a pod's defaults."""
        obj.spec.CopyFrom(self._defaulted(obj.spec))

    def reset_fields(self, subresource: str) -> sets.FieldSet:
        """Return the fields that a write cannot change."""
        return STATUS_RESETS if subresource == "status" else super().reset_fields(subresource)

    def prepare_for_create(self, obj: corev1.Pod) -> None:
        """Start a pod as Pending, with its quality of service."""
        obj.ClearField("status")
        obj.status.phase = "Pending"
        obj.status.qosClass = self._qos(obj.spec)
        if obj.spec.schedulingGates:
            obj.status.conditions.add(
                type="PodScheduled",
                status="False",
                reason="SchedulingGated",
                message="Scheduling is blocked due to non-empty scheduling gates",
            )

    def validate(self, obj: corev1.Pod) -> field.Faults:
        """Judge a new pod."""
        annotations = obj.metadata.annotations
        faults = podannotations.validate(annotations, obj.spec, ANNOTATIONS) if annotations else []
        faults += self._faults(obj.spec)
        faults += volumes.made_claims(obj.spec.volumes, obj.metadata.name, "spec.volumes")
        return [*faults, *podannotations.agreeing(annotations, obj.spec, "spec")]

    def advise(self, obj: corev1.Pod, old: corev1.Pod | None) -> Iterable[str]:
        """Warn of what is odd in a new pod; of changes hardly anybody reads."""
        return advice.pod(obj) if old is None else ()

    def prepare_for_update(self, obj: corev1.Pod, old: corev1.Pod) -> None:
        """Keep the status, and the node once it is set."""
        strategy.keep_status(obj, old)

    def validate_update(self, obj: corev1.Pod, old: corev1.Pod) -> field.Faults:
        """Judge what changes: images, tolerations, gates and deadline may."""
        faults = _annotated(obj, old)
        if strategy.same(obj.spec, old.spec):
            return faults
        return podspec.validate_pod(obj.spec, "spec") + faults + podupdates.validate(obj.spec, old.spec, "spec")

    def prepare_for_status_update(self, obj: corev1.Pod, old: corev1.Pod) -> None:
        """Keep the spec, the owners and what a status does not choose."""
        obj.spec.CopyFrom(old.spec)
        obj.metadata.ClearField("ownerReferences")
        obj.metadata.ownerReferences.extend(old.metadata.ownerReferences)
        obj.status.qosClass = old.status.qosClass

    def validate_status_update(self, obj: corev1.Pod, old: corev1.Pod) -> field.Faults:
        """Judge a new status: a node once nominated has a name, a container that ended does not run again."""
        return _annotated(obj, old) + podupdates.validate_status(obj, old)

    def prepare_for_part(self, part: str, obj: corev1.Pod, old: corev1.Pod) -> None:
        """Take nothing from the pod but its ephemeral containers."""
        wanted = list(obj.spec.ephemeralContainers)
        obj.spec.CopyFrom(old.spec)
        obj.spec.ClearField("ephemeralContainers")
        obj.spec.ephemeralContainers.extend(wanted)
        self.default(obj)
        strategy.keep_status(obj, old)
        strategy.keep_user_metadata(obj, old)

    def validate_part(self, part: str, obj: corev1.Pod, old: corev1.Pod) -> field.Faults:
        """Judge ephemeral containers: they only come, and not to a static pod's mirror."""
        if podannotations.MIRROR in old.metadata.annotations:
            return [field.forbidden("[]", ephemeral.STATIC_TEXT)]
        return podspec.validate_pod(obj.spec, "spec") + ephemeral.validate_update(obj.spec, old.spec)

    def grace(self, obj: corev1.Pod, options: metav1.DeleteOptions) -> strategy.Grace:
        """Give the pod its time to end: none where it never ran or has ended."""
        if options.HasField("gracePeriodSeconds"):
            seconds = options.gracePeriodSeconds
        elif obj.spec.HasField("terminationGracePeriodSeconds"):
            seconds = obj.spec.terminationGracePeriodSeconds
        else:
            seconds = defaults.GRACE_SECONDS
        if not obj.spec.nodeName or obj.status.phase in FINISHED:
            seconds = 0
        return strategy.Grace(1 if seconds < 0 else seconds)


def _faults(spec: corev1.PodSpec) -> tuple[field.Cause, ...]:
    return tuple(podspec.validate_new(spec, "spec"))


def _defaulted(spec: corev1.PodSpec) -> corev1.PodSpec:
    fresh = objects.copy(spec)
    defaults.fill_pod(fresh)
    return fresh


def _annotated(obj: corev1.Pod, old: corev1.Pod) -> field.Faults:
    """Judge the annotations that say something of the spec, and that an update leaves most of them alone."""
    annotations, before = obj.metadata.annotations, old.metadata.annotations
    if not annotations and not before:
        return []
    changed = podannotations.validate_update(annotations, before, ANNOTATIONS)
    return podannotations.validate(annotations, obj.spec, ANNOTATIONS) + changed


def qos_class(spec: corev1.PodSpec) -> str:
    """Return Guaranteed, Burstable or BestEffort, by the requests and limits for CPU and memory."""
    any_amount = False
    guaranteed = True
    for container in (*spec.containers, *spec.initContainers):
        limits, requests = container.resources.limits, container.resources.requests
        for name in _COMPUTE:
            limit = _positive(limits[name]) if name in limits else None
            request = _positive(requests[name]) if name in requests else None
            any_amount = any_amount or limit is not None or request is not None
            if limit is None or (request is not None and request != limit):
                guaranteed = False
    if not any_amount:
        return "BestEffort"
    return "Guaranteed" if guaranteed else "Burstable"


def _positive(amount: quantity.Stringed) -> quantity.Quantity | None:
    try:
        found = quantity.of(amount)
    except quantity.QuantityError:
        return None
    return found if found.nanos > 0 else None
