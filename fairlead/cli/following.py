"""Following objects: their states one after the other, over watches that break."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from google.protobuf.message import Message

from fairlead.api import errors, scheme
from fairlead.client.interface import Client, EventType, Selection

AGAIN_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class State:
    """An object after a change; `object` is None where it does not exist when following begins."""

    change: EventType
    object: Message | None


async def one(client: Client, kind: scheme.Kind, namespace: str, name: str) -> AsyncGenerator[State]:
    """Iterate over an object's states: first the one that is there, then every change, DELETED included.

    errors.Unreachable where no server answers.
    """
    assert kind.message is not None
    select = Selection(fields=f"metadata.name={name}")
    while True:
        page = await client.list(kind.message, namespace, select=select)
        for item in page.items:
            yield State("ADDED", item)
        if not page.items:
            yield State("DELETED", None)
        stream = client.watch(kind.message, namespace, select=select, resource_version=page.resource_version)
        with contextlib.suppress(errors.Expired, errors.ServiceUnavailable):
            async with contextlib.aclosing(stream):  # type: ignore[type-var]
                async for batch in stream:
                    for event in batch:
                        if event.type != "BOOKMARK":
                            yield State(event.type, event.object)
        await asyncio.sleep(AGAIN_SECONDS)


async def gone(client: Client, kind: scheme.Kind, namespace: str, name: str, uid: str = "") -> None:
    """Wait until an object is gone; with a uid, another of its name does not count."""
    async with contextlib.aclosing(one(client, kind, namespace, name)) as states:
        async for state in states:
            if state.change == "DELETED" or state.object is None:
                return
            if uid and state.object.metadata.uid != uid:  # type: ignore[attr-defined]
                return
