"""What many watches cost: 1,000 of pods over REST at once, and each event delivered to all of them.

    python -m tests.bench.watches [--watches 1000] [--changes 20]

One control process, one etcd member and the client, a process of its own, on the same cores; times are of the
machine's monotonic clock. An event's time is from the moment that the change is asked for, etcd included, to its
arrival at a watch.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import statistics
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import aiohttp
import uvloop

from control.store.etcd import EtcdStore
from fairlead import garbage
from fairlead.api import objects
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.testing import control
from fairlead.testing import rest as testing
from tests.bench import lag as lags
from tests.bench import report, rest
from tests.support import etcd

PATH = "/api/v1/namespaces/default/configmaps"
PAUSE_SECONDS = 0.5
SETTLE_SECONDS = 0.1  # what it takes to begin is not measured
STARTING = 50
MILLISECONDS = 200
LIMIT_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Watching:
    """What the client is to do: so many watches from a revision on, each until it has seen so many changes."""

    job: rest.Job
    watches: int
    changes: int


def watcher(pipe: Connection) -> None:
    """Be the client's process."""
    uvloop.run(_watch_all(pipe, pipe.recv()))


async def _watch_all(pipe: Connection, told: Watching) -> None:
    starting = asyncio.Semaphore(STARTING)
    arrived: list[list[float]] = []

    async def one(session: aiohttp.ClientSession) -> None:
        times: list[float] = []
        async with starting:
            answer = await session.get(told.job.url + told.job.path, timeout=aiohttp.ClientTimeout(None))
            assert answer.status == 200, answer.status
        begun.release()
        async for _ in answer.content:
            times.append(time.monotonic())
            if len(times) == told.changes:
                break
        arrived.append(times)
        answer.close()

    begun = asyncio.Semaphore(0)
    async with asyncio.timeout(LIMIT_SECONDS), rest.session(told.job) as session, asyncio.TaskGroup() as tasks:
        for _ in range(told.watches):
            tasks.create_task(one(session))
        for _ in range(told.watches):
            await begun.acquire()
        pipe.send("begun")
    pipe.send(arrived)


async def measure(watches: int, changes: int, pipe: Connection) -> list[report.Row]:
    """Begin the watches, change an object a few times, and compare the times."""
    with etcd.cluster() as running:
        store = EtcdStore(running.urls)
        async with (
            lags.gauge() as lag,
            control.memory_api(store, detect_mutations=False) as api,
            testing.serve(api) as server,
        ):
            client = api.as_user(*control.ADMIN)
            made = corev1.ConfigMap(data={"number": "0"})
            made.metadata.name, made.metadata.namespace = "watched", "default"
            made = await client.create(made)
            path = f"{PATH}?watch=1&resourceVersion={made.metadata.resourceVersion}"
            pair = server.issue("admin", "system:masters")
            await asyncio.sleep(SETTLE_SECONDS)
            lag.reset()
            begun = time.monotonic()
            pipe.send(Watching(rest.Job(server.url, server.authority.pem.decode(), pair, path), watches, changes))
            await asyncio.to_thread(pipe.recv)
            starting, starting_lag = time.monotonic() - begun, lag.reset()
            asked = []
            for number in range(1, changes + 1):
                made = objects.copy(made)
                made.data["number"] = str(number)
                asked.append(time.monotonic())
                made = await client.update(made)
                await asyncio.sleep(PAUSE_SECONDS)
            arrived = await asyncio.to_thread(pipe.recv)
            serving_lag = lag.reset()
        await store.close()
    took = [(at - sent) * 1000 for times in arrived for at, sent in zip(times, asked, strict=True)]
    return _rows(watches, took, (starting, starting_lag, serving_lag))


def _rows(watches: int, took: list[float], others: tuple[float, lags.Worst, lags.Worst]) -> list[report.Row]:
    starting, starting_lag, serving_lag = others
    spread = statistics.quantiles(took, n=100)
    return [
        report.Row(f"an event at each of {watches:,} watches over REST, last", max(took), "ms", MILLISECONDS, "less"),
        report.Row("  p99", spread[98], "ms", MILLISECONDS, "less", beside=f"p50: {spread[49]:.0f} ms"),
        lags.row(serving_lag),
        report.Row(f"{watches:,} watches begun after", starting, "s", better="less"),
        lags.row(starting_lag),
    ]


def run(watches: int, changes: int) -> list[report.Row]:
    """Measure, with the client in a process of its own."""
    garbage.collect_rarely()
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=watcher, args=(theirs,), daemon=True)
    process.start()
    try:
        found: Any = uvloop.run(measure(watches, changes, ours))
    finally:
        process.join(LIMIT_SECONDS)
    return list(found)


def rows(quick: bool = False) -> list[report.Row]:
    """Measure for the table of all benchmarks."""
    return run(200, 5) if quick else run(1_000, 20)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--watches", type=int, default=1000)
    parser.add_argument("--changes", type=int, default=20)
    options = parser.parse_args()
    print(report.text(run(options.watches, options.changes)))
