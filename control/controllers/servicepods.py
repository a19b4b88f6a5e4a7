"""What the controllers of Services' endpoints share: which Services select a pod, and which pods a Service.

A Service is looked at when it or a pod that it selects changes. The larger the Service, the longer changes are
gathered, so that a rollout of thousands of pods does not cost a write for each.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from control.controllers import framework
from fairlead.api import objects, pods, selectors
from fairlead.api.pb import core_v1_pb2 as corev1

# What one endpoint adds to the time that changes of a Service are gathered; a Service of 1,000 waits 0.1 s.
GATHER_SECONDS_PER_ENDPOINT = 0.0001
LONGEST_GATHER_SECONDS = 0.5


class ServiceController(framework.Controller):
    """Follows Services and pods; a key is a Service's."""

    def __init__(self, context: framework.Context) -> None:
        super().__init__(context)
        self.services = context.informers.of(corev1.Service)
        self.pods = context.informers.of(corev1.Pod)
        self.services.add_index("selector", _selector_index)
        self.pods.add_index("label", _label_index)
        self._sizes: dict[str, int] = {}
        self.services.add_handler(self._service_changed)
        self.pods.add_handler(self._pod_changed)

    def keys(self) -> Iterable[str]:
        return [objects.key_of(service) for service in self.services.list()]

    def selected(self, key: str, service: corev1.Service) -> list[corev1.Pod]:
        """Return the pods that a Service with a selector selects, and note how many there are."""
        selector = selectors.of_labels(service.spec.selector)
        (first,) = _selector_index(service)
        found = [pod for pod in self.pods.by_index("label", first) if selector.matches(pod.metadata.labels)]
        self._sizes[key] = len(found)
        return found

    def forget(self, key: str) -> None:
        """Forget the size of a Service that is gone."""
        self._sizes.pop(key, None)

    def _service_changed(self, change: str, old: corev1.Service | None, new: corev1.Service | None) -> None:
        service = new if new is not None else old
        assert service is not None
        if (
            old is not None
            and new is not None
            and old.spec == new.spec
            and old.metadata.labels == new.metadata.labels
        ):
            return
        self.enqueue(objects.key_of(service))

    def _pod_changed(self, change: str, old: corev1.Pod | None, new: corev1.Pod | None) -> None:
        if not self._running or (old is not None and new is not None and _shown(old) == _shown(new)):
            return
        for key in {key for pod in (old, new) if pod is not None for key in self._selecting(pod)}:
            gather = min(self._sizes.get(key, 0) * GATHER_SECONDS_PER_ENDPOINT, LONGEST_GATHER_SECONDS)
            self.enqueue(key, gather)

    def _selecting(self, pod: corev1.Pod) -> Iterator[str]:
        """Return the keys of the Services that select a pod."""
        for value in _label_index(pod):
            for service in self.services.by_index("selector", value):
                if selectors.of_labels(service.spec.selector).matches(pod.metadata.labels):
                    yield objects.key_of(service)


def has_endpoints(service: corev1.Service) -> bool:
    """Say whether a Service gets its endpoints from here: others are their owners' business."""
    return bool(service.spec.selector) and service.spec.type != "ExternalName"


def _selector_index(service: corev1.Service) -> tuple[str, ...]:
    """Index a Service by one pair of its selector; a pod has it among its labels if it is selected."""
    if not service.spec.selector:
        return ()
    name, value = min(service.spec.selector.items())
    return (f"{service.metadata.namespace}/{name}={value}",)


def _label_index(pod: corev1.Pod) -> list[str]:
    namespace = pod.metadata.namespace
    return [f"{namespace}/{name}={value}" for name, value in pod.metadata.labels.items()]


def _shown(pod: corev1.Pod) -> tuple[object, ...]:
    """Return what of a pod can show in its Services' endpoints."""
    return (
        pod.metadata.uid,
        pod.status.podIP,
        pods.is_ready(pod),
        pods.is_terminating(pod),
        pods.is_finished(pod),
        dict(pod.metadata.labels),
    )
