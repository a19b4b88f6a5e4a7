"""What a request's query says of a write that only webhooks and policies are told: its fieldManager as it was named.

An edge says it before a write, in the task that carries the write out. Context variables follow a request through its
awaits.
"""

from __future__ import annotations

import contextvars
from collections.abc import Mapping

NAMES = ("fieldManager", "fieldValidation")

_told: contextvars.ContextVar[Mapping[str, str] | None] = contextvars.ContextVar("wishes", default=None)


def tell(query: Mapping[str, str]) -> None:
    """Keep what a query says of the write that follows."""
    _told.set({name: query[name] for name in NAMES if query.get(name)})


def told() -> Mapping[str, str]:
    """Return what the query of the write that is being carried out says."""
    return _told.get() or {}
