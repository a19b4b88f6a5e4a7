"""What many watches cost: 1,000 over REST, then over gRPC, and each event delivered to all of them.

    python -m tests.bench.watches [--watches 1000] [--changes 20]

One control process, one etcd member and the clients, a process of their own, on the same cores; times are of the
machine's monotonic clock. An event's time is from the moment that the change is asked for, etcd included, to its
arrival at a watch.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import functools
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from typing import Any

import aiohttp
import uvloop

from control.store.etcd import EtcdStore
from fairlead.api import objects
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.client import grpc as clients
from fairlead.client import kubeconfig
from fairlead.client.interface import Selection
from fairlead.testing import control
from tests.bench import apart, report, rest, serving
from tests.bench import lag as lags
from tests.support import etcd

NAME = "watched"
PATH = "/api/v1/namespaces/default/configmaps"
PAUSE_SECONDS = 0.5
SETTLE_SECONDS = 0.1  # what it takes to begin is not measured
STARTING = 50
MILLISECONDS = 200
LIMIT_SECONDS = 120.0

Opening = Callable[[contextlib.AsyncExitStack], Awaitable[AsyncIterator[int]]]


@dataclass(frozen=True, slots=True)
class Watching:
    """What the client is to do: so many watches, over gRPC or REST, each until it has seen so many changes."""

    job: rest.Job
    access: kubeconfig.Connection
    grpc: bool
    watches: int
    changes: int


# The clients' process.


def watcher(pipe: Connection) -> None:
    """Be the clients' process: take what is to be watched from the pipe until there is no more."""
    while (told := pipe.recv()) is not None:
        uvloop.run(_watch_all(pipe, told))


async def _watch_all(pipe: Connection, told: Watching) -> None:
    starting, begun = asyncio.Semaphore(STARTING), asyncio.Semaphore(0)
    all_seen = asyncio.Barrier(told.watches)

    async def one(open_: Opening) -> list[float]:
        times: list[float] = []
        async with contextlib.AsyncExitStack() as stack:
            async with starting:
                changes = await open_(stack)
            begun.release()
            async for some in changes:
                times += [time.monotonic()] * some
                if len(times) >= told.changes:
                    break
            await all_seen.wait()  # closing 1,000 connections would hold up those that are still to read
        return times

    async with asyncio.timeout(LIMIT_SECONDS), _opening(told) as open_, asyncio.TaskGroup() as tasks:
        watching = [tasks.create_task(one(open_)) for _ in range(told.watches)]
        for _ in range(told.watches):
            await begun.acquire()
        pipe.send("begun")
    pipe.send([task.result() for task in watching])


@contextlib.asynccontextmanager
async def _opening(told: Watching) -> AsyncIterator[Opening]:
    """Give what opens a watch: an iterator over how many changes have arrived."""
    if told.grpc:
        client = clients.GrpcClient(told.access)
        yield lambda stack: _by_grpc(client, stack)
        await client.close()
    else:
        async with rest.session(told.job) as session:
            yield lambda stack: _by_rest(session, told.job, stack)


async def _by_rest(
    session: aiohttp.ClientSession, job: rest.Job, stack: contextlib.AsyncExitStack
) -> AsyncIterator[int]:
    answer = await session.get(job.url + job.path, timeout=aiohttp.ClientTimeout(None))
    stack.callback(answer.close)
    assert answer.status == 200, answer.status
    return (1 async for _ in answer.content)


async def _by_grpc(client: clients.GrpcClient, stack: contextlib.AsyncExitStack) -> AsyncIterator[int]:
    select = Selection(fields=f"metadata.name={NAME}")
    events = await stack.enter_async_context(
        contextlib.aclosing(client.watch(corev1.ConfigMap, "default", select=select))
    )
    await anext(events)  # what is there: the watch has begun
    return (sum(event.type == "MODIFIED" for event in some) async for some in events)


# The control process.


async def measure(watches: int, changes: int, pipe: Connection) -> list[report.Row]:
    """Begin the watches, change an object a few times, and compare the times; over REST, then over gRPC."""
    with etcd.cluster() as running:
        store = EtcdStore(running.urls)
        async with lags.gauge() as lag, serving.both(store) as (api, job, access):
            client = api.as_user(*control.ADMIN)
            made = corev1.ConfigMap(data={"number": "0"})
            made.metadata.name, made.metadata.namespace = NAME, "default"
            rows: list[report.Row] = []
            made = await client.create(made)
            for grpc in (False, True):
                job = replace(job, path=f"{PATH}?watch=1&resourceVersion={made.metadata.resourceVersion}")
                told = Watching(job, access, grpc, watches, changes)
                made, some = await _measured(told, client, made, lag, pipe)
                rows += some
        await store.close()
    return rows


async def _measured(
    told: Watching, client: Any, made: corev1.ConfigMap, lag: lags.Lag, pipe: Connection
) -> tuple[corev1.ConfigMap, list[report.Row]]:
    await asyncio.sleep(SETTLE_SECONDS)
    lag.reset()
    begun = time.monotonic()
    pipe.send(told)
    await asyncio.to_thread(pipe.recv)
    starting, starting_lag = time.monotonic() - begun, lag.reset()
    asked = []
    for _ in range(told.changes):
        made = objects.copy(made)
        made.data["number"] = str(int(made.data["number"]) + 1)
        asked.append(time.monotonic())
        made = await client.update(made)
        await asyncio.sleep(PAUSE_SECONDS)
    arrived = await asyncio.to_thread(pipe.recv)
    took = [(at - sent) * 1000 for times in arrived for at, sent in zip(times, asked, strict=True)]
    return made, _rows(told, took, (starting, starting_lag, lag.reset()))


def _rows(told: Watching, took: list[float], others: tuple[float, lags.Worst, lags.Worst]) -> list[report.Row]:
    starting, starting_lag, serving_lag = others
    spread = statistics.quantiles(took, n=100)
    what = f"{told.watches:,} watches over {'gRPC' if told.grpc else 'REST'}"
    return [
        report.Row(f"an event at each of {what}, last", max(took), "ms", MILLISECONDS, "less"),
        report.Row("  p99", spread[98], "ms", MILLISECONDS, "less", beside=f"p50: {spread[49]:.0f} ms"),
        lags.row(serving_lag),
        report.Row(f"{what} begun after", starting, "s", better="less"),
        lags.row(starting_lag),
    ]


def run(watches: int, changes: int) -> list[report.Row]:
    """Measure, with the clients in a process of their own."""
    return apart.measured(functools.partial(measure, watches, changes), watcher)


def rows(quick: bool = False) -> list[report.Row]:
    """Measure for the table of all benchmarks."""
    return run(200, 5) if quick else run(1_000, 20)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--watches", type=int, default=1000)
    parser.add_argument("--changes", type=int, default=20)
    options = parser.parse_args()
    print(report.text(run(options.watches, options.changes)))
