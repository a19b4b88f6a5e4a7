"""The downward API: what a container may learn of its pod (`fieldRef`) and of limits (`resourceFieldRef`). Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from fairlead.api import gotext, quantity
from fairlead.api.pb import core_v1_pb2 as corev1

_SUBSCRIPT = re.compile(r"(metadata\.(?:labels|annotations))\['([^']*)'\]")


class BadField(Exception):
    """A field path or resource that does not exist."""


@dataclass(frozen=True, slots=True)
class PodFacts:
    """What is known of a pod besides its object when a container starts."""

    pod: corev1.Pod
    pod_addresses: tuple[str, ...] = ()
    node_addresses: tuple[str, ...] = ()
    # The node's allocatable amounts stand in for limits that a container does not have.
    allocatable: Mapping[str, quantity.Quantity] | None = None


def field(facts: PodFacts, path: str) -> str:
    """Return the value of a field path, `metadata.name` say."""
    pod = facts.pod
    if match := _SUBSCRIPT.fullmatch(path):
        values = pod.metadata.labels if match[1].endswith("labels") else pod.metadata.annotations
        return values.get(match[2], "")
    simple = {
        "metadata.name": pod.metadata.name,
        "metadata.namespace": pod.metadata.namespace,
        "metadata.uid": pod.metadata.uid,
        "spec.nodeName": pod.spec.nodeName,
        "spec.serviceAccountName": pod.spec.serviceAccountName,
        "status.hostIP": facts.node_addresses[0] if facts.node_addresses else "",
        "status.hostIPs": ",".join(facts.node_addresses),
        "status.podIP": facts.pod_addresses[0] if facts.pod_addresses else "",
        "status.podIPs": ",".join(facts.pod_addresses),
    }
    if path in simple:
        return simple[path]
    if path in ("metadata.labels", "metadata.annotations"):
        values = pod.metadata.labels if path.endswith("labels") else pod.metadata.annotations
        return "\n".join(f"{key}={gotext.quoted(values[key])}" for key in sorted(values))
    raise BadField(f"unsupported fieldPath: {path}")


def resource(facts: PodFacts, container: corev1.Container, selector: corev1.ResourceFieldSelector) -> str:
    """Return a limit or request as a number of its divisor, rounded up."""
    if selector.containerName and selector.containerName != container.name:
        everyone = (*facts.pod.spec.containers, *facts.pod.spec.initContainers)
        named = next((one for one in everyone if one.name == selector.containerName), None)
        if named is None:
            raise BadField(f"container {selector.containerName} not found")
        container = named
    kind, _, name = selector.resource.partition(".")
    if kind not in ("limits", "requests"):
        raise BadField(f"unsupported container resource: {selector.resource}")
    limits = quantity.amounts(container.resources.limits)
    given = limits if kind == "limits" else quantity.amounts(container.resources.requests)
    amount = given.get(name)
    if amount is None and kind == "requests":
        amount = limits.get(name, quantity.whole(0))
    if amount is None:
        amount = (facts.allocatable or {}).get(name, quantity.whole(0))
    divisor = quantity.of(selector.divisor) or quantity.whole(1)
    return str(-(-amount.nanos // divisor.nanos))
