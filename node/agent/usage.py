"""What pods use, from the runtime's running totals: rates over the time between two questions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fairlead import clock as clocks
from fairlead.api.pb import metrics_pb2
from node.runtime import interface as runtime


class Usage:
    """Remembers the totals of the question before."""

    def __init__(self, clock: clocks.Clock) -> None:
        self._clock = clock
        self._before: dict[str, tuple[float, float]] = {}

    def pods(
        self, containers: Sequence[runtime.Container], stats: Mapping[str, runtime.Stats]
    ) -> list[metrics_pb2.PodMetrics]:
        """Return each pod's metrics; a container that is seen first is rated over its life so far."""
        now, wall = self._clock.monotonic(), self._clock.now()
        found: dict[str, metrics_pb2.PodMetrics] = {}
        totals: dict[str, tuple[float, float]] = {}
        for container in containers:
            figures = stats.get(container.id)
            if figures is None:
                continue
            totals[container.id] = (now, figures.cpu_seconds)
            then, seconds = self._before.get(container.id, (now - (wall - container.started_at), 0.0))
            rate = (figures.cpu_seconds - seconds) / (now - then) if now > then else 0.0
            labels = container.labels
            uid = labels[runtime.UID_LABEL]
            pod = found.setdefault(
                uid,
                metrics_pb2.PodMetrics(
                    namespace=labels.get(runtime.NAMESPACE_LABEL, ""),
                    name=labels.get(runtime.NAME_LABEL, ""),
                    uid=uid,
                ),
            )
            name = labels.get(runtime.CONTAINER_LABEL, "")
            pod.containers.add(name=name, used_cores=max(0.0, rate), working_set=figures.working_set)
        self._before = totals
        return [found[uid] for uid in sorted(found)]
