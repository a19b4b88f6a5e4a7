"""The keeper of definitions: accepts their names, establishes them, and empties those that are being deleted.

Each control process runs one over its own API server, as each kube-apiserver does. Every write is decided on the
definition as it is stored, so that several keepers only repeat each other.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Any

from control.apiserver import authn, reading, registry, server
from control.apiserver.custom import naming
from control.store import definitions
from fairlead.api import custom, errors
from fairlead.api.pb import meta_v1_pb2 as metav1

log = logging.getLogger(__name__)

AGAIN_SECONDS = 1.0  # how soon a definition is looked at again whose objects are not gone yet
RETRY_SECONDS = 0.5


class Keeper:
    """Looks at every definition whenever one changes."""

    def __init__(self, api: server.ApiServer) -> None:
        self._api = api
        self._actor = registry.Actor(authn.SERVER)

    async def run(self) -> None:
        """Keep definitions until cancelled; one supervised task of the process."""
        await self._api.cache.ready()
        while True:
            try:
                await self._follow()
            except errors.ApiError as error:
                log.warning("definitions could not be followed", extra={"error": error.message})
            await asyncio.sleep(RETRY_SECONDS)

    async def _follow(self) -> None:
        changed = asyncio.Event()
        changed.set()
        follower = asyncio.create_task(self._note_changes(changed), name="definitions")
        try:
            while not follower.done():
                changed.clear()
                pending = await self.settle_all()
                waiting = asyncio.create_task(changed.wait())
                try:
                    limit = AGAIN_SECONDS if pending else None
                    await asyncio.wait((waiting, follower), timeout=limit, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    waiting.cancel()
            await follower
        finally:
            follower.cancel()
            await asyncio.gather(follower, return_exceptions=True)

    async def _note_changes(self, changed: asyncio.Event) -> None:
        events = self._api.watch(authn.SERVER, definitions.KIND, reading.WatchQuery())
        async with contextlib.aclosing(events):
            async for _ in events:
                changed.set()

    async def settle_all(self) -> bool:
        """Look at every definition once; returns whether some must be looked at again without a change."""
        pending = False
        for entry in self._api.cache.list(definitions.KIND):
            name = entry.object.metadata.name
            try:
                pending |= not await self.settle(entry.object)
            except errors.NotFound:
                continue
            except errors.ApiError as error:
                pending = True
                log.warning("a definition could not be settled", extra={"definition": name, "error": error.message})
        return pending

    async def settle(self, definition: Any) -> bool:
        """Do what a definition asks for; returns whether that is done."""
        meta = definition.metadata
        if meta.HasField("deletionTimestamp") and custom.FINALIZER in meta.finalizers:
            return await self._clean(definition)
        if naming.settle(definition, self._all(), self._api.now()) != definition:
            await self._api.cache.fresh()  # who else has the names must be known before they are given
            await self._update(meta.name, lambda old: naming.settle(old, self._all(), self._api.now()), "status")
            log.info("settled a definition", extra={"definition": meta.name})
        return True

    def _all(self) -> list[Any]:
        return [entry.object for entry in self._api.cache.list(definitions.KIND)]

    async def _update(self, name: str, change: Any, subresource: str) -> None:
        await self._api.kinds.registry(definitions.KIND).update(self._actor, "", name, change, subresource)

    async def _clean(self, definition: Any) -> bool:
        """Delete a definition's objects, and let it go once there are none."""
        name, left = definition.metadata.name, 0
        if custom.is_true(definition, custom.ESTABLISHED):
            await self._say(name, True, "InstanceDeletionInProgress", "CustomResource deletion is in progress")
            left = await self._delete_objects(definition)
        if left:
            return False
        if custom.is_true(definition, custom.ESTABLISHED):
            await self._say(name, False, "InstanceDeletionCompleted", "removed all instances")
        else:
            await self._say(name, False, "NeverEstablished", "resource was never established")
        await self._update(name, _without_finalizer, "finalize")
        log.info("emptied a definition", extra={"definition": name})
        return True

    async def _say(self, name: str, holds: bool, reason: str, message: str) -> None:
        now = self._api.now()
        await self._update(name, lambda old: naming.terminating(old, holds, reason, message, now), "status")

    async def _delete_objects(self, definition: Any) -> int:
        """Delete all objects of a definition; returns how many are still there, held by finalizers."""
        # at the version that is stored, so that a conversion webhook which is gone already holds nothing up
        found = self._api.kinds.registry_of_custom(custom.kind_at(definition, custom.storage_version(definition)))
        if found is None:
            return 0
        await found.delete_collection(self._actor, reading.ListQuery(), metav1.DeleteOptions())
        return len((await found.list(reading.ListQuery())).entries)


def _without_finalizer(old: Any) -> Any:
    fresh = type(old)()
    fresh.CopyFrom(old)
    kept = [each for each in fresh.metadata.finalizers if each != custom.FINALIZER]
    del fresh.metadata.finalizers[:]
    fresh.metadata.finalizers.extend(kept)
    return fresh
