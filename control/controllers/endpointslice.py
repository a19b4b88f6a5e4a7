"""The EndpointSlice controller: the addresses of the pods that each Service selects.

A Service is looked at when it, a pod that it selects, or one of its slices changes.
"""

from __future__ import annotations

from control.controllers import framework, managedslices, servicepods, slices
from fairlead.api.pb import core_v1_pb2 as corev1


class EndpointSliceController(servicepods.ServiceController):
    """Keeps the slices of each Service that has a selector."""

    name = "endpointslice-controller"
    workers = 5

    def __init__(self, context: framework.Context) -> None:
        super().__init__(context)
        self._nodes = context.informers.of(corev1.Node)
        self._slices = managedslices.ManagedSlices(self, slices.MANAGER)

    async def reconcile(self, key: str) -> framework.Result:
        service = self.services.get_key(key)
        if service is None:
            self.forget(key)
            return await self._slices.delete_all(key, "the Service is gone")
        if service.metadata.HasField("deletionTimestamp"):
            return framework.nothing("is being deleted")
        if not servicepods.has_endpoints(service):
            return framework.nothing("has no selector: its endpoints are its owner's business")
        matching = self.selected(key, service)
        told = await self._slices.carry_out(
            key, slices.decide(service, matching, self._slices.of(key), self._zone_of)
        )
        if told:
            return framework.Result(f"{told} slices for {len(matching)} pods")
        return framework.nothing(f"its slices show its {len(matching)} pods")

    def _zone_of(self, node_name: str) -> str:
        node = self._nodes.get(node_name)
        return node.metadata.labels.get(slices.ZONE, "") if node is not None else ""
