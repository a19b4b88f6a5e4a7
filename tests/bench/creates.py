"""What a write through the API costs: pods created over gRPC on a real etcd, beside an empty handler.

    python -m tests.bench.creates [--pods 4000] [--in-flight 32]

One control process, one etcd member and the client, a process of its own, on the same cores.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import functools
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import uvloop

from control import pki
from control.apiserver import relay
from control.gateway import cluster, identity, listening
from control.store.etcd import EtcdStore
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.client import grpc as clients
from fairlead.client import kubeconfig
from fairlead.testing import control
from tests.bench import apart, report
from tests.bench import lag as lags
from tests.support import etcd

WARM = 200
IN_FLIGHT = 32
FIRST, THEN, P99_MILLISECONDS = 1000, 1800, 60


def pod(number: int) -> corev1.Pod:
    """Return a pod as a user creates it."""
    made = corev1.Pod()
    made.metadata.name, made.metadata.namespace = f"web-{number}", "default"
    made.metadata.labels.update({"app": "web"})
    container = made.spec.containers.add(name="web", image="registry.example/web:1.0")
    container.ports.add(containerPort=8080)
    container.resources.requests["cpu"].string = "100m"
    container.resources.requests["memory"].string = "64Mi"
    return made


class EmptyService(cluster.ClusterService):
    """`Create` that answers what it is given."""

    async def Create(self, request: Any, context: Any) -> Any:
        """Answer at once."""
        return request.object


async def load(access: kubeconfig.Connection, count: int, in_flight: int) -> tuple[float, list[float]]:
    """Create pods, so many at a time; returns the seconds it took, and each call's."""
    client = clients.GrpcClient(access)
    numbers = iter(range(WARM + count))
    taken: list[float] = []

    async def work(until: int) -> None:
        for number in numbers:
            begun = time.perf_counter()
            await client.create(pod(number))
            taken.append(time.perf_counter() - begun)
            if number >= until:
                return

    await asyncio.gather(*(work(WARM - in_flight) for _ in range(in_flight)))
    taken.clear()
    begun = time.perf_counter()
    await asyncio.gather(*(work(WARM + count) for _ in range(in_flight)))
    spent = time.perf_counter() - begun
    await client.close()
    return spent, taken


def caller(pipe: Connection, in_flight: int) -> None:
    """Be the client's process: take jobs from the pipe until there is none."""
    while (job := pipe.recv()) is not None:
        access, count = job
        pipe.send(uvloop.run(load(access, count, in_flight)))


@contextlib.asynccontextmanager
async def serving(make: Callable[[Any, Any, Any], Any]) -> AsyncIterator[kubeconfig.Connection]:
    """Serve the API on a real etcd, by the servicer that `make` returns; yields an administrator's access."""
    authority = pki.create_authority("bench")
    certificate, key = authority.issue(pki.Subject("control", hosts=("kubernetes", "127.0.0.1"), server=True))
    pem, private = authority.issue(pki.Subject("admin", ("system:masters",), client=True))
    with etcd.cluster() as running:
        store = EtcdStore(running.urls)
        async with control.memory_api(store, detect_mutations=False) as api:
            service = make(api, relay.NoRelay(), identity.Identifier())
            tls = listening.credentials(certificate, key, authority.pem, require_client=True)
            port = await listening.serve("127.0.0.1:0", [listening.cluster(service)], tls)
            yield kubeconfig.Connection([f"127.0.0.1:{port.port}"], authority.pem, pem, private)
            await port.stop(0)
        await store.close()


@dataclass(frozen=True, slots=True)
class Load:
    """What one load took."""

    rate: float
    p99_milliseconds: float
    server_microseconds: float
    lag: lags.Worst


async def measure(make: Any, ask: Callable[[Any], Awaitable[Any]], count: int) -> Load:
    """Put one load on a servicer."""
    async with lags.gauge() as lag, serving(make) as access:
        lag.reset()
        before = time.process_time()
        spent, taken = await ask((access, count))
        used = (time.process_time() - before) / (len(taken) + WARM) * 1e6
    return Load(len(taken) / spent, sorted(taken)[int(len(taken) * 0.99)] * 1000, used, lag.reset())


async def both(count: int, pipe: Connection) -> list[report.Row]:
    """Measure the empty handler, then the API."""

    async def ask(job: Any) -> Any:
        pipe.send(job)
        return await asyncio.to_thread(pipe.recv)

    empty = await measure(EmptyService, ask, count)
    real = await measure(cluster.ClusterService, ask, count)
    what = f"pods created over gRPC, {IN_FLIGHT} in flight"
    ratio = f"empty handler: {empty.rate:,.0f} /s, {real.rate / empty.rate:.0%} of it"
    return [
        report.Row(what, real.rate, "/s", FIRST, then=THEN, beside=ratio),
        report.Row(
            "  p99",
            real.p99_milliseconds,
            "ms",
            P99_MILLISECONDS,
            "less",
            beside=f"empty handler: {empty.p99_milliseconds:.0f} ms",
        ),
        report.Row(
            "  CPU of the control process for each",
            real.server_microseconds,
            "µs",
            better="less",
            beside=f"empty handler: {empty.server_microseconds:.0f} µs",
        ),
        lags.row(real.lag),
    ]


def run(count: int, in_flight: int = IN_FLIGHT) -> list[report.Row]:
    """Measure, with the client in a process of its own."""
    return apart.measured(functools.partial(both, count), caller, in_flight)


def rows(quick: bool = False) -> list[report.Row]:
    """Measure for the table of all benchmarks."""
    return run(1_000 if quick else 4_000)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pods", type=int, default=4000)
    parser.add_argument("--in-flight", type=int, default=IN_FLIGHT)
    options = parser.parse_args()
    print(report.text(run(options.pods, options.in_flight)))
