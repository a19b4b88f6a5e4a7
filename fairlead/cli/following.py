"""Following objects: their states one after the other, over watches that break."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from google.protobuf.message import Message

from fairlead.api import errors, objects, scheme
from fairlead.client.interface import Client, EventType, Selection

AGAIN_SECONDS = 0.5
# Longer than a control process takes to start, or etcd to find a leader.
PATIENCE_SECONDS = 20.0
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class State:
    """An object after a change; `object` is None where it does not exist when following begins."""

    change: EventType
    object: Message | None


async def one(client: Client, kind: scheme.Kind, namespace: str, name: str) -> AsyncGenerator[State]:
    """Iterate over an object's states: first the one that is there, then every change, DELETED included.

    rpcerrors.Unreachable where no server answers at the beginning, or for PATIENCE_SECONDS later.
    """
    message = objects.class_of(kind)
    select = Selection(fields=f"metadata.name={name}")
    page = await client.list(message, namespace, select=select)
    while True:
        for item in page.items:
            yield State("ADDED", item)
        if not page.items:
            yield State("DELETED", None)
        stream = client.watch(message, namespace, select=select, resource_version=page.resource_version)
        with contextlib.suppress(errors.Expired, errors.ServiceUnavailable):
            async with contextlib.aclosing(stream):  # type: ignore[type-var]
                async for batch in stream:
                    for event in batch:
                        if event.type != "BOOKMARK":
                            yield State(event.type, event.object)
        page = await patiently(lambda: client.list(message, namespace, select=select))


async def patiently(call: Callable[[], Awaitable[T]]) -> T:
    """Make a call after a pause, and again while nobody answers: a server may be starting, or another taking over."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        await asyncio.sleep(AGAIN_SECONDS)
        try:
            return await call()
        except errors.ServiceUnavailable:
            if time.monotonic() > deadline:
                raise


async def gone(client: Client, kind: scheme.Kind, namespace: str, name: str, uid: str = "") -> None:
    """Wait until an object is gone; with a uid, another of its name does not count."""
    async with contextlib.aclosing(one(client, kind, namespace, name)) as states:
        async for state in states:
            if state.change == "DELETED" or state.object is None:
                return
            if uid and state.object.metadata.uid != uid:  # type: ignore[attr-defined]
                return
