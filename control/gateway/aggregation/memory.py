"""What other servers told of themselves, remembered for a while, and as long as nothing better is told."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from control.gateway.aggregation import services as servicing

REMEMBERED_SECONDS = 30.0
AGAIN_SECONDS = 10.0  # after which who did not answer is asked again

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Known(Generic[T]):
    until: float
    version: str
    value: T | None


class Memory(Generic[T]):
    """What each APIService's server told. `ask` asks one that may have told something before; it raises FAILURES.

    Several callers who want to know the same wait for one answer.
    """

    def __init__(
        self,
        services: servicing.Services,
        ask: Callable[[servicing.APIService, T | None], Awaitable[T]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._services = services
        self._ask = ask
        self._clock = clock
        self._known: dict[str, _Known[T]] = {}
        self._asking: dict[str, asyncio.Lock] = {}

    async def all(self) -> list[tuple[servicing.APIService, T | None]]:
        """Return every APIService that is served elsewhere with what its server told, if it ever did."""
        found = self._services.all()
        names = {each.metadata.name for each in found}
        for gone in self._asking.keys() - names:
            self._asking.pop(gone)
            self._known.pop(gone, None)
        return list(zip(found, await asyncio.gather(*map(self.get, found)), strict=True))

    async def get(self, found: servicing.APIService) -> T | None:
        """Return what an APIService's server told last; it is asked where that is old, unless it is not there."""
        name = found.metadata.name
        async with self._asking.setdefault(name, asyncio.Lock()):
            known = self._known.get(name)
            value = known.value if known is not None else None
            version = found.metadata.resourceVersion
            if not servicing.is_available(found):
                return value
            if known is not None and known.version == version and self._clock() < known.until:
                return value
            seconds = REMEMBERED_SECONDS
            try:
                value = await self._ask(found, value)
            except servicing.FAILURES:
                seconds = AGAIN_SECONDS
            self._known[name] = _Known(self._clock() + seconds, version, value)
            return value
