"""What the codec costs: microseconds for a tiny and a typical pod, each way. Run `python -m tests.bench.codec`."""

from __future__ import annotations

import copy
import json
import pathlib
import sys
import timeit
from collections.abc import Callable
from typing import Any

from fairlead.api import codec
from fairlead.api.pb import core_v1_pb2 as corev1

GOLDEN = pathlib.Path(__file__).parents[1] / "golden" / "api" / "pod.json"
ROUNDS, REPEATS = 2_000, 5
TINY: dict[str, Any] = {
    "metadata": {"name": "web-1", "namespace": "default", "labels": {"app": "web"}},
    "spec": {"containers": [{"name": "web", "image": "web:1", "resources": {}}], "nodeName": "node-1"},
    "status": {"phase": "Running"},
}


def typical() -> dict[str, Any]:
    """Return the golden pod, without what only a client's apply adds."""
    pod: dict[str, Any] = json.loads(GOLDEN.read_text())
    del pod["metadata"]["managedFields"]
    return pod


def microseconds(call: Callable[[], object]) -> float:
    """Return the fastest of several runs: the one that was least disturbed."""
    call()
    return min(timeit.repeat(call, number=ROUNDS, repeat=REPEATS)) / ROUNDS * 1e6


def main() -> int:
    print(f"{'operation':<34}{'tiny pod':>10}{'typical pod':>13}   µs")
    pods = [codec.from_json(copy.deepcopy(data), corev1.Pod) for data in (TINY, typical())]
    rows: list[tuple[str, Callable[[corev1.Pod], Callable[[], object]]]] = [
        ("message -> JSON-shaped (to_json)", lambda pod: lambda: codec.to_json(pod)),
        ("JSON-shaped -> message (from_json)", lambda pod: _decoder(codec.to_json(pod))),
        ("message -> JSON bytes (dumps)", lambda pod: lambda: codec.dumps(pod)),
        ("message -> etcd's bytes", lambda pod: lambda: codec.encode_stored(pod)),
        ("etcd's bytes -> message", lambda pod: _reader(codec.encode_stored(pod))),
        ("message -> Any", lambda pod: lambda: codec.to_any(pod)),
    ]
    for name, prepared in rows:
        tiny, full = (microseconds(prepared(pod)) for pod in pods)
        print(f"{name:<34}{tiny:>10.1f}{full:>13.1f}")
    return 0


def _decoder(data: dict[str, Any]) -> Callable[[], object]:
    return lambda: codec.from_json(data, corev1.Pod)


def _reader(data: bytes) -> Callable[[], object]:
    return lambda: codec.decode_stored(data)


if __name__ == "__main__":
    sys.exit(main())
