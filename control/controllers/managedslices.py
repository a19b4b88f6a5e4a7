"""The EndpointSlices that one controller manages: found by their Service, and brought to what it planned.

The controllers of slices (for pods, for Endpoints that people write) differ in what they plan; a slice that someone
else changed or deleted is put right by either, at the cost of an idle look after one's own writes.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from control.controllers import framework, slices
from fairlead.api import errors
from fairlead.api.pb import discovery_v1_pb2 as discoveryv1
from fairlead.api.pb import meta_v1_pb2 as metav1


class ManagedSlices:
    """Those with a manager's label. The keys of its controller are the Services'."""

    def __init__(self, controller: framework.Controller, manager: str) -> None:
        self._controller = controller
        self._manager = manager
        self._informer = controller.informers.of(discoveryv1.EndpointSlice)
        self._informer.add_index(manager, self._service)
        self._informer.add_handler(self._changed)

    def of(self, key: str) -> Sequence[discoveryv1.EndpointSlice]:
        """Return the slices of a Service."""
        return self._informer.by_index(self._manager, key)

    async def carry_out(self, key: str, plan: slices.Plan) -> str:
        """Write a plan; returns what was done in words, none where it was nothing."""
        client = self._controller.client
        for fresh in plan.create:
            self._controller.wrote(key, await client.create(fresh))
        for fresh in plan.update:
            self._controller.wrote(key, await client.update(fresh))
        for each in plan.delete:
            meta = each.metadata
            options = metav1.DeleteOptions(preconditions=metav1.Preconditions(uid=meta.uid))
            with contextlib.suppress(errors.NotFound):
                await client.delete(discoveryv1.EndpointSlice, meta.name, meta.namespace, options=options)
        done = (("created", plan.create), ("updated", plan.update), ("deleted", plan.delete))
        return ", ".join(f"{verb} {len(some)}" for verb, some in done if some)

    async def delete_all(self, key: str, why: str) -> framework.Result:
        """Delete every slice of a Service, if there are any."""
        told = await self.carry_out(key, slices.Plan(delete=self.of(key)))
        return framework.Result(f"{told} slices: {why}") if told else framework.nothing(why)

    def _changed(
        self, change: str, old: discoveryv1.EndpointSlice | None, new: discoveryv1.EndpointSlice | None
    ) -> None:
        for each in (old, new):
            for key in self._service(each) if each is not None else ():
                self._controller.enqueue(key)

    def _service(self, each: discoveryv1.EndpointSlice) -> tuple[str, ...]:
        labels = each.metadata.labels
        if labels.get(slices.MANAGED_BY) != self._manager or slices.SERVICE_NAME not in labels:
            return ()
        return (f"{each.metadata.namespace}/{labels[slices.SERVICE_NAME]}",)
