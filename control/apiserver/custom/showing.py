"""What is done around writes of definitions: they are answered once this process goes by them."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Any

from control.apiserver import hooks
from control.store import cache as caches


class Shown(hooks.Hooks):
    """Waits, after a write, until the watch cache shows it: what follows is judged by the new definition."""

    def __init__(self, cache: caches.Cache) -> None:
        self._cache = cache
        self._revision = 0

    def turn(self) -> AbstractAsyncContextManager[Any]:
        """Return what waits at its end."""
        return self._until_shown()

    @contextlib.asynccontextmanager
    async def _until_shown(self) -> AsyncIterator[None]:
        yield
        await self._cache.wait_for(self._revision)

    def committed(self, revision: int) -> None:
        """Note what is to be waited for."""
        self._revision = max(self._revision, revision)
