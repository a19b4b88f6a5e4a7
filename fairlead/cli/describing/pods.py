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
    yield line("Status", columns.pod_status(obj)[0])
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


def container(obj: corev1.Container, status: corev1.ContainerStatus | None) -> Lines:
    """Yield the lines of a container, indented once; with its status where it has one."""
    yield f"{INDENT}{obj.name}:"
    if status:
        yield line("Container ID", status.containerID or NONE, 2)
    yield line("Image", obj.image, 2)
    if status:
        yield line("Image ID", status.imageID or NONE, 2)
    ports = ", ".join(f"{port.containerPort}/{port.protocol or 'TCP'}" for port in obj.ports)
    yield line("Ports", ports or NONE, 2)
    for label, words in (("Command", obj.command), ("Args", obj.args)):
        if words:
            yield f"{INDENT * 2}{label}:"
            yield from (f"{INDENT * 3}{word}" for word in words)
    if status:
        yield from _state("State", status.state)
        yield from _state("Last State", status.lastState)
        yield line("Ready", status.ready, 2)
        yield line("Restart Count", status.restartCount, 2)
    yield from resources("Limits", obj.resources.limits, 2)
    yield from resources("Requests", obj.resources.requests, 2)
    yield from _probes(obj)
    yield f"{INDENT * 2}Environment:" if obj.env or obj.envFrom else line("Environment", NONE, 2)
    for source in obj.envFrom:
        from_map = source.HasField("configMapRef")
        reference = (source.configMapRef if from_map else source.secretRef).localObjectReference
        yield f"{INDENT * 3}all of {'ConfigMap' if from_map else 'Secret'} {reference.name}"
    for variable in obj.env:
        yield line(variable.name, variable.value or _source(variable.valueFrom), 3)
    yield f"{INDENT * 2}Mounts:" if obj.volumeMounts else line("Mounts", NONE, 2)
    for mount in obj.volumeMounts:
        yield f"{INDENT * 3}{mount.mountPath} from {mount.name} ({'ro' if mount.readOnly else 'rw'})"


def _state(label: str, state: corev1.ContainerState) -> Lines:
    kind = next((name for name in ("running", "waiting", "terminated") if state.HasField(name)), "")
    if not kind:
        return
    found = getattr(state, kind)
    yield line(label, kind.capitalize(), 2)
    if kind == "running":
        yield line("Started", time_text(found.startedAt), 3)
        return
    yield line("Reason", found.reason or NONE, 3)
    if found.message:
        yield line("Message", found.message.strip(), 3)
    if kind == "terminated":
        yield line("Exit Code", found.exitCode, 3)
        yield line("Started", time_text(found.startedAt), 3)
        yield line("Finished", time_text(found.finishedAt), 3)


def _probes(obj: corev1.Container) -> Lines:
    for label, name in (("Liveness", "livenessProbe"), ("Readiness", "readinessProbe"), ("Startup", "startupProbe")):
        if not obj.HasField(name):
            continue
        probe = getattr(obj, name)
        timing = (
            f"delay={probe.initialDelaySeconds}s timeout={probe.timeoutSeconds}s period={probe.periodSeconds}s "
            f"#success={probe.successThreshold} #failure={probe.failureThreshold}"
        )
        yield line(label, f"{_handler(codec.to_json(probe))} {timing}", 2)


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


def volumes(spec: corev1.PodSpec) -> Lines:
    """Yield the volumes of a pod."""
    yield "Volumes:" if spec.volumes else line("Volumes", NONE)
    for volume in spec.volumes:
        yield f"{INDENT}{volume.name}:"
        yield from fields(codec.to_json(volume.volumeSource), 2)


def toleration(obj: corev1.Toleration) -> str:
    """Return a toleration as kubectl writes it."""
    text = obj.key + (f"={obj.value}" if obj.value else "")
    text += f":{obj.effect}" if obj.effect else ""
    text += " op=Exists" if obj.operator == "Exists" else ""
    return text + (f" for {obj.tolerationSeconds}s" if obj.HasField("tolerationSeconds") else "")
