"""The containers on the node, kept up to date from the runtime's events; nothing polls.

The pod manager runs it and is told of each pod whose containers changed.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence

from fairlead import clock as clocks
from node.agent import interface
from node.runtime import interface as runtime

log = logging.getLogger(__name__)

RETRY_SECONDS = (0.5, 1.0, 2.0, 2.0, 5.0, 10.0)
# A shorter outage is nobody's business: a restart of the service must not make the node lose its pods.
TOLERATED_SECONDS = 5.0


class Observer:
    """Every container that is ours, as it was last seen."""

    def __init__(
        self,
        runtime_: runtime.Runtime,
        clock: clocks.Clock,
        changed: Callable[[str], None],
        fault: Callable[[interface.Fault], None],
    ) -> None:
        self._runtime = runtime_
        self._clock = clock
        self._changed = changed
        self._fault = fault
        self._by_id: dict[str, runtime.Container] = {}
        self._by_pod: dict[str, dict[str, runtime.Container]] = {}
        self.synced = asyncio.Event()

    def of(self, uid: str) -> Sequence[runtime.Container]:
        """Return a pod's containers."""
        return list(self._by_pod.get(uid, {}).values())

    def all(self) -> Sequence[runtime.Container]:
        """Return every container."""
        return list(self._by_id.values())

    async def run(self) -> None:
        """Follow the runtime until cancelled, through any outage of it."""
        failures, since = 0, 0.0
        while True:
            try:
                async with contextlib.aclosing(self._runtime.events()) as events:  # type: ignore[type-var]
                    async for event in events:
                        await self._take(event)
                        failures = 0
            except runtime.RuntimeFault as error:
                now = self._clock.monotonic()
                since = since if failures else now
                log.warning("the runtime's events broke off", extra={"fault": str(error), "failures": failures})
                if now - since >= TOLERATED_SECONDS:
                    self._fault(interface.Fault("runtime", str(error)))
            await self._clock.sleep(RETRY_SECONDS[min(failures, len(RETRY_SECONDS) - 1)])
            failures += 1

    async def refresh(self, container: str) -> None:
        """Look at one container now."""
        found = await self._runtime.inspect(container)
        if found is None:
            self._drop(container)
        elif runtime.UID_LABEL in found.labels:
            self._put(found)

    async def _take(self, event: runtime.Event) -> None:
        if event.kind == "subscribed":
            await self._list()
        elif event.kind == "removed":
            self._drop(event.container)
        else:
            try:
                await self.refresh(event.container)
            except runtime.Refused as error:
                log.warning(
                    "a container cannot be inspected", extra={"container": event.container, "why": str(error)}
                )

    async def _list(self) -> None:
        found = {one.id: one for one in await self._runtime.containers()}
        for gone in set(self._by_id) - set(found):
            self._drop(gone)
        for one in found.values():
            self._put(one)
        self.synced.set()
        self._fault(interface.Fault("runtime"))

    def _put(self, container: runtime.Container) -> None:
        if self._by_id.get(container.id) == container:
            return
        uid = container.labels[runtime.UID_LABEL]
        self._by_id[container.id] = container
        self._by_pod.setdefault(uid, {})[container.id] = container
        self._changed(uid)

    def _drop(self, container: str) -> None:
        known = self._by_id.pop(container, None)
        if known is None:
            return
        uid = known.labels[runtime.UID_LABEL]
        of_pod = self._by_pod[uid]
        del of_pod[container]
        if not of_pod:
            del self._by_pod[uid]
        self._changed(uid)
