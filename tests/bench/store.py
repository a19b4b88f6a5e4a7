"""What the store costs: writes, the watch cache's fan-out, its fill and its memory.

    python -m tests.bench.store [--pods 5000] [--writes 5000]

One process and one etcd member, on the same cores. Each row: what, target, figure, met or not.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import itertools
import time
from collections.abc import Awaitable, Callable, Sequence

import psutil
import uvloop
from etcd3 import etcdrpc

from control.store.cache import Cache
from control.store.etcd import EtcdStore
from control.store.interface import Committed, Put
from fairlead.api import codec, scheme
from fairlead.api.pb import core_v1_pb2 as corev1
from tests.bench import report
from tests.bench.report import Row
from tests.support import etcd

IN_FLIGHT = 64
WATCHERS = 50
POD = scheme.DEFAULT.by_kind("v1", "Pod")


def pod(name: str, node: str = "") -> corev1.Pod:
    """Return a pod as a Deployment makes it: labels, an owner, a container with ports, probes and resources."""
    made = corev1.Pod()
    meta = made.metadata
    meta.name, meta.namespace, meta.uid = name, "default", f"8c6d1f0e-0000-4000-8000-{name[-12:]:0>12}"
    meta.generateName = "web-7c5b8d9f6-"
    meta.creationTimestamp.seconds = 1_700_000_000
    meta.labels.update({"app": "web", "pod-template-hash": "7c5b8d9f6"})
    meta.ownerReferences.add(apiVersion="apps/v1", kind="ReplicaSet", name="web-7c5b8d9f6", uid="u", controller=True)
    container = made.spec.containers.add(name="web", image="registry.example/web:1.0", imagePullPolicy="IfNotPresent")
    container.ports.add(name="http", containerPort=8080, protocol="TCP")
    for variable in range(6):
        container.env.add(name=f"VARIABLE_{variable}", value="a value of some length")
    for amounts in (container.resources.requests, container.resources.limits):
        amounts["cpu"].string, amounts["memory"].string = "100m", "128Mi"
    container.readinessProbe.handler.httpGet.path = "/ready"
    made.spec.nodeName, made.spec.serviceAccountName, made.spec.schedulerName = node, "default", "default-scheduler"
    for effect in ("not-ready", "unreachable"):
        made.spec.tolerations.add(key=f"node.kubernetes.io/{effect}", operator="Exists", effect="NoExecute")
    made.status.phase = "Pending"
    for kind in ("PodScheduled", "Initialized", "ContainersReady", "Ready"):
        made.status.conditions.add(type=kind, status="True")
    return made


async def _in_flight(count: int, one: Callable[[int], Awaitable[object]]) -> tuple[float, float]:
    """Make calls, so many at a time; returns calls per second and CPU microseconds of this process per call."""
    numbers = iter(range(count))

    async def worker() -> None:
        for number in numbers:
            await one(number)

    cpu, begun = time.process_time(), time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(IN_FLIGHT)))
    return count / (time.perf_counter() - begun), (time.process_time() - cpu) / count * 1e6


async def writes(store: EtcdStore, count: int) -> Sequence[Row]:
    """Compare-and-swaps, beside the cheapest call that etcd has."""
    serial = itertools.count()
    value = codec.encode_stored(pod("web-7c5b8d9f6-aaaaa"))
    empty = etcdrpc.RangeRequest(key=b"/", count_only=True, serializable=True)
    bare_rate, bare_cpu = await _in_flight(count, lambda _: store.endpoints.call("range", empty))
    rate, cpu = await _in_flight(count, lambda _: store.commit(Put(f"/bench/{next(serial)}", value, 0)))
    return [
        Row(f"compare-and-swaps, {IN_FLIGHT} in flight", rate, "/s", 3_300),
        Row("  CPU of this process for each", cpu, "us", 73, "less"),
        Row("  the same load on an empty read", bare_rate, "/s", 0),
        Row("  CPU of this process for each", bare_cpu, "us", 0),
    ]


async def cache(store: EtcdStore, count: int) -> Sequence[Row]:
    """The fill, the memory, and changes fanned out to watchers."""
    keys = [POD.key("default", f"web-7c5b8d9f6-{number:05}") for number in range(count)]
    revisions: dict[int, int] = {}

    async def create(number: int) -> None:
        value = codec.encode_stored(pod(keys[number].rpartition("/")[2]))
        done = await store.commit(Put(keys[number], value, 0))
        assert isinstance(done, Committed)
        revisions[number] = done.revision

    await _in_flight(count, create)
    gc.collect()
    before = psutil.Process().memory_info().rss
    begun = time.perf_counter()
    held = Cache(store)
    running = asyncio.create_task(held.run())
    await held.ready()
    filled = count / (time.perf_counter() - begun)
    gc.collect()
    each = (psutil.Process().memory_info().rss - before) / count

    watchers = [held.watch(POD, after=held.revision) for _ in range(WATCHERS)]
    last = held.revision + count
    latencies: list[float] = []
    written: dict[int, float] = {}

    async def read(index: int) -> int:
        changes = 0
        async for batch in watchers[index]:
            changes += len(batch.changes)
            if index == 0:
                now = time.perf_counter()
                latencies.extend(
                    now - written[change.revision] for change in batch.changes if change.revision in written
                )
            if batch.revision >= last:
                break
        return changes

    async def change(number: int) -> None:
        value = codec.encode_stored(pod(keys[number].rpartition("/")[2], node="node-1"))
        done = await store.commit(Put(keys[number], value, revisions[number]))
        assert isinstance(done, Committed)
        written[done.revision] = time.perf_counter()

    cpu, begun = time.process_time(), time.perf_counter()
    reading = [asyncio.create_task(read(index)) for index in range(WATCHERS)]
    await _in_flight(count, change)
    told = sum(await asyncio.gather(*reading))
    seconds = time.perf_counter() - begun
    cpu = time.process_time() - cpu
    quorum_rate, _ = await _in_flight(2_000, lambda _: held.fresh())
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    return [
        Row(f"first fill of {count:,} pods", filled, "pods/s", 10_000),
        Row("  memory of the cache for each", each / 1024, "KiB", 12, "less"),
        Row(f"changes written and told to {WATCHERS} watchers", told / seconds, "/s", 39_000),
        Row("  CPU of this process for each write with its event", cpu / count * 1e6, "us", 300, "less"),
        Row("linearizable reads from the cache", quorum_rate, "/s", 3_300),
    ]


async def measure(pods: int, count: int) -> list[Row]:
    """Return every row."""
    with etcd.cluster() as cluster:
        store = EtcdStore(cluster.urls)
        found = [*await writes(store, count), *await cache(store, pods)]
        await store.close()
    return found


def rows(quick: bool = False) -> list[Row]:
    """Measure for the table of all benchmarks."""
    count = 1_000 if quick else 5_000
    return uvloop.run(measure(count, count))


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pods", type=int, default=5_000)
    parser.add_argument("--writes", type=int, default=5_000)
    options = parser.parse_args()
    print(report.text(uvloop.run(measure(options.pods, options.writes))))


if __name__ == "__main__":
    main()
