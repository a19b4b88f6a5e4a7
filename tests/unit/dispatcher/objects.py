"""Objects as the dispatcher's tests want them: short to write, complete enough to be sent."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

from fairlead.api.pb import agent_pb2 as agent
from fairlead.api.pb import core_v1_pb2 as corev1

_revisions = itertools.count(100)


def pod(
    name: str, node: str = "", *, uid: str = "", config_map: str = "", secret: str = "", phase: str = ""
) -> corev1.Pod:
    """Return a pod, at a newer revision than any before."""
    made = corev1.Pod()
    made.metadata.name, made.metadata.namespace = name, "default"
    made.metadata.uid = uid or f"uid-{name}"
    made.metadata.resourceVersion = str(next(_revisions))
    made.spec.nodeName = node
    container = made.spec.containers.add(name="main", image="busybox")
    if config_map:
        container.envFrom.add().configMapRef.localObjectReference.name = config_map
    if secret:
        made.spec.volumes.add(name="s").volumeSource.secret.secretName = secret
    made.status.phase = phase
    return made


def config_map(name: str, **data: str) -> corev1.ConfigMap:
    """Return a ConfigMap."""
    made = corev1.ConfigMap(data=data)
    made.metadata.name, made.metadata.namespace = name, "default"
    made.metadata.uid, made.metadata.resourceVersion = f"uid-{name}", str(next(_revisions))
    return made


def secret(name: str) -> corev1.Secret:
    """Return a Secret."""
    made = corev1.Secret()
    made.metadata.name, made.metadata.namespace = name, "default"
    made.metadata.uid, made.metadata.resourceVersion = f"uid-{name}", str(next(_revisions))
    return made


def service(name: str, address: str = "10.96.0.1") -> corev1.Service:
    """Return a Service."""
    made = corev1.Service()
    made.metadata.name, made.metadata.namespace = name, "default"
    made.metadata.uid, made.metadata.resourceVersion = f"uid-{name}", str(next(_revisions))
    made.spec.clusterIP = address
    return made


def node(name: str, *, cidr: str = "", ready: str = "True") -> corev1.Node:
    """Return a Node."""
    made = corev1.Node()
    made.metadata.name, made.metadata.uid = name, f"uid-{name}"
    made.metadata.resourceVersion = str(next(_revisions))
    if cidr:
        made.spec.podCIDR = cidr
        made.spec.podCIDRs.append(cidr)
    made.status.addresses.add(type="InternalIP", address="10.0.0.1")
    made.status.conditions.add(type="Ready", status=ready)
    return made


def decoded(messages: Iterable[bytes]) -> list[agent.Assignments]:
    """Return the Assignments of encoded ControlMessages."""
    return [agent.ControlMessage.FromString(message).assignments for message in messages]


def told(messages: Iterable[bytes]) -> list[str]:
    """Return what Assignments say, a word a change: `+pod web`, `-pods web`."""
    words = []
    for assignments in decoded(messages):
        for change in assignments.changes:
            which = change.WhichOneof("change")
            content = getattr(change, which)
            if which == "removed":
                words.append(f"-{content.resource} {content.name}")
            else:
                words.append(f"+{which} {content.metadata.name}")
    return words
