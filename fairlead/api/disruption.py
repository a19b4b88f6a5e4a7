"""Which pods a PodDisruptionBudget guards, and what its condition says: for evictions and the disruption controller.

Pure.
"""

from __future__ import annotations

from collections.abc import Mapping

from fairlead.api import conditions, selectors
from fairlead.api.pb import meta_v1_pb2 as metav1
from fairlead.api.pb import policy_v1_pb2 as policyv1

ALLOWED = "DisruptionAllowed"
CAUSE = "DisruptionBudget"  # the reason of the cause in a refused eviction
TARGET = "DisruptionTarget"  # the condition of a pod that is to go


def selects(budget: policyv1.PodDisruptionBudget, labels: Mapping[str, str]) -> bool:
    """Say whether a budget selects a pod with these labels: an empty selector selects all, an absent one none."""
    return budget.spec.HasField("selector") and selectors.of_message(budget.spec.selector).matches(labels)


def tell_allowed(status: policyv1.PodDisruptionBudgetStatus, now: metav1.Time, failure: str = "") -> None:
    """Set the condition that tells whether a pod may go, or why nobody knows."""
    allowed = status.disruptionsAllowed > 0
    reason = "SyncFailed" if failure else "SufficientPods" if allowed else "InsufficientPods"
    truth = conditions.TRUE if allowed else conditions.FALSE
    conditions.set_condition(status.conditions, ALLOWED, truth, now, reason=reason, message=failure)
    condition = conditions.get(status.conditions, ALLOWED)
    assert condition is not None
    condition.observedGeneration = status.observedGeneration
