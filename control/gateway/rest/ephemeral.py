"""The object EphemeralContainers of Kubernetes 1.16 to 1.21, which `kubectl debug` of these releases reads and puts.

Served with `--api-compat=1.20`. Since 1.22 `pods/NAME/ephemeralcontainers` is a Pod: that is what everybody else
gets, and what is stored. Verbs asks here; nothing else knows of the old object. Pure.
"""

from __future__ import annotations

import re
from typing import Any

import orjson

from control.apiserver.target import Target

KIND = "EphemeralContainers"
SUBRESOURCE, FIELD = "ephemeralcontainers", "ephemeralContainers"
_OLD_CLIENTS = re.compile(r"kubectl/v1\.(1[6-9]|2[01])\b")


def concerns(target: Target) -> bool:
    """Say whether a request may be about the old object."""
    return target.subresource == SUBRESOURCE and target.kind.resource == "pods"


def expected_by(agent: str) -> bool:
    """Say whether a client, by its User-Agent, takes the answer to a GET for the old object."""
    return _OLD_CLIENTS.match(agent) is not None


def as_pod(data: bytes) -> bytes | None:
    """Return the Pod that stands for an old object, both as JSON; None for what is none."""
    try:
        document = orjson.loads(data)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(document, dict) or document.get("kind") != KIND:
        return None
    spec = {FIELD: document.get(FIELD)}
    pod = {"apiVersion": document.get("apiVersion", "v1"), "kind": "Pod", "metadata": document.get("metadata")}
    return orjson.dumps({**pod, "spec": spec})


def of_pod(data: bytes) -> bytes:
    """Return the old object of a Pod, both as JSON."""
    pod: dict[str, Any] = orjson.loads(data)
    kept = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    metadata = {key: pod["metadata"][key] for key in kept if key in pod["metadata"]}
    containers = pod["spec"].get(FIELD, [])
    return orjson.dumps({"kind": KIND, "apiVersion": "v1", "metadata": metadata, FIELD: containers})
