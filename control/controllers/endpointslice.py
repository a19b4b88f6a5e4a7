"""The EndpointSlice controller: the addresses of the pods that each Service selects.

A Service is looked at when it, a pod that it selects, or one of its slices changes. The larger the Service, the
longer changes are gathered, so that a rollout of thousands of pods does not cost a write for each.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator

from control.controllers import framework, slices
from fairlead.api import errors, objects, pods, selectors
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import discovery_v1_pb2 as discoveryv1
from fairlead.api.pb import meta_v1_pb2 as metav1

# What one endpoint adds to the time that changes of a Service are gathered; a Service of 1,000 waits 0.1 s.
GATHER_SECONDS_PER_ENDPOINT = 0.0001
LONGEST_GATHER_SECONDS = 0.5


class EndpointSliceController(framework.Controller):
    """Keeps the slices of each Service that has a selector."""

    name = "endpointslice-controller"
    workers = 5

    def __init__(self, context: framework.Context) -> None:
        super().__init__(context)
        self._services = context.informers.of(corev1.Service)
        self._pods = context.informers.of(corev1.Pod)
        self._nodes = context.informers.of(corev1.Node)
        self._slices = context.informers.of(discoveryv1.EndpointSlice)
        self._services.add_index("selector", _selector_index)
        self._pods.add_index("label", _label_index)
        self._slices.add_index("service", _service_index)
        self._sizes: dict[str, int] = {}
        self._services.add_handler(self._service_changed)
        self._pods.add_handler(self._pod_changed)
        self._slices.add_handler(self._slice_changed)

    def keys(self) -> Iterable[str]:
        return [objects.key_of(service) for service in self._services.list()]

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

    def _slice_changed(
        self, change: str, old: discoveryv1.EndpointSlice | None, new: discoveryv1.EndpointSlice | None
    ) -> None:
        """A slice that someone else changed or deleted is put right; one's own writes cost an idle look."""
        for each in (old, new):
            for value in _service_index(each) if each is not None else ():
                self.enqueue(value)

    def _selecting(self, pod: corev1.Pod) -> Iterator[str]:
        """Return the keys of the Services that select a pod."""
        for value in _label_index(pod):
            for service in self._services.by_index("selector", value):
                if selectors.of_labels(service.spec.selector).matches(pod.metadata.labels):
                    yield objects.key_of(service)

    async def reconcile(self, key: str) -> framework.Result:
        service = self._services.get_key(key)
        if service is None:
            self._sizes.pop(key, None)
            return await self._delete_all(key)
        if service.metadata.HasField("deletionTimestamp"):
            return framework.nothing("is being deleted")
        if not service.spec.selector or service.spec.type == "ExternalName":
            return framework.nothing("has no selector: its endpoints are its owner's business")
        matching = self._selected(service)
        self._sizes[key] = len(matching)
        plan = slices.decide(service, matching, self._slices.by_index("service", key), self._zone_of)
        for fresh in plan.create:
            self.wrote(key, await self.client.create(fresh))
        for fresh in plan.update:
            self.wrote(key, await self.client.update(fresh))
        for each in plan.delete:
            await self._delete(each)
        return _told(plan, len(matching))

    def _selected(self, service: corev1.Service) -> list[corev1.Pod]:
        selector = selectors.of_labels(service.spec.selector)
        (first,) = _selector_index(service)
        return [pod for pod in self._pods.by_index("label", first) if selector.matches(pod.metadata.labels)]

    def _zone_of(self, node_name: str) -> str:
        node = self._nodes.get(node_name)
        return node.metadata.labels.get(slices.ZONE, "") if node is not None else ""

    async def _delete_all(self, key: str) -> framework.Result:
        left = self._slices.by_index("service", key)
        for each in left:
            await self._delete(each)
        if left:
            return framework.Result(f"deleted {len(left)} slices of a Service that is gone")
        return framework.nothing("gone")

    async def _delete(self, each: discoveryv1.EndpointSlice) -> None:
        meta = each.metadata
        options = metav1.DeleteOptions(preconditions=metav1.Preconditions(uid=meta.uid))
        with contextlib.suppress(errors.NotFound):
            await self.client.delete(discoveryv1.EndpointSlice, meta.name, meta.namespace, options=options)


def _selector_index(service: corev1.Service) -> tuple[str, ...]:
    """Index a Service by one pair of its selector; a pod has it among its labels if it is selected."""
    if not service.spec.selector:
        return ()
    name, value = min(service.spec.selector.items())
    return (f"{service.metadata.namespace}/{name}={value}",)


def _label_index(pod: corev1.Pod) -> list[str]:
    namespace = pod.metadata.namespace
    return [f"{namespace}/{name}={value}" for name, value in pod.metadata.labels.items()]


def _service_index(each: discoveryv1.EndpointSlice) -> tuple[str, ...]:
    labels = each.metadata.labels
    if labels.get(slices.MANAGED_BY) != slices.MANAGER or slices.SERVICE_NAME not in labels:
        return ()
    return (f"{each.metadata.namespace}/{labels[slices.SERVICE_NAME]}",)


def _shown(pod: corev1.Pod) -> tuple[object, ...]:
    """Return what of a pod can show in a slice."""
    return (
        pod.metadata.uid,
        pod.status.podIP,
        pods.is_ready(pod),
        pods.is_terminating(pod),
        pods.is_finished(pod),
        dict(pod.metadata.labels),
    )


def _told(plan: slices.Plan, count: int) -> framework.Result:
    told = [
        f"{verb} {len(some)}"
        for verb, some in (("created", plan.create), ("updated", plan.update), ("deleted", plan.delete))
        if some
    ]
    if told:
        return framework.Result(f"{', '.join(told)} slices for {count} pods")
    return framework.nothing(f"its slices show its {count} pods")
