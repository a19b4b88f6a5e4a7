"""The names by which OpenAPI documents know messages, groups and operations: Kubernetes' own."""

from __future__ import annotations

from fairlead.api import scheme

# Proto packages whose name differs from their Go package's by what proto cannot spell.
_SPELLED = {"kube_aggregator": "kube-aggregator", "apiextensions_apiserver": "apiextensions-apiserver"}


def definition(full_name: str) -> str:
    """Return the name of a message's schema: `io.k8s.api.core.v1.Pod` for `k8s.io.api.core.v1.Pod`."""
    host, domain, *rest = full_name.split(".")
    return ".".join((domain, host, *(_SPELLED.get(part, part) for part in rest)))


def custom(kind: scheme.Kind) -> str:
    """Return the name of a custom kind's schema: its group backwards, `com.example.stable.v1.CronTab`."""
    return ".".join((*reversed(kind.group.split(".")), kind.version, kind.kind))


def tag(kind: scheme.Kind) -> str:
    """Return the tag of a group and version: `core_v1`, `rbacAuthorization_v1`."""
    words = _words(kind.group)
    return "".join((words[0], *(word.capitalize() for word in words[1:]))) + f"_{kind.version}"


def operation(verb: str, kind: scheme.Kind, what: str) -> str:
    """Return an operation's id: `listCoreV1NamespacedPod` for `list` and `NamespacedPod`."""
    group = "".join(word.capitalize() for word in _words(kind.group))
    return f"{verb}{group}{kind.version.capitalize()}{what}"


def _words(group: str) -> list[str]:
    return (group.removesuffix(".k8s.io") or "core").replace("-", "_").split(".")
