"""RuntimeClasses: the handler that runs a pod, what it costs, and where it can run."""

from __future__ import annotations

from collections.abc import Iterable

from control.apiserver import field, notation
from control.apiserver.advice import labels
from control.apiserver.strategies import strategy
from control.apiserver.validation import containers, meta, names, scheduling
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import node_v1_pb2 as nodev1


class RuntimeClassStrategy(strategy.Strategy[nodev1.RuntimeClass]):
    """The rules of RuntimeClasses."""

    message = nodev1.RuntimeClass
    allow_unconditional_update = False
    created_by_update = True

    def advise(self, obj: nodev1.RuntimeClass, old: nodev1.RuntimeClass | None) -> Iterable[str]:
        """Warn of deprecated labels of nodes."""
        for key in sorted(obj.scheduling.nodeSelector):
            if key in labels.DEPRECATED:
                yield f"scheduling.nodeSelector: {labels.DEPRECATED[key]}"

    def validate(self, obj: nodev1.RuntimeClass) -> field.Faults:
        """Judge a RuntimeClass."""
        faults = field.invalids("handler", obj.handler, names.label(obj.handler))
        faults += containers.resources(corev1.ResourceRequirements(limits=obj.overhead.podFixed), "overhead")
        if obj.HasField("scheduling"):
            faults += meta.labels(obj.scheduling.nodeSelector, "scheduling.nodeSelector")
            tolerations = obj.scheduling.tolerations
            faults += scheduling.tolerations(tolerations, "scheduling.tolerations")
            listed = ((one.key, one.operator, one.value, one.effect) for one in tolerations)
            for number in sorted(field.repeats(listed)):
                faults.append(field.duplicate(f"scheduling.tolerations[{number}]", _shown(tolerations[number])))
        return faults

    def validate_update(self, obj: nodev1.RuntimeClass, old: nodev1.RuntimeClass) -> field.Faults:
        """Judge a changed RuntimeClass: its handler stays."""
        return self.validate(obj) + meta.immutable("handler", obj.handler, obj.handler != old.handler)


def _shown(toleration: corev1.Toleration) -> field.Raw:
    if toleration.HasField("tolerationSeconds"):  # Go shows where the number lies
        return notation.struct(toleration)
    parts = (("Key", toleration.key), ("Operator", toleration.operator), ("Value", toleration.value))
    listed = ", ".join(f"{key}:{field.quoted(value)}" for key, value in (*parts, ("Effect", toleration.effect)))
    return field.Raw(f"core.Toleration{{{listed}, TolerationSeconds:(*int64)(nil)}}")
