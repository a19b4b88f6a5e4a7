"""NodeRestriction: a node writes its own Node, its own Lease and the pods bound to it, and of those not all.

The node authorizer says which resources a node may touch; this plugin looks at what is written. Source: Kubernetes'
documentation, "Admission Controllers", NodeRestriction.
"""

from __future__ import annotations

from collections.abc import Iterable

from control.apiserver import authn, nodeauthz
from control.apiserver.admission import plugin
from fairlead.api import errors
from fairlead.api.pb import coordination_v1_pb2 as coordinationv1
from fairlead.api.pb import core_v1_pb2 as corev1

MIRROR = "kubernetes.io/config.mirror"
OWN_LABELS = frozenset(
    {
        "beta.kubernetes.io/arch",
        "beta.kubernetes.io/instance-type",
        "beta.kubernetes.io/os",
        "failure-domain.beta.kubernetes.io/region",
        "failure-domain.beta.kubernetes.io/zone",
        "kubernetes.io/arch",
        "kubernetes.io/hostname",
        "kubernetes.io/os",
        "node.kubernetes.io/instance-type",
        "topology.kubernetes.io/region",
        "topology.kubernetes.io/zone",
    }
)
OWN_LABEL_DOMAINS = ("kubelet.kubernetes.io", "node.kubernetes.io")


class NodeRestriction(plugin.Plugin):
    """Judges what nodes write; has no opinion on other users."""

    async def validate(self, request: plugin.Request) -> None:
        """Refuse what is not the node's own."""
        node = request.user.node
        if not node:
            return
        old, obj = request.old, request.obj
        if isinstance(old or obj, corev1.Pod):
            why = _pod(request, node)
        elif isinstance(old or obj, corev1.Node):
            why = _node(request, node)
        elif isinstance(old or obj, coordinationv1.Lease):
            why = _lease(request, node)
        else:
            return
        if why:
            raise errors.forbidden(request.kind.group, request.kind.resource, request.name, why)


def _pod(request: plugin.Request, node: str) -> str:
    """Return why a write of a pod is refused, "" if it is not."""
    if request.operation == "CREATE" and not request.subresource:
        pod: corev1.Pod = request.obj
        if MIRROR not in pod.metadata.annotations:
            return f'pod does not have "{MIRROR}" annotation, node "{node}" can only create mirror pods'
        if pod.spec.nodeName != node:
            return f'node "{node}" can only create pods with spec.nodeName set to itself'
        if why := _owner(pod, node):
            return why
        if pod.spec.serviceAccountName or pod.spec.serviceAccount:
            return f'node "{node}" can not create pods that reference a service account'
        for resource in ("secrets", "configmaps", "persistentvolumeclaims"):
            if nodeauthz.references(pod, resource):
                return f'node "{node}" can not create pods that reference {resource}'
        return ""
    old: corev1.Pod = request.old
    if old.spec.nodeName != node:
        doing = {"DELETE": "delete pods"}.get(request.operation, "update pod status for pods")
        return f'node "{node}" can only {doing} with spec.nodeName set to itself'
    if request.operation == "UPDATE" and dict(request.obj.metadata.labels) != dict(old.metadata.labels):
        return f'node "{node}" cannot update labels through pod status'
    return ""


def _owner(pod: corev1.Pod, node: str) -> str:
    """Return why a mirror pod may not have its owners, "" if it may: none, or the node."""
    if len(pod.metadata.ownerReferences) > 1:
        return f'node "{node}" can only create pods with a single owner reference set to itself'
    for owner in pod.metadata.ownerReferences:
        if (owner.apiVersion, owner.kind, owner.name) != ("v1", "Node", node):
            return f'node "{node}" can only create pods with an owner reference set to itself'
        if not owner.controller:
            return f'node "{node}" can only create pods with a controller owner reference set to itself'
        if owner.blockOwnerDeletion:
            return f'node "{node}" must not set blockOwnerDeletion on an owner reference'
    return ""


def evicts(user: authn.User, pod: corev1.Pod) -> str:
    """Return why a user may not evict a pod for being a node, "" if it may."""
    if user.node and pod.spec.nodeName != user.node:
        return f'node "{user.node}" can only evict pods with spec.nodeName set to itself'
    return ""


def _node(request: plugin.Request, node: str) -> str:
    """Return why a write of a Node is refused, "" if it is not."""
    if request.name != node:
        return f'node "{node}" is not allowed to modify node "{request.name}"'
    obj, old = request.obj, request.old
    if request.operation == "CREATE":
        forbidden = _restricted(obj.metadata.labels)
        if forbidden:
            return f"is not allowed to set the following labels: {', '.join(forbidden)}"
    if request.operation == "UPDATE":
        if list(obj.spec.taints) != list(old.spec.taints):
            return f'node "{node}" is not allowed to modify taints'
        if list(obj.metadata.ownerReferences) != list(old.metadata.ownerReferences):
            return f'node "{node}" is not allowed to modify ownerReferences'
        labels, before = obj.metadata.labels, old.metadata.labels
        changed = {key for key in {*labels, *before} if labels.get(key) != before.get(key)}
        forbidden = _restricted(changed)
        if forbidden:
            return f"is not allowed to modify labels: {', '.join(forbidden)}"
    return ""


def _restricted(keys: Iterable[str]) -> list[str]:
    """Return the label keys of Kubernetes' domains that a node may not choose."""
    return sorted(key for key in keys if not _is_own_label(key))


def _is_own_label(key: str) -> bool:
    domain, slash, _ = key.partition("/")
    if not slash or key in OWN_LABELS:
        return True
    if not (_within(domain, "kubernetes.io") or _within(domain, "k8s.io")):
        return True
    return any(_within(domain, allowed) for allowed in OWN_LABEL_DOMAINS)


def _within(domain: str, parent: str) -> bool:
    return domain == parent or domain.endswith(f".{parent}")


def _lease(request: plugin.Request, node: str) -> str:
    """Return why a write of a Lease is refused, "" if it is not."""
    if request.namespace != nodeauthz.LEASE_NAMESPACE or request.name != node:
        return f'node "{node}" can only access its own lease in {nodeauthz.LEASE_NAMESPACE}'
    return ""
