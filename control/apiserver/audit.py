"""The `Sink`: where the API server tells what was asked of it."""

from __future__ import annotations

from typing import Protocol

from control.apiserver import authn
from fairlead.api import scheme


class Sink(Protocol):
    """Hears of every request that was authorised, before it is carried out; must not take time."""

    def requested(
        self, user: authn.User, verb: str, kind: scheme.Kind, namespace: str, name: str, subresource: str
    ) -> None:
        """Take note of a request."""
        ...
