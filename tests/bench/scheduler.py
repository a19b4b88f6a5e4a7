"""Pods scheduled a second: the cycle alone, and the whole path to bindings in a real etcd.

    python -m tests.bench.scheduler [--nodes 1000] [--pods 5000] [--shapes 1] [--cycle-only] [--profile]

The whole path: one control process (API, watch cache, scheduler with its Events) and one etcd member on the same
cores. Nodes and pods are there when the scheduler starts; the time ends when the watch cache shows the last pod
bound. Beside it stand as many plain compare-and-swaps of a pod's size, as many in flight: what this etcd and store
do with no API and no scheduler.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import uvloop

from control.scheduler import queue, scheduler
from control.scheduler.plugins import profile
from control.store.etcd import EtcdStore
from control.store.interface import Put
from fairlead import clock as clocks
from fairlead import garbage
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.client import events, informer
from fairlead.testing import control, samples
from tests.bench import lag as lags
from tests.bench import report
from tests.support import etcd

IN_FLIGHT = 64
SIZE = {"cpu": "32", "memory": "256Gi", "pods": "110"}
CYCLE_MICROSECONDS = 200.0
# Targets by the number of nodes: first, then.
TARGETS = {1000: (1000.0, 3300.0), 5000: (800.0, 2000.0)}
# What Kubernetes 1.20.2 did on such a machine with its client's limits off, by the number of nodes.
KUBERNETES = {1000: "277 to 387", 5000: "358"}


@dataclass(frozen=True, slots=True)
class Figures:
    """Pods bound a second, the control process' CPU time for each, plain writes a second, and the worst lag."""

    rate: float
    cpu_microseconds: float
    plain_rate: float
    lag: lags.Worst


class _Nobody:
    """A client that is never called."""


def _pods(count: int, shapes: int) -> list[corev1.Pod]:
    made = []
    for number in range(count):
        kind = number % shapes
        made.append(samples.pod(f"pod-{number}", owner=f"rs-{kind}", cpu="100m", memory=f"{kind + 1}Mi"))
    return made


def cycle(nodes: int, pods: int, shapes: int) -> float:
    """Return the microseconds that one pod takes from the informer's event to its assumption."""
    clock, client = clocks.FakeClock(), _Nobody()
    recorder = events.Recorder(client, "bench", clock=clock)  # type: ignore[arg-type]
    term = scheduler.Term(client, profile.default(random.Random(1)), recorder, clock)  # type: ignore[arg-type]
    for number in range(nodes):
        term.node_changed("ADDED", None, samples.node(f"node-{number}", **SIZE))
    waiting = _pods(pods, shapes)
    started = time.perf_counter()
    for pod in waiting:
        term.pod_changed("ADDED", None, pod)
    taken: queue.Waiting | None = None
    placed = 0
    while (taken := term.queue.pop_ready()) is not None:
        placed += bool(term.schedule_one(taken))
    elapsed = time.perf_counter() - started
    assert placed == pods, f"{placed} of {pods} pods were placed"
    return elapsed / pods * 1e6


async def whole(nodes: int, pods: int, shapes: int, profiler: cProfile.Profile | None) -> Figures:
    """Measure the whole path."""
    with etcd.cluster() as running:
        store = EtcdStore(running.urls)
        try:
            async with control.memory_api(store, detect_mutations=False) as api:
                client = api.as_user(*control.ADMIN)
                await _create(client, [samples.node(f"node-{number}", **SIZE) for number in range(nodes)])
                await _create(client, _pods(pods, shapes))
                async with lags.gauge() as lag:
                    seconds, worked = await _schedule(api, client, pods, profiler)
                    worst = lag.reset()
            return Figures(pods / seconds, worked / pods * 1e6, pods / await _write(store, pods), worst)
        finally:
            await store.close()


async def _create(client: Any, objects: Sequence[Any]) -> None:
    left = iter(objects)

    async def work() -> None:
        for obj in left:
            await client.create(obj)

    await asyncio.gather(*(work() for _ in range(IN_FLIGHT)))


async def _schedule(api: Any, client: Any, pods: int, profiler: cProfile.Profile | None) -> tuple[float, float]:
    seen, done = 0, asyncio.Event()

    def count(change: str, old: corev1.Pod | None, new: corev1.Pod | None) -> None:
        nonlocal seen
        if new is not None and new.spec.nodeName and not (old is not None and old.spec.nodeName):
            seen += 1
            if seen == pods:
                done.set()

    watching = informer.Informer(client, corev1.Pod)
    watching.add_handler(count)
    working = scheduler.Scheduler(api.as_user(scheduler.USER), "bench")
    tasks = [asyncio.create_task(watching.run())]
    await watching.synced()
    if profiler is not None:
        profiler.enable()
    started, worked = time.perf_counter(), time.process_time()
    tasks.append(asyncio.create_task(working.run()))
    await done.wait()
    elapsed, worked = time.perf_counter() - started, time.process_time() - worked
    if profiler is not None:
        profiler.disable()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return elapsed, worked


async def _write(store: EtcdStore, writes: int) -> float:
    value = samples.pod("pod", owner="rs", cpu="100m").SerializeToString() * 4
    made = [await store.commit(Put(f"/bench/{number}", value, 0)) for number in range(IN_FLIGHT)]
    numbers = iter(range(writes))

    async def work(lane: int) -> None:
        revision = made[lane].revision
        for _ in numbers:
            revision = (await store.commit(Put(f"/bench/{lane}", value, revision))).revision

    started = time.perf_counter()
    await asyncio.gather(*(work(lane) for lane in range(IN_FLIGHT)))
    return time.perf_counter() - started


def measured(
    nodes: int, pods: int, shapes: int, targets: tuple[float, float], profiler: cProfile.Profile | None = None
) -> list[report.Row]:
    """Measure the whole path once."""
    garbage.collect_rarely()
    got = uvloop.run(whole(nodes, pods, shapes, profiler))
    what = f"scheduled and bound, {pods:,} pods of {shapes} shapes on {nodes:,} nodes"
    beside = f"plain compare-and-swaps: {got.plain_rate:,.0f} /s; Kubernetes 1.20.2: {KUBERNETES.get(nodes, '?')} /s"
    return [
        report.Row(what, got.rate, "/s", targets[0], then=targets[1], beside=beside),
        report.Row("  CPU of the control process for each", got.cpu_microseconds, "µs", better="less"),
        lags.row(got.lag),
    ]


def alone(nodes: int, pods: int, shapes: int) -> report.Row:
    """Measure the cycle alone."""
    what = f"scheduling cycle alone, {pods:,} pods of {shapes} shapes on {nodes:,} nodes, for each"
    return report.Row(what, cycle(nodes, pods, shapes), "µs", CYCLE_MICROSECONDS, "less")


def rows(quick: bool = False) -> list[report.Row]:
    """Measure for the table of all benchmarks."""
    pods = 1_000 if quick else 5_000
    found = [row for nodes, targets in TARGETS.items() for row in measured(nodes, pods, 1, targets)]
    return [*found, *(alone(nodes, pods, shapes) for nodes, shapes in ((1000, 1), (1000, 50), (5000, 1)))]


def main() -> None:
    """Print the budgets' rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=1000)
    parser.add_argument("--pods", type=int, default=5000)
    parser.add_argument("--shapes", type=int, default=1, help="how many different templates the pods have")
    parser.add_argument("--cycle-only", action="store_true", help="no API, no etcd")
    parser.add_argument("--profile", action="store_true", help="print where the control process spends its time")
    asked = parser.parse_args()
    found = [alone(asked.nodes, asked.pods, asked.shapes)]
    profiler = cProfile.Profile() if asked.profile else None
    if not asked.cycle_only:
        targets = TARGETS.get(asked.nodes, (0.0, 0.0))
        found += measured(asked.nodes, asked.pods, asked.shapes, targets, profiler)
    print(report.text(found))
    if profiler is not None:
        profiler.print_stats("tottime")


if __name__ == "__main__":
    main()
