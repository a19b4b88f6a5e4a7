"""What other servers told: asked for once, by however many, and remembered for a while."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from control.apiserver.server import ApiServer
from control.gateway.aggregation import memory
from control.gateway.aggregation import services as servicing
from control.gateway.rest import handlers
from tests.support import extension

APIService = servicing.APIService


class Server:
    """One that answers when it may, with how often it was asked, or fails."""

    def __init__(self) -> None:
        self.asked: list[int | None] = []
        self.asking, self.may = asyncio.Event(), asyncio.Event()
        self.fails = False
        self.may.set()

    async def __call__(self, _: APIService, before: int | None) -> int:
        self.asked.append(before)
        self.asking.set()
        await self.may.wait()
        if self.fails:
            raise ConnectionRefusedError
        return len(self.asked)


async def known(
    api: ApiServer, server: Server, clock: Callable[[], float] = lambda: 0.0
) -> tuple[memory.Memory[int], APIService]:
    """Return a memory, and an APIService that is available."""
    await extension.aggregate(api, extension.Listening(1, b""))
    services = servicing.Services(api, handlers.Handlers())
    (found,) = services.all()
    return memory.Memory(services, server, clock), found


async def test_who_asks_while_another_does_hears_the_same(api: ApiServer) -> None:
    """The server is asked once; where the first one leaves, the next one asks."""
    server = Server()
    server.may.clear()
    told, found = await known(api, server)

    first, second, third = (asyncio.create_task(told.get(found)) for _ in range(3))
    await server.asking.wait()
    first.cancel()
    server.may.set()
    answers = await asyncio.gather(first, second, third, return_exceptions=True)

    assert isinstance(answers[0], asyncio.CancelledError)
    assert answers[1:] == [2, 2]
    assert server.asked == [None, None]


@pytest.mark.parametrize(("fails", "seconds"), [(False, memory.REMEMBERED_SECONDS), (True, memory.AGAIN_SECONDS)])
async def test_a_server_is_asked_again_after_a_while(api: ApiServer, fails: bool, seconds: float) -> None:
    """Sooner where it did not answer; it hears what it told before, and that stays if it fails."""
    times = [0.0]
    server = Server()
    told, found = await known(api, server, lambda: times[0])
    first = await told.get(found)
    times[0] = memory.REMEMBERED_SECONDS
    server.fails = fails
    await told.get(found)

    times[0] += seconds - 1
    before = await told.get(found)
    times[0] += 2
    after = await told.get(found)

    assert (first, before, after) == ((1, 1, 1) if fails else (1, 2, 3))
    assert server.asked == ([None, 1, 1] if fails else [None, 1, 2])
