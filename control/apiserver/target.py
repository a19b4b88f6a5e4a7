"""What a request is about, as a REST path names it."""

from __future__ import annotations

from dataclasses import dataclass

from fairlead.api import scheme


@dataclass(frozen=True, slots=True)
class Target:
    """A collection, an object or a subresource; the namespace is empty for cluster-scoped kinds or for all."""

    kind: scheme.Kind
    namespace: str = ""
    name: str = ""
    subresource: str = ""
