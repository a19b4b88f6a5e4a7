"""Rules on probes and on what containers do when they start and stop. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from control.apiserver import field
from control.apiserver.validation import names, numbers
from fairlead.api.pb import core_v1_pb2 as corev1

PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
SCHEMES = frozenset({"HTTP", "HTTPS"})
_OF_PROBES = ("exec", "httpGet", "tcpSocket", "grpc")
_OF_HOOKS = ("exec", "httpGet", "tcpSocket", "sleep")


def validate(container: Any, path: str, grace: int) -> field.Faults:
    """Judge a container's hooks, then its probes; `grace` is how long its pod has for its end."""
    faults: field.Faults = []
    for part in ("postStart", "preStop"):
        if container.lifecycle.HasField(part):
            faults += _handler(getattr(container.lifecycle, part), f"{path}.lifecycle.{part}", _OF_HOOKS, grace)
    for part in PROBES:
        if container.HasField(part):
            faults += probe(getattr(container, part), f"{path}.{part}", part)
    return faults


def probe(value: corev1.Probe, path: str, part: str) -> field.Faults:
    """Judge a probe, which is one of PROBES."""
    faults = _handler(value.handler, path, _OF_PROBES, 0)
    for number in ("initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"):
        faults += numbers.not_negative(f"{path}.{number}", getattr(value, number))
    seconds, at = value.terminationGracePeriodSeconds, f"{path}.terminationGracePeriodSeconds"
    if value.HasField("terminationGracePeriodSeconds") and seconds <= 0:
        faults.append(field.invalid(at, seconds, "must be greater than 0"))
    if part == "readinessProbe":
        if value.HasField("terminationGracePeriodSeconds"):
            faults.append(field.invalid(at, seconds, "must not be set for readinessProbes"))
    elif value.successThreshold != 1:
        faults.append(field.invalid(f"{path}.successThreshold", value.successThreshold, "must be 1"))
    return faults


def _handler(handler: Any, path: str, kinds: Sequence[str], grace: int) -> field.Faults:
    """Judge what a probe or hook does: exactly one thing."""
    given = [kind for kind in kinds if handler.HasField(kind)]
    if not given:
        return [field.required(path, "must specify a handler type")]
    faults = _action(given[0], getattr(handler, given[0]), f"{path}.{given[0]}", grace)
    more = [field.forbidden(f"{path}.{kind}", "may not specify more than 1 handler type") for kind in given[1:]]
    return faults + more


def _action(kind: str, action: Any, path: str, grace: int) -> field.Faults:
    match kind:
        case "exec":
            return [] if action.command else [field.required(f"{path}.command")]
        case "httpGet":
            return _http_get(action, path)
        case "tcpSocket":
            return numbers.port_or_name(f"{path}.port", action.port)
        case "grpc":
            return field.invalids(f"{path}.port", action.port, names.port(action.port))
    if 0 < action.seconds <= grace:
        return []
    text = (
        f"must be greater than 0 and less than terminationGracePeriodSeconds ({grace})."
        " Enable AllowPodLifecycleSleepActionZeroValue feature gate for zero sleep."
    )
    return [field.invalid(path, action.seconds, text)]


def _http_get(action: corev1.HTTPGetAction, path: str) -> field.Faults:
    faults = [] if action.path else [field.required(f"{path}.path")]
    faults += numbers.port_or_name(f"{path}.port", action.port)
    if action.scheme not in SCHEMES:
        faults.append(field.unsupported(f"{path}.scheme", action.scheme, SCHEMES))
    for header in action.httpHeaders:
        faults += field.invalids(f"{path}.httpHeaders", header.name, names.header(header.name))
    return faults
