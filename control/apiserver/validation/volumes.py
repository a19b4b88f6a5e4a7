"""Rules on a pod's volumes: one source each, complete and without tricks in its paths. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from control.apiserver import field
from control.apiserver.validation import claims, containers, environment, meta, mounts, names, numbers, sources
from fairlead.api.pb import core_v1_pb2 as corev1

FIELDS = frozenset({"metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid"})
TOKEN_MIN_SECONDS, TOKEN_MAX_SECONDS = 600, 1 << 32
ISCSI_NAME_MAX = 64
ISCSI_TEXT = (
    "Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters if iscsi.initiatorName is"
    " specified."
)
CONFLICT = "conflicting duplicate paths"
TEMPLATE_METADATA = ("annotations", "labels")


def validate_all(volumes: Sequence[corev1.Volume], path: str) -> tuple[dict[str, str], field.Faults]:
    """Judge a pod's volumes; return the kinds of the sound ones by name as well, which alone may be mounted."""
    faults: field.Faults = []
    sound: dict[str, str] = {}
    for index, volume in enumerate(volumes):
        at = f"{path}[{index}]"
        kind, found = sources.one_of(volume.volumeSource, _KINDS, at)
        found += _iscsi_name(volume, at)
        found += containers.names_label(volume.name, f"{at}.name")
        if volume.name in sound:
            found.append(field.duplicate(f"{at}.name", volume.name))
        if not found:
            sound[volume.name] = kind
        faults += found
    return sound, faults


def _iscsi_name(volume: corev1.Volume, path: str) -> field.Faults:
    target = volume.volumeSource.iscsi
    if not target.HasField("initiatorName") or len(f"{volume.name}:{target.targetPortal}") <= ISCSI_NAME_MAX:
        return []
    return [field.invalid(f"{path}.name", volume.name, ISCSI_TEXT)]


def made_claims(volumes: Sequence[corev1.Volume], pod: str, path: str) -> Iterator[field.Cause]:
    """Judge the names of the claims that are made for a pod's ephemeral volumes, which it cannot name itself."""
    made = {f"{pod}-{volume.name}" for volume in volumes if volume.volumeSource.HasField("ephemeral")}
    if not made:
        return
    for index, volume in enumerate(volumes):
        source, claim = volume.volumeSource, f"{pod}-{volume.name}"
        if source.HasField("ephemeral") and volume.name:
            for text in names.subdomain(claim):
                yield field.invalid(f"{path}[{index}].name", volume.name, f"PVC name {field.quoted(claim)}: {text}")
        named = source.persistentVolumeClaim.claimName
        if source.HasField("persistentVolumeClaim") and named in made:
            text = "must not reference a PVC that gets created for an ephemeral volume"
            yield field.invalid(f"{path}[{index}].persistentVolumeClaim.claimName", named, text)


def _empty_dir(value: corev1.EmptyDirVolumeSource, path: str) -> field.Faults:
    if not value.HasField("sizeLimit") or not value.sizeLimit.string:
        return []
    parsed, faults = numbers.amount(f"{path}.sizeLimit", "", value.sizeLimit)
    if parsed is not None and faults:
        return [field.forbidden(f"{path}.sizeLimit", "SizeLimit field must be a valid resource quantity")]
    return faults


def _git_repo(value: corev1.GitRepoVolumeSource, path: str) -> field.Faults:
    return sources.missing(value, path, "repository") + mounts.relative(value.directory, f"{path}.directory")


def _secret(value: corev1.SecretVolumeSource, path: str) -> field.Faults:
    faults = sources.missing(value, path, "secretName")
    return faults + _mode(value, f"{path}.defaultMode") + _items(value.items, f"{path}.items")


def _config_map(value: corev1.ConfigMapVolumeSource, path: str) -> field.Faults:
    faults = sources.missing(value.localObjectReference, path, "name")
    return faults + _mode(value, f"{path}.defaultMode") + _items(value.items, f"{path}.items")


def _downward(value: corev1.DownwardAPIVolumeSource, path: str) -> field.Faults:
    """Judge files of the pod's own fields; faults of a file name the source, as in Kubernetes."""
    faults = _mode(value, f"{path}.defaultMode")
    for item in value.items:
        faults += _file(item, path)
    return faults


def _file(item: corev1.DownwardAPIVolumeFile, path: str) -> field.Faults:
    faults = sources.missing(item, path, "path") + mounts.below(item.path, f"{path}.path")
    if item.HasField("fieldRef"):
        faults += environment.field_ref(item.fieldRef, FIELDS, f"{path}.fieldRef")
        if item.HasField("resourceFieldRef"):
            text = "fieldRef and resourceFieldRef can not be specified simultaneously"
            faults.append(field.invalid(path, "resource", text))
    elif item.HasField("resourceFieldRef"):
        faults += environment.resource_ref(item.resourceFieldRef, f"{path}.resourceFieldRef", named=True)
    else:
        faults.append(field.required(path, "one of fieldRef and resourceFieldRef is required"))
    if item.HasField("mode"):
        faults += _octal(item.mode, f"{path}.mode")
    return faults


def _projected(value: corev1.ProjectedVolumeSource, path: str) -> field.Faults:
    faults = _mode(value, f"{path}.defaultMode")
    taken: set[str] = set()
    for index, part in enumerate(value.sources):
        at = f"{path}.sources[{index}]"
        for kind in ("secret", "configMap"):
            if part.HasField(kind):
                projection = getattr(part, kind)
                name = projection.localObjectReference.name
                faults += sources.missing(projection.localObjectReference, f"{at}.{kind}", "name")
                faults += _items(projection.items, f"{at}.{kind}.items")
                faults += [field.invalid(path, name, CONFLICT) for _ in _repeated(projection.items, taken)]
        for item in part.downwardAPI.items:
            faults += _file(item, f"{at}.downwardAPI")
        faults += [field.invalid(path, one, CONFLICT) for one in _repeated(part.downwardAPI.items, taken)]
        if part.HasField("serviceAccountToken"):
            faults += _token(part.serviceAccountToken, f"{at}.serviceAccountToken", path)
        if len(part.ListFields()) > 1:
            faults.append(field.forbidden(at, "may not specify more than 1 volume type per source"))
    return faults


def _repeated(items: Iterable[Any], taken: set[str]) -> Iterator[str]:
    """Iterate over the paths of files that are there already, and add the others."""
    for item in items:
        if item.path and item.path in taken:
            yield item.path
        taken.add(item.path)


def _token(value: corev1.ServiceAccountTokenProjection, path: str, volume: str) -> field.Faults:
    faults: field.Faults = []
    at = f"{path}.expirationSeconds"
    if value.expirationSeconds < TOKEN_MIN_SECONDS:
        text = "may not specify a duration less than 10 minutes"
        faults.append(field.invalid(at, value.expirationSeconds, text))
    if value.expirationSeconds > TOKEN_MAX_SECONDS:
        text = "may not specify a duration larger than 2^32 seconds"
        faults.append(field.invalid(at, value.expirationSeconds, text))
    return faults + (mounts.below(value.path, f"{volume}.path") if value.path else [field.required(f"{volume}.path")])


def _items(items: Iterable[corev1.KeyToPath], path: str) -> field.Faults:
    faults: field.Faults = []
    for index, item in enumerate(items):
        at = f"{path}[{index}]"
        faults += sources.missing(item, at, "key", "path") + mounts.below(item.path, f"{at}.path")
        if item.HasField("mode"):
            faults += _octal(item.mode, f"{at}.mode")
    return faults


def _mode(value: Any, path: str) -> field.Faults:
    return _octal(value.defaultMode, path) if value.HasField("defaultMode") else []


def _octal(mode: int, path: str) -> field.Faults:
    if 0 <= mode <= 0o777:
        return []
    return [field.invalid(path, mode, "must be a number between 0 and 0777 (octal), both inclusive")]


def _csi(value: corev1.CSIVolumeSource, path: str) -> field.Faults:
    faults = sources.csi_driver_name(value.driver, f"{path}.driver")
    if value.HasField("nodePublishSecretRef"):
        name = value.nodePublishSecretRef.name
        if not name:
            return [*faults, field.required(f"{path}.nodePublishSecretRef.name")]
        faults += field.invalids(f"{path}.name", name, names.subdomain(name))
    return faults


def _ephemeral(value: corev1.EphemeralVolumeSource, path: str) -> field.Faults:
    at = f"{path}.volumeClaimTemplate"
    if not value.HasField("volumeClaimTemplate"):
        return [field.required(at)]
    template = value.volumeClaimTemplate
    faults = meta.annotated(template.metadata.annotations, f"{at}.metadata.annotations")
    faults += meta.labels(template.metadata.labels, f"{at}.metadata.labels")
    given = [descriptor.name for descriptor, _ in template.metadata.ListFields()]
    faults += [
        field.forbidden(f"{at}.metadata.{'uID' if name == 'uid' else name}", "cannot be set")
        for name in given
        if name not in TEMPLATE_METADATA
    ]
    return faults + claims.validate(template.spec, f"{at}.spec")


# In the order in which Kubernetes looks for them: the first that is given is the one that is meant.
_KINDS = (
    sources.Kind("emptyDir", _empty_dir),
    sources.HOST_PATH,
    sources.Kind("gitRepo", _git_repo),
    sources.GCE,
    sources.AWS,
    sources.Kind("secret", _secret),
    sources.NFS,
    sources.Kind("iscsi", sources.iscsi),
    sources.GLUSTERFS,
    sources.FLOCKER,
    sources.Kind("persistentVolumeClaim", sources.needing("claimName")),
    sources.RBD,
    sources.CINDER,
    sources.CEPHFS,
    sources.QUOBYTE,
    sources.Kind("downwardAPI", _downward, named="downwarAPI"),
    sources.FC,
    sources.FLEX,
    sources.Kind("configMap", _config_map),
    sources.AZURE_FILE,
    sources.VSPHERE,
    sources.PHOTON,
    sources.PORTWORX,
    sources.AZURE_DISK,
    sources.STORAGE_OS,
    sources.Kind("projected", _projected),
    sources.SCALE_IO,
    sources.Kind("csi", _csi),
    sources.Kind("ephemeral", _ephemeral),
)
