"""Nodes: pod CIDRs are set once, taints are well formed, the status belongs to the agent."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from control.apiserver import field
from control.apiserver.strategies import strategy
from control.apiserver.validation import names, numbers, scheduling
from fairlead.api.pb import core_v1_pb2 as corev1


class NodeStrategy(strategy.Strategy[corev1.Node]):
    """The rules of nodes."""

    message = corev1.Node
    selectable: ClassVar = {"spec.unschedulable": lambda node: "true" if node.spec.unschedulable else "false"}

    def default(self, obj: corev1.Node) -> None:
        """Take what is allocatable from the capacity where it is not given; keep podCIDR and podCIDRs alike."""
        if not obj.status.allocatable:
            for name, amount in obj.status.capacity.items():
                obj.status.allocatable[name].CopyFrom(amount)
        if obj.spec.podCIDR and not obj.spec.podCIDRs:
            obj.spec.podCIDRs.append(obj.spec.podCIDR)
        if obj.spec.podCIDRs and not obj.spec.podCIDR:
            obj.spec.podCIDR = obj.spec.podCIDRs[0]

    def validate(self, obj: corev1.Node) -> field.Faults:
        """Judge a node."""
        faults = scheduling.taints(obj.spec.taints, "spec.taints")
        faults += numbers.amounts("status.capacity", obj.status.capacity)
        faults += numbers.amounts("status.allocatable", obj.status.allocatable)
        seen: set[tuple[str, str]] = set()
        for index, address in enumerate(obj.status.addresses):
            if (address.type, address.address) in seen:
                faults.append(field.duplicate(f"status.addresses[{index}]", address.address))
            seen.add((address.type, address.address))
        for index, cidr in enumerate(obj.spec.podCIDRs):
            faults += field.invalids(f"spec.podCIDRs[{index}]", cidr, names.cidr(cidr))
        return faults

    def advise(self, obj: corev1.Node, old: corev1.Node | None) -> Iterable[str]:
        """Warn of fields that nobody reads any more."""
        if obj.spec.HasField("configSource"):
            yield "spec.configSource: the feature is removed"
        if obj.spec.externalID:
            yield "spec.externalID: this field is deprecated, and is unused by Kubernetes"

    def prepare_for_update(self, obj: corev1.Node, old: corev1.Node) -> None:
        """Keep the status."""
        strategy.keep_status(obj, old)

    def validate_update(self, obj: corev1.Node, old: corev1.Node) -> field.Faults:
        """Judge what changes: addresses for pods and the provider's id are set once."""
        faults = self.validate(obj)
        if old.spec.podCIDRs and list(obj.spec.podCIDRs) != list(old.spec.podCIDRs):
            text = 'node updates may not change podCIDR except from "" to valid'
            faults.append(field.forbidden("spec.podCIDRs", text))
        if old.spec.providerID and obj.spec.providerID != old.spec.providerID:
            text = 'node updates may not change providerID except from "" to valid'
            faults.append(field.forbidden("spec.providerID", text))
        return faults

    def validate_status_update(self, obj: corev1.Node, old: corev1.Node) -> field.Faults:
        """Judge a new status as a node's is judged."""
        return self.validate(obj)

    def prepare_for_status_update(self, obj: corev1.Node, old: corev1.Node) -> None:
        """Keep the spec."""
        obj.spec.CopyFrom(old.spec)
