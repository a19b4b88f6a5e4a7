"""Rules on where the content of pods' and persistent volumes comes from, for the sources that both have. Pure.

A volume has one source; the paths by which faults name a source are Kubernetes', with their oddities.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from control.apiserver import field, notation
from control.apiserver.validation import mounts, names, numbers
from fairlead.api.pb import core_v1_pb2 as corev1

HOST_PATH_TYPES = frozenset(
    {"", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket"}
)
DRIVER_MAX = 63
CACHING_MODES = frozenset({"None", "ReadOnly", "ReadWrite"})
DISK_KINDS = frozenset({"Dedicated", "Managed", "Shared"})
MANAGED_DISK = ("/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}",)
BLOB_DISK = ("https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd",)
_HOST_PORT = re.compile(r"(\[[^\[\]]*\]|[^:\[\]]*):[^:\[\]]*")
_INITIATORS = {
    "iqn": re.compile(r"iqn\.\d{4}-\d{2}\.([A-Za-z0-9.-]+)(:[^,;*&$|\s]+)$", re.ASCII),
    "eui": re.compile(r"^eui.[A-Za-z0-9]{16}$"),
    "naa": re.compile(r"^naa.[A-Za-z0-9]{32}$"),
}

Judge = Callable[[Any, str], field.Faults]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of source: its field, its rule, and how faults name it: `named` as one too many, `judged` otherwise."""

    name: str
    judge: Judge
    judged: str = ""
    named: str = ""
    never_too_many: bool = False


def one_of(value: Any, kinds: Sequence[Kind], path: str) -> tuple[str, field.Faults]:
    """Return the first kind of source that is given, and the faults of the choice."""
    first, faults = "", list[field.Cause]()
    for kind in kinds:
        if not value.HasField(kind.name):
            continue
        if first and not kind.never_too_many:
            text = "may not specify more than 1 volume type"
            faults.append(field.forbidden(f"{path}.{kind.named or kind.name}", text))
            continue
        first = first or kind.name
        faults += kind.judge(getattr(value, kind.name), f"{path}.{kind.judged or kind.name}")
    if not first:
        faults.append(field.required(path, "must specify a volume type"))
    return first, faults


def missing(value: Any, path: str, *parts: str) -> field.Faults:
    """Return a fault for each part that is empty."""
    return [field.required(f"{path}.{part}") for part in parts if not getattr(value, part)]


def needing(*parts: str) -> Judge:
    """Return the rule that some parts must be there."""
    return lambda value, path: missing(value, path, *parts)


def host_path(value: corev1.HostPathVolumeSource, path: str) -> field.Faults:
    """Judge a path on the node."""
    if not value.path:
        return [field.required(f"{path}.path")]
    faults = mounts.no_backsteps(value.path, f"{path}.path")
    if value.type not in HOST_PATH_TYPES:
        faults.append(field.unsupported(f"{path}.type", value.type, HOST_PATH_TYPES))
    return faults


def local(value: corev1.LocalVolumeSource, path: str) -> field.Faults:
    """Judge a device or directory of one node."""
    at = f"{path}.path"
    return mounts.no_backsteps(value.path, at) if value.path else [field.required(at)]


def nfs(value: corev1.NFSVolumeSource, path: str) -> field.Faults:
    """Judge an export of an NFS server."""
    faults = missing(value, path, "server", "path")
    if not value.path.startswith("/"):
        faults.append(field.invalid(f"{path}.path", value.path, "must be an absolute path"))
    return faults


def iscsi(value: Any, path: str, *, persistent: bool = False) -> field.Faults:
    """Judge an iSCSI target, of a pod's volume or a persistent one."""
    text = "must be valid format" + ("" if persistent else " starting with iqn, eui, or naa")
    faults = missing(value, path, "targetPortal", "iqn")
    if value.iqn:
        faults += _initiator(value.iqn, f"{path}.iqn", text)
    faults += numbers.between(f"{path}.lun", value.lun, 0, 255)
    if (value.chapAuthDiscovery or value.chapAuthSession) and not value.HasField("secretRef"):
        faults.append(field.required(f"{path}.secretRef"))
    if persistent and value.HasField("secretRef"):
        faults += missing(value.secretRef, f"{path}.secretRef", "name")
    if value.HasField("initiatorName"):
        faults += _initiator(value.initiatorName, f"{path}.initiatorname", text)
    return faults


def _initiator(value: str, path: str, text: str) -> field.Faults:
    pattern = _INITIATORS.get(value[:3])
    if pattern is None:
        return [field.invalid(path, value, text)]
    return [] if pattern.search(value) else [field.invalid(path, value, "must be valid format")]


def fibre_channel(value: corev1.FCVolumeSource, path: str) -> field.Faults:
    """Judge a fibre channel target: world wide names or identifiers."""
    faults: field.Faults = []
    at = f"{path}.targetWWNs"
    if not value.targetWWNs and not value.wwids:
        faults.append(field.required(at, "must specify either targetWWNs or wwids, but not both"))
    if value.targetWWNs and value.wwids:
        text = "targetWWNs and wwids can not be specified simultaneously"
        faults.append(field.invalid(at, notation.strings(value.targetWWNs), text))
    if not value.targetWWNs:
        return faults
    if not value.HasField("lun"):
        return [*faults, field.required(f"{path}.lun", "lun is required if targetWWNs is specified")]
    return faults + numbers.between(f"{path}.lun", value.lun, 0, 255)


def _disk(part: str) -> Judge:
    """Return the rule of a cloud's disk, which `part` names."""

    def judge(value: Any, path: str) -> field.Faults:
        faults = missing(value, path, part)
        if not 0 <= value.partition <= 255:
            text = "must be between 1 and 255, inclusive"
            faults.append(field.invalid(f"{path}.partition", value.partition, text))
        return faults

    return judge


def _quobyte(value: corev1.QuobyteVolumeSource, path: str) -> field.Faults:
    text = "must be a host:port pair or multiple pairs separated by commas"
    if not value.registry:
        faults = [field.required(f"{path}.registry", text)]
    elif len(value.tenant) >= 65:
        faults = [field.required(f"{path}.tenant", "must be a UUID and may not exceed a length of 64 characters")]
    else:
        wrong = [pair for pair in value.registry.split(",") if not _HOST_PORT.fullmatch(pair)]
        faults = [field.invalid(f"{path}.registry", value.registry, text) for _ in wrong]
    return faults + missing(value, path, "volume")


def _flocker(value: corev1.FlockerVolumeSource, path: str) -> field.Faults:
    faults: field.Faults = []
    if not value.datasetName and not value.datasetUUID:
        faults.append(field.required(path, "one of datasetName and datasetUUID is required"))
    if value.datasetName and value.datasetUUID:
        text = "datasetName and datasetUUID can not be specified simultaneously"
        faults.append(field.invalid(path, "resource", text))
    if "/" in value.datasetName:
        faults.append(field.invalid(f"{path}.datasetName", value.datasetName, "must not contain '/'"))
    return faults


def _flex(value: Any, path: str) -> field.Faults:
    faults = missing(value, path, "driver")
    for key in sorted(value.options):
        domain = f".{key.partition('/')[0].lower()}"
        if domain.endswith((".kubernetes.io", ".k8s.io")):
            text = "kubernetes.io and k8s.io namespaces are reserved"
            faults.append(field.invalid(f"{path}.options[{key}]", key, text))
    return faults


def _azure_disk(value: corev1.AzureDiskVolumeSource, path: str) -> field.Faults:
    faults = missing(value, path, "diskName", "diskURI")
    if value.HasField("cachingMode") and value.cachingMode not in CACHING_MODES:
        faults.append(field.unsupported(f"{path}.cachingMode", value.cachingMode, CACHING_MODES))
    if not value.HasField("kind"):
        return faults
    if value.kind not in DISK_KINDS:
        faults.append(field.unsupported(f"{path}.kind", value.kind, DISK_KINDS))
    managed = value.kind == "Managed"
    if not value.diskURI.startswith("/subscriptions/" if managed else "https://"):
        allowed = MANAGED_DISK if managed else BLOB_DISK
        faults.append(field.unsupported(f"{path}.diskURI", value.diskURI, allowed))
    return faults


def _azure_file(value: Any, path: str) -> field.Faults:
    faults = missing(value, path, "secretName", "shareName")
    if isinstance(value, corev1.AzureFilePersistentVolumeSource) and value.HasField("secretNamespace"):
        faults += missing(value, path, "secretNamespace")
    return faults


def _storage_os(value: Any, path: str) -> field.Faults:
    at = f"{path}.volumeName"
    name, namespace = value.volumeName, value.volumeNamespace
    faults = field.invalids(at, name, names.label(name)) if name else [field.required(at)]
    if namespace:
        faults += field.invalids(f"{path}.volumeNamespace", namespace, names.label(namespace))
    return faults + _secret_of(value, path)


def _cinder(value: Any, path: str) -> field.Faults:
    return missing(value, path, "volumeID") + _secret_of(value, path)


def _secret_of(value: Any, path: str) -> field.Faults:
    """Judge a secret that is named by its name, and beyond a pod's own namespace by its namespace."""
    if not value.HasField("secretRef"):
        return []
    persistent = not isinstance(value.secretRef, corev1.LocalObjectReference)
    return missing(value.secretRef, f"{path}.secretRef", "name", *(("namespace",) if persistent else ()))


def glusterfs(value: Any, path: str) -> field.Faults:
    """Judge a GlusterFS volume."""
    faults = missing(value, path, "endpoints", "path")
    if isinstance(value, corev1.GlusterfsPersistentVolumeSource) and value.HasField("endpointsNamespace"):
        namespace, at = value.endpointsNamespace, f"{path}.endpointsNamespace"
        if not namespace:
            text = "if the endpointnamespace is set, it must be a valid namespace name"
            return [*faults, field.invalid(at, namespace, text)]
        faults += field.invalids(at, namespace, names.label(namespace))
    return faults


def csi_driver_name(name: str, path: str) -> field.Faults:
    """Judge the name of a CSI driver."""
    faults = [] if name else [field.required(path)]
    if len(name) > DRIVER_MAX:
        faults.append(field.too_long(path, DRIVER_MAX))
    return faults + field.invalids(path, name, names.subdomain(name.lower()))


HOST_PATH = Kind("hostPath", host_path)
GCE = Kind("gcePersistentDisk", _disk("pdName"), judged="persistentDisk")
AWS = Kind("awsElasticBlockStore", _disk("volumeID"))
NFS = Kind("nfs", nfs)
GLUSTERFS = Kind("glusterfs", glusterfs)
FLOCKER = Kind("flocker", _flocker)
RBD = Kind("rbd", needing("monitors", "image"))
CINDER = Kind("cinder", _cinder)
CEPHFS = Kind("cephfs", needing("monitors"), named="cephFS")
QUOBYTE = Kind("quobyte", _quobyte)
FC = Kind("fc", fibre_channel)
FLEX = Kind("flexVolume", _flex)
AZURE_FILE = Kind("azureFile", _azure_file)
AZURE_DISK = Kind("azureDisk", _azure_disk)
VSPHERE = Kind("vsphereVolume", needing("volumePath"))
PHOTON = Kind("photonPersistentDisk", needing("pdID"))
PORTWORX = Kind("portworxVolume", needing("volumeID"))
SCALE_IO = Kind("scaleIO", needing("gateway", "system", "volumeName"))
STORAGE_OS = Kind("storageos", _storage_os)
