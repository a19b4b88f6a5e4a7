"""`describe`: an object, what belongs to it, and its events, for a person.

Pure text makers for the kinds that people look at most; every other kind is shown field by field.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import click
from google.protobuf.message import Message

from fairlead.api import codec, columns
from fairlead.api.pb import apps_v1_pb2 as appsv1
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import meta_v1_pb2 as metav1
from fairlead.cli import session
from fairlead.client.interface import Selection

NONE = "<none>"
INDENT = "  "
LABEL_WIDTH = 18

Lines = Iterator[str]


def line(label: str, value: object, depth: int = 0) -> str:
    """Return `Label:   value`, aligned."""
    return f"{INDENT * depth}{(label + ':').ljust(LABEL_WIDTH - 2 * depth)} {value}".rstrip()


def mapping(label: str, values: Any, depth: int = 0) -> Lines:
    """Yield `Label: a=1` and the further pairs below it, aligned."""
    pairs = [f"{key}={value}" for key, value in sorted(values.items())] or [NONE]
    yield line(label, pairs[0], depth)
    for pair in pairs[1:]:
        yield " " * (LABEL_WIDTH + 1) + pair


def table(headers: Sequence[str], rows: Sequence[Sequence[str]], depth: int = 1) -> Lines:
    """Yield an indented table with a rule below its header."""
    whole = [list(headers), ["-" * len(header) for header in headers], *map(list, rows)]
    widths = [max(len(row[index]) for row in whole) for index in range(len(headers))]
    for row in whole:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        yield (INDENT * depth + "  ".join(cells)).rstrip()


def time_text(time: metav1.Time) -> str:
    """Return a time as `Sat, 21 Nov 2026 03:00:00 +0000`."""
    moment = datetime.datetime.fromtimestamp(time.seconds, datetime.UTC)
    return moment.strftime("%a, %d %b %Y %H:%M:%S %z")


def _head(obj: Any, *, namespaced: bool = True) -> Lines:
    meta = obj.metadata
    yield line("Name", meta.name)
    if namespaced:
        yield line("Namespace", meta.namespace)
    yield from mapping("Labels", meta.labels)
    shown = {key: value for key, value in meta.annotations.items() if not key.endswith("last-applied-configuration")}
    yield from mapping("Annotations", shown)


def _owner(obj: Any) -> Lines:
    for ref in obj.metadata.ownerReferences:
        if ref.controller:
            yield line("Controlled By", f"{ref.kind}/{ref.name}")


def _conditions(conditions: Sequence[Any]) -> Lines:
    if not conditions:
        return
    yield "Conditions:"
    rows = [(c.type, c.status, getattr(c, "reason", ""), getattr(c, "message", "")) for c in conditions]
    yield from table(("Type", "Status", "Reason", "Message"), rows)


def _resources(label: str, amounts: Any, depth: int) -> Lines:
    if amounts:
        yield f"{INDENT * depth}{label}:"
        for name, quantity in sorted(amounts.items()):
            yield line(name, quantity.string, depth + 1)


def _state(label: str, state: corev1.ContainerState) -> Lines:
    if state.HasField("running"):
        yield line(label, "Running", 2)
        yield line("Started", time_text(state.running.startedAt), 3)
    elif state.HasField("waiting"):
        yield line(label, "Waiting", 2)
        yield line("Reason", state.waiting.reason, 3)
        if state.waiting.message:
            yield line("Message", state.waiting.message, 3)
    elif state.HasField("terminated"):
        ended = state.terminated
        yield line(label, "Terminated", 2)
        yield line("Reason", ended.reason, 3)
        if ended.message:
            yield line("Message", ended.message.strip(), 3)
        yield line("Exit Code", ended.exitCode, 3)
        yield line("Started", time_text(ended.startedAt), 3)
        yield line("Finished", time_text(ended.finishedAt), 3)


def _container(container: corev1.Container, status: corev1.ContainerStatus | None) -> Lines:
    yield f"{INDENT}{container.name}:"
    if status:
        yield line("Container ID", status.containerID, 2)
    yield line("Image", container.image, 2)
    if status:
        yield line("Image ID", status.imageID, 2)
    ports = ", ".join(f"{port.containerPort}/{port.protocol or 'TCP'}" for port in container.ports)
    yield line("Ports", ports or NONE, 2)
    for label, words in (("Command", container.command), ("Args", container.args)):
        if words:
            yield f"{INDENT * 2}{label}:"
            yield from (f"{INDENT * 3}{word}" for word in words)
    if status:
        yield from _state("State", status.state)
        yield from _state("Last State", status.lastState)
        yield line("Ready", status.ready, 2)
        yield line("Restart Count", status.restartCount, 2)
    yield from _resources("Limits", container.resources.limits, 2)
    yield from _resources("Requests", container.resources.requests, 2)
    yield f"{INDENT * 2}Environment:" + ("" if container.env else f" {NONE}")
    for variable in container.env:
        yield line(variable.name, variable.value or _source(variable.valueFrom), 3)
    yield f"{INDENT * 2}Mounts:" + ("" if container.volumeMounts else f" {NONE}")
    for mount in container.volumeMounts:
        yield f"{INDENT * 3}{mount.mountPath} from {mount.name} ({'ro' if mount.readOnly else 'rw'})"


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


def pod(obj: corev1.Pod) -> Lines:
    """Yield the lines of a pod."""
    yield from _head(obj)
    yield line("Service Account", obj.spec.serviceAccountName or "default")
    yield line("Node", f"{obj.spec.nodeName}/{obj.status.hostIP}" if obj.spec.nodeName else NONE)
    if obj.status.HasField("startTime"):
        yield line("Start Time", time_text(obj.status.startTime))
    yield line("Status", columns.pod_status(obj)[0])
    if obj.status.message:
        yield line("Message", obj.status.message)
    yield line("IP", obj.status.podIP)
    yield from _owner(obj)
    statuses = {s.name: s for s in (*obj.status.initContainerStatuses, *obj.status.containerStatuses)}
    for label, containers in (("Init Containers", obj.spec.initContainers), ("Containers", obj.spec.containers)):
        if containers:
            yield f"{label}:"
        for container in containers:
            yield from _container(container, statuses.get(container.name))
    yield from _conditions(obj.status.conditions)
    yield "Volumes:" + ("" if obj.spec.volumes else f" {NONE}")
    for volume in obj.spec.volumes:
        source = codec.to_json(volume.volumeSource)
        yield f"{INDENT}{volume.name}:"
        yield from _fields(source, 2)
    yield line("QoS Class", obj.status.qosClass)
    yield from mapping("Node-Selectors", obj.spec.nodeSelector)
    tolerations = [_toleration(toleration) for toleration in obj.spec.tolerations] or [NONE]
    yield line("Tolerations", tolerations[0])
    yield from (" " * (LABEL_WIDTH + 1) + text for text in tolerations[1:])


def _toleration(toleration: corev1.Toleration) -> str:
    text = toleration.key + (f"={toleration.value}" if toleration.value else "")
    text += f":{toleration.effect}" if toleration.effect else ""
    text += " op=Exists" if toleration.operator == "Exists" else ""
    return text + (f" for {toleration.tolerationSeconds}s" if toleration.HasField("tolerationSeconds") else "")


def node(obj: corev1.Node) -> Lines:
    """Yield the lines of a node."""
    yield from _head(obj, namespaced=False)
    yield line("CreationTimestamp", time_text(obj.metadata.creationTimestamp))
    taints = [f"{t.key}{'=' + t.value if t.value else ''}:{t.effect}" for t in obj.spec.taints] or [NONE]
    yield line("Taints", taints[0])
    yield from (" " * (LABEL_WIDTH + 1) + text for text in taints[1:])
    yield line("Unschedulable", str(obj.spec.unschedulable).lower())
    yield from _conditions(obj.status.conditions)
    yield "Addresses:"
    for address in obj.status.addresses:
        yield line(address.type, address.address, 1)
    yield from _resources("Capacity", obj.status.capacity, 0)
    yield from _resources("Allocatable", obj.status.allocatable, 0)
    yield "System Info:"
    yield from _fields(codec.to_json(obj.status.nodeInfo), 1)
    yield line("PodCIDR", obj.spec.podCIDR)
    yield line("PodCIDRs", ",".join(obj.spec.podCIDRs))


def deployment(obj: appsv1.Deployment) -> Lines:
    """Yield the lines of a deployment."""
    yield from _head(obj)
    yield line("CreationTimestamp", time_text(obj.metadata.creationTimestamp))
    yield from mapping("Selector", obj.spec.selector.matchLabels)
    status = obj.status
    yield line(
        "Replicas",
        f"{obj.spec.replicas} desired | {status.updatedReplicas} updated | {status.replicas} total | "
        f"{status.availableReplicas} available | {status.unavailableReplicas} unavailable",
    )
    yield line("StrategyType", obj.spec.strategy.type)
    yield line("MinReadySeconds", obj.spec.minReadySeconds)
    if obj.spec.strategy.HasField("rollingUpdate"):
        rolling = codec.to_json(obj.spec.strategy.rollingUpdate)
        shown = f"{rolling.get('maxUnavailable')} max unavailable, {rolling.get('maxSurge')} max surge"
        yield line("RollingUpdateStrategy", shown)
    yield "Pod Template:"
    yield from mapping("Labels", obj.spec.template.metadata.labels, 1)
    yield f"{INDENT}Containers:"
    for container in obj.spec.template.spec.containers:
        yield from (INDENT + text for text in _container(container, None))
    yield from _conditions(status.conditions)


def service(obj: corev1.Service) -> Lines:
    """Yield the lines of a service."""
    yield from _head(obj)
    yield from mapping("Selector", obj.spec.selector)
    yield line("Type", obj.spec.type)
    yield line("IP", obj.spec.clusterIP or NONE)
    for port in obj.spec.ports:
        yield line("Port", f"{port.name or '<unset>'}  {port.port}/{port.protocol}")
        yield line("TargetPort", f"{codec.to_json(port).get('targetPort', port.port)}/{port.protocol}")
        if port.nodePort:
            yield line("NodePort", f"{port.name or '<unset>'}  {port.nodePort}/{port.protocol}")
    yield line("Session Affinity", obj.spec.sessionAffinity)


def other(obj: Message) -> Lines:
    """Yield the lines of an object of any other kind, field by field; a secret's values are only counted."""
    data = codec.to_json(obj)
    yield from _head(obj, namespaced=bool(obj.metadata.namespace))  # type: ignore[attr-defined]
    data = {key: value for key, value in data.items() if key != "metadata"}
    if isinstance(obj, corev1.Secret):
        data["data"] = {key: f"{len(value)} bytes" for key, value in obj.data.items()}
    yield from _fields(data, 0)


def _fields(data: Any, depth: int) -> Lines:
    items = data.items() if isinstance(data, dict) else enumerate(data)
    for key, value in items:
        label = _words(key) if isinstance(key, str) and depth < 2 else str(key)
        if isinstance(value, dict | list) and value:
            yield f"{INDENT * depth}{label}:"
            yield from _fields(value, depth + 1)
        else:
            yield line(label, NONE if value in (None, {}, []) else value, depth)


def _words(name: str) -> str:
    """Return a field's name as words: `apiVersion` becomes `API Version`."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
    return " ".join(
        {"api": "API", "os": "OS", "id": "ID", "ip": "IP"}.get(w.lower(), w.capitalize()) for w in spaced.split()
    )


def events(found: Sequence[corev1.Event], now: datetime.datetime) -> Lines:
    """Yield the events of an object, oldest first."""
    if not found:
        yield line("Events", NONE)
        return
    rows = []
    for event in sorted(found, key=lambda e: (e.lastTimestamp.seconds, e.metadata.creationTimestamp.seconds)):
        first = columns.age(event.firstTimestamp, now)
        last = columns.age(
            event.lastTimestamp if event.lastTimestamp.seconds else event.metadata.creationTimestamp, now
        )
        seen = f"{last} (x{event.count} over {first})" if event.count > 1 else last
        source = event.source.component or event.reportingComponent
        rows.append((event.type, event.reason, seen, source, event.message.strip()))
    yield "Events:"
    yield from table(("Type", "Reason", "Age", "From", "Message"), rows)


MAKERS: dict[str, Callable[[Any], Lines]] = {
    "Pod": pod,
    "Node": node,
    "Deployment": deployment,
    "Service": service,
}


@click.command()
@click.argument("what", nargs=-1, required=True)
@click.option("-l", "--selector", default="")
@session.command
async def describe(cli: session.Session, what: Sequence[str], selector: str) -> None:
    """Show an object with its events: `describe pod web-1`, `describe node`, `describe deploy/web`."""
    texts = []
    for target in session.targets(what):
        namespace = cli.namespace if target.kind.namespaced else ""
        if target.names:
            found = [await cli.client.get(target.message, name, namespace) for name in target.names]
        else:
            found = list((await cli.client.list(target.message, namespace, select=Selection(selector))).items)
        for obj in found:
            meta = session.metadata(obj)
            about = f"involvedObject.name={meta.name},involvedObject.kind={target.kind.kind}"
            page = await cli.client.list(corev1.Event, namespace, select=Selection(fields=about))
            now = datetime.datetime.now(datetime.UTC)
            lines = [*MAKERS.get(target.kind.kind, other)(obj), *events(page.items, now)]
            texts.append("\n".join(lines))
    click.echo("\n\n\n".join(texts) if texts else "No resources found")
