"""What is to be said of volumes and claims: sources that nothing mounts any more, amounts in pieces. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from control.apiserver.advice import labels
from control.apiserver.field import shown
from fairlead.api import quantity
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import resource_pb2

_GONE = {
    "photonPersistentDisk": "deprecated in v1.11, non-functional in v1.16+",
    "scaleIO": "deprecated in v1.16, non-functional in v1.22+",
    "flocker": "deprecated in v1.22, non-functional in v1.25+",
    "storageOS": "deprecated in v1.22, non-functional in v1.25+",
    "quobyte": "deprecated in v1.22, non-functional in v1.25+",
    "glusterfs": "deprecated in v1.25, non-functional in v1.26+",
    "cephfs": "deprecated in v1.28, non-functional in v1.31+",
    "rbd": "deprecated in v1.28, non-functional in v1.31+",
}
_OF_PODS = {**_GONE, "gitRepo": "deprecated in v1.11"}
_ANNOTATIONS = {
    "volume.beta.kubernetes.io/storage-class": 'deprecated since v1.8; use "storageClassName" attribute instead',
    "volume.beta.kubernetes.io/mount-options": 'deprecated since v1.31; use "mountOptions" attribute instead',
}
RECYCLE = (
    "The Recycle reclaim policy is deprecated. Instead, the recommended approach is to use dynamic provisioning."
)


def of_pod(volume: corev1.Volume, path: str) -> Iterator[str]:
    """Iterate over what is to be said of a pod's volume."""
    yield from _sources(volume.volumeSource, _OF_PODS, path)
    ephemeral = volume.volumeSource.ephemeral
    if ephemeral.HasField("volumeClaimTemplate"):
        yield from claim(ephemeral.volumeClaimTemplate.spec, f"{path}.ephemeral.volumeClaimTemplate.spec")


def _sources(
    found: corev1.VolumeSource | corev1.PersistentVolumeSource, texts: Mapping[str, str], path: str
) -> Iterator[str]:
    for descriptor, _ in found.ListFields():
        if descriptor.name in texts:
            yield f"{path}.{descriptor.name}: {texts[descriptor.name]}"


def persistent(volume: corev1.PersistentVolume) -> Iterator[str]:
    """Iterate over what is to be said of a PersistentVolume."""
    for key, text in _ANNOTATIONS.items():
        if key in volume.metadata.annotations:
            yield f"metadata.annotations[{key}]: {text}"
    if volume.spec.persistentVolumeReclaimPolicy == "Recycle":
        yield f"spec.persistentVolumeReclaimPolicy: {RECYCLE}"
    for index, term in enumerate(volume.spec.nodeAffinity.required.nodeSelectorTerms):
        yield from labels.of_term(term, f"spec.nodeAffinity.required.nodeSelectorTerms[{index}]")
    yield from _sources(volume.spec.persistentVolumeSource, _GONE, "spec")


def claim(spec: corev1.PersistentVolumeClaimSpec, path: str) -> Iterator[str]:
    """Iterate over what is to be said of a claim."""
    for part in ("requests", "limits"):
        amounts = getattr(spec.resources, part)
        if "storage" in amounts:
            yield from piece(amounts["storage"], f"{path}.resources.{part}[storage]")


def piece(amount: resource_pb2.Quantity, path: str) -> Iterator[str]:
    """Say of an amount of bytes that it is no whole number."""
    found = quantity.of(amount)
    if found.milli_value() % 1000:
        yield f"{path}: fractional byte value {shown(str(found))} is invalid, must be an integer"
