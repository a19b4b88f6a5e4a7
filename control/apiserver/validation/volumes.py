"""Rules on a pod's volumes: one source each, complete and without tricks in its paths. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from control.apiserver import field
from control.apiserver.validation import containers, names, numbers
from fairlead.api.pb import core_v1_pb2 as corev1

HOST_PATH_TYPES = frozenset(
    {"", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket"}
)
VOLUME_FIELDS = frozenset(
    {"metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid"}
)


def validate_all(volumes: Sequence[corev1.Volume], path: str) -> field.Faults:
    """Judge a pod's volumes."""
    faults: field.Faults = []
    seen: set[str] = set()
    for index, volume in enumerate(volumes):
        at = f"{path}[{index}]"
        if not volume.name:
            faults.append(field.required(f"{at}.name"))
        elif found := names.label(volume.name):
            faults += field.invalids(f"{at}.name", volume.name, found)
        elif volume.name in seen:
            faults.append(field.duplicate(f"{at}.name", volume.name))
        seen.add(volume.name)
        faults += source(volume.volumeSource, at)
    return faults


def source(value: corev1.VolumeSource, path: str) -> field.Faults:
    """Judge where a volume's content comes from."""
    given = [descriptor.name for descriptor, _ in value.ListFields()]
    if not given:
        return [field.required(path, "must specify a volume type")]
    faults = [field.forbidden(f"{path}.{kind}", "may not specify more than 1 volume type") for kind in given[1:]]
    judge = _SOURCES.get(given[0])
    if judge is not None:
        faults += judge(getattr(value, given[0]), f"{path}.{given[0]}")
    return faults


def host_path(value: corev1.HostPathVolumeSource, path: str) -> field.Faults:
    """Judge a path on the node."""
    faults: field.Faults = []
    if not value.path:
        faults.append(field.required(f"{path}.path"))
    elif ".." in value.path.split("/"):
        faults.append(field.invalid(f"{path}.path", value.path, "must not contain '..'"))
    if value.type not in HOST_PATH_TYPES:
        faults.append(field.unsupported(f"{path}.type", value.type, HOST_PATH_TYPES))
    return faults


def _empty_dir(value: corev1.EmptyDirVolumeSource, path: str) -> field.Faults:
    if not value.HasField("sizeLimit") or not value.sizeLimit.string:
        return []
    parsed, faults = numbers.amount(f"{path}.sizeLimit", "", value.sizeLimit)
    if parsed is not None and faults:
        return [field.forbidden(f"{path}.sizeLimit", "SizeLimit field must be a valid resource quantity")]
    return faults


def _secret(value: corev1.SecretVolumeSource, path: str) -> field.Faults:
    faults = [] if value.secretName else [field.required(f"{path}.secretName")]
    return faults + _mode(value, f"{path}.defaultMode") + _items(value.items, f"{path}.items")


def _config_map(value: corev1.ConfigMapVolumeSource, path: str) -> field.Faults:
    faults = [] if value.localObjectReference.name else [field.required(f"{path}.name")]
    return faults + _mode(value, f"{path}.defaultMode") + _items(value.items, f"{path}.items")


def _claim(value: corev1.PersistentVolumeClaimVolumeSource, path: str) -> field.Faults:
    return [] if value.claimName else [field.required(f"{path}.claimName")]


def nfs(value: corev1.NFSVolumeSource, path: str) -> field.Faults:
    """Judge an export of an NFS server."""
    faults = [] if value.server else [field.required(f"{path}.server")]
    if not value.path:
        faults.append(field.required(f"{path}.path"))
    elif not value.path.startswith("/"):
        faults.append(field.invalid(f"{path}.path", value.path, "must be an absolute path"))
    return faults


def _downward(value: corev1.DownwardAPIVolumeSource, path: str) -> field.Faults:
    return _mode(value, f"{path}.defaultMode") + _files(value.items, f"{path}.items")


def _projected(value: corev1.ProjectedVolumeSource, path: str) -> field.Faults:
    faults = _mode(value, f"{path}.defaultMode")
    for index, part in enumerate(value.sources):
        at = f"{path}.sources[{index}]"
        given = [descriptor.name for descriptor, _ in part.ListFields()]
        faults += [field.forbidden(f"{at}.{kind}", "may not specify more than 1 volume type") for kind in given[1:]]
        if not given:
            faults.append(field.required(at, "must specify a volume type"))
        for kind in ("secret", "configMap"):
            if part.HasField(kind):
                projection = getattr(part, kind)
                if not projection.localObjectReference.name:
                    faults.append(field.required(f"{at}.{kind}.name"))
                faults += _items(projection.items, f"{at}.{kind}.items")
        faults += _files(part.downwardAPI.items, f"{at}.downwardAPI.items")
        if part.HasField("serviceAccountToken"):
            faults += _token(part.serviceAccountToken, f"{at}.serviceAccountToken")
    return faults


def _token(value: corev1.ServiceAccountTokenProjection, path: str) -> field.Faults:
    faults: field.Faults = []
    if value.expirationSeconds < 600:
        text = "may not specify a duration less than 10 minutes"
        faults.append(field.invalid(f"{path}.expirationSeconds", value.expirationSeconds, text))
    elif value.expirationSeconds > 1 << 32:
        text = "may not specify a duration larger than 2^32 seconds"
        faults.append(field.invalid(f"{path}.expirationSeconds", value.expirationSeconds, text))
    if not value.path:
        faults.append(field.required(f"{path}.path"))
    return faults + containers.relative_path(value.path, f"{path}.path")


def _files(items: Iterable[corev1.DownwardAPIVolumeFile], path: str) -> field.Faults:
    faults: field.Faults = []
    for index, item in enumerate(items):
        at = f"{path}[{index}]"
        if not item.path:
            faults.append(field.required(f"{at}.path"))
        faults += containers.relative_path(item.path, f"{at}.path")
        if item.HasField("fieldRef"):
            name = item.fieldRef.fieldPath
            if name not in VOLUME_FIELDS and "['" not in name:
                faults.append(field.unsupported(f"{at}.fieldRef.fieldPath", name, VOLUME_FIELDS))
            if item.HasField("resourceFieldRef"):
                faults.append(
                    field.invalid(at, "resource", "fieldRef and resourceFieldRef can not be specified simultaneously")
                )
        elif item.HasField("resourceFieldRef"):
            if not item.resourceFieldRef.containerName:
                faults.append(field.required(f"{at}.resourceFieldRef.containerName"))
            faults += containers.resource_ref(item.resourceFieldRef, f"{at}.resourceFieldRef")
        else:
            faults.append(field.required(f"{at}.fieldRef", "one of fieldRef and resourceFieldRef is required"))
    return faults


def _items(items: Iterable[corev1.KeyToPath], path: str) -> field.Faults:
    faults: field.Faults = []
    for index, item in enumerate(items):
        at = f"{path}[{index}]"
        if not item.key:
            faults.append(field.required(f"{at}.key"))
        if not item.path:
            faults.append(field.required(f"{at}.path"))
        faults += containers.relative_path(item.path, f"{at}.path")
        if item.HasField("mode"):
            faults += _octal(item.mode, f"{at}.mode")
    return faults


def _mode(value: Any, path: str) -> field.Faults:
    return _octal(value.defaultMode, path) if value.HasField("defaultMode") else []


def _octal(mode: int, path: str) -> field.Faults:
    if 0 <= mode <= 0o777:
        return []
    return [field.invalid(path, mode, "must be a number between 0 and 0777 (octal), both inclusive")]


_SOURCES: Mapping[str, Callable[[Any, str], field.Faults]] = {
    "hostPath": host_path,
    "emptyDir": _empty_dir,
    "secret": _secret,
    "configMap": _config_map,
    "persistentVolumeClaim": _claim,
    "nfs": nfs,
    "downwardAPI": _downward,
    "projected": _projected,
}
