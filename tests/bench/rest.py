"""What the REST gateway costs: pods created over HTTPS, and 5,000 of them listed in each form, with the loop's lag.

    python -m tests.bench.rest [--pods 5000] [--in-flight 32]

One control process, one etcd member and the client, a process of its own, on the same cores. The lag is how late a
task of the control process's loop wakes that sleeps a few milliseconds at a time.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import functools
import pathlib
import ssl
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import aiohttp
import uvloop
from aiohttp import web

from control.gateway.rest import handlers
from control.store.etcd import EtcdStore
from fairlead.api import codec
from fairlead.testing import control
from fairlead.testing import rest as testing
from tests.bench import apart, creates, report
from tests.bench import lag as lags
from tests.support import etcd

WARM = 200
IN_FLIGHT = 32
LISTS = 5
FIRST, THEN = 700, 1200
PODS = "/api/v1/namespaces/default/pods"
EMPTY = "/empty"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
FORMS = {
    "JSON": {"Accept": "application/json"},
    "JSON, gzip": {"Accept": "application/json", "Accept-Encoding": "gzip"},
    "Table": {"Accept": TABLE},
    "protobuf": {"Accept": "application/vnd.kubernetes.protobuf"},
}


@dataclass(frozen=True, slots=True)
class Job:
    """What the client is to do: so many creations at a path, or with 0 to list in a form."""

    url: str
    authority: str
    pair: tuple[bytes, bytes]
    path: str
    count: int = 0
    form: str = ""


async def load(job: Job, in_flight: int) -> tuple[float, list[float], int]:
    """Do a job; returns the seconds it took, each call's, and the bytes of the last answer."""
    async with session(job) as made:
        return await (_create(made, job, in_flight) if job.count else _list(made, job))


@contextlib.asynccontextmanager
async def session(job: Job) -> AsyncIterator[aiohttp.ClientSession]:
    """Open connections as the user whom a job names."""
    tls = ssl.create_default_context(cadata=job.authority)
    with tempfile.TemporaryDirectory() as name:
        files = pathlib.Path(name, "crt"), pathlib.Path(name, "key")
        for file, data in zip(files, job.pair, strict=True):
            file.write_bytes(data)
        tls.load_cert_chain(*files)
    connector = aiohttp.TCPConnector(ssl=tls, limit=0)
    async with aiohttp.ClientSession(connector=connector, auto_decompress=False) as session:
        yield session


async def _create(session: aiohttp.ClientSession, job: Job, in_flight: int) -> tuple[float, list[float], int]:
    numbers = iter(range(WARM + job.count))
    taken: list[float] = []
    headers = {"Content-Type": "application/json", "Accept": "application/json"}

    async def work(until: int) -> None:
        for number in numbers:
            data = codec.dumps(creates.pod(number))
            begun = time.perf_counter()
            async with session.post(job.url + job.path, data=data, headers=headers) as answer:
                await answer.read()
                assert answer.status in (200, 201), answer.status
            taken.append(time.perf_counter() - begun)
            if number >= until:
                return

    await asyncio.gather(*(work(WARM - in_flight) for _ in range(in_flight)))
    taken.clear()
    begun = time.perf_counter()
    await asyncio.gather(*(work(WARM + job.count) for _ in range(in_flight)))
    return time.perf_counter() - begun, taken, 0


async def _list(session: aiohttp.ClientSession, job: Job) -> tuple[float, list[float], int]:
    taken = []
    data = b""
    for _ in range(LISTS):
        begun = time.perf_counter()
        headers = {"Accept-Encoding": "identity"} | FORMS[job.form]
        async with session.get(job.url + job.path, headers=headers) as answer:
            data = await answer.read()
            assert answer.status == 200, data[:200]
        taken.append(time.perf_counter() - begun)
    return sum(taken), taken, len(data)


def caller(pipe: Connection, in_flight: int) -> None:
    """Be the client's process: take jobs from the pipe until there is none."""
    while (job := pipe.recv()) is not None:
        pipe.send(uvloop.run(load(job, in_flight)))


async def measure(pods: int, pipe: Connection) -> list[report.Row]:
    """Measure the empty handler, creations, and lists of what was created."""
    with etcd.cluster() as running:
        store = EtcdStore(running.urls)
        async with (
            lags.gauge() as lag,
            control.memory_api(store, detect_mutations=False) as api,
            testing.serve(api) as server,
        ):
            server.gateway.handlers.add_path(EMPTY, _echo)
            await account(api)

            async def ask(path: str, count: int = 0, form: str = "") -> tuple[float, list[float], int, lags.Worst]:
                lag.reset()
                pair = server.issue("admin", "system:masters")
                pipe.send(Job(server.url, server.authority.pem.decode(), pair, path, count, form))
                spent, taken, size = await asyncio.to_thread(pipe.recv)
                return spent, taken, size, lag.reset()

            empty = await ask(EMPTY, pods)
            created = await ask(PODS, pods)
            rows = _creation_rows(empty, created)
            for form in FORMS:
                rows += _list_rows(form, len(created[1]) + WARM, await ask(PODS, form=form))
        await store.close()
    return rows


async def _echo(call: handlers.Call) -> web.StreamResponse:
    return web.Response(body=await call.request.read(), content_type="application/json")


async def account(api: Any) -> None:
    """Make the account that pods run as."""
    from fairlead.api.pb import core_v1_pb2 as corev1

    account = corev1.ServiceAccount()
    account.metadata.name, account.metadata.namespace = "default", "default"
    await api.as_user(*control.ADMIN).create(account)


def _creation_rows(empty: Any, created: Any) -> list[report.Row]:
    rate, plain = (len(taken) / spent for spent, taken, _, _ in (created, empty))
    p99, p99_plain = (sorted(taken)[int(len(taken) * 0.99)] * 1000 for _, taken, _, _ in (created, empty))
    return [
        report.Row(
            f"pods created over REST, {IN_FLIGHT} in flight",
            rate,
            "/s",
            FIRST,
            then=THEN,
            beside=f"empty handler: {plain:,.0f} /s, {rate / plain:.0%} of it",
        ),
        report.Row("  p99", p99, "ms", better="less", beside=f"empty handler: {p99_plain:.0f} ms"),
        lags.row(created[3]),
    ]


def _list_rows(form: str, count: int, listed: Any) -> list[report.Row]:
    _, taken, size, lag = listed
    beside = f"{size / 1e6:.1f} MB; the first of {LISTS}: {taken[0] * 1000:.0f} ms"
    return [
        report.Row(f"{count:,} pods listed as {form}", min(taken) * 1000, "ms", better="less", beside=beside),
        lags.row(lag),
    ]


def run(pods: int, in_flight: int = IN_FLIGHT) -> list[report.Row]:
    """Measure, with the client in a process of its own."""
    return apart.measured(functools.partial(measure, pods), caller, in_flight)


def rows(quick: bool = False) -> list[report.Row]:
    """Measure for the table of all benchmarks."""
    return run(1_000 if quick else 5_000)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pods", type=int, default=5000)
    parser.add_argument("--in-flight", type=int, default=IN_FLIGHT)
    options = parser.parse_args()
    print(report.text(run(options.pods, options.in_flight)))
