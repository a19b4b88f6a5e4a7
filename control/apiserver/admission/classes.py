"""DefaultStorageClass and DefaultIngressClass: the class that claims and Ingresses get which name none."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, TypeVar

from control.apiserver.admission import lookup, plugin
from control.store import cache as caches
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import meta_v1_pb2 as metav1
from fairlead.api.pb import networking_v1_pb2 as networkingv1
from fairlead.api.pb import storage_v1_pb2 as storagev1

DEFAULT_STORAGE = ("storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class")
DEFAULT_INGRESS = ("ingressclass.kubernetes.io/is-default-class",)
OLD_STORAGE_CLASS = "volume.beta.kubernetes.io/storage-class"
OLD_INGRESS_CLASS = "kubernetes.io/ingress.class"


class _Class(Protocol):
    @property
    def metadata(self) -> metav1.ObjectMeta: ...


C = TypeVar("C", bound=_Class)


def default_of(classes: Iterable[C], annotations: Iterable[str]) -> C | None:
    """Return the class that is marked as default: the newest, then the first by name; None where none is."""
    marked = [one for one in classes if any(one.metadata.annotations.get(key) == "true" for key in annotations)]
    return min(marked, key=lambda one: (-one.metadata.creationTimestamp.seconds, one.metadata.name), default=None)


class DefaultStorageClass(plugin.Plugin):
    """Gives a new claim without a class the default one."""

    def __init__(self, cache: caches.Cache) -> None:
        self._classes = lookup.Lookup(cache, storagev1.StorageClass)

    async def admit(self, request: plugin.Request) -> None:
        """Name the class; a claim that asks for none by an empty name keeps that."""
        claim = plugin.created(request, corev1.PersistentVolumeClaim)
        if claim is None or claim.spec.HasField("storageClassName"):
            return
        if OLD_STORAGE_CLASS in claim.metadata.annotations:
            return
        found = default_of(self._classes.all(), DEFAULT_STORAGE)
        if found is not None:
            claim.spec.storageClassName = found.metadata.name


class DefaultIngressClass(plugin.Plugin):
    """Gives a new Ingress without a class the default one."""

    def __init__(self, cache: caches.Cache) -> None:
        self._classes = lookup.Lookup(cache, networkingv1.IngressClass)

    async def admit(self, request: plugin.Request) -> None:
        """Name the class, unless the Ingress names one in either way."""
        ingress = plugin.created(request, networkingv1.Ingress)
        if ingress is None or ingress.spec.HasField("ingressClassName"):
            return
        if OLD_INGRESS_CLASS in ingress.metadata.annotations:
            return
        found = default_of(self._classes.all(), DEFAULT_INGRESS)
        if found is not None:
            ingress.spec.ingressClassName = found.metadata.name
