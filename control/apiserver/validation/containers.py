"""Rules on containers: image, ports, resources, and what their own modules judge. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from control.apiserver import field
from control.apiserver.validation import environment, handlers, mounts, names, numbers, security
from fairlead.api import quantity
from fairlead.api.pb import core_v1_pb2 as corev1

PULL_POLICIES = frozenset({"Always", "IfNotPresent", "Never"})
PROTOCOLS = frozenset({"SCTP", "TCP", "UDP"})
MESSAGE_POLICIES = ("File", "FallbackToLogsOnError")
SPACES = "must not have leading or trailing whitespace"
COMPUTE = frozenset({"cpu", "memory"})


def regular(spec: corev1.PodSpec, path: str, volumes: mounts.Volumes) -> field.Faults:
    """Judge a pod's containers; `volumes` are the sound ones that it declares."""
    if not spec.containers:
        return [field.required(path)]
    faults: field.Faults = []
    taken: set[str] = set()
    for index, container in enumerate(spec.containers):
        at = f"{path}[{index}]"
        faults += validate(container, at, volumes)
        if container.name in taken:
            faults.append(field.duplicate(f"{at}.name", container.name))
        taken.add(container.name)
        faults += handlers.validate(container, at, spec.terminationGracePeriodSeconds)
        if container.HasField("restartPolicy"):
            faults.append(field.forbidden(f"{at}.restartPolicy", "may not be set for non-init containers"))
    faults += host_ports(spec.containers, path)
    return faults


def initial(spec: corev1.PodSpec, path: str, volumes: mounts.Volumes) -> field.Faults:
    """Judge a pod's init containers, sidecars among them."""
    faults: field.Faults = []
    taken = {container.name for container in spec.containers}
    for index, container in enumerate(spec.initContainers):
        at = f"{path}[{index}]"
        faults += validate(container, at, volumes)
        policy = container.restartPolicy
        if container.HasField("restartPolicy") and policy != "Always":
            faults.append(field.unsupported(f"{at}.restartPolicy", policy, ("Always",)))
        if container.name in taken:
            faults.append(field.duplicate(f"{at}.name", container.name))
        taken |= {container.name} - {""}
        faults += host_ports([container], path)
        if policy == "Always":
            faults += handlers.validate(container, at, spec.terminationGracePeriodSeconds)
            continue
        text = "may not be set for init containers without restartPolicy=Always"
        parts = ("lifecycle", *handlers.PROBES)
        faults += [field.forbidden(f"{at}.{part}", text) for part in parts if container.HasField(part)]
    return faults


def validate(container: Any, path: str, volumes: mounts.Volumes) -> field.Faults:
    """Judge what holds for every container, of whichever sort."""
    faults = names_label(container.name, f"{path}.name")
    if not container.image:
        faults.append(field.required(f"{path}.image"))
    if container.terminationMessagePolicy not in MESSAGE_POLICIES:
        at = f"{path}.terminationMessagePolicy"
        faults.append(_policy(at, container.terminationMessagePolicy, MESSAGE_POLICIES))
    if container.ports:
        faults += ports(container.ports, f"{path}.ports")
    if container.env or container.envFrom:
        faults += environment.validate(container, path)
    faults += mounts.validate(container, path, volumes)
    if container.imagePullPolicy not in PULL_POLICIES:
        faults.append(_policy(f"{path}.imagePullPolicy", container.imagePullPolicy, PULL_POLICIES))
    if container.HasField("resources"):
        faults += resources(container.resources, f"{path}.resources")
    if container.HasField("securityContext"):
        faults += security.container(container.securityContext, f"{path}.securityContext")
    return faults


def names_label(name: str, path: str) -> field.Faults:
    """Judge a name that is a label and must be there."""
    return field.invalids(path, name, names.label(name)) if name else [field.required(path)]


def spaces(container: Any, path: str) -> field.Faults:
    """Judge what only a pod's own containers must keep, not a template's: no spaces around the image."""
    image = container.image
    return [field.invalid(f"{path}.image", image, SPACES)] if image != image.strip() else []


def _policy(path: str, value: str, supported: Iterable[str]) -> field.Cause:
    return field.unsupported(path, value, supported) if value else field.required(path)


def ports(values: Sequence[corev1.ContainerPort], path: str) -> field.Faults:
    """Judge a container's ports."""
    faults: field.Faults = []
    seen: set[str] = set()
    for index, port in enumerate(values):
        at = f"{path}[{index}]"
        if port.name:
            if found := names.port_name(port.name):
                faults += field.invalids(f"{at}.name", port.name, found)
            elif port.name in seen:
                faults.append(field.duplicate(f"{at}.name", port.name))
            else:
                seen.add(port.name)
        if not port.containerPort:
            faults.append(field.required(f"{at}.containerPort"))
        else:
            faults += field.invalids(f"{at}.containerPort", port.containerPort, names.port(port.containerPort))
        if port.hostPort:
            faults += field.invalids(f"{at}.hostPort", port.hostPort, names.port(port.hostPort))
        if port.protocol not in PROTOCOLS:
            faults.append(_policy(f"{at}.protocol", port.protocol, PROTOCOLS))
    return faults


def host_ports(containers: Sequence[corev1.Container], path: str) -> Iterator[field.Cause]:
    """Judge that containers take each of the node's ports once."""
    seen: set[str] = set()
    for index, container in enumerate(containers):
        for place, port in enumerate(container.ports):
            taken = f"{port.protocol}/{port.hostIP}/{port.hostPort}"
            if port.hostPort and taken in seen:
                yield field.duplicate(f"{path}[{index}].ports[{place}].hostPort", taken)
            seen.add(taken)


def resources(values: corev1.ResourceRequirements, path: str) -> field.Faults:
    """Judge requests and limits: known names, whole devices, no request above its limit."""
    faults: field.Faults = []
    limits = {}
    for name in sorted(values.limits):
        limits[name], found = _amount(values.limits[name], name, f"{path}.limits[{name}]")
        faults += found
    for name in sorted(values.requests):
        at = f"{path}.requests[{name}]"
        wanted, found = numbers.container_amount(at, name, values.requests[name])
        faults += found
        if wanted is not None:
            faults += _within(wanted, limits.get(name), name, path)
            faults += numbers.whole_pages(at, name, wanted)
    named = {*values.limits, *values.requests}
    if not named & COMPUTE and any(map(numbers.is_huge_pages, named)):
        faults.append(field.forbidden(path, "HugePages require cpu or memory"))
    return faults


def _amount(value: Any, name: str, path: str) -> tuple[quantity.Quantity | None, field.Faults]:
    amount, faults = numbers.container_amount(path, name, value)
    return amount, faults + (numbers.whole_pages(path, name, amount) if amount is not None else [])


def _within(wanted: quantity.Quantity, limit: quantity.Quantity | None, name: str, path: str) -> field.Faults:
    """Judge a request by its limit, which it must be equal to where nothing can be promised twice."""
    shared = numbers.may_overcommit(name)
    if limit is None:
        text = "Limit must be set for non overcommitable resources"
        return [] if shared else [field.required(f"{path}.limits", text)]
    shown = f"{name} limit of {limit}"
    if wanted != limit and not shared:
        return [field.invalid(f"{path}.requests", str(wanted), f"must be equal to {shown}")]
    if limit < wanted:
        return [field.invalid(f"{path}.requests", str(wanted), f"must be less than or equal to {shown}")]
    return []
