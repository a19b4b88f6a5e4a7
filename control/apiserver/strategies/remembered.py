"""Pure functions of messages, remembered: pods of one workload have the same spec, thousands of times.

The pod strategy defaults and judges each distinct spec once. Keys are the message's bytes; what is large or rare does
not stay.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from google.protobuf.message import Message

M = TypeVar("M", bound=Message)
V = TypeVar("V")

ENTRIES = 512
MAX_BYTES = 16 * 1024


class Remembered(Generic[M, V]):
    """A function from messages to values, with its newest answers."""

    def __init__(self, function: Callable[[M], V]) -> None:
        self._function = function
        self._known: dict[bytes, V] = {}

    def __call__(self, message: M) -> V:
        """Return the function's value, computed at most once for messages that are the same bytes."""
        key = message.SerializeToString()
        found = self._known.get(key)
        if found is None:
            found = self._function(message)
            if len(key) <= MAX_BYTES:
                if len(self._known) >= ENTRIES:
                    del self._known[next(iter(self._known))]
                self._known[key] = found
        return found
