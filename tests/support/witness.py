"""A witness: it watches nodes through one control process and notes every change with its time.

What a test says never happened (a node that was not ready for a moment) only someone who always looked can confirm.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from dataclasses import dataclass
from types import TracebackType

from fairlead.api import errors
from fairlead.api.pb import core_v1_pb2 as corev1
from tests.support import asking


@dataclass(frozen=True, slots=True)
class Seen:
    """A node's Ready condition as it became; `at` is the monotonic clock's."""

    at: float
    node: str
    status: str


class Witness:
    """Watches from `with` on until its end."""

    def __init__(self, api: asking.Api, through: str) -> None:
        self.seen: list[Seen] = []
        self._api = api
        self._through = through
        self._last: dict[str, str] = {}
        self._first = threading.Event()

    def __enter__(self) -> Witness:
        self._watching = self._api.loop.start(self._watch())
        assert self._first.wait(asking.PATIENCE_SECONDS), "the witness sees nothing"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._watching.cancel()
        with contextlib.suppress(BaseException):
            self._watching.result(asking.PATIENCE_SECONDS)

    def statuses(self, since: float) -> set[tuple[str, str]]:
        """Every node with every status that it came to have since a time."""
        return {(one.node, one.status) for one in self.seen if one.at >= since}

    def when(self, node: str, status: str, since: float) -> float | None:
        """The time at which a node's Ready condition first became so, since a time; None if it did not."""
        return next((s.at for s in self.seen if (s.node, s.status) == (node, status) and s.at >= since), None)

    async def _watch(self) -> None:
        client = self._api.client(self._through)
        while True:
            with contextlib.suppress(errors.ApiError):
                async with contextlib.aclosing(client.watch(corev1.Node)) as batches:
                    async for batch in batches:
                        for event in batch:
                            if event.type in ("ADDED", "MODIFIED"):
                                self._note(event.object)
                        self._first.set()
            await asyncio.sleep(asking.PAUSE_SECONDS)

    def _note(self, node: corev1.Node) -> None:
        name, status = node.metadata.name, asking.ready(node)
        if self._last.get(name) != status:
            self._last[name] = status
            self.seen.append(Seen(time.monotonic(), name, status))
