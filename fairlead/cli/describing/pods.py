"""Descriptions of pods and of what is in them."""

from __future__ import annotations

from typing import Any

from fairlead.api import codec, columns
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.cli.describing.lines import (
    INDENT,
    NONE,
    Lines,
    conditions,
    fields,
    head,
    line,
    listed,
    mapping,
    owner,
    resources,
    time_text,
)


def pod(obj: corev1.Pod) -> Lines:
    """Yield the lines of a pod."""
    yield from head(obj)
    yield line("Service Account", obj.spec.serviceAccountName or "default")
    yield line("Node", f"{obj.spec.nodeName}/{obj.status.hostIP}" if obj.spec.nodeName else NONE)
    if obj.status.HasField("startTime"):
        yield line("Start Time", time_text(obj.status.startTime))
    yield line("Status", columns.summary(obj).reason)
    if obj.metadata.HasField("deletionTimestamp"):
        yield line("Terminates By", time_text(obj.metadata.deletionTimestamp))
    for label, text in (("Reason", obj.status.reason), ("Message", obj.status.message)):
        if text:
            yield line(label, text)
    yield line("IP", obj.status.podIP or NONE)
    yield from owner(obj)
    statuses = {s.name: s for s in (*obj.status.initContainerStatuses, *obj.status.containerStatuses)}
    for label, containers in (("Init Containers", obj.spec.initContainers), ("Containers", obj.spec.containers)):
        if containers:
            yield f"{label}:"
        for each in containers:
            yield from container(each, statuses.get(each.name))
    yield from conditions(obj.status.conditions)
    yield from volumes(obj.spec)
    yield line("QoS Class", obj.status.qosClass or NONE)
    yield from mapping("Node-Selectors", obj.spec.nodeSelector)
    yield from listed("Tolerations", [toleration(each) for each in obj.spec.tolerations])


def container(obj: corev1.Container, status: corev1.ContainerStatus | None, depth: int = 1) -> Lines:
    """Yield the lines of a container; with its status where it has one."""
    inner = depth + 1
    yield f"{INDENT * depth}{obj.name}:"
    if status:
        yield line("Container ID", status.containerID or NONE, inner)
    yield line("Image", obj.image, inner)
    if status:
        yield line("Image ID", status.imageID or NONE, inner)
    ports = ", ".join(f"{port.containerPort}/{port.protocol or 'TCP'}" for port in obj.ports)
    yield line("Ports", ports or NONE, inner)
    for label, words in (("Command", obj.command), ("Args", obj.args)):
        if words:
            yield f"{INDENT * inner}{label}:"
            yield from (f"{INDENT * (inner + 1)}{word}" for word in words)
    if status:
        yield from _state("State", status.state, inner)
        yield from _state("Last State", status.lastState, inner)
        yield line("Ready", status.ready, inner)
        yield line("Restart Count", status.restartCount, inner)
    yield from resources("Limits", obj.resources.limits, inner)
    yield from resources("Requests", obj.resources.requests, inner)
    yield from _probes(obj, inner)
    yield f"{INDENT * inner}Environment:" if obj.env or obj.envFrom else line("Environment", NONE, inner)
    for source in obj.envFrom:
        from_map = source.HasField("configMapRef")
        reference = (source.configMapRef if from_map else source.secretRef).localObjectReference
        yield f"{INDENT * (inner + 1)}all of {'ConfigMap' if from_map else 'Secret'} {reference.name}"
    for variable in obj.env:
        yield line(variable.name, variable.value or _source(variable.valueFrom), inner + 1)
    yield f"{INDENT * inner}Mounts:" if obj.volumeMounts else line("Mounts", NONE, inner)
    for mount in obj.volumeMounts:
        yield f"{INDENT * (inner + 1)}{mount.mountPath} from {mount.name} ({'ro' if mount.readOnly else 'rw'})"


def _state(label: str, state: corev1.ContainerState, inner: int) -> Lines:
    kind = next((name for name in ("running", "waiting", "terminated") if state.HasField(name)), "")
    if not kind:
        return
    found = getattr(state, kind)
    yield line(label, kind.capitalize(), inner)
    if kind == "running":
        yield line("Started", time_text(found.startedAt), inner + 1)
        return
    yield line("Reason", found.reason or NONE, inner + 1)
    if found.message:
        yield line("Message", found.message.strip(), inner + 1)
    if kind == "terminated":
        yield line("Exit Code", found.exitCode, inner + 1)
        yield line("Started", time_text(found.startedAt), inner + 1)
        yield line("Finished", time_text(found.finishedAt), inner + 1)


def _probes(obj: corev1.Container, inner: int) -> Lines:
    for label, name in (("Liveness", "livenessProbe"), ("Readiness", "readinessProbe"), ("Startup", "startupProbe")):
        if not obj.HasField(name):
            continue
        probe = getattr(obj, name)
        timing = (
            f"delay={probe.initialDelaySeconds}s timeout={probe.timeoutSeconds}s period={probe.periodSeconds}s "
            f"#success={probe.successThreshold} #failure={probe.failureThreshold}"
        )
        yield line(label, f"{_handler(codec.to_json(probe))} {timing}", inner)


def _handler(probe: Any) -> str:
    if "httpGet" in probe:
        get = probe["httpGet"]
        return (
            f"http-get {get.get('scheme', 'HTTP').lower()}://{get.get('host', '')}:{get['port']}{get.get('path', '')}"
        )
    if "tcpSocket" in probe:
        return f"tcp-socket {probe['tcpSocket'].get('host', '')}:{probe['tcpSocket']['port']}"
    if "grpc" in probe:
        return f"grpc :{probe['grpc']['port']} {probe['grpc'].get('service', '')}".rstrip()
    return f"exec [{' '.join(probe.get('exec', {}).get('command', []))}]"


def _source(source: corev1.EnvVarSource) -> str:
    if source.HasField("configMapKeyRef"):
        reference = source.configMapKeyRef
        return f"<set to the key '{reference.key}' of config map '{reference.localObjectReference.name}'>"
    if source.HasField("secretKeyRef"):
        secret = source.secretKeyRef
        return f"<set to the key '{secret.key}' in secret '{secret.localObjectReference.name}'>"
    if source.HasField("fieldRef"):
        return f"({source.fieldRef.apiVersion or 'v1'}:{source.fieldRef.fieldPath})"
    return source.resourceFieldRef.resource


def volumes(spec: corev1.PodSpec, depth: int = 0) -> Lines:
    """Yield the volumes of a pod."""
    yield f"{INDENT * depth}Volumes:" if spec.volumes else line("Volumes", NONE, depth)
    for volume in spec.volumes:
        yield f"{INDENT * (depth + 1)}{volume.name}:"
        yield from fields(codec.to_json(volume.volumeSource), depth + 2)


def toleration(obj: corev1.Toleration) -> str:
    """Return a toleration as kubectl writes it."""
    text = obj.key + (f"={obj.value}" if obj.value else "")
    text += f":{obj.effect}" if obj.effect else ""
    text += " op=Exists" if obj.operator == "Exists" else ""
    return text + (f" for {obj.tolerationSeconds}s" if obj.HasField("tolerationSeconds") else "")
