"""What a probe's results mean over time. Pure: `Tally` counts, the prober asks.

A result changes after `successThreshold` or `failureThreshold` equal answers in a row; until a startup probe has
succeeded the others do not count.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from fairlead.api.pb import core_v1_pb2 as corev1

DEFAULT_PERIOD_SECONDS = 10.0
DEFAULT_TIMEOUT_SECONDS = 1.0
DEFAULT_FAILURES = 3


@dataclass(frozen=True, slots=True)
class Settings:
    """A probe's numbers, with Kubernetes' defaults for those that are not given."""

    delay: float
    period: float
    timeout: float
    successes: int
    failures: int


@dataclass(frozen=True, slots=True)
class Tally:
    """A probe's result and the answers in a row that speak for another; `result` is None before the first."""

    result: bool | None = None
    answer: bool = False
    run: int = 0

    def after(self, answer: bool, settings: Settings) -> Tally:
        """Return the tally after one more answer."""
        run = self.run + 1 if self.run and self.answer == answer else 1
        needed = settings.successes if answer else settings.failures
        result = answer if run >= needed else self.result
        return dataclasses.replace(self, result=result, answer=answer, run=run)


def settings(probe: corev1.Probe) -> Settings:
    """Return a probe's numbers."""
    return Settings(
        delay=float(probe.initialDelaySeconds),
        period=float(probe.periodSeconds) or DEFAULT_PERIOD_SECONDS,
        timeout=float(probe.timeoutSeconds) or DEFAULT_TIMEOUT_SECONDS,
        successes=probe.successThreshold or 1,
        failures=probe.failureThreshold or DEFAULT_FAILURES,
    )


def grace(probe: corev1.Probe) -> float | None:
    """Return how many seconds a container may take to end because of this probe; None for its pod's."""
    return float(probe.terminationGracePeriodSeconds) if probe.HasField("terminationGracePeriodSeconds") else None


def kinds(container: corev1.Container) -> dict[str, corev1.Probe]:
    """Return a container's probes by kind, in Kubernetes' words for them: Startup, Readiness, Liveness."""
    found = {}
    for kind, field in (("Startup", "startupProbe"), ("Readiness", "readinessProbe"), ("Liveness", "livenessProbe")):
        if container.HasField(field):
            found[kind] = getattr(container, field)
    return found


def stop_reason(kind: str, container: str) -> str:
    """Return the Killing event's sentence for a container whose liveness or startup probe failed."""
    return f"Container {container} failed {kind.lower()} probe, will be restarted"
