"""PersistentVolumeClaimResize and StorageObjectInUseProtection: which claims grow, and that what is used stays."""

from __future__ import annotations

from control.apiserver.admission import classes, lookup, plugin
from control.store import cache as caches
from fairlead.api import quantity
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import storage_v1_pb2 as storagev1

CLAIM_FINALIZER = "kubernetes.io/pvc-protection"
VOLUME_FINALIZER = "kubernetes.io/pv-protection"


class PersistentVolumeClaimResize(plugin.Plugin):
    """Judges claims that ask for more than before."""

    def __init__(self, cache: caches.Cache) -> None:
        self._classes = lookup.Lookup(cache, storagev1.StorageClass)

    async def validate(self, request: plugin.Request) -> None:
        """Refuse growth of a claim that is not bound, or whose class does not expand."""
        claim = plugin.updated(request, corev1.PersistentVolumeClaim)
        if claim is None or _size(claim) <= _size(request.old):
            return
        if request.old.status.phase != "Bound":
            raise request.forbidden("Only bound persistent volume claims can be expanded")
        name = _class_of(claim)
        found = await self._classes.find(name) if name and name == _class_of(request.old) else None
        if found is None or not found.allowVolumeExpansion:
            raise request.forbidden(
                "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must"
                " support resize"
            )


def _class_of(claim: corev1.PersistentVolumeClaim) -> str:
    """Return the class that a claim names in either way."""
    return str(claim.metadata.annotations.get(classes.OLD_STORAGE_CLASS, claim.spec.storageClassName))


def _size(claim: corev1.PersistentVolumeClaim) -> quantity.Quantity:
    asked = claim.spec.resources.requests
    return quantity.of(asked["storage"]) if "storage" in asked else quantity.ZERO


class StorageObjectInUseProtection(plugin.Plugin):
    """Holds new claims and volumes by a finalizer, which a controller takes away once nobody uses them."""

    async def admit(self, request: plugin.Request) -> None:
        """Add the finalizer where it is missing."""
        if request.operation != "CREATE" or request.subresource:
            return
        match request.obj:
            case corev1.PersistentVolumeClaim():
                wanted = CLAIM_FINALIZER
            case corev1.PersistentVolume():
                wanted = VOLUME_FINALIZER
            case _:
                return
        if wanted not in request.obj.metadata.finalizers:
            request.obj.metadata.finalizers.append(wanted)
