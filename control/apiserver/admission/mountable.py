"""Which Secrets a service account lets its pods use, where its annotation says that only those are. Pure.

Kubernetes' annotation `kubernetes.io/enforce-mountable-secrets`: a pod's Secrets are those that the account lists.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Any

from fairlead.api.pb import core_v1_pb2 as corev1

ANNOTATION = "kubernetes.io/enforce-mountable-secrets"
TRUE = frozenset(("1", "t", "T", "true", "TRUE", "True"))  # as Go reads it


def is_enforced(account: corev1.ServiceAccount) -> bool:
    """Say whether an account's pods may use only what it lists."""
    return account.metadata.annotations.get(ANNOTATION, "") in TRUE


def fault(account: corev1.ServiceAccount, pod: corev1.Pod) -> str:
    """Return which Secret a new pod may not use, "" for none."""
    return next(_faults(account, pod.spec), "")


def ephemeral_fault(account: corev1.ServiceAccount, pod: corev1.Pod) -> str:
    """Return which Secret a pod's ephemeral containers may not use, "" for none."""
    allowed = {secret.name for secret in account.secrets}
    containers = (each.ephemeralContainerCommon for each in pod.spec.ephemeralContainers)
    return next(_of_containers("ephemeral container", containers, allowed, account), "")


def _faults(account: corev1.ServiceAccount, spec: corev1.PodSpec) -> Iterator[str]:
    allowed = {secret.name for secret in account.secrets}
    for volume in spec.volumes:
        source = volume.volumeSource
        if source.HasField("secret") and source.secret.secretName not in allowed:
            yield f'volume with secret.secretName="{source.secret.secretName}" {_refused(account)}'
    yield from _of_containers("init container", spec.initContainers, allowed, account)
    yield from _of_containers("container", spec.containers, allowed, account)
    pulling = {reference.name for reference in account.imagePullSecrets}
    for index, reference in enumerate(spec.imagePullSecrets):
        if reference.name not in pulling:
            why = _refused(account, "imagePullSecret")
            yield f'imagePullSecrets[{index}].name="{reference.name}" {why}'


def _of_containers(
    what: str, containers: Iterable[Any], allowed: Collection[str], account: corev1.ServiceAccount
) -> Iterator[str]:
    for container in containers:
        named = f"{what} {container.name} with"
        for variable in container.env:
            if variable.valueFrom.HasField("secretKeyRef"):
                secret = variable.valueFrom.secretKeyRef.localObjectReference.name
                if secret not in allowed:
                    used = f'envVar {variable.name} referencing secret.secretName="{secret}"'
                    yield f"{named} {used} {_refused(account)}"
        for source in container.envFrom:
            if source.HasField("secretRef"):
                secret = source.secretRef.localObjectReference.name
                if secret not in allowed:
                    yield f'{named} envFrom referencing secret.secretName="{secret}" {_refused(account)}'


def _refused(account: corev1.ServiceAccount, what: str = "secret") -> str:
    return f"is not allowed because service account {account.metadata.name} does not reference that {what}"
