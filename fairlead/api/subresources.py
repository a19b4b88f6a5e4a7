"""What requests for a subresource carry where that is not the resource's own kind: Scale, Binding, PodExecOptions.

Discovery names these kinds, edges read bodies as them, admission is told of them. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fairlead.api import scheme, table

# What is posted or put, by subresource.
BODIES = {
    "scale": ("autoscaling/v1", "Scale"),
    "binding": ("v1", "Binding"),
    "eviction": ("policy/v1", "Eviction"),
    "token": ("authentication.k8s.io/v1", "TokenRequest"),
}
POSTED = ("binding", "eviction", "token")  # these are created, scale is read and changed
_CHANGE = ("get", "patch", "update")
_VERBS: Mapping[str, Sequence[str]] = {
    "binding": ("create",),
    "eviction": ("create",),
    "token": ("create",),
    "finalize": ("update",),
    "log": ("get",),
    "exec": ("create", "get"),
    "attach": ("create", "get"),
    "portforward": ("create", "get"),
    "proxy": ("create", "delete", "get", "patch", "update"),
}
# What a stream or proxy takes in its query, by resource and subresource; all of the core group.
OPTIONS = {
    ("pods", "exec"): "PodExecOptions",
    ("pods", "attach"): "PodAttachOptions",
    ("pods", "portforward"): "PodPortForwardOptions",
    ("pods", "proxy"): "PodProxyOptions",
    ("services", "proxy"): "ServiceProxyOptions",
    ("nodes", "proxy"): "NodeProxyOptions",
}


def carried(kind: scheme.Kind, subresource: str) -> tuple[str, str]:
    """Return apiVersion and kind of what a request for a resource, or for a subresource of it, carries."""
    if subresource in BODIES:
        return BODIES[subresource]
    return kind.api_version, OPTIONS.get((kind.resource, subresource), kind.kind)


def message(subresource: str) -> str:
    """Return the full name of the message that one of `BODIES` is."""
    return table.by_kind(*BODIES[subresource])


def verbs(subresource: str) -> Sequence[str]:
    """Return what a subresource offers; every other verb of it is nobody's."""
    return _VERBS.get(subresource, _CHANGE)
