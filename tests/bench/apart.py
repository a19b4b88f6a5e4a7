"""Clients in a process of their own: what is measured shares the machine with them, but not its interpreter."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Coroutine
from multiprocessing.connection import Connection
from typing import Any, TypeVar

import uvloop

from fairlead import garbage

END_SECONDS = 30.0
T = TypeVar("T")


def measured(
    measure: Callable[[Connection], Coroutine[Any, Any, T]], client: Callable[..., None], *settings: object
) -> T:
    """Run `measure` here and `client(pipe, *settings)` there, and return what was measured.

    The client takes what it is to do from its end of the pipe, until it gets None.
    """
    garbage.collect_rarely()
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=client, args=(theirs, *settings), daemon=True)
    process.start()
    try:
        return uvloop.run(measure(ours))
    finally:
        ours.send(None)
        process.join(END_SECONDS)
        if process.is_alive():
            process.kill()
