"""Which image a container runs and how it is got: names, pull policies, pull secrets. Pure."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from typing import Any

from fairlead.api.pb import core_v1_pb2 as corev1
from node.runtime.interface import Credentials

ALWAYS, IF_NOT_PRESENT, NEVER = "Always", "IfNotPresent", "Never"
_DOCKER_HUB = "docker.io"
_HUB_KEY = "https://index.docker.io/v1/"


class BadImageName(Exception):
    """A text that names no image."""


def qualified(reference: str) -> str:
    """Return the full name of an image, as Docker reads it: `nginx` is docker.io/library/nginx:latest."""
    if not reference or reference != reference.strip() or any(one in reference for one in (" ", "//")):
        text = f'Failed to apply default image tag "{reference}": couldn\'t parse image name "{reference}"'
        raise BadImageName(f"{text}: invalid reference format")
    head, slash, _ = reference.partition("/")
    has_registry = bool(slash) and ("." in head or ":" in head or head == "localhost")
    if not has_registry:
        reference = f"{_DOCKER_HUB}/{reference}" if slash else f"{_DOCKER_HUB}/library/{reference}"
    last = reference.rpartition("/")[2]
    return reference if ":" in last or "@" in last else f"{reference}:latest"


def policy(container: corev1.Container) -> str:
    """Return the pull policy; without one `latest` is always pulled."""
    if container.imagePullPolicy:
        return container.imagePullPolicy
    last = container.image.rpartition("/")[2]
    return ALWAYS if last.endswith(":latest") or not (":" in last or "@" in last) else IF_NOT_PRESENT


def credentials(reference: str, secrets: Sequence[corev1.Secret]) -> list[Credentials]:
    """Return what the pull secrets have for an image's registry, the most specific path first."""
    name = qualified(reference)
    found: list[tuple[int, Credentials]] = []
    for secret in secrets:
        for key, entry in _entries(secret).items():
            place = _place(key)
            if name.startswith(f"{place}/") and (made := _credentials(entry)) is not None:
                found.append((-len(place), made))
    return [one for _, one in sorted(found, key=lambda pair: pair[0])]


def _entries(secret: corev1.Secret) -> dict[str, Any]:
    try:
        if ".dockerconfigjson" in secret.data:
            entries = json.loads(secret.data[".dockerconfigjson"])["auths"]
        elif ".dockercfg" in secret.data:
            entries = json.loads(secret.data[".dockercfg"])
        else:
            return {}
    except (ValueError, KeyError, TypeError):
        return {}
    return entries if isinstance(entries, dict) else {}


def _place(key: str) -> str:
    if key in (_HUB_KEY, "index.docker.io"):
        return _DOCKER_HUB
    bare = key.removeprefix("https://").removeprefix("http://").rstrip("/")
    return bare.removesuffix("/v1").removesuffix("/v2")


def _credentials(entry: Any) -> Credentials | None:
    if not isinstance(entry, dict):
        return None
    if entry.get("auth"):
        try:
            user, _, password = base64.b64decode(entry["auth"]).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None
        return Credentials(user, password)
    if entry.get("username"):
        return Credentials(str(entry["username"]), str(entry.get("password", "")))
    return None
