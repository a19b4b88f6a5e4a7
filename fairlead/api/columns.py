"""Kubernetes' table columns for each kind: what `get` prints.

Pure: `of_kind(kind)` names them, `row(object, now)` fills them. Columns with priority 1 appear only in wide tables.
The command line prints these; a gateway can serve them as meta.v1 Table.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import Message

from fairlead.api import scheme
from fairlead.api.pb import apps_v1_pb2 as appsv1
from fairlead.api.pb import coordination_v1_pb2 as coordinationv1
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import discovery_v1_pb2 as discoveryv1
from fairlead.api.pb import meta_v1_pb2 as metav1

NONE = "<none>"
UNKNOWN = "<unknown>"
ROLE_LABEL = "node-role.kubernetes.io/"
LIST_MAX = 3  # ports and addresses listed before "+ n more..."


@dataclass(frozen=True, slots=True)
class Column:
    """One column; priority 0 is always shown, 1 in wide tables only."""

    name: str
    priority: int = 0


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns of a kind and the function that fills one row of them (age is added by `row`)."""

    columns: tuple[Column, ...]
    cells: Callable[[Any, datetime.datetime], Sequence[str]]


def of_kind(kind: scheme.Kind) -> tuple[Column, ...]:
    """Return the columns of a kind, name first."""
    return _LAYOUTS.get(kind.kind, _DEFAULT).columns


def row(obj: Message, now: datetime.datetime) -> Sequence[str]:
    """Return the cells of an object, one for each column of its kind."""
    layout = _LAYOUTS.get(obj.DESCRIPTOR.name, _DEFAULT)
    return layout.cells(obj, now)


def human_duration(seconds: float) -> str:
    """Return a duration as kubectl prints ages: 45s, 3m12s, 47m, 5h3m, 2d4h, 3y20d."""
    total = int(seconds)
    if total < -1:
        return "<invalid>"
    total = max(total, 0)
    minutes, hours, days = total // 60, total // 3600, total // 86400
    if total < 120:
        return f"{total}s"
    if minutes < 10:
        return _two(minutes, "m", total % 60, "s")
    if minutes < 180:
        return f"{minutes}m"
    if hours < 8:
        return _two(hours, "h", minutes % 60, "m")
    if hours < 48:
        return f"{hours}h"
    if days < 8:
        return _two(days, "d", hours % 24, "h")
    if days < 365 * 2:
        return f"{days}d"
    if days < 365 * 8:
        return _two(days // 365, "y", days % 365, "d")
    return f"{days // 365}y"


def age(time: metav1.Time, now: datetime.datetime) -> str:
    """Return how long ago a time was; `<unknown>` where it is unset."""
    return human_duration(now.timestamp() - time.seconds) if time.HasField("seconds") else UNKNOWN


def pod_status(pod: corev1.Pod) -> tuple[str, int, int]:
    """Return what kubectl's STATUS column says of a pod, its ready containers and its restarts."""
    reason = pod.status.reason or pod.status.phase
    restarts = 0
    initialising = False
    total = len(pod.spec.initContainers)
    sidecars = {c.name for c in pod.spec.initContainers if c.restartPolicy == "Always"}
    for index, status in enumerate(pod.status.initContainerStatuses):
        restarts += status.restartCount
        state = status.state
        if state.HasField("terminated") and state.terminated.exitCode == 0:
            continue
        if status.name in sidecars and status.started:
            continue
        reason, initialising = f"Init:{_init_reason(state) or f'{index}/{total}'}", True
        break
    ready = 0
    if not initialising:
        restarts = sum(s.restartCount for s in pod.status.initContainerStatuses if s.name in sidecars)
        running = False
        for status in reversed(pod.status.containerStatuses):
            restarts += status.restartCount
            reason = _state_reason(status.state) or reason
            if status.ready and status.state.HasField("running"):
                running, ready = True, ready + 1
        if reason == "Completed" and running:
            reason = "Running" if _condition(pod.status.conditions, "Ready") == "True" else "NotReady"
    if pod.metadata.HasField("deletionTimestamp"):
        reason = "Unknown" if pod.status.reason == "NodeLost" else "Terminating"
    return reason, ready, restarts


def _init_reason(state: corev1.ContainerState) -> str:
    if state.HasField("terminated"):
        return _state_reason(state)
    if state.HasField("waiting") and state.waiting.reason != "PodInitializing":
        return state.waiting.reason
    return ""


def _state_reason(state: corev1.ContainerState) -> str:
    if state.waiting.reason:
        return state.waiting.reason
    if not state.HasField("terminated"):
        return ""
    ended = state.terminated
    return ended.reason or (f"Signal:{ended.signal}" if ended.signal else f"ExitCode:{ended.exitCode}")


def _condition(conditions: Sequence[Any], kind: str) -> str:
    return next((str(condition.status) for condition in conditions if condition.type == kind), "")


def _two(big: int, big_unit: str, small: int, small_unit: str) -> str:
    return f"{big}{big_unit}{small}{small_unit}" if small else f"{big}{big_unit}"


def _layout(names: str, cells: Callable[[Any, datetime.datetime], Sequence[str]]) -> Layout:
    """Make a layout from column names separated by `|`; a `+` marks those of wide tables."""
    parsed = [Column(name.lstrip("+").strip(), 1 if name.startswith("+") else 0) for name in names.split("|")]
    return Layout(tuple(parsed), cells)


def _more(items: Sequence[str]) -> str:
    if not items:
        return NONE
    listed = ",".join(items[:LIST_MAX])
    return f"{listed} + {len(items) - LIST_MAX} more..." if len(items) > LIST_MAX else listed


def selector_text(selector: metav1.LabelSelector) -> str:
    """Return a selector as kubectl writes it."""
    parts = [f"{key}={value}" for key, value in sorted(selector.matchLabels.items())]
    for rule in selector.matchExpressions:
        values = f" ({','.join(rule.values)})" if rule.values else ""
        operator = {"In": " in", "NotIn": " notin", "Exists": "", "DoesNotExist": ""}[rule.operator]
        parts.append(f"{'!' if rule.operator == 'DoesNotExist' else ''}{rule.key}{operator}{values}")
    return ",".join(parts) or NONE


def _containers(template: corev1.PodTemplateSpec) -> tuple[str, str]:
    found = template.spec.containers
    return ",".join(c.name for c in found), ",".join(c.image for c in found)


def _created(obj: Any, now: datetime.datetime) -> str:
    return age(obj.metadata.creationTimestamp, now)


def _pod(pod: corev1.Pod, now: datetime.datetime) -> Sequence[str]:
    reason, ready, restarts = pod_status(pod)
    last = max((s.lastState.terminated.finishedAt.seconds for s in pod.status.containerStatuses), default=0)
    ago = f" ({human_duration(now.timestamp() - last)} ago)" if restarts and last else ""
    gates = [_condition(pod.status.conditions, gate.conditionType) for gate in pod.spec.readinessGates]
    return (
        pod.metadata.name,
        f"{ready}/{len(pod.spec.containers)}",
        reason,
        f"{restarts}{ago}",
        _created(pod, now),
        pod.status.podIP or NONE,
        pod.spec.nodeName or NONE,
        pod.status.nominatedNodeName or NONE,
        f"{gates.count('True')}/{len(gates)}" if gates else NONE,
    )


def _node(node: corev1.Node, now: datetime.datetime) -> Sequence[str]:
    ready = _condition(node.status.conditions, "Ready")
    words = ["Ready" if ready == "True" else "NotReady" if ready else "Unknown"]
    words += ["SchedulingDisabled"] if node.spec.unschedulable else []
    roles = sorted(label.removeprefix(ROLE_LABEL) for label in node.metadata.labels if label.startswith(ROLE_LABEL))
    addresses = {address.type: address.address for address in reversed(node.status.addresses)}
    info = node.status.nodeInfo
    return (
        node.metadata.name,
        ",".join(words),
        ",".join(roles) or NONE,
        _created(node, now),
        info.kubeletVersion,
        addresses.get("InternalIP", NONE),
        addresses.get("ExternalIP", NONE),
        info.osImage or UNKNOWN,
        info.kernelVersion or UNKNOWN,
        info.containerRuntimeVersion or UNKNOWN,
    )


def _service(service: corev1.Service, now: datetime.datetime) -> Sequence[str]:
    ports = [
        f"{port.port}{f':{port.nodePort}' if port.nodePort else ''}/{port.protocol}" for port in service.spec.ports
    ]
    ingress = [point.ip or point.hostname for point in service.status.loadBalancer.ingress]
    external = ",".join([*ingress, *service.spec.externalIPs])
    if service.spec.type == "ExternalName":
        external = service.spec.externalName
    pending = "<pending>" if service.spec.type == "LoadBalancer" else NONE
    selector = ",".join(f"{key}={value}" for key, value in sorted(service.spec.selector.items()))
    return (
        service.metadata.name,
        service.spec.type,
        service.spec.clusterIP or NONE,
        external or pending,
        ",".join(ports) or NONE,
        _created(service, now),
        selector or NONE,
    )


def _deployment(deployment: appsv1.Deployment, now: datetime.datetime) -> Sequence[str]:
    names, images = _containers(deployment.spec.template)
    status = deployment.status
    return (
        deployment.metadata.name,
        f"{status.readyReplicas}/{deployment.spec.replicas}",
        str(status.updatedReplicas),
        str(status.availableReplicas),
        _created(deployment, now),
        names,
        images,
        selector_text(deployment.spec.selector),
    )


def _replicaset(replicaset: appsv1.ReplicaSet, now: datetime.datetime) -> Sequence[str]:
    names, images = _containers(replicaset.spec.template)
    status = replicaset.status
    return (
        replicaset.metadata.name,
        str(replicaset.spec.replicas),
        str(status.replicas),
        str(status.readyReplicas),
        _created(replicaset, now),
        names,
        images,
        selector_text(replicaset.spec.selector),
    )


def _endpointslice(piece: discoveryv1.EndpointSlice, now: datetime.datetime) -> Sequence[str]:
    ports = [str(port.port) if port.port else "*" for port in piece.ports]
    addresses = [address for endpoint in piece.endpoints for address in endpoint.addresses]
    return (
        piece.metadata.name,
        piece.addressType,
        _more(ports) if ports else "<unset>",
        _more(addresses) if addresses else "<unset>",
        _created(piece, now),
    )


def _namespace(namespace: corev1.Namespace, now: datetime.datetime) -> Sequence[str]:
    return namespace.metadata.name, namespace.status.phase, _created(namespace, now)


def _configmap(config: corev1.ConfigMap, now: datetime.datetime) -> Sequence[str]:
    return config.metadata.name, str(len(config.data) + len(config.binaryData)), _created(config, now)


def _secret(secret: corev1.Secret, now: datetime.datetime) -> Sequence[str]:
    return secret.metadata.name, secret.type, str(len(secret.data)), _created(secret, now)


def _account(account: corev1.ServiceAccount, now: datetime.datetime) -> Sequence[str]:
    return account.metadata.name, str(len(account.secrets)), _created(account, now)


def _lease(lease: coordinationv1.Lease, now: datetime.datetime) -> Sequence[str]:
    return lease.metadata.name, lease.spec.holderIdentity, _created(lease, now)


def _event(event: corev1.Event, now: datetime.datetime) -> Sequence[str]:
    last, first = event.lastTimestamp, event.firstTimestamp
    fallback = event.metadata.creationTimestamp
    target = event.involvedObject
    path = target.fieldPath
    source = ", ".join(part for part in (event.source.component, event.source.host) if part)
    return (
        age(last if last.HasField("seconds") else fallback, now),
        event.type,
        event.reason,
        f"{target.kind.lower()}/{target.name}",
        path,
        source or event.reportingComponent,
        event.message.strip(),
        age(first if first.HasField("seconds") else fallback, now),
        str(event.count or 1),
        event.metadata.name,
    )


def _any(obj: Any, now: datetime.datetime) -> Sequence[str]:
    return obj.metadata.name, _created(obj, now)


_WORKLOAD = "+Containers|+Images|+Selector"
_DEFAULT = _layout("Name|Age", _any)
_LAYOUTS: dict[str, Layout] = {
    "Pod": _layout("Name|Ready|Status|Restarts|Age|+IP|+Node|+Nominated Node|+Readiness Gates", _pod),
    "Node": _layout(
        "Name|Status|Roles|Age|Version|+Internal-IP|+External-IP|+OS-Image|+Kernel-Version|+Container-Runtime", _node
    ),
    "Service": _layout("Name|Type|Cluster-IP|External-IP|Port(s)|Age|+Selector", _service),
    "Deployment": _layout(f"Name|Ready|Up-to-date|Available|Age|{_WORKLOAD}", _deployment),
    "ReplicaSet": _layout(f"Name|Desired|Current|Ready|Age|{_WORKLOAD}", _replicaset),
    "EndpointSlice": _layout("Name|AddressType|Ports|Endpoints|Age", _endpointslice),
    "Namespace": _layout("Name|Status|Age", _namespace),
    "ConfigMap": _layout("Name|Data|Age", _configmap),
    "Secret": _layout("Name|Type|Data|Age", _secret),
    "ServiceAccount": _layout("Name|Secrets|Age", _account),
    "Lease": _layout("Name|Holder|Age", _lease),
    "Event": _layout("Last Seen|Type|Reason|Object|+Subobject|+Source|Message|+First Seen|+Count|+Name", _event),
}
