"""Root tasks of a program: named, started together, falling together.

Both programs run on this: a control process and an agent are each a handful of root tasks. A root task that returns
or raises ends the program, because a program with a part missing looks alive and is not.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Coroutine, Mapping
from typing import Any, TypeVar

T = TypeVar("T")
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class RootTaskEnded(Exception):
    """A root task returned although it is meant to run for ever."""


async def supervise(tasks: Mapping[str, Coroutine[Any, Any, Any]], stop: asyncio.Event | None = None) -> None:
    """Run root tasks until one ends or `stop` is set, then cancel the others and wait for them.

    Returns after a stop; raises what the ended task raised, or RootTaskEnded where it just returned.
    """
    running = {asyncio.create_task(work, name=name) for name, work in tasks.items()}
    waiter = asyncio.create_task((stop or asyncio.Event()).wait(), name="stop")
    try:
        done, _ = await asyncio.wait({*running, waiter}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in {*running, waiter}:
            task.cancel()
        await asyncio.gather(*running, waiter, return_exceptions=True)
    for task in done - {waiter}:
        if task.exception() is None:
            raise RootTaskEnded(f"root task {task.get_name()} ended")
        raise task.exception()  # type: ignore[misc]


async def first_of(*parts: Coroutine[Any, Any, T]) -> T:
    """Run all until the first ends, cancel the others and wait for them; what it returned or raised is the result.

    Of several that end at once, the first among the arguments counts.
    """
    tasks = [asyncio.create_task(part, name=getattr(part, "__qualname__", None)) for part in parts]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return next(task.result() for task in tasks if task in done)


def stop_on_signals(loop: asyncio.AbstractEventLoop) -> asyncio.Event:
    """Return an event that SIGTERM or SIGINT sets."""
    stop = asyncio.Event()
    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, stop.set)
    return stop


def notify_service_manager(state: str) -> None:
    """Tell systemd about the program's state (`READY=1`, `STATUS=…`) where it asked to be told; see sd_notify(3)."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.connect("\0" + address[1:] if address.startswith("@") else address)
        sock.sendall(state.encode())
