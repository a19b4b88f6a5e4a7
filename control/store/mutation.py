"""The mutation detector: proof, in tests, that nobody changes what the cache shares."""

from __future__ import annotations

import os

from google.protobuf.message import Message

from control.store.entry import Entry
from fairlead.api import codec

VARIABLE = "FAIRLEAD_MUTATION_DETECTOR"


class MutatedError(AssertionError):
    """Somebody has changed an object of the cache."""


class MutationDetector:
    """Keeps each entry's bytes as they were and compares; off unless asked for."""

    def __init__(self, enabled: bool | None = None) -> None:
        self.enabled = bool(os.environ.get(VARIABLE)) if enabled is None else enabled
        self._seen: dict[str, tuple[Entry, bytes]] = {}

    def saw(self, entry: Entry) -> None:
        """Remember an entry that the cache now holds, after a check of the one that it replaces."""
        if self.enabled:
            self.forget(entry.key)
            self._seen[entry.key] = (entry, _bytes(entry))

    def forget(self, key: str) -> None:
        """Check an entry for the last time."""
        if key in self._seen:
            self._check(*self._seen.pop(key))

    def check(self) -> None:
        """Raise MutatedError that names every object that was changed."""
        for seen in self._seen.values():
            self._check(*seen)

    def _check(self, entry: Entry, before: bytes) -> None:
        if _bytes(entry) != before:
            raise MutatedError(f"the cached object {entry.key} at {entry.revision} was changed by its reader")


def _bytes(entry: Entry) -> bytes:
    if isinstance(entry.object, Message):
        return entry.object.SerializeToString(deterministic=True)
    return codec.dumps(entry.object)
