"""A control plane's API in a test: registry, admission and authorisation over a store in memory.

    async with control.memory_api() as api:
        client = api.as_user("alice", ["system:masters"])

The program is imported inside the functions: `import fairlead` alone does not need it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from control.apiserver.audit.recording import Recorder
    from control.apiserver.server import ApiServer
    from control.apiserver.settings import Settings
    from control.apiserver.tokens import Issuer
    from control.store.interface import Store

ADMIN = ("admin", ("system:masters",))
# What the node lifecycle controller would have to undo, which a test of the API alone does not run.
WITHOUT_CONTROLLERS = frozenset({"TaintNodesByCondition"})


@contextlib.asynccontextmanager
async def memory_api(
    store: Store | None = None,
    *,
    now: Callable[[], float] | None = None,
    settings: Settings | None = None,
    issuer: Issuer | None = None,
    auditor: Recorder | None = None,
    detect_mutations: bool = True,
) -> AsyncIterator[ApiServer]:
    """Run an API server with its watch cache on a store, in memory unless given, with the built-in objects made.

    A reader that changes a shared object fails the test, unless `detect_mutations` is off.
    """
    import time

    from control.apiserver import bootstrap, server
    from control.apiserver import settings as configured
    from control.apiserver.custom import keeper
    from control.store import cache, memory

    backing = store or memory.MemoryStore()
    watched = cache.Cache(backing, detect_mutations=detect_mutations)
    running = asyncio.create_task(watched.run(), name="watch-cache")
    keeping: asyncio.Task[None] | None = None
    try:
        await watched.ready()
        api = server.ApiServer(
            backing,
            watched,
            settings=settings or configured.Settings(disabled_plugins=WITHOUT_CONTROLLERS),
            now=now or time.time,
            issuer=issuer,
            auditor=auditor,
        )
        try:
            await bootstrap.ensure(api)
            keeping = asyncio.create_task(keeper.Keeper(api).run(), name="definitions")
            yield api
            watched.check_mutations()
        finally:
            await api.close()
    finally:
        tasks = [task for task in (running, keeping) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
