"""The seam between a registry and those who must know of its writes: allocation, and the watch cache's scheme."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any

from control.store import interface


@dataclass(slots=True)
class Companions:
    """What is written together with an object, in its transaction: allocations."""

    writes: list[interface.Write] = field(default_factory=list)


class Hooks:
    """What a kind does around its writes beyond its strategy; that of Services allocates addresses and ports."""

    def turn(self) -> AbstractAsyncContextManager[Any]:
        """Return what is held while one write is decided and committed."""
        return contextlib.nullcontext()

    async def before_write(self, obj: Any, old: Any | None, companions: Companions) -> None:
        """Complete an object that is about to be stored and add what its transaction must write, too."""

    async def before_removal(self, old: Any, companions: Companions) -> None:
        """Add what the transaction that removes an object must write, too."""

    def committed(self, revision: int) -> None:
        """Learn that the transaction was carried out."""

    def refused(self, companions: Companions, current: Sequence[interface.KeyValue | None]) -> None:
        """Learn that the transaction was refused, and what is stored under each companion's key."""

    def unknown(self) -> None:
        """Learn that it is not known whether the transaction was carried out."""
