"""The columns of what a namespace or cluster has to give: storage, limits, quotas, endpoints. Pure."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping, Sequence

from google.protobuf.message import Message

from fairlead.api import quantity, times
from fairlead.api.columns import layout
from fairlead.api.pb import core_v1_pb2 as corev1

MODES = {"ReadWriteOnce": "RWO", "ReadOnlyMany": "ROX", "ReadWriteMany": "RWX", "ReadWriteOncePod": "RWOP"}
BETA_CLASS = "volume.beta.kubernetes.io/storage-class"


def _modes(modes: Sequence[str]) -> str:
    """Return access modes in short, in Kubernetes' order."""
    return ",".join(short for mode, short in MODES.items() if mode in modes)


def _class(obj: corev1.PersistentVolume | corev1.PersistentVolumeClaim) -> str:
    return obj.metadata.annotations.get(BETA_CLASS, obj.spec.storageClassName)


def _given(spec: Message, field: str) -> str:
    return str(getattr(spec, field)) if spec.HasField(field) else layout.UNSET


def _phase(obj: corev1.PersistentVolume | corev1.PersistentVolumeClaim) -> str:
    return "Terminating" if obj.metadata.HasField("deletionTimestamp") else obj.status.phase


def _amount(amount: quantity.Stringed) -> str:
    try:
        return str(quantity.of(amount))
    except quantity.QuantityError:
        return amount.string


def _volume(volume: corev1.PersistentVolume, now: datetime.datetime) -> layout.Row:
    spec = volume.spec
    claim = f"{spec.claimRef.namespace}/{spec.claimRef.name}" if spec.HasField("claimRef") else ""
    return (
        volume.metadata.name,
        _amount(spec.capacity["storage"]) if "storage" in spec.capacity else "0",
        _modes(spec.accessModes),
        spec.persistentVolumeReclaimPolicy,
        _phase(volume),
        claim,
        _class(volume),
        _given(spec, "volumeAttributesClassName"),
        volume.status.reason,
        layout.created(volume, now),
        _given(spec, "volumeMode"),
    )


def _claim(claim: corev1.PersistentVolumeClaim, now: datetime.datetime) -> layout.Row:
    spec, status = claim.spec, claim.status
    capacity = modes = ""
    if spec.volumeName:
        modes = _modes(status.accessModes)
        capacity = _amount(status.capacity["storage"]) if "storage" in status.capacity else "0"
    return (
        claim.metadata.name,
        _phase(claim),
        spec.volumeName,
        capacity,
        modes,
        _class(claim),
        _given(spec, "volumeAttributesClassName"),
        layout.created(claim, now),
        _given(spec, "volumeMode"),
    )


def _limit_range(limits: corev1.LimitRange, now: datetime.datetime) -> layout.Row:
    return limits.metadata.name, times.format_seconds(limits.metadata.creationTimestamp.seconds)


def _quota(quota: corev1.ResourceQuota, now: datetime.datetime) -> layout.Row:
    requests: list[str] = []
    limits: list[str] = []
    used, hard = quota.status.used, quota.status.hard
    for name in sorted(hard):
        spent = _amount(used[name]) if name in used else "0"
        (limits if name.startswith("limits.") else requests).append(f"{name}: {spent}/{_amount(hard[name])}")
    return quota.metadata.name, ", ".join(requests), ", ".join(limits), layout.created(quota, now)


def _addresses(endpoints: corev1.Endpoints) -> Iterator[str]:
    for subset in endpoints.subsets:
        for port in subset.ports:
            for address in subset.addresses:
                yield f"[{address.ip}]:{port.port}" if ":" in address.ip else f"{address.ip}:{port.port}"
        if not subset.ports:
            yield from (address.ip for address in subset.addresses)


def _endpoints(endpoints: corev1.Endpoints, now: datetime.datetime) -> layout.Row:
    shown = layout.more(list(_addresses(endpoints))) if endpoints.subsets else layout.NONE
    return endpoints.metadata.name, shown, layout.created(endpoints, now)


def _component(component: corev1.ComponentStatus, now: datetime.datetime) -> layout.Row:
    status, message, error = "Unknown", "", ""
    for condition in component.conditions:
        if condition.type == "Healthy":
            status = "Healthy" if condition.status == "True" else "Unhealthy"
            message, error = condition.message, condition.error
            break
    return component.metadata.name, status, message, error


LAYOUTS: Mapping[type[Message], layout.Layout] = {
    corev1.PersistentVolume: layout.layout(
        "Name|Capacity|Access Modes|Reclaim Policy|Status|Claim|StorageClass|VolumeAttributesClass|Reason|Age"
        "|+VolumeMode",
        _volume,
    ),
    corev1.PersistentVolumeClaim: layout.layout(
        "Name|Status|Volume|Capacity|Access Modes|StorageClass|VolumeAttributesClass|Age|+VolumeMode", _claim
    ),
    corev1.LimitRange: layout.layout("Name|Created At:date", _limit_range),
    corev1.ResourceQuota: layout.layout("Name|Request|Limit|Age", _quota),
    corev1.Endpoints: layout.layout("Name|Endpoints|Age", _endpoints),
    corev1.ComponentStatus: layout.layout("Name|Status|Message|Error", _component),
}
