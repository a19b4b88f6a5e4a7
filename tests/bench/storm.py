"""How long the loop is held when many begin at once with all that is there: lists and watches of 5,000 pods.

    python -m tests.bench.storm [--pods 5000] [--callers 20]

What clients do when a control process comes back. One process with the API over REST and gRPC, its store in memory
(reads do not touch it), and the clients in a process of their own, all on the same cores. What counts is the lag; the
seconds are beside it.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import functools
import gc
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from typing import Any

import aiohttp
import uvloop

from fairlead import garbage
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.client import grpc as clients
from fairlead.client import kubeconfig
from fairlead.testing import control
from tests.bench import apart, creates, report, rest, serving
from tests.bench import lag as lags

CREATING = 64
LIMIT_SECONDS = 300.0
PODS = "/api/v1/pods"


@dataclass(frozen=True, slots=True)
class Storm:
    """What the clients are to do: so many callers, each until it has heard of so many pods."""

    what: str
    job: rest.Job
    access: kubeconfig.Connection
    callers: int
    pods: int


# The clients' process.


async def _listed(storm: Storm, session: aiohttp.ClientSession, grpc: clients.GrpcClient) -> None:
    async with session.get(storm.job.url + storm.job.path, headers=rest.FORMS[storm.job.form]) as answer:
        assert answer.status == 200, answer.status
        async for _ in answer.content.iter_any():
            pass


async def _watched(storm: Storm, session: aiohttp.ClientSession, grpc: clients.GrpcClient) -> None:
    seen = 0
    async with session.get(storm.job.url + storm.job.path, headers=rest.FORMS[storm.job.form]) as answer:
        assert answer.status == 200, answer.status
        async for part in answer.content.iter_any():
            seen += part.count(b'{"type":"ADDED"')
            if seen >= storm.pods - 1:  # one may be cut in two
                return


async def _listed_by_grpc(storm: Storm, session: aiohttp.ClientSession, grpc: clients.GrpcClient) -> None:
    page = await grpc.list(corev1.Pod)
    assert len(page.items) == storm.pods, len(page.items)


async def _watched_by_grpc(storm: Storm, session: aiohttp.ClientSession, grpc: clients.GrpcClient) -> None:
    seen = 0
    async with contextlib.aclosing(grpc.watch(corev1.Pod)) as events:  # type: ignore[type-var]
        async for some in events:
            seen += len(some)
            if seen >= storm.pods:
                return


STORMS: dict[str, tuple[str, Callable[..., Awaitable[None]], str, str]] = {
    "REST, JSON lists": ("listed as JSON", _listed, PODS, "JSON"),
    "REST, Tables": ("listed as Tables", _listed, PODS, "Table"),
    "REST, protobuf lists": ("listed as protobuf", _listed, PODS, "protobuf"),
    "REST, watches": ("watched over REST", _watched, PODS + "?watch=1", "JSON"),
    "gRPC, lists": ("listed over gRPC", _listed_by_grpc, PODS, "JSON"),
    "gRPC, watches": ("watched over gRPC", _watched_by_grpc, PODS, "JSON"),
}


async def _all(storm: Storm) -> float:
    call = STORMS[storm.what][1]
    begun = time.monotonic()
    async with asyncio.timeout(LIMIT_SECONDS), rest.session(storm.job) as session:
        client = clients.GrpcClient(storm.access)
        await asyncio.gather(*(call(storm, session, client) for _ in range(storm.callers)))
        await client.close()
    return time.monotonic() - begun


def caller(pipe: Connection) -> None:
    """Be the clients' process: take storms from the pipe until there is none."""
    while (storm := pipe.recv()) is not None:
        pipe.send(uvloop.run(_all(storm)))


# The control process.


async def _fill(api: Any, pods: int) -> None:
    await rest.account(api)
    client = api.as_user(*control.ADMIN)
    for start in range(0, pods, CREATING):
        some = range(start, min(start + CREATING, pods))
        await asyncio.gather(*(client.create(creates.pod(number)) for number in some))


def _collection(pods: int) -> report.Row:
    begun = time.thread_time()
    gc.collect()
    spent = (time.thread_time() - begun) * 1000
    return report.Row(f"a full garbage collection with {pods:,} pods", spent, "ms", lags.TARGET_MILLISECONDS, "less")


async def measure(pods: int, callers: int, pipe: Connection) -> list[report.Row]:
    """Measure each storm, and what a full collection takes."""
    rows: list[report.Row] = []
    async with serving.both() as (api, job, access):
        garbage.settle()
        await _fill(api, pods)
        rows.append(_collection(pods))
        async with lags.gauge() as lag:
            for what, (how, _, path, form) in STORMS.items():
                lag.reset()
                pipe.send(Storm(what, replace(job, path=path, form=form), access, callers, pods))
                spent = await asyncio.to_thread(pipe.recv)
                worst = lag.reset()
                rows.append(report.Row(f"{pods:,} pods {how} by {callers} at once", spent, "s", better="less"))
                rows.append(lags.row(worst))
    return rows


def run(pods: int, callers: int) -> list[report.Row]:
    """Measure, with the clients in a process of their own."""
    return apart.measured(functools.partial(measure, pods, callers), caller)


def rows(quick: bool = False) -> list[report.Row]:
    """Measure for the table of all benchmarks."""
    return run(1_000, 5) if quick else run(5_000, 20)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pods", type=int, default=5000)
    parser.add_argument("--callers", type=int, default=20)
    options = parser.parse_args()
    print(report.text(run(options.pods, options.callers)))
