"""Compaction: etcd's history is cut every few minutes, behind every live watcher.

Every control process runs one; they take turns through a key that kube-apiserver uses for the same, so that the
two get along. A turn writes the key, expecting the revision that this process saw a period ago: it succeeds only
where nobody has had a turn meanwhile. It then compacts to that older revision, which is therefore at least one
period old. A watch follows within milliseconds; one that has been cut off for longer lists again.

etcd may lose a deletion, without a word, for a watch that starts at exactly the compacted revision (etcd#18089).
Here that revision is always a write of the key itself, so there is no deletion to lose.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from control.store import interface
from fairlead.api import errors

KEY = "compact_rev_key"
PERIOD_SECONDS = 300.0

_log = logging.getLogger(__name__)


class Compactor:
    """One process' part in the turns; `reached` tells how far its own watch has come."""

    def __init__(
        self,
        store: interface.Store,
        reached: Callable[[], int],
        *,
        period_seconds: float = PERIOD_SECONDS,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._store = store
        self._reached = reached
        self._period_seconds = period_seconds
        self._sleep = sleep
        self._seen: int | None = None

    async def run(self) -> None:
        """Take a turn every period, for ever; one supervised task of the process."""
        while True:
            try:
                _log.info("compaction", extra={"outcome": await self.turn()})
            except (errors.ServiceUnavailable, errors.Timeout) as error:
                _log.warning("compaction failed", extra={"error": str(error)})
            await self._sleep(self._period_seconds)

    async def turn(self) -> str:
        """Compact if it is this process' turn; returns what happened."""
        if self._seen is None:
            found, _ = await self._store.get(KEY)
            self._seen = found.revision if found else 0
            return f"saw the last turn at {self._seen}"
        old = self._seen
        if self._reached() < old:
            return f"waited: the watch is at {self._reached()}, before {old}"
        done = await self._store.commit(interface.Put(KEY, str(self._reached()).encode(), old))
        if isinstance(done, interface.Refused):
            found = done.current[0]
            self._seen = found.revision if found else 0
            return f"left the turn to another process, which had it at {self._seen}"
        self._seen = done.revision
        if not old:
            return f"began the turns at {done.revision}"
        await self._store.compact(old)
        return f"compacted to {old}"
