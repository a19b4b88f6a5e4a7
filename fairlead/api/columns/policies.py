"""The columns of access control, networking, storage, scheduling, runtimes and certificates. Pure."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from google.protobuf.message import Message

from fairlead.api import quantity, times
from fairlead.api.columns import layout
from fairlead.api.pb import networking_v1_pb2 as networkingv1
from fairlead.api.pb import node_v1_pb2 as nodev1
from fairlead.api.pb import rbac_v1_pb2 as rbacv1
from fairlead.api.pb import scheduling_v1_pb2 as schedulingv1
from fairlead.api.pb import storage_v1_pb2 as storagev1

DEFAULT_STORAGE = (
    "storageclass.kubernetes.io/is-default-class",
    "storageclass.beta.kubernetes.io/is-default-class",
)


def _role(role: Any, now: datetime.datetime) -> layout.Row:
    return role.metadata.name, times.format_seconds(role.metadata.creationTimestamp.seconds)


def _binding(binding: Any, now: datetime.datetime) -> layout.Row:
    def named(kind: str) -> str:
        return ", ".join(one.name for one in binding.subjects if one.kind == kind)

    accounts = (one for one in binding.subjects if one.kind == "ServiceAccount")
    return (
        binding.metadata.name,
        f"{binding.roleRef.kind}/{binding.roleRef.name}",
        layout.created(binding, now),
        named("User"),
        named("Group"),
        ", ".join(f"{one.namespace}/{one.name}" for one in accounts),
    )


def _ingress(ingress: networkingv1.Ingress, now: datetime.datetime) -> layout.Row:
    points = {point.ip or point.hostname for point in ingress.status.loadBalancer.ingress}
    return (
        ingress.metadata.name,
        ingress.spec.ingressClassName if ingress.spec.HasField("ingressClassName") else layout.NONE,
        _hosts(ingress.spec.rules),
        ",".join(sorted(points - {""})),
        "80, 443" if ingress.spec.tls else "80",
        layout.created(ingress, now),
    )


def _hosts(rules: Sequence[networkingv1.IngressRule]) -> str:
    """Return the first hosts; rules without one count only among those that follow, as Kubernetes counts them."""
    listed: list[str] = []
    for rule in rules:
        if len(listed) == layout.LIST_MAX:
            return f"{','.join(listed)} + {len(rules) - layout.LIST_MAX} more..."
        listed += [rule.host] if rule.host else []
    return ",".join(listed) or "*"


def _ingress_class(obj: networkingv1.IngressClass, now: datetime.datetime) -> layout.Row:
    parameters = layout.NONE
    if obj.spec.HasField("parameters"):
        found = obj.spec.parameters
        group = f".{found.aPIGroup}" if found.HasField("aPIGroup") else ""
        parameters = f"{found.kind}{group}/{found.name}"
    return obj.metadata.name, obj.spec.controller, parameters, layout.created(obj, now)


def _network_policy(policy: networkingv1.NetworkPolicy, now: datetime.datetime) -> layout.Row:
    return policy.metadata.name, layout.selector_text(policy.spec.podSelector), layout.created(policy, now)


def _storage_class(obj: storagev1.StorageClass, now: datetime.datetime) -> layout.Row:
    default = any(obj.metadata.annotations.get(key) == "true" for key in DEFAULT_STORAGE)
    return (
        f"{obj.metadata.name} (default)" if default else obj.metadata.name,
        obj.provisioner,
        obj.reclaimPolicy or "Delete",
        obj.volumeBindingMode or "Immediate",
        obj.allowVolumeExpansion,
        layout.created(obj, now),
    )


def _attachment(obj: storagev1.VolumeAttachment, now: datetime.datetime) -> layout.Row:
    spec = obj.spec
    return (
        obj.metadata.name,
        spec.attacher,
        spec.source.persistentVolumeName,
        spec.nodeName,
        obj.status.attached,
        layout.created(obj, now),
    )


def _driver(obj: storagev1.CSIDriver, now: datetime.datetime) -> layout.Row:
    spec = obj.spec
    return (
        obj.metadata.name,
        not spec.HasField("attachRequired") or spec.attachRequired,
        spec.podInfoOnMount,
        spec.storageCapacity,
        _listed((one.audience for one in spec.tokenRequests), "<unset>"),
        spec.requiresRepublish,
        _listed(spec.volumeLifecycleModes, layout.NONE),
        layout.created(obj, now),
    )


def _csi_node(obj: storagev1.CSINode, now: datetime.datetime) -> layout.Row:
    return obj.metadata.name, len(obj.spec.drivers), layout.created(obj, now)


def _capacity(obj: storagev1.CSIStorageCapacity, now: datetime.datetime) -> layout.Row:
    amount = str(quantity.of(obj.capacity)) if obj.HasField("capacity") else "<unset>"
    return obj.metadata.name, obj.storageClassName, amount


def _priority_class(obj: schedulingv1.PriorityClass, now: datetime.datetime) -> layout.Row:
    return (
        obj.metadata.name,
        obj.value,
        obj.globalDefault,
        layout.created(obj, now),
        obj.preemptionPolicy,
    )


def _runtime_class(obj: nodev1.RuntimeClass, now: datetime.datetime) -> layout.Row:
    return obj.metadata.name, obj.handler, layout.created(obj, now)


def _listed(values: Iterable[str], nothing: str) -> str:
    found = list(values)
    return ",".join(found) if found else nothing


_PRIORITIES = "Name|Value:integer|Global-Default:boolean|Age|PreemptionPolicy"
_BINDING = "Name|Role|Age|+Users|+Groups|+ServiceAccounts"
LAYOUTS: Mapping[type[Message], layout.Layout] = {
    rbacv1.Role: layout.layout("Name|Created At:date", _role),
    rbacv1.ClusterRole: layout.layout("Name|Created At:date", _role),
    rbacv1.RoleBinding: layout.layout(_BINDING, _binding),
    rbacv1.ClusterRoleBinding: layout.layout(_BINDING, _binding),
    networkingv1.Ingress: layout.layout("Name|Class|Hosts|Address|Ports|Age", _ingress),
    networkingv1.IngressClass: layout.layout("Name|Controller|Parameters|Age", _ingress_class),
    networkingv1.NetworkPolicy: layout.layout("Name|Pod-Selector|Age", _network_policy),
    storagev1.StorageClass: layout.layout(
        "Name|Provisioner|ReclaimPolicy|VolumeBindingMode|AllowVolumeExpansion|Age", _storage_class
    ),
    storagev1.VolumeAttachment: layout.layout("Name|Attacher:string/name|PV|Node|Attached:boolean|Age", _attachment),
    storagev1.CSIDriver: layout.layout(
        "Name|AttachRequired:boolean|PodInfoOnMount:boolean|StorageCapacity:boolean|TokenRequests"
        "|RequiresRepublish:boolean|Modes|Age",
        _driver,
    ),
    storagev1.CSINode: layout.layout("Name|Drivers:integer|Age", _csi_node),
    storagev1.CSIStorageCapacity: layout.layout("Name|StorageClassName|Capacity", _capacity),
    schedulingv1.PriorityClass: layout.layout(_PRIORITIES, _priority_class),
    nodev1.RuntimeClass: layout.layout("Name|Handler|Age", _runtime_class),
}
