"""The status of ValidatingAdmissionPolicies: that each generation has been seen, and what its expressions misread.

What checks expressions is a function that the process gives, so that nothing here knows their language.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from control.controllers import framework
from fairlead.api import objects
from fairlead.api.pb import admissionregistration_v1_pb2 as registrationv1

Policy = registrationv1.ValidatingAdmissionPolicy
# Iterates over where each expression stands, and what is wrong with it for each kind that the policy is about, if
# anything; a step takes some milliseconds.
Check = Callable[[Policy], Iterable[tuple[str, str]]]


def unchecked(policy: Policy) -> Iterable[tuple[str, str]]:
    """Find nothing wrong."""
    return ()


class AdmissionPolicyStatusController(framework.OfKind[Policy]):
    """Says in a policy's status which generation is in force, and what is wrong with it."""

    name = "validatingadmissionpolicy-status-controller"
    workers = 1
    kind = Policy

    def __init__(self, context: framework.Context, check: Check = unchecked) -> None:
        super().__init__(context)
        self._check = check

    async def reconcile(self, key: str) -> framework.Result:
        policy = self.known.get(key)
        if policy is None:
            return framework.nothing("is gone")
        generation = policy.metadata.generation
        if policy.status.observedGeneration == generation and policy.status.HasField("typeChecking"):
            return framework.nothing(f"is known at generation {generation}")
        changed = objects.copy(policy)
        changed.status.observedGeneration = generation
        changed.status.ClearField("typeChecking")
        changed.status.typeChecking.SetInParent()
        warned: dict[str, list[str]] = {}
        for place, text in self._check(policy):
            if text:
                warned.setdefault(place, []).append(text)
            await asyncio.sleep(0)
        for place, texts in warned.items():
            changed.status.typeChecking.expressionWarnings.add(fieldRef=place, warning="\n".join(texts))
        self.wrote(key, await self.client.update(changed, subresource="status"))
        return framework.Result(f"observed generation {generation}, warned of {len(warned)} expressions")
