"""Those who read containers' logs, for whom a container that has ended is kept until they have its last lines.

Streams enter their readers here; a worker waits before it removes a container, because its log goes with it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator

# A follower has the rest of a log within a fraction of a second, unless its caller does not read.
LAST_LINES_SECONDS = 2.0


class Readers:
    """Who reads which log."""

    def __init__(self) -> None:
        self._open: dict[str, set[asyncio.Event]] = {}

    @contextlib.contextmanager
    def reading(self, container: str) -> Iterator[None]:
        """Enter a reader of a container's log for as long as it reads."""
        over = asyncio.Event()
        self._open.setdefault(container, set()).add(over)
        try:
            yield
        finally:
            over.set()
            self._open[container].discard(over)
            if not self._open[container]:
                del self._open[container]

    async def wait_over(self, container: str, seconds: float = LAST_LINES_SECONDS) -> None:
        """Wait until those who read a container's log have read it, or have had the time to."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                for over in list(self._open.get(container, ())):
                    await over.wait()
