"""The columns of the core group's kinds but pods, controllers, endpoints and storage. Pure."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence

from google.protobuf.message import Message

from fairlead.api import times
from fairlead.api.columns import layout
from fairlead.api.pb import core_v1_pb2 as corev1

ROLE_LABEL = "node-role.kubernetes.io/"
OLD_ROLE_LABEL = "kubernetes.io/role"


def _node(node: corev1.Node, now: datetime.datetime) -> layout.Row:
    ready = layout.condition(node.status.conditions, "Ready")
    words = ["Ready" if ready == "True" else "NotReady" if ready else "Unknown"]
    words += ["SchedulingDisabled"] if node.spec.unschedulable else []
    addresses = {address.type: address.address for address in reversed(node.status.addresses)}
    info = node.status.nodeInfo
    return (
        node.metadata.name,
        ",".join(words),
        ",".join(_roles(node)) or layout.NONE,
        layout.created(node, now),
        info.kubeletVersion,
        addresses.get("InternalIP", layout.NONE),
        addresses.get("ExternalIP", layout.NONE),
        info.osImage or layout.UNKNOWN,
        info.kernelVersion or layout.UNKNOWN,
        info.containerRuntimeVersion or layout.UNKNOWN,
    )


def _roles(node: corev1.Node) -> Sequence[str]:
    labels = node.metadata.labels
    named = {label.removeprefix(ROLE_LABEL) for label in labels if label.startswith(ROLE_LABEL)}
    return sorted((named | {labels.get(OLD_ROLE_LABEL, "")}) - {""})


def _service(service: corev1.Service, now: datetime.datetime) -> layout.Row:
    ports = [
        f"{port.port}{f':{port.nodePort}' if port.nodePort else ''}/{port.protocol}" for port in service.spec.ports
    ]
    return (
        service.metadata.name,
        service.spec.type,
        service.spec.clusterIP or layout.NONE,
        _external(service),
        ",".join(ports) or layout.NONE,
        layout.created(service, now),
        layout.labels_text(service.spec.selector),
    )


def _external(service: corev1.Service) -> str:
    given = list(service.spec.externalIPs)
    match service.spec.type:
        case "ClusterIP" | "NodePort":
            return ",".join(given) or layout.NONE
        case "LoadBalancer":
            points = {point.ip or point.hostname for point in service.status.loadBalancer.ingress}
            return ",".join([*sorted(points - {""}), *given]) or "<pending>"
        case "ExternalName":
            return service.spec.externalName
    return layout.UNKNOWN


def _namespace(namespace: corev1.Namespace, now: datetime.datetime) -> layout.Row:
    return namespace.metadata.name, namespace.status.phase, layout.created(namespace, now)


def _configmap(config: corev1.ConfigMap, now: datetime.datetime) -> layout.Row:
    return config.metadata.name, len(config.data) + len(config.binaryData), layout.created(config, now)


def _secret(secret: corev1.Secret, now: datetime.datetime) -> layout.Row:
    return secret.metadata.name, secret.type, len(secret.data), layout.created(secret, now)


def _account(account: corev1.ServiceAccount, now: datetime.datetime) -> layout.Row:
    return account.metadata.name, len(account.secrets), layout.created(account, now)


def _event(event: corev1.Event, now: datetime.datetime) -> layout.Row:
    first = layout.age(event.firstTimestamp if event.firstTimestamp.HasField("seconds") else event.eventTime, now)
    last = layout.age(event.lastTimestamp, now) if event.lastTimestamp.HasField("seconds") else first
    count = event.count or 1
    if event.HasField("series"):
        last, count = layout.age(event.series.lastObservedTime, now), event.series.count
    target = event.involvedObject
    host = event.source.host or event.reportingInstance
    return (
        last,
        event.type,
        event.reason,
        f"{target.kind.lower()}/{target.name}" if target.name else target.kind.lower(),
        target.fieldPath,
        (event.source.component or event.reportingComponent) + (f", {host}" if host else ""),
        event.message.strip(),
        first,
        count,
        event.metadata.name,
    )


def _limit_range(limits: corev1.LimitRange, now: datetime.datetime) -> layout.Row:
    return limits.metadata.name, times.format_seconds(limits.metadata.creationTimestamp.seconds)


def _quota(quota: corev1.ResourceQuota, now: datetime.datetime) -> layout.Row:
    requests: list[str] = []
    limits: list[str] = []
    used, hard = quota.status.used, quota.status.hard
    for name in sorted(hard):
        spent = layout.amount(used[name]) if name in used else "0"
        (limits if name.startswith("limits.") else requests).append(f"{name}: {spent}/{layout.amount(hard[name])}")
    return quota.metadata.name, ", ".join(requests), ", ".join(limits), layout.created(quota, now)


def _component(component: corev1.ComponentStatus, now: datetime.datetime) -> layout.Row:
    status, message, error = "Unknown", "", ""
    for condition in component.conditions:
        if condition.type == "Healthy":
            status = "Healthy" if condition.status == "True" else "Unhealthy"
            message, error = condition.message, condition.error
            break
    return component.metadata.name, status, message, error


LAYOUTS: Mapping[type[Message], layout.Layout] = {
    corev1.Node: layout.layout(
        "Name|Status|Roles|Age|Version|+Internal-IP|+External-IP|+OS-Image|+Kernel-Version|+Container-Runtime", _node
    ),
    corev1.Service: layout.layout("Name|Type|Cluster-IP|External-IP|Port(s)|Age|+Selector", _service),
    corev1.Namespace: layout.layout("Name|Status|Age", _namespace),
    corev1.ConfigMap: layout.layout("Name|Data|Age", _configmap),
    corev1.Secret: layout.layout("Name|Type|Data|Age", _secret),
    corev1.ServiceAccount: layout.layout("Name|Secrets|Age", _account),
    corev1.Event: layout.layout(
        "Last Seen|Type|Reason|Object|+Subobject|+Source|Message|+First Seen|+Count|+Name", _event
    ),
    corev1.LimitRange: layout.layout("Name|Created At:date", _limit_range),
    corev1.ResourceQuota: layout.layout("Name|Request|Limit|Age", _quota),
    corev1.ComponentStatus: layout.layout("Name|Status|Message|Error", _component),
}
