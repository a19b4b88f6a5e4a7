"""Namespaces: the finalizer `kubernetes`, which the namespace controller takes away when all content is gone."""

from __future__ import annotations

from typing import ClassVar

from control.apiserver import field
from control.apiserver.strategies import strategy
from control.apiserver.validation import meta, names
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import meta_v1_pb2 as metav1

FINALIZER = "kubernetes"
NAME_LABEL = "kubernetes.io/metadata.name"


class NamespaceStrategy(strategy.Strategy[corev1.Namespace]):
    """The rules of namespaces."""

    message = corev1.Namespace
    selectable: ClassVar = {"name": lambda obj: obj.metadata.name, "status.phase": lambda obj: obj.status.phase}

    def name_rule(self, name: str) -> names.Found:
        """Judge a name: it becomes a label in DNS."""
        return names.label(name)

    def default(self, obj: corev1.Namespace) -> None:
        """Label a namespace with its name, so that selectors can name it."""
        if obj.metadata.name:
            obj.metadata.labels[NAME_LABEL] = obj.metadata.name

    def default_status(self, obj: corev1.Namespace) -> None:
        """Fill in the phase."""
        obj.status.phase = obj.status.phase or "Active"

    def prepare_for_create(self, obj: corev1.Namespace) -> None:
        """Start a namespace as Active, held by its finalizer."""
        self.default(obj)
        obj.ClearField("status")
        obj.status.phase = "Active"
        if FINALIZER not in obj.spec.finalizers:
            obj.spec.finalizers.append(FINALIZER)

    def prepare_for_update(self, obj: corev1.Namespace, old: corev1.Namespace) -> None:
        """Keep finalizers and status: they have subresources of their own."""
        obj.spec.CopyFrom(old.spec)
        strategy.keep_status(obj, old)

    def validate(self, obj: corev1.Namespace) -> field.Faults:
        """Judge what holds a new namespace."""
        faults: field.Faults = []
        for one in obj.spec.finalizers:
            faults += _finalizer(one, "spec.finalizers")
        return faults

    def validate_update(self, obj: corev1.Namespace, old: corev1.Namespace) -> field.Faults:
        """Judge nothing: only metadata can change."""
        return []

    def validate_status_update(self, obj: corev1.Namespace, old: corev1.Namespace) -> field.Faults:
        """Judge that the phase says whether the namespace is being deleted."""
        deleted = obj.metadata.HasField("deletionTimestamp")
        phase, state = ("Terminating", "not empty") if deleted else ("Active", "empty")
        if obj.status.phase == phase:
            return []
        text = f"may only be '{phase}' if `deletionTimestamp` is {state}"
        return [field.invalid("status.Phase", obj.status.phase, text)]

    def validate_finalize(self, obj: corev1.Namespace) -> field.Faults:
        """Judge what is to hold a namespace from now on."""
        faults: field.Faults = []
        for index, one in enumerate(obj.spec.finalizers):
            faults += _finalizer(one, f"spec.finalizers[{index}]")
        return faults

    def prepare_for_finalize(self, obj: corev1.Namespace, old: corev1.Namespace) -> None:
        """Take nothing from a finalize request but spec.finalizers."""
        wanted = list(obj.spec.finalizers)
        obj.CopyFrom(old)
        del obj.spec.finalizers[:]
        obj.spec.finalizers.extend(wanted)

    def grace(self, obj: corev1.Namespace, options: metav1.DeleteOptions) -> strategy.Grace | None:
        """Hold a namespace as Terminating while it has finalizers."""
        return None

    def begin_deletion(self, obj: corev1.Namespace) -> None:
        """Mark the namespace as Terminating."""
        obj.status.phase = "Terminating"

    def blocks_removal(self, obj: corev1.Namespace) -> bool:
        """Say whether spec.finalizers, too, is empty."""
        return bool(obj.spec.finalizers) or super().blocks_removal(obj)


def _finalizer(name: str, path: str) -> field.Faults:
    return field.invalids(path, name, names.qualified(name)) + meta.known_finalizer(name, path)
