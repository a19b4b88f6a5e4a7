"""The client of loops in the API server's own process."""

from __future__ import annotations

import asyncio

from control.apiserver import inprocess
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.testing import control


def _config_map(name: str) -> corev1.ConfigMap:
    made = corev1.ConfigMap()
    made.metadata.name, made.metadata.namespace = name, "default"
    return made


async def test_writes_that_come_at_once_begin_in_turns() -> None:
    """A controller that creates a hundred objects together does not hold the loop until all have begun."""
    passes = 0
    stamped: list[int] = []

    def now() -> float:
        stamped.append(passes)
        return 1_700_000_000.0

    async def count() -> None:
        nonlocal passes
        while True:
            passes += 1
            await asyncio.sleep(0)

    async with control.memory_api(now=now) as api:
        client = api.as_user(*control.ADMIN)
        stamped.clear()
        await client.create(_config_map("first"))
        stamps = len(stamped)
        stamped.clear()
        counting = asyncio.create_task(count())

        await asyncio.gather(*(client.create(_config_map(f"other-{number}")) for number in range(100)))

        counting.cancel()
    assert len(stamped) == 100 * stamps
    assert max(stamped.count(one) for one in set(stamped)) <= inprocess.WRITES_A_PASS * stamps
