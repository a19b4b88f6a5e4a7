"""What the codec costs: microseconds for a tiny and a typical pod, each way. Run `python -m tests.bench.codec`."""

from __future__ import annotations

import copy
import json
import pathlib
import timeit
from collections.abc import Callable
from typing import Any

from fairlead.api import codec
from fairlead.api.pb import core_v1_pb2 as corev1
from tests.bench import report

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


def microseconds(call: Callable[[], object], rounds: int) -> float:
    """Return the fastest of several runs: the one that was least disturbed."""
    call()
    return min(timeit.repeat(call, number=rounds, repeat=REPEATS)) / rounds * 1e6


def rows(quick: bool = False) -> list[report.Row]:
    """Measure each way for a tiny and a typical pod."""
    pods = {
        "tiny": codec.from_json(copy.deepcopy(TINY), corev1.Pod),
        "typical": codec.from_json(typical(), corev1.Pod),
    }
    ways: list[tuple[str, Callable[[corev1.Pod], Callable[[], object]]]] = [
        ("message to JSON-shaped", lambda pod: lambda: codec.to_json(pod)),
        ("JSON-shaped to message", lambda pod: _decoder(codec.to_json(pod))),
        ("message to JSON bytes", lambda pod: lambda: codec.dumps(pod)),
        ("message to etcd's bytes", lambda pod: lambda: codec.encode_stored(pod)),
        ("etcd's bytes to message", lambda pod: _reader(codec.encode_stored(pod))),
        ("message to Any", lambda pod: lambda: codec.to_any(pod)),
    ]
    rounds = ROUNDS // 5 if quick else ROUNDS
    return [
        report.Row(f"{way}, {size} pod", microseconds(made(pod), rounds), "µs", better="less")
        for way, made in ways
        for size, pod in pods.items()
    ]


def _decoder(data: dict[str, Any]) -> Callable[[], object]:
    return lambda: codec.from_json(data, corev1.Pod)


def _reader(data: bytes) -> Callable[[], object]:
    return lambda: codec.decode_stored(data)


if __name__ == "__main__":
    print(report.text(rows()))
