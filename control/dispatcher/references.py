"""What a pod's node must be given with the pod: the ConfigMaps and Secrets that its spec names.

Pure. The rules are those of Kubernetes' node authorizer: a node sees what its pods name, and nothing else.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import NamedTuple

from fairlead.api.pb import core_v1_pb2 as corev1

CONFIG_MAPS = "configmaps"
SECRETS = "secrets"


class Key(NamedTuple):
    """An object by its place in the API; `namespace` is empty for a cluster-scoped one."""

    resource: str
    namespace: str
    name: str


def of_pod(pod: corev1.Pod) -> frozenset[Key]:
    """Return what a pod refers to, whether it exists or not."""
    namespace = pod.metadata.namespace
    config_maps = {Key(CONFIG_MAPS, namespace, name) for name in _config_maps(pod.spec) if name}
    secrets = {Key(SECRETS, namespace, name) for name in _secrets(pod.spec) if name}
    return _shared(frozenset(config_maps | secrets))


@functools.lru_cache(maxsize=1024)
def _shared(found: frozenset[Key]) -> frozenset[Key]:
    """Return one object for all that are equal: the pods of a workload refer to the same."""
    return found


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
        if volume.volumeSource.HasField("secret"):
            yield volume.volumeSource.secret.secretName
        for part in volume.volumeSource.projected.sources:
            if part.HasField("secret"):
                yield part.secret.localObjectReference.name


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
