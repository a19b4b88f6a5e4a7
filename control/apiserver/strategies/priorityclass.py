"""PriorityClasses: a number that never changes; the names `system-…` are Kubernetes' own."""

from __future__ import annotations

from control.apiserver import field
from control.apiserver.strategies import strategy
from control.apiserver.validation import meta
from fairlead.api.pb import scheduling_v1_pb2 as schedulingv1

SYSTEM_PREFIX = "system-"
HIGHEST_USER_VALUE = 1_000_000_000
PREEMPT = "PreemptLowerPriority"
POLICIES = (PREEMPT, "Never")


def _system(name: str, value: int, description: str) -> schedulingv1.PriorityClass:
    made = schedulingv1.PriorityClass(value=value, description=description, preemptionPolicy=PREEMPT)
    made.metadata.name = name
    return made


# What every cluster has; `bootstrap` makes the objects, and pods may name the classes before it has.
SYSTEM_CLASSES = {
    made.metadata.name: made
    for made in (
        _system(
            "system-cluster-critical",
            2_000_000_000,
            "Used for system critical pods that must run in the cluster, but can be moved to another node if"
            " necessary.",
        ),
        _system(
            "system-node-critical",
            2_000_001_000,
            "Used for system critical pods that must not be moved from their current node.",
        ),
    )
}


class PriorityClassStrategy(strategy.Strategy[schedulingv1.PriorityClass]):
    """The rules of PriorityClasses."""

    message = schedulingv1.PriorityClass

    def default(self, obj: schedulingv1.PriorityClass) -> None:
        """Let pods of the class take the place of others."""
        if not obj.HasField("preemptionPolicy"):
            obj.preemptionPolicy = PREEMPT

    def prepare_for_create(self, obj: schedulingv1.PriorityClass) -> None:
        """Start at generation 1, for ever."""
        obj.metadata.generation = 1

    def validate(self, obj: schedulingv1.PriorityClass) -> field.Faults:
        """Judge a new PriorityClass."""
        faults: field.Faults = []
        if obj.metadata.name.startswith(SYSTEM_PREFIX):
            if why := _system_fault(obj):
                text = f"priority class names with '{SYSTEM_PREFIX}' prefix are reserved for system use only."
                faults.append(field.forbidden("metadata.name", f"{text} error: {why}"))
        elif obj.value > HIGHEST_USER_VALUE:
            text = f"maximum allowed value of a user defined priority is {HIGHEST_USER_VALUE}"
            faults.append(field.forbidden("value", text))
        if not obj.preemptionPolicy:
            faults.append(field.required("preemptionPolicy"))
        elif obj.preemptionPolicy not in POLICIES:
            faults.append(field.unsupported("preemptionPolicy", obj.preemptionPolicy, POLICIES))
        return faults

    def validate_update(self, obj: schedulingv1.PriorityClass, old: schedulingv1.PriorityClass) -> field.Faults:
        """Judge a changed PriorityClass: what pods have taken from it stays."""
        faults = []
        if obj.value != old.value:
            faults.append(field.forbidden("value", "may not be changed in an update."))
        policy = obj.preemptionPolicy
        return faults + meta.immutable("preemptionPolicy", policy, policy != old.preemptionPolicy)


def _system_fault(obj: schedulingv1.PriorityClass) -> str:
    """Return why a class is none of the system's own; "" where it is."""
    name = obj.metadata.name
    known = SYSTEM_CLASSES.get(name)
    if known is None:
        return f"{name} is not a known system priority class"
    if obj.value != known.value:
        return f"value of {name} PriorityClass must be {known.value}"
    return f"globalDefault of {name} PriorityClass must be false" if obj.globalDefault else ""
