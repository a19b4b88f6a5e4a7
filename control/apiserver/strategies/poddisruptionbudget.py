"""PodDisruptionBudgets: how many pods of a selection may be evicted at a time."""

from __future__ import annotations

from control.apiserver import field, notation
from control.apiserver.strategies import strategy
from control.apiserver.validation import conditions, names, numbers, selectors, workloads
from fairlead.api.pb import policy_v1_pb2 as policyv1

COUNTS = ("disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods")
EVICTION_POLICIES = frozenset({"AlwaysAllow", "IfHealthyBudget"})


class PodDisruptionBudgetStrategy(strategy.SpecStrategy[policyv1.PodDisruptionBudget]):
    """The rules of PodDisruptionBudgets."""

    message = policyv1.PodDisruptionBudget
    allow_unconditional_update = False
    short_finalizers = True

    def name_rule(self, name: str) -> names.Found:
        """Return what is wrong with a name: any part of a path will do."""
        return names.segment(name)

    def validate(self, obj: policyv1.PodDisruptionBudget) -> field.Faults:
        """Judge a budget: one bound, as a count or a percentage."""
        spec = obj.spec
        faults: field.Faults = []
        if spec.HasField("minAvailable") and spec.HasField("maxUnavailable"):
            text = "minAvailable and maxUnavailable cannot be both set"
            faults.append(field.invalid("spec", notation.struct(spec), text))
        for part in ("minAvailable", "maxUnavailable"):
            if spec.HasField(part):
                faults += numbers.int_or_percent(f"spec.{part}", getattr(spec, part))
                faults += numbers.over_hundred_percent(f"spec.{part}", getattr(spec, part))
        faults += selectors.validate(spec.selector, "spec.selector")
        policy = spec.unhealthyPodEvictionPolicy
        if spec.HasField("unhealthyPodEvictionPolicy") and policy not in EVICTION_POLICIES:
            faults.append(field.unsupported("spec.unhealthyPodEvictionPolicy", policy, EVICTION_POLICIES))
        return faults

    def validate_status_update(
        self, obj: policyv1.PodDisruptionBudget, old: policyv1.PodDisruptionBudget
    ) -> field.Faults:
        """Judge a new status: its conditions, and that no count is negative."""
        faults = conditions.validate(obj.status.conditions, "status.conditions")
        return faults + workloads.counts(obj.status, COUNTS)
