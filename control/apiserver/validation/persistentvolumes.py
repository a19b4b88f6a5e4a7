"""Rules on volumes that are there to be claimed: capacity, one source, the nodes that reach it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from control.apiserver import field, notation
from control.apiserver.validation import claims, meta, names, numbers, scheduling, volumes
from fairlead.api import codec
from fairlead.api.pb import core_v1_pb2 as corev1

RECLAIM_POLICIES = frozenset({"Delete", "Recycle", "Retain"})


def validate(spec: corev1.PersistentVolumeSpec, path: str) -> field.Faults:
    """Judge a volume's spec."""
    faults = claims.access_modes(spec.accessModes, f"{path}.accessModes")
    faults += _capacity(spec, f"{path}.capacity")
    policy = spec.persistentVolumeReclaimPolicy
    if policy and policy not in RECLAIM_POLICIES:
        faults.append(field.unsupported(f"{path}.persistentVolumeReclaimPolicy", policy, RECLAIM_POLICIES))
    if spec.HasField("nodeAffinity"):
        faults += _nodes(spec.nodeAffinity, f"{path}.nodeAffinity")
    faults += _source(spec, path)
    host = spec.persistentVolumeSource.hostPath.path
    if policy == "Recycle" and host and not host.strip("/."):
        text = "may not be 'recycle' for a hostPath mount of '/'"
        faults.append(field.forbidden(f"{path}.persistentVolumeReclaimPolicy", text))
    return faults + claims.class_and_mode(spec, path)


def _capacity(spec: corev1.PersistentVolumeSpec, path: str) -> field.Faults:
    faults = [] if spec.capacity else [field.required(path)]
    if set(spec.capacity) != {"storage"}:
        shown = notation.struct({name: amount.string for name, amount in spec.capacity.items()})
        faults.append(field.unsupported(path, shown, ("storage",)))
    for name in sorted(spec.capacity):
        faults += claims.size(f"{path}[{name}]", spec.capacity[name])
    return faults


def _nodes(affinity: corev1.VolumeNodeAffinity, path: str) -> field.Faults:
    if not affinity.HasField("required"):
        return [field.required(f"{path}.required", "must specify required node constraints")]
    return scheduling.node_selector(affinity.required, f"{path}.required")


def _source(spec: corev1.PersistentVolumeSpec, path: str) -> field.Faults:
    given = [descriptor.name for descriptor, _ in spec.persistentVolumeSource.ListFields()]
    if not given:
        return [field.required(path, "must specify a volume type")]
    faults = [field.forbidden(f"{path}.{kind}", "may not specify more than 1 volume type") for kind in given[1:]]
    judge = _SOURCES.get(given[0])
    if judge is not None:
        faults += judge(getattr(spec.persistentVolumeSource, given[0]), f"{path}.{given[0]}")
    if given[0] == "local" and not spec.HasField("nodeAffinity"):
        faults.append(field.required(f"{path}.nodeAffinity", "Local volume requires node affinity"))
    return faults


def _local(value: corev1.LocalVolumeSource, path: str) -> field.Faults:
    if not value.path:
        return [field.required(f"{path}.path")]
    if ".." in value.path.split("/"):
        return [field.invalid(f"{path}.path", value.path, "must not contain '..'")]
    return []


def _csi(value: corev1.CSIPersistentVolumeSource, path: str) -> field.Faults:
    faults: field.Faults = []
    if not value.driver:
        faults.append(field.required(f"{path}.driver"))
    elif len(value.driver) > 63:
        faults.append(field.too_long(f"{path}.driver", 63))
    else:
        faults += field.invalids(f"{path}.driver", value.driver, names.subdomain(value.driver.lower()))
    if not value.volumeHandle:
        faults.append(field.required(f"{path}.volumeHandle"))
    for part in (
        "controllerPublishSecretRef",
        "nodePublishSecretRef",
        "nodeStageSecretRef",
        "controllerExpandSecretRef",
        "nodeExpandSecretRef",
    ):
        if value.HasField(part):
            for name in ("name", "namespace"):
                if not getattr(getattr(value, part), name):
                    faults.append(field.required(f"{path}.{part}.{name}"))
    return faults


def _iscsi(value: corev1.ISCSIPersistentVolumeSource, path: str) -> field.Faults:
    faults: field.Faults = []
    for name in ("targetPortal", "iqn"):
        if not getattr(value, name):
            faults.append(field.required(f"{path}.{name}"))
    return faults + numbers.between(f"{path}.lun", value.lun, 0, 255)


_SOURCES: Mapping[str, Callable[[Any, str], field.Faults]] = {
    "hostPath": volumes.host_path,
    "nfs": volumes.nfs,
    "local": _local,
    "csi": _csi,
    "iscsi": _iscsi,
}


def validate_update(spec: corev1.PersistentVolumeSpec, old: corev1.PersistentVolumeSpec) -> field.Faults:
    """Judge what an update changes of a volume."""
    faults: field.Faults = []
    mine, theirs = spec.persistentVolumeSource, old.persistentVolumeSource
    if mine != theirs and codec.to_json(mine) != codec.to_json(theirs):
        text = "spec.persistentvolumesource is immutable after creation"
        faults.append(field.forbidden("spec.persistentvolumesource", text))
    faults += meta.immutable("volumeMode", spec.volumeMode, spec.volumeMode != old.volumeMode)
    if old.HasField("nodeAffinity"):
        changed = spec.nodeAffinity != old.nodeAffinity
        faults += meta.immutable("nodeAffinity", notation.struct(spec.nodeAffinity), changed)
    return faults
