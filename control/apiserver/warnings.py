"""What a request's caller is to be warned of without being refused: `Warning` headers over REST.

An edge collects around a call; whoever has something to say (admission, defaulting, a deprecated version) adds it.
Outside of a collection nothing is kept. Context variables follow a request through its awaits.
"""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Iterator, Sequence

MOST = 256
# Kubernetes' bounds in characters: of what is told in full, and of each text where all together are more
TOTAL_LENGTH = 4096
CUT_LENGTH = 256

_collected: contextvars.ContextVar[list[str] | None] = contextvars.ContextVar("warnings", default=None)


def add(text: str) -> None:
    """Warn the caller of the request that is being carried out, once for each text."""
    found = _collected.get()
    if found is not None and text not in found and len(found) < MOST:
        found.append(text)


def wanted() -> bool:
    """Say whether the request that is being carried out has somebody to hear of warnings."""
    return _collected.get() is not None


@contextlib.contextmanager
def collected() -> Iterator[list[str]]:
    """Collect what is added within the context; the list grows while it is carried out."""
    found: list[str] = []
    token = _collected.set(found)
    try:
        yield found
    finally:
        _collected.reset(token)


def fitting(texts: Sequence[str]) -> Sequence[str]:
    """Return warnings as they are told: if they are much together, the beginnings of the first ones."""
    if sum(map(len, texts)) <= TOTAL_LENGTH:
        return texts
    told: list[str] = []
    room = TOTAL_LENGTH
    for text in texts:
        if room <= 0:
            break
        told.append(text[:CUT_LENGTH])
        room -= len(told[-1])
    return told
