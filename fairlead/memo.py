"""Pure functions of texts, remembered: the same few are asked for again and again.

What is remembered is bounded in number and in length: callers choose the texts, and might fill the memory with them.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T", str, bytes)
R = TypeVar("R")


def remembered(most: int, *, longest: int) -> Callable[[Callable[[T], R]], Callable[[T], R]]:
    """Remember a function's `most` newest answers, to texts of at most `longest` characters or bytes."""

    def decorate(function: Callable[[T], R]) -> Callable[[T], R]:
        known = functools.lru_cache(most)(function)

        @functools.wraps(function)
        def call(text: T) -> R:
            return known(text) if len(text) <= longest else function(text)

        return call

    return decorate
