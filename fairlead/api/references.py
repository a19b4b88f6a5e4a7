"""Which objects of its namespace a pod names: what its node is given with it, and may read.

Both follow the graph of Kubernetes' node authorizer, so they are one here. Pure; empty names do not count.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from fairlead.api.pb import core_v1_pb2 as corev1

# Sources of volumes that name a Secret in a LocalObjectReference, and its field.
_SECRET_SOURCES = {
    "cephfs": "secretRef",
    "cinder": "secretRef",
    "csi": "nodePublishSecretRef",
    "flexVolume": "secretRef",
    "iscsi": "secretRef",
    "rbd": "secretRef",
    "scaleIO": "secretRef",
    "storageos": "secretRef",
}


def secrets(spec: corev1.PodSpec) -> frozenset[str]:
    """Return the Secrets: of pulls, variables and volumes, projected ones too."""
    return frozenset(name for name in _secrets(spec) if name)


def config_maps(spec: corev1.PodSpec) -> frozenset[str]:
    """Return the ConfigMaps of variables and volumes, projected ones too."""
    return frozenset(name for name in _config_maps(spec) if name)


def claims(spec: corev1.PodSpec) -> frozenset[str]:
    """Return the PersistentVolumeClaims."""
    sources = (volume.volumeSource for volume in spec.volumes)
    named = (one.persistentVolumeClaim.claimName for one in sources if one.HasField("persistentVolumeClaim"))
    return frozenset(name for name in named if name)


BY_RESOURCE: Mapping[str, Callable[[corev1.PodSpec], frozenset[str]]] = {
    "secrets": secrets,
    "configmaps": config_maps,
    "persistentvolumeclaims": claims,
}


def _secrets(spec: corev1.PodSpec) -> Iterator[str]:
    for pull in spec.imagePullSecrets:
        yield pull.name
    for env in _environment(spec):
        if env.valueFrom.HasField("secretKeyRef"):
            yield env.valueFrom.secretKeyRef.localObjectReference.name
    for source in _environment_sources(spec):
        if source.HasField("secretRef"):
            yield source.secretRef.localObjectReference.name
    for volume in spec.volumes:
        yield from _secrets_of(volume.volumeSource)


def _secrets_of(source: Any) -> Iterator[str]:
    yield source.secret.secretName
    yield source.azureFile.secretName
    for name, field in _SECRET_SOURCES.items():
        yield getattr(getattr(source, name), field).name
    for part in source.projected.sources:
        yield part.secret.localObjectReference.name


def _config_maps(spec: corev1.PodSpec) -> Iterator[str]:
    for env in _environment(spec):
        if env.valueFrom.HasField("configMapKeyRef"):
            yield env.valueFrom.configMapKeyRef.localObjectReference.name
    for source in _environment_sources(spec):
        if source.HasField("configMapRef"):
            yield source.configMapRef.localObjectReference.name
    for volume in spec.volumes:
        if volume.volumeSource.HasField("configMap"):
            yield volume.volumeSource.configMap.localObjectReference.name
        for part in volume.volumeSource.projected.sources:
            if part.HasField("configMap"):
                yield part.configMap.localObjectReference.name


def _environment(spec: corev1.PodSpec) -> Iterator[corev1.EnvVar]:
    for container in (*spec.initContainers, *spec.containers):
        yield from container.env
    for ephemeral in spec.ephemeralContainers:
        yield from ephemeral.ephemeralContainerCommon.env


def _environment_sources(spec: corev1.PodSpec) -> Iterator[corev1.EnvFromSource]:
    for container in (*spec.initContainers, *spec.containers):
        yield from container.envFrom
    for ephemeral in spec.ephemeralContainers:
        yield from ephemeral.ephemeralContainerCommon.envFrom
