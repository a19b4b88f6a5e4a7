"""The cost of a scheduling cycle alone: queue, framework and cache, without API and store.

python -m tests.bench.scheduler [--nodes 1000] [--pods 5000] [--shapes 1]
"""

from __future__ import annotations

import argparse
import random
import time

from control.scheduler import queue
from control.scheduler.plugins import profile
from control.scheduler.scheduler import Term
from fairlead import clock as clocks
from fairlead.client import events
from fairlead.testing import samples

TARGET_MICROSECONDS = 200.0


class _Nobody:
    """A client that is never called."""


def measure(nodes: int, pods: int, shapes: int) -> float:
    """Return the microseconds that one pod takes from the informer's event to its assumption."""
    clock = clocks.FakeClock()
    client: object = _Nobody()
    recorder = events.Recorder(client, "bench", clock=clock)  # type: ignore[arg-type]
    term = Term(client, profile.default(random.Random(1)), recorder, clock)  # type: ignore[arg-type]
    for number in range(nodes):
        term.node_changed("ADDED", None, samples.node(f"node-{number}", cpu="32", memory="256Gi", pods="110"))
    waiting = []
    for number in range(pods):
        kind = number % shapes
        waiting.append(samples.pod(f"pod-{number}", owner=f"rs-{kind}", cpu="100m", memory=f"{kind + 1}Mi"))
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


def main() -> None:
    """Print the budget's row."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, default=1000)
    parser.add_argument("--pods", type=int, default=5000)
    parser.add_argument("--shapes", type=int, default=1)
    asked = parser.parse_args()
    got = measure(asked.nodes, asked.pods, asked.shapes)
    verdict = "met" if got <= TARGET_MICROSECONDS else "not met"
    what = f"scheduling cycle, {asked.pods} pods of {asked.shapes} shapes on {asked.nodes} nodes"
    print(f"{what}: target {TARGET_MICROSECONDS:.0f} µs a pod, got {got:.0f} µs, {verdict}")


if __name__ == "__main__":
    main()
