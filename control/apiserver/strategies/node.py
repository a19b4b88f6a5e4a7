"""Nodes: pod CIDRs are set once, taints are well formed, the status belongs to the agent."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from control.apiserver import field, notation
from control.apiserver.strategies import strategy
from control.apiserver.validation import names, numbers, scheduling
from fairlead.api.pb import core_v1_pb2 as corev1

TAINTS = "metadata.taints"  # the path that Kubernetes names


class NodeStrategy(strategy.Strategy[corev1.Node]):
    """The rules of nodes."""

    message = corev1.Node
    selectable: ClassVar = {"spec.unschedulable": lambda node: "true" if node.spec.unschedulable else "false"}

    def default(self, obj: corev1.Node) -> None:
        """Take what is allocatable from the capacity where it is not given; keep podCIDR and podCIDRs alike."""
        self.default_status(obj)
        if obj.spec.podCIDR and not obj.spec.podCIDRs:
            obj.spec.podCIDRs.append(obj.spec.podCIDR)
        if obj.spec.podCIDRs and not obj.spec.podCIDR:
            obj.spec.podCIDR = obj.spec.podCIDRs[0]

    def default_status(self, obj: corev1.Node) -> None:
        """Let all be allocatable where nothing is said."""
        if not obj.status.allocatable:
            for name, amount in obj.status.capacity.items():
                obj.status.allocatable[name].CopyFrom(amount)

    def validate(self, obj: corev1.Node) -> field.Faults:
        """Judge a new node."""
        faults = scheduling.taints(obj.spec.taints, TAINTS) + _resources(obj)
        cidrs, path = list(obj.spec.podCIDRs), "spec.podCIDRs"
        for index, cidr in enumerate(cidrs):
            faults += field.invalids(f"{path}[{index}]", cidr, names.cidr(cidr))
        if len(cidrs) > 1 and sorted(":" in cidr for cidr in cidrs) != [False, True]:
            text = "may specify no more than one CIDR for each IP family"
            faults.append(field.invalid(path, notation.strings(cidrs), text))
        faults += [field.duplicate(f"{path}[{index}]", cidrs[index]) for index in sorted(field.repeats(cidrs))]
        return faults

    def advise(self, obj: corev1.Node, old: corev1.Node | None) -> Iterable[str]:
        """Warn of fields that nobody reads any more."""
        if obj.spec.HasField("configSource"):
            yield "spec.configSource: the feature is removed"
        if obj.spec.externalID:
            yield "spec.externalID: this field is deprecated, and is unused by Kubernetes"

    def prepare_for_create(self, obj: corev1.Node) -> None:
        """Drop a source of configuration, which nothing reads any more."""
        if obj.spec.HasField("configSource"):
            obj.spec.ClearField("configSource")
        if obj.status.HasField("config"):
            obj.status.ClearField("config")

    def prepare_for_update(self, obj: corev1.Node, old: corev1.Node) -> None:
        """Keep the status; drop a new source of configuration, which nothing reads any more."""
        strategy.keep_status(obj, old)
        if obj.spec.HasField("configSource") and not old.spec.HasField("configSource"):
            obj.spec.ClearField("configSource")

    def validate_update(self, obj: corev1.Node, old: corev1.Node) -> field.Faults:
        """Judge what changes: addresses for pods and the provider's id are set once."""
        faults = _resources(obj)
        known = [(address.type, address.address) for address in obj.status.addresses]
        for index in sorted(field.repeats(known)):
            kind, address = map(field.quoted, known[index])
            shown = field.Raw(f"core.NodeAddress{{Type:{kind}, Address:{address}}}")
            faults.append(field.duplicate(f"status.addresses[{index}]", shown))
        had, given = old.spec.podCIDRs, obj.spec.podCIDRs
        text = 'node updates may not change podCIDR except from "" to valid'
        if had and len(had) != len(given):
            faults.append(field.forbidden("spec.podCIDRs", text))
        elif had:
            differing = [new for new, before in zip(given, had, strict=True) if new != before]
            faults += [field.forbidden("spec.podCIDRs", text) for _ in differing]
        if old.spec.providerID and obj.spec.providerID != old.spec.providerID:
            text = 'node updates may not change providerID except from "" to valid'
            faults.append(field.forbidden("spec.providerID", text))
        faults += scheduling.taints(obj.spec.taints, TAINTS)
        if obj.spec.externalID != old.spec.externalID:
            faults.append(field.forbidden("spec.externalID", "may not be updated"))
        return faults

    def prepare_for_status_update(self, obj: corev1.Node, old: corev1.Node) -> None:
        """Keep the spec."""
        obj.spec.CopyFrom(old.spec)

    def validate_status_update(self, obj: corev1.Node, old: corev1.Node) -> field.Faults:
        """Judge a new status as a changed node is judged."""
        return self.validate_update(obj, old)


def _resources(obj: corev1.Node) -> field.Faults:
    """Judge how much a node has; the path of an amount ends in its name as that of a field does."""
    faults: field.Faults = []
    for part in ("capacity", "allocatable"):
        values = getattr(obj.status, part)
        for name in sorted(values):
            faults += numbers.amount(f"status.{part}.{name}", name, values[name])[1]
    return faults
