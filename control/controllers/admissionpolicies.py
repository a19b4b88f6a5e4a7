"""The status of ValidatingAdmissionPolicies: that each generation has been seen."""

from __future__ import annotations

from collections.abc import Iterable

from control.controllers import framework
from fairlead.api import objects
from fairlead.api.pb import admissionregistration_v1_pb2 as registrationv1

Policy = registrationv1.ValidatingAdmissionPolicy


class AdmissionPolicyStatusController(framework.Controller):
    """Says in a policy's status which generation is in force; one key a policy."""

    name = "validatingadmissionpolicy-status-controller"
    workers = 1

    def __init__(self, context: framework.Context) -> None:
        super().__init__(context)
        self._policies = self.informers.of(Policy)
        self._policies.add_handler(self._changed)

    def keys(self) -> Iterable[str]:
        return [each.metadata.name for each in self._policies.list()]

    def _changed(self, change: str, old: Policy | None, new: Policy | None) -> None:
        if new is not None:
            self.enqueue(new.metadata.name)

    async def reconcile(self, key: str) -> framework.Result:
        policy = self._policies.get(key)
        if policy is None:
            return framework.nothing("is gone")
        generation = policy.metadata.generation
        if policy.status.observedGeneration == generation and policy.status.HasField("typeChecking"):
            return framework.nothing(f"is known at generation {generation}")
        changed = objects.copy(policy)
        changed.status.observedGeneration = generation
        changed.status.typeChecking.SetInParent()
        await self.client.update(changed, subresource="status")
        return framework.Result(f"observed generation {generation}")
