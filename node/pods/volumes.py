"""What each volume of a pod holds. Pure: `folders` writes it.

Volumes made of files (config maps, secrets, the downward API, tokens) are given whole, each file with its mode, so
that a change of what they are made of is a change of the value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from fairlead.api import quantity
from fairlead.api.pb import core_v1_pb2 as corev1
from node.pods import fields, sources
from node.pods.sources import Awaited, Missing, Sources

DEFAULT_MODE = 0o644
DEFAULT_TOKEN_SECONDS = 3600
_OWNER_ONLY = 0o600


@dataclass(frozen=True, slots=True)
class File:
    """A file of a volume; `user` owns it, root where there is none."""

    data: bytes = field(repr=False)
    mode: int
    user: int | None = None


@dataclass(frozen=True, slots=True)
class FilesVolume:
    """A volume that is made of files; `memory`: they must not reach a disk."""

    name: str
    files: Mapping[str, File]
    memory: bool = False


@dataclass(frozen=True, slots=True)
class EmptyVolume:
    """An empty folder that lives as long as the pod; `size` in bytes bounds one in memory."""

    name: str
    memory: bool = False
    size: int = 0


@dataclass(frozen=True, slots=True)
class HostVolume:
    """A path of the node, checked to be of a type (HostPathType) first."""

    name: str
    path: str
    type: str = ""


Volume = FilesVolume | EmptyVolume | HostVolume


class UnsupportedVolume(Exception):
    """A kind of volume that this node does not know."""


def volumes(facts: fields.PodFacts, given: Sources) -> list[Volume]:
    """Return the pod's volumes; Missing where one is made of something that is not there."""
    return [_volume(facts, one.name, one.volumeSource, given) for one in facts.pod.spec.volumes]


def failure_text(name: str, error: Exception) -> str:
    """Return the FailedMount event's sentence."""
    return f'MountVolume.SetUp failed for volume "{name}" : {error}'


def _volume(facts: fields.PodFacts, name: str, source: corev1.VolumeSource, given: Sources) -> Volume:
    if source.HasField("hostPath"):
        return HostVolume(name, source.hostPath.path, source.hostPath.type)
    try:
        if source.HasField("configMap"):
            made = source.configMap
            reference = _Reference(made.localObjectReference.name, made.items, made.optional)
            return FilesVolume(name, _config_map(facts, reference, _mode(made), given))
        if source.HasField("secret"):
            secret = source.secret
            reference = _Reference(secret.secretName, secret.items, secret.optional)
            return FilesVolume(name, _secret(facts, reference, _mode(secret), given), memory=True)
        if source.HasField("downwardAPI"):
            files = _downward(facts, source.downwardAPI.items, _mode(source.downwardAPI))
            return FilesVolume(name, files, memory=True)
        if source.HasField("projected"):
            return FilesVolume(name, _projected(facts, source.projected, given), memory=True)
    except Awaited as error:
        raise Awaited(failure_text(name, error)) from error
    except (Missing, fields.BadField) as error:
        raise Missing(failure_text(name, error)) from error
    chosen = [one.name for one, _ in source.ListFields()]
    if chosen in ([], ["emptyDir"]):
        empty = source.emptyDir
        return EmptyVolume(name, empty.medium == "Memory", quantity.of(empty.sizeLimit).value())
    raise UnsupportedVolume(f'volume "{name}": this node does not support volumes of type {chosen[0]}')


@dataclass(frozen=True, slots=True)
class _Reference:
    name: str
    items: Sequence[corev1.KeyToPath]
    optional: bool


def _config_map(facts: fields.PodFacts, reference: _Reference, mode: int, given: Sources) -> dict[str, File]:
    namespace = facts.pod.metadata.namespace
    data = sources.config_map_data(given, namespace, reference.name, optional=reference.optional)
    text, binary = data if data else ({}, {})
    values = {key: value.encode() for key, value in text.items()} | dict(binary)
    return _chosen(values, reference, mode, "configmap")


def _secret(facts: fields.PodFacts, reference: _Reference, mode: int, given: Sources) -> dict[str, File]:
    namespace = facts.pod.metadata.namespace
    data = sources.secret_data(given, namespace, reference.name, optional=reference.optional)
    return _chosen(dict(data or {}), reference, mode, "secret")


def _chosen(values: Mapping[str, bytes], reference: _Reference, mode: int, kind: str) -> dict[str, File]:
    if not reference.items:
        return {key: File(values[key], mode) for key in sorted(values)}
    found = {}
    for item in reference.items:
        if item.key in values:
            found[item.path] = File(values[item.key], item.mode if item.HasField("mode") else mode)
        elif not reference.optional:
            raise Missing(f"references non-existent {kind} key: {item.key}")
    return found


def _downward(facts: fields.PodFacts, items: Sequence[corev1.DownwardAPIVolumeFile], mode: int) -> dict[str, File]:
    found = {}
    for item in items:
        if item.HasField("fieldRef"):
            text = fields.field(facts, item.fieldRef.fieldPath)
        else:
            text = fields.resource(facts, facts.pod.spec.containers[0], item.resourceFieldRef)
        found[item.path] = File(text.encode(), item.mode if item.HasField("mode") else mode)
    return found


def _projected(facts: fields.PodFacts, volume: corev1.ProjectedVolumeSource, given: Sources) -> dict[str, File]:
    mode = _mode(volume)
    found: dict[str, File] = {}
    for source in volume.sources:
        if source.HasField("configMap"):
            made = source.configMap
            reference = _Reference(made.localObjectReference.name, made.items, made.optional)
            found |= _config_map(facts, reference, mode, given)
        elif source.HasField("secret"):
            secret = source.secret
            reference = _Reference(secret.localObjectReference.name, secret.items, secret.optional)
            found |= _secret(facts, reference, mode, given)
        elif source.HasField("downwardAPI"):
            found |= _downward(facts, source.downwardAPI.items, mode)
        elif source.HasField("serviceAccountToken"):
            found[source.serviceAccountToken.path] = _token(facts, source.serviceAccountToken, mode, given)
        else:
            raise Missing("cluster trust bundles are not supported by this node")
    return found


def _token(
    facts: fields.PodFacts, projection: corev1.ServiceAccountTokenProjection, mode: int, given: Sources
) -> File:
    seconds = projection.expirationSeconds if projection.HasField("expirationSeconds") else DEFAULT_TOKEN_SECONDS
    token = given.token(facts.pod.metadata.uid, projection.audience, seconds)
    if token is None:
        raise Awaited("the service account token has not been issued yet")
    # A token is its user's alone, where all containers have the same one; fsGroup may read it as any other file.
    user = _common_user(facts.pod.spec)
    guarded = user is not None or facts.pod.spec.securityContext.HasField("fsGroup")
    return File(token.encode(), _OWNER_ONLY if guarded else mode, user)


def _common_user(spec: corev1.PodSpec) -> int | None:
    """Return the user that the spec gives to all of its containers; None where one has another or the image's."""
    own = [one.securityContext for one in (*spec.initContainers, *spec.containers)]
    contexts = [one if one.HasField("runAsUser") else spec.securityContext for one in own]
    users = {one.runAsUser if one.HasField("runAsUser") else None for one in contexts}
    return users.pop() if len(users) == 1 else None


def _mode(
    source: corev1.ConfigMapVolumeSource
    | corev1.SecretVolumeSource
    | corev1.DownwardAPIVolumeSource
    | corev1.ProjectedVolumeSource,
) -> int:
    return source.defaultMode if source.HasField("defaultMode") else DEFAULT_MODE
