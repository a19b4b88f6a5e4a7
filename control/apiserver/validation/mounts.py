"""Rules on where a container's volumes are mounted, and on paths in general. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from control.apiserver import field
from fairlead.api.pb import core_v1_pb2 as corev1

PROPAGATIONS = frozenset({"Bidirectional", "HostToContainer", "None"})
RECURSIVE = frozenset({"Disabled", "Enabled", "IfPossible"})
BLOCK_SOURCES = ("persistentVolumeClaim", "ephemeral")

# A pod's sound volumes: the kind of source of each, by name.
Volumes = Mapping[str, str]


def validate(container: Any, path: str, volumes: Volumes) -> field.Faults:
    """Judge a container's mounts, then its devices."""
    faults: field.Faults = []
    if container.volumeMounts:
        faults += _mounts(container, f"{path}.volumeMounts", volumes)
    if container.volumeDevices:
        faults += _devices(container, f"{path}.volumeDevices", volumes)
    return faults


def _mounts(container: Any, path: str, volumes: Volumes) -> field.Faults:
    faults: field.Faults = []
    devices = {device.name: device.devicePath for device in container.volumeDevices}
    places: set[str] = set()
    for index, mount in enumerate(container.volumeMounts):
        at = f"{path}[{index}]"
        if not mount.name:
            faults.append(field.required(f"{at}.name"))
        if mount.name not in volumes:
            faults.append(field.not_found(f"{at}.name", mount.name))
        if not mount.mountPath:
            faults.append(field.required(f"{at}.mountPath"))
        if mount.mountPath in places:
            faults.append(field.invalid(f"{at}.mountPath", mount.mountPath, "must be unique"))
        places.add(mount.mountPath)
        if mount.name in devices:
            faults.append(field.invalid(f"{at}.name", mount.name, "must not already exist in volumeDevices"))
        if mount.mountPath in devices.values():
            text = "must not already exist as a path in volumeDevices"
            faults.append(field.invalid(f"{at}.mountPath", mount.mountPath, text))
        faults += _sub_paths(mount, path, at)
        faults += _propagation(mount, container, path)
    return faults


def _sub_paths(mount: corev1.VolumeMount, path: str, at: str) -> field.Faults:
    """Judge the part of a volume that is mounted; faults of its path name the list, as in Kubernetes."""
    faults = relative(mount.subPath, f"{path}.subPath")
    if mount.subPath and mount.subPathExpr:
        text = "subPathExpr and subPath are mutually exclusive"
        faults.append(field.invalid(f"{at}.subPathExpr", mount.subPathExpr, text))
    return faults + relative(mount.subPathExpr, f"{path}.subPathExpr")


def _propagation(mount: corev1.VolumeMount, container: Any, path: str) -> field.Faults:
    faults: field.Faults = []
    if mount.HasField("mountPropagation"):
        at = f"{path}.mountPropagation"
        if mount.mountPropagation not in PROPAGATIONS:
            faults.append(field.unsupported(at, mount.mountPropagation, PROPAGATIONS))
        if mount.mountPropagation == "Bidirectional" and not container.securityContext.privileged:
            text = "Bidirectional mount propagation is available only to privileged containers"
            faults.append(field.forbidden(at, text))
    if not mount.HasField("recursiveReadOnly") or mount.recursiveReadOnly == "Disabled":
        return faults
    at = f"{path}.recursiveReadOnly"
    if mount.recursiveReadOnly not in RECURSIVE:
        return [*faults, field.unsupported(at, mount.recursiveReadOnly, RECURSIVE)]
    if not mount.readOnly:
        faults.append(field.forbidden(at, "may only be specified when readOnly is true"))
    if mount.HasField("mountPropagation") and mount.mountPropagation != "None":
        text = "may only be specified when mountPropagation is None or not specified"
        faults.append(field.forbidden(at, text))
    return faults


def _devices(container: Any, path: str, volumes: Volumes) -> field.Faults:
    faults: field.Faults = []
    mounted = {mount.name: mount.mountPath for mount in container.volumeMounts}
    seen: set[str] = set()
    places: set[str] = set()
    for index, device in enumerate(container.volumeDevices):
        name, place = device.name, device.devicePath
        named, placed = f"{path}[{index}].name", f"{path}[{index}].devicePath"
        if not name:
            faults.append(field.required(named))
        if name in seen:
            faults.append(field.invalid(named, name, "must be unique"))
        if name not in volumes:
            faults.append(field.not_found(named, name))
        elif volumes[name] not in BLOCK_SOURCES:
            text = "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode"
            faults.append(field.invalid(named, name, text))
        if not place:
            faults.append(field.required(placed))
        if place in places:
            faults.append(field.invalid(placed, place, "must be unique"))
        if ".." in place.split("/"):
            faults.append(field.invalid(placed, place, "can not contain backsteps ('..')"))
        else:
            places.add(place)
        if name in mounted:
            faults.append(field.invalid(named, name, "must not already exist in volumeMounts"))
        if place in mounted.values():
            faults.append(field.invalid(placed, place, "must not already exist as a path in volumeMounts"))
        if name:
            seen.add(name)
    return faults


def no_backsteps(value: str, path: str) -> field.Faults:
    """Judge a path: it leads nowhere up."""
    return [field.invalid(path, value, "must not contain '..'")] if ".." in value.split("/") else []


def relative(value: str, path: str) -> field.Faults:
    """Judge a path below some root; an empty one is the root."""
    faults = [field.invalid(path, value, "must be a relative path")] if value.startswith("/") else []
    return faults + no_backsteps(value, path)


def below(value: str, path: str) -> field.Faults:
    """Judge the path of a file that is made below some root, where names that begin with two dots are reserved."""
    faults = relative(value, path)
    if value.startswith("..") and not value.startswith("../"):
        faults.append(field.invalid(path, value, "must not start with '..'"))
    return faults
