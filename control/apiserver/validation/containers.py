"""Rules on containers: image, ports, environment, mounts, probes, resources, security. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from control.apiserver import field
from control.apiserver.validation import names, numbers
from fairlead.api.pb import core_v1_pb2 as corev1

PULL_POLICIES = frozenset({"Always", "IfNotPresent", "Never"})
PROTOCOLS = frozenset({"SCTP", "TCP", "UDP"})
MESSAGE_POLICIES = frozenset({"FallbackToLogsOnError", "File"})
SCHEMES = frozenset({"HTTP", "HTTPS"})
PROPAGATIONS = frozenset({"Bidirectional", "HostToContainer", "None"})
ENV_FIELDS = frozenset(
    {
        "metadata.name",
        "metadata.namespace",
        "metadata.uid",
        "spec.nodeName",
        "spec.serviceAccountName",
        "status.hostIP",
        "status.hostIPs",
        "status.podIP",
        "status.podIPs",
    }
)
ENV_RESOURCES = frozenset(
    {
        "limits.cpu",
        "limits.ephemeral-storage",
        "limits.memory",
        "requests.cpu",
        "requests.ephemeral-storage",
        "requests.memory",
    }
)
_SUBSCRIPT = re.compile(r"metadata\.(labels|annotations)\['(.*)'\]")


def validate_all(
    containers: Sequence[corev1.Container], path: str, volumes: Collection[str], init: bool = False
) -> field.Faults:
    """Judge a pod's containers, or with `init` its init containers; `volumes` are the names that it declares."""
    faults: field.Faults = []
    for index, container in enumerate(containers):
        faults += validate(container, f"{path}[{index}]", volumes)
        if init:
            faults += _init_only(container, f"{path}[{index}]")
        elif container.HasField("restartPolicy"):
            text = "may not be set for non-init containers"
            faults.append(field.forbidden(f"{path}[{index}].restartPolicy", text))
    return faults


def _init_only(container: corev1.Container, path: str) -> field.Faults:
    if container.HasField("restartPolicy"):
        if container.restartPolicy != "Always":
            return [field.unsupported(f"{path}.restartPolicy", container.restartPolicy, ("Always",))]
        return []
    text = "may not be set for init containers without restartPolicy=Always"
    parts = ("lifecycle", "livenessProbe", "readinessProbe", "startupProbe")
    return [field.forbidden(f"{path}.{part}", text) for part in parts if container.HasField(part)]


def validate(container: Any, path: str, volumes: Collection[str]) -> field.Faults:
    """Judge one container, of whichever sort."""
    faults: field.Faults = []
    if not container.name:
        faults.append(field.required(f"{path}.name"))
    elif found := names.label(container.name):
        faults += field.invalids(f"{path}.name", container.name, found)
    if not container.image:
        faults.append(field.required(f"{path}.image"))
    elif container.image != container.image.strip():
        text = "must not have leading or trailing whitespace"
        faults.append(field.invalid(f"{path}.image", container.image, text))
    if container.ports:
        faults += ports(container.ports, f"{path}.ports")
    if container.env:
        faults += environment(container.env, f"{path}.env")
    for index, source in enumerate(container.envFrom):
        faults += _env_source(source, f"{path}.envFrom[{index}]")
    if container.volumeMounts:
        faults += mounts(container.volumeMounts, f"{path}.volumeMounts", volumes)
    if container.imagePullPolicy not in PULL_POLICIES:
        faults.append(field.unsupported(f"{path}.imagePullPolicy", container.imagePullPolicy, PULL_POLICIES))
    if container.terminationMessagePolicy not in MESSAGE_POLICIES:
        policy = container.terminationMessagePolicy
        faults.append(field.unsupported(f"{path}.terminationMessagePolicy", policy, MESSAGE_POLICIES))
    for part in ("livenessProbe", "readinessProbe", "startupProbe"):
        if container.HasField(part):
            faults += probe(getattr(container, part), f"{path}.{part}", must_succeed_once=part != "readinessProbe")
    for part in ("postStart", "preStop"):
        if container.lifecycle.HasField(part):
            faults += _handler(getattr(container.lifecycle, part), f"{path}.lifecycle.{part}", _HOOKS)
    if container.HasField("resources"):
        faults += resources(container.resources, f"{path}.resources")
    if container.HasField("securityContext"):
        faults += _security(container.securityContext, f"{path}.securityContext")
    return faults


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
            seen.add(port.name)
        if not port.containerPort:
            faults.append(field.required(f"{at}.containerPort"))
        else:
            faults += field.invalids(f"{at}.containerPort", port.containerPort, names.port(port.containerPort))
        if port.hostPort:
            faults += field.invalids(f"{at}.hostPort", port.hostPort, names.port(port.hostPort))
        if not port.protocol:
            faults.append(field.required(f"{at}.protocol"))
        elif port.protocol not in PROTOCOLS:
            faults.append(field.unsupported(f"{at}.protocol", port.protocol, PROTOCOLS))
    return faults


def environment(values: Sequence[corev1.EnvVar], path: str) -> field.Faults:
    """Judge environment variables."""
    faults: field.Faults = []
    for index, env in enumerate(values):
        at = f"{path}[{index}]"
        if not env.name:
            faults.append(field.required(f"{at}.name"))
        elif found := names.env_name(env.name):
            faults += field.invalids(f"{at}.name", env.name, found)
        if env.HasField("valueFrom"):
            faults += _env_value(env, f"{at}.valueFrom")
    return faults


def _env_value(env: corev1.EnvVar, path: str) -> field.Faults:
    faults: field.Faults = []
    source = env.valueFrom
    given = len(source.ListFields())
    if source.HasField("fieldRef"):
        faults += _field_ref(source.fieldRef, f"{path}.fieldRef")
    if source.HasField("resourceFieldRef"):
        faults += resource_ref(source.resourceFieldRef, f"{path}.resourceFieldRef")
    for part in ("configMapKeyRef", "secretKeyRef"):
        if source.HasField(part):
            faults += _key_ref(getattr(source, part), f"{path}.{part}")
    if given == 0:
        text = "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`"
        faults.append(field.invalid(path, "", text))
    elif env.value:
        faults.append(field.invalid(path, "", "may not be specified when `value` is not empty"))
    elif given > 1:
        faults.append(field.invalid(path, "", "may not have more than one field specified at a time"))
    return faults


def _field_ref(ref: corev1.ObjectFieldSelector, path: str) -> field.Faults:
    if not ref.fieldPath:
        return [field.required(f"{path}.fieldPath")]
    if found := _SUBSCRIPT.fullmatch(ref.fieldPath):
        return field.invalids(f"{path}.fieldPath", found[2], names.qualified(found[2]))
    if ref.fieldPath not in ENV_FIELDS:
        return [field.unsupported(f"{path}.fieldPath", ref.fieldPath, ENV_FIELDS)]
    return []


def resource_ref(ref: corev1.ResourceFieldSelector, path: str) -> field.Faults:
    """Judge a reference to a container's resource."""
    if not ref.resource:
        return [field.required(f"{path}.resource")]
    if ref.resource not in ENV_RESOURCES and "hugepages-" not in ref.resource:
        return [field.unsupported(f"{path}.resource", ref.resource, ENV_RESOURCES)]
    return []


def _key_ref(ref: Any, path: str) -> field.Faults:
    faults: field.Faults = []
    name = ref.localObjectReference.name
    if not name:
        faults.append(field.required(f"{path}.name"))
    if not ref.key:
        faults.append(field.required(f"{path}.key"))
    else:
        faults += field.invalids(f"{path}.key", ref.key, names.config_key(ref.key))
    return faults


def _env_source(source: corev1.EnvFromSource, path: str) -> field.Faults:
    faults: field.Faults = []
    if source.prefix:
        faults += field.invalids(f"{path}.prefix", source.prefix, names.env_name(source.prefix))
    given = [part for part in ("configMapRef", "secretRef") if source.HasField(part)]
    for part in given:
        if not getattr(source, part).localObjectReference.name:
            faults.append(field.required(f"{path}.{part}.name"))
    if not given:
        faults.append(field.invalid(path, "", "must specify one of: `configMapRef` or `secretRef`"))
    elif len(given) > 1:
        faults.append(field.invalid(path, "", "may not have more than one field specified at a time"))
    return faults


def mounts(values: Iterable[corev1.VolumeMount], path: str, volumes: Collection[str]) -> field.Faults:
    """Judge where volumes are mounted."""
    faults: field.Faults = []
    places: set[str] = set()
    for index, mount in enumerate(values):
        at = f"{path}[{index}]"
        if not mount.name:
            faults.append(field.required(f"{at}.name"))
        elif mount.name not in volumes:
            faults.append(field.not_found(f"{at}.name", mount.name))
        if not mount.mountPath:
            faults.append(field.required(f"{at}.mountPath"))
        elif mount.mountPath in places:
            faults.append(field.invalid(f"{at}.mountPath", mount.mountPath, "must be unique"))
        places.add(mount.mountPath)
        if mount.subPath and mount.subPathExpr:
            faults.append(
                field.invalid(
                    f"{at}.subPathExpr", mount.subPathExpr, "subPathExpr and subPath are mutually exclusive"
                )
            )
        for part in ("subPath", "subPathExpr"):
            faults += relative_path(getattr(mount, part), f"{at}.{part}")
        if mount.HasField("mountPropagation") and mount.mountPropagation not in PROPAGATIONS:
            faults.append(field.unsupported(f"{at}.mountPropagation", mount.mountPropagation, PROPAGATIONS))
    return faults


def relative_path(value: str, path: str) -> field.Faults:
    """Judge a path below some root, if it is given."""
    faults: field.Faults = []
    if value.startswith("/"):
        faults.append(field.invalid(path, value, "must be a relative path"))
    if ".." in value.split("/"):
        faults.append(field.invalid(path, value, "must not contain '..'"))
    return faults


def probe(value: corev1.Probe, path: str, must_succeed_once: bool) -> field.Faults:
    """Judge a probe."""
    faults = _handler(value.handler, path, _PROBES)
    for part in ("initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"):
        faults += numbers.not_negative(f"{path}.{part}", getattr(value, part))
    if value.HasField("terminationGracePeriodSeconds") and value.terminationGracePeriodSeconds <= 0:
        seconds = value.terminationGracePeriodSeconds
        faults.append(field.invalid(f"{path}.terminationGracePeriodSeconds", seconds, "must be greater than 0"))
    if must_succeed_once and value.successThreshold != 1:
        faults.append(field.invalid(f"{path}.successThreshold", value.successThreshold, "must be 1"))
    return faults


_PROBES = ("exec", "httpGet", "tcpSocket", "grpc")
_HOOKS = ("exec", "httpGet", "tcpSocket", "sleep")


def _handler(handler: Any, path: str, kinds: Sequence[str]) -> field.Faults:
    """Judge what a probe or hook does: exactly one thing."""
    given = [kind for kind in kinds if handler.HasField(kind)]
    if not given:
        return [field.required(path, "must specify a handler type")]
    faults = [field.forbidden(f"{path}.{kind}", "may not specify more than 1 handler type") for kind in given[1:]]
    at = f"{path}.{given[0]}"
    action = getattr(handler, given[0])
    match given[0]:
        case "exec":
            if not action.command:
                faults.append(field.required(f"{at}.command"))
        case "httpGet":
            if not action.path:
                faults.append(field.required(f"{at}.path"))
            faults += numbers.port_or_name(f"{at}.port", action.port)
            if action.scheme not in SCHEMES:
                faults.append(field.unsupported(f"{at}.scheme", action.scheme, SCHEMES))
        case "tcpSocket":
            faults += numbers.port_or_name(f"{at}.port", action.port)
        case "grpc":
            faults += field.invalids(f"{at}.port", action.port, names.port(action.port))
        case "sleep":
            if action.seconds <= 0:
                faults.append(field.invalid(f"{at}.seconds", action.seconds, "must be greater than 0"))
    return faults


def resources(values: corev1.ResourceRequirements, path: str) -> field.Faults:
    """Judge requests and limits: known names, whole devices, no request above its limit."""
    faults: field.Faults = []
    limits = {}
    for name in values.limits:
        at = f"{path}.limits[{name}]"
        faults += numbers.resource_name(at, name)
        limits[name], found = numbers.amount(at, name, values.limits[name])
        faults += found
    for name in values.requests:
        at = f"{path}.requests[{name}]"
        faults += numbers.resource_name(at, name)
        wanted, found = numbers.amount(at, name, values.requests[name])
        faults += found
        if wanted is None:
            continue
        text = values.requests[name].string
        limit = limits.get(name)
        if limit is not None:
            shown = f"{name} limit of {limit}"
            if numbers.is_extended(name) and wanted != limit:
                faults.append(field.invalid(f"{path}.requests", text, f"must be equal to {shown}"))
            elif limit < wanted:
                faults.append(field.invalid(f"{path}.requests", text, f"must be less than or equal to {shown}"))
        elif numbers.is_extended(name):
            faults.append(field.required(f"{path}.limits", "Limit must be set for non overcommitable resources"))
    return faults


def _security(context: corev1.SecurityContext, path: str) -> field.Faults:
    faults: field.Faults = []
    for part in ("runAsUser", "runAsGroup"):
        if context.HasField(part):
            faults += numbers.between(f"{path}.{part}", getattr(context, part), 0, numbers.MAX_INT32)
    if context.HasField("allowPrivilegeEscalation") and not context.allowPrivilegeEscalation:
        if context.privileged:
            text = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true"
            faults.append(field.invalid(path, None, text))
        if "CAP_SYS_ADMIN" in context.capabilities.add:
            text = "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN"
            faults.append(field.invalid(path, None, text))
    return faults
