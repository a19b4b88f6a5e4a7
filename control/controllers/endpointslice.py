"""The EndpointSlice controller: the addresses of the pods that each Service selects.

A Service is looked at when it, a pod that it selects, or one of its slices changes.
"""

from __future__ import annotations

import contextlib

from control.controllers import framework, servicepods, slices
from fairlead.api import errors
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import discovery_v1_pb2 as discoveryv1
from fairlead.api.pb import meta_v1_pb2 as metav1


class EndpointSliceController(servicepods.ServiceController):
    """Keeps the slices of each Service that has a selector."""

    name = "endpointslice-controller"
    workers = 5

    def __init__(self, context: framework.Context) -> None:
        super().__init__(context)
        self._nodes = context.informers.of(corev1.Node)
        self._slices = context.informers.of(discoveryv1.EndpointSlice)
        self._slices.add_index("service", _service_index)
        self._slices.add_handler(self._slice_changed)

    def _slice_changed(
        self, change: str, old: discoveryv1.EndpointSlice | None, new: discoveryv1.EndpointSlice | None
    ) -> None:
        """A slice that someone else changed or deleted is put right; one's own writes cost an idle look."""
        for each in (old, new):
            for value in _service_index(each) if each is not None else ():
                self.enqueue(value)

    async def reconcile(self, key: str) -> framework.Result:
        service = self.services.get_key(key)
        if service is None:
            self.forget(key)
            return await self._delete_all(key)
        if service.metadata.HasField("deletionTimestamp"):
            return framework.nothing("is being deleted")
        if not servicepods.has_endpoints(service):
            return framework.nothing("has no selector: its endpoints are its owner's business")
        matching = self.selected(key, service)
        plan = slices.decide(service, matching, self._slices.by_index("service", key), self._zone_of)
        for fresh in plan.create:
            self.wrote(key, await self.client.create(fresh))
        for fresh in plan.update:
            self.wrote(key, await self.client.update(fresh))
        for each in plan.delete:
            await self._delete(each)
        return _told(plan, len(matching))

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


def _service_index(each: discoveryv1.EndpointSlice) -> tuple[str, ...]:
    labels = each.metadata.labels
    if labels.get(slices.MANAGED_BY) != slices.MANAGER or slices.SERVICE_NAME not in labels:
        return ()
    return (f"{each.metadata.namespace}/{labels[slices.SERVICE_NAME]}",)


def _told(plan: slices.Plan, count: int) -> framework.Result:
    told = [
        f"{verb} {len(some)}"
        for verb, some in (("created", plan.create), ("updated", plan.update), ("deleted", plan.delete))
        if some
    ]
    if told:
        return framework.Result(f"{', '.join(told)} slices for {count} pods")
    return framework.nothing(f"its slices show its {count} pods")
