"""The columns of volumes, claims, classes of storage and its drivers. Pure."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping, Sequence

from google.protobuf.message import Message

from fairlead.api import quantity
from fairlead.api.columns import layout
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import storage_v1_pb2 as storagev1

DEFAULT_STORAGE = (
    "storageclass.kubernetes.io/is-default-class",
    "storageclass.beta.kubernetes.io/is-default-class",
)
MODES = {"ReadWriteOnce": "RWO", "ReadOnlyMany": "ROX", "ReadWriteMany": "RWX", "ReadWriteOncePod": "RWOP"}
BETA_CLASS = "volume.beta.kubernetes.io/storage-class"


def _volume(volume: corev1.PersistentVolume, now: datetime.datetime) -> layout.Row:
    spec = volume.spec
    claim = f"{spec.claimRef.namespace}/{spec.claimRef.name}" if spec.HasField("claimRef") else ""
    return (
        volume.metadata.name,
        layout.amount(spec.capacity["storage"]) if "storage" in spec.capacity else "0",
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
        capacity = layout.amount(status.capacity["storage"]) if "storage" in status.capacity else "0"
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


def _modes(modes: Sequence[str]) -> str:
    """Return access modes in short, in Kubernetes' order."""
    return ",".join(short for mode, short in MODES.items() if mode in modes)


def _class(obj: corev1.PersistentVolume | corev1.PersistentVolumeClaim) -> str:
    return obj.metadata.annotations.get(BETA_CLASS, obj.spec.storageClassName)


def _given(spec: Message, field: str) -> str:
    return str(getattr(spec, field)) if spec.HasField(field) else layout.UNSET


def _phase(obj: corev1.PersistentVolume | corev1.PersistentVolumeClaim) -> str:
    return "Terminating" if obj.metadata.HasField("deletionTimestamp") else obj.status.phase


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
        _listed((one.audience for one in spec.tokenRequests), layout.UNSET),
        spec.requiresRepublish,
        _listed(spec.volumeLifecycleModes, layout.NONE),
        layout.created(obj, now),
    )


def _csi_node(obj: storagev1.CSINode, now: datetime.datetime) -> layout.Row:
    return obj.metadata.name, len(obj.spec.drivers), layout.created(obj, now)


def _capacity(obj: storagev1.CSIStorageCapacity, now: datetime.datetime) -> layout.Row:
    amount = str(quantity.of(obj.capacity)) if obj.HasField("capacity") else layout.UNSET
    return obj.metadata.name, obj.storageClassName, amount


def _listed(values: Iterable[str], nothing: str) -> str:
    found = list(values)
    return ",".join(found) if found else nothing


LAYOUTS: Mapping[type[Message], layout.Layout] = {
    corev1.PersistentVolume: layout.layout(
        "Name|Capacity|Access Modes|Reclaim Policy|Status|Claim|StorageClass|VolumeAttributesClass|Reason|Age"
        "|+VolumeMode",
        _volume,
    ),
    corev1.PersistentVolumeClaim: layout.layout(
        "Name|Status|Volume|Capacity|Access Modes|StorageClass|VolumeAttributesClass|Age|+VolumeMode", _claim
    ),
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
}
