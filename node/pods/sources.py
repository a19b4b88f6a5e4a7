"""What pods draw from besides their own spec: config maps, secrets, services, tokens. Pure lookups.

The pod manager keeps a `Sources` up to date from the assignments; environment and volumes read it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from fairlead.api.pb import core_v1_pb2 as corev1


class Missing(Exception):
    """Something that a pod names is not there (yet); the text is kubelet's: `configmap "web" not found`."""


class Awaited(Missing):
    """Something that has been asked for and will come, such as a token: no fault, only not there yet."""


class Sources(Protocol):
    """Objects that the node was told of."""

    def config_map(self, namespace: str, name: str) -> corev1.ConfigMap | None:
        """Return a config map."""
        ...

    def secret(self, namespace: str, name: str) -> corev1.Secret | None:
        """Return a secret."""
        ...

    def services(self, namespace: str) -> list[corev1.Service]:
        """Return a namespace's services and, from `default`, `kubernetes`; sorted by name."""
        ...

    def token(self, pod_uid: str, audience: str, seconds: int) -> str | None:
        """Return a pod's service-account token; None where it has not come: it is then asked for."""
        ...


def config_map_data(
    sources: Sources, namespace: str, name: str, *, optional: bool
) -> tuple[Mapping[str, str], Mapping[str, bytes]] | None:
    """Return a config map's text and binary data; None where it is absent and optional, else Missing."""
    found = sources.config_map(namespace, name)
    if found is None:
        if optional:
            return None
        raise Missing(f'configmap "{name}" not found')
    return found.data, found.binaryData


def secret_data(sources: Sources, namespace: str, name: str, *, optional: bool) -> Mapping[str, bytes] | None:
    """Return a secret's data; None where it is absent and optional, else Missing."""
    found = sources.secret(namespace, name)
    if found is None:
        if optional:
            return None
        raise Missing(f'secret "{name}" not found')
    return found.data
