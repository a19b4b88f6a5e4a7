"""The columns of the core group's kinds, pods and controllers excepted. Pure."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence

from google.protobuf.message import Message

from fairlead.api.columns import layout
from fairlead.api.pb import core_v1_pb2 as corev1

ROLE_LABEL = "node-role.kubernetes.io/"


def _node(node: corev1.Node, now: datetime.datetime) -> Sequence[str]:
    ready = layout.condition(node.status.conditions, "Ready")
    words = ["Ready" if ready == "True" else "NotReady" if ready else "Unknown"]
    words += ["SchedulingDisabled"] if node.spec.unschedulable else []
    roles = sorted(label.removeprefix(ROLE_LABEL) for label in node.metadata.labels if label.startswith(ROLE_LABEL))
    addresses = {address.type: address.address for address in reversed(node.status.addresses)}
    info = node.status.nodeInfo
    return (
        node.metadata.name,
        ",".join(words),
        ",".join(roles) or layout.NONE,
        layout.created(node, now),
        info.kubeletVersion,
        addresses.get("InternalIP", layout.NONE),
        addresses.get("ExternalIP", layout.NONE),
        info.osImage or layout.UNKNOWN,
        info.kernelVersion or layout.UNKNOWN,
        info.containerRuntimeVersion or layout.UNKNOWN,
    )


def _service(service: corev1.Service, now: datetime.datetime) -> Sequence[str]:
    ports = [
        f"{port.port}{f':{port.nodePort}' if port.nodePort else ''}/{port.protocol}" for port in service.spec.ports
    ]
    ingress = [point.ip or point.hostname for point in service.status.loadBalancer.ingress]
    external = ",".join([*ingress, *service.spec.externalIPs])
    if service.spec.type == "ExternalName":
        external = service.spec.externalName
    pending = "<pending>" if service.spec.type == "LoadBalancer" else layout.NONE
    return (
        service.metadata.name,
        service.spec.type,
        service.spec.clusterIP or layout.NONE,
        external or pending,
        ",".join(ports) or layout.NONE,
        layout.created(service, now),
        layout.labels_text(service.spec.selector),
    )


def _namespace(namespace: corev1.Namespace, now: datetime.datetime) -> Sequence[str]:
    return namespace.metadata.name, namespace.status.phase, layout.created(namespace, now)


def _configmap(config: corev1.ConfigMap, now: datetime.datetime) -> Sequence[str]:
    return config.metadata.name, str(len(config.data) + len(config.binaryData)), layout.created(config, now)


def _secret(secret: corev1.Secret, now: datetime.datetime) -> Sequence[str]:
    return secret.metadata.name, secret.type, str(len(secret.data)), layout.created(secret, now)


def _account(account: corev1.ServiceAccount, now: datetime.datetime) -> Sequence[str]:
    return account.metadata.name, str(len(account.secrets)), layout.created(account, now)


def _event(event: corev1.Event, now: datetime.datetime) -> Sequence[str]:
    last, first = event.lastTimestamp, event.firstTimestamp
    fallback = event.metadata.creationTimestamp
    target = event.involvedObject
    path = target.fieldPath
    source = ", ".join(part for part in (event.source.component, event.source.host) if part)
    return (
        layout.age(last if last.HasField("seconds") else fallback, now),
        event.type,
        event.reason,
        f"{target.kind.lower()}/{target.name}",
        path,
        source or event.reportingComponent,
        event.message.strip(),
        layout.age(first if first.HasField("seconds") else fallback, now),
        str(event.count or 1),
        event.metadata.name,
    )


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
}
