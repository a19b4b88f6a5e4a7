"""NodeRestriction: a node writes its own Node, its own Lease and the pods bound to it, and of those not all.

The node authorizer says which resources a node may touch; this plugin looks at what is written. Source: Kubernetes'
documentation, "Admission Controllers", NodeRestriction.
"""

from __future__ import annotations

from collections.abc import Iterable

from control.apiserver import nodeauthz
from control.apiserver.admission import lookup, plugin
from control.store import cache as caches
from fairlead import certificates
from fairlead.api import errors, objects, references
from fairlead.api.pb import authentication_v1_pb2 as authenticationv1
from fairlead.api.pb import certificates_v1_pb2 as certificatesv1
from fairlead.api.pb import core_v1_pb2 as corev1

MIRROR = "kubernetes.io/config.mirror"
KUBELET_CLIENT, KUBELET_SERVING = "kubernetes.io/kube-apiserver-client-kubelet", "kubernetes.io/kubelet-serving"
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

    def __init__(self, cache: caches.Cache) -> None:
        self._cache = cache
        self._pods = lookup.Lookup(cache, corev1.Pod)
        self._nodes = lookup.Lookup(cache, corev1.Node)

    async def validate(self, request: plugin.Request) -> None:
        """Refuse what is not the node's own."""
        node = request.user.node
        if not node or request.operation == "CONNECT":
            return
        why = ""
        match request.kind.group, request.kind.resource:
            case "", "pods":
                why = await self._pod(request, node)
            case "", "nodes":
                why = _node(request, node)
            case "", "serviceaccounts" if request.subresource == "token" and request.operation == "CREATE":
                why = await self._token(request, node)
            case "", "persistentvolumeclaims":
                why = _claim(request, node)
            case "coordination.k8s.io", "leases":
                why = _lease(request, node)
            case "storage.k8s.io", "csinodes" if request.name != node:
                why = "can only access CSINode with the same name as the requesting node"
            case "certificates.k8s.io", "certificatesigningrequests" if request.operation == "CREATE":
                why = _certificate(request.obj, node)
        if why:
            raise errors.forbidden(request.kind.group, request.kind.resource, request.name, why)

    async def _pod(self, request: plugin.Request, node: str) -> str:
        """Return why a write of a pod is refused, "" if it is not."""
        match request.subresource:
            case "":
                why = _whole_pod(request, node)
                return why or (await self._owner(request.obj, node) if request.operation == "CREATE" else "")
            case "status":
                return _pod_status(request, node)
            case "eviction":
                pod = await self._find(request.namespace, request.name, node)
                if pod.spec.nodeName != node:
                    return f"node {node} can only evict pods with spec.nodeName set to itself"
                return ""
        return f"unexpected pod subresource \"{request.subresource}\", only 'status' and 'eviction' are allowed"

    async def _owner(self, pod: corev1.Pod, node: str) -> str:
        """Return why a mirror pod may not have its owner, "" where that is the node as it is registered."""
        owner = pod.metadata.ownerReferences[0]
        found = await self._nodes.find(node)
        if found is None:
            raise errors.not_found("", "nodes", node)
        if owner.uid != found.metadata.uid:
            return f"node {node} UID mismatch: expected {owner.uid} got {found.metadata.uid}"
        return ""

    async def _token(self, request: plugin.Request, node: str) -> str:
        """Return why a token is refused, "" if it is bound to a pod of the node's."""
        wanted: authenticationv1.BoundObjectReference = request.obj.spec.boundObjectRef
        if (wanted.apiVersion, wanted.kind) != ("v1", "Pod") or not wanted.name:
            return "node requested token not bound to a pod"
        if not wanted.uID:
            return "node requested token with a pod binding without a uid"
        pod = await self._find(request.namespace, wanted.name, node)
        if pod.metadata.uid != wanted.uID:
            told = f"the UID in the bound object reference ({wanted.uID}) does not match the UID in record."
            return f"{told} The object might have been deleted and then recreated"
        if pod.spec.nodeName != node:
            return "node requested token bound to a pod scheduled on a different node"
        return ""

    async def _find(self, namespace: str, name: str, node: str) -> corev1.Pod:
        """Return a pod; etcd is asked before one is said to be on another node."""
        pod = self._pods.get(name, namespace)
        if pod is None or pod.spec.nodeName != node:
            await self._cache.fresh()
            pod = self._pods.get(name, namespace)
        if pod is None:
            raise errors.not_found("", "pods", name)
        return pod


def _whole_pod(request: plugin.Request, node: str) -> str:
    """Return why a pod is not made, changed or deleted, "" if it is."""
    match request.operation:
        case "CREATE":
            return _new_pod(request.obj, node)
        case "DELETE":
            if request.old.spec.nodeName != node:
                return f'node "{node}" can only delete pods with spec.nodeName set to itself'
            return ""
    operation = request.operation
    return f'unexpected operation "{operation}", node "{node}" can only create and delete mirror pods'


def _new_pod(pod: corev1.Pod, node: str) -> str:
    if MIRROR not in pod.metadata.annotations:
        return f'pod does not have "{MIRROR}" annotation, node "{node}" can only create mirror pods'
    if pod.spec.nodeName != node:
        return f'node "{node}" can only create pods with spec.nodeName set to itself'
    if why := _owned(pod, node):
        return why
    if pod.spec.serviceAccountName or pod.spec.serviceAccount:
        return f'node "{node}" can not create pods that reference a service account'
    projected = [source for one in pod.spec.volumes for source in one.volumeSource.projected.sources]
    for resource, is_named in (
        ("secrets", bool(references.secrets(pod.spec))),
        ("configmaps", bool(references.config_maps(pod.spec))),
        ("clustertrustbundles", any(source.HasField("clusterTrustBundle") for source in projected)),
        ("persistentvolumeclaims", bool(references.claims(pod.spec))),
    ):
        if is_named:
            return f'node "{node}" can not create pods that reference {resource}'
    return ""


def _certificate(csr: certificatesv1.CertificateSigningRequest, node: str) -> str:
    """Return why a request for a node's certificate is refused, "" where it is for this node's."""
    if csr.spec.signerName not in (KUBELET_CLIENT, KUBELET_SERVING):
        return ""
    try:
        name, _ = certificates.name_and_groups(certificates.load_request(csr.spec.request).subject)
    except ValueError as error:
        return f"unable to parse csr: {error}"
    return "" if name == f"system:node:{node}" else f"can only create a node CSR with CN=system:node:{node}"


def _pod_status(request: plugin.Request, node: str) -> str:
    old: corev1.Pod = request.old
    if old.spec.nodeName != node:
        return f'node "{node}" can only update pod status for pods with spec.nodeName set to itself'
    if dict(request.obj.metadata.labels) != dict(old.metadata.labels):
        return f'node "{node}" cannot update labels through pod status'
    return ""


def _owned(pod: corev1.Pod, node: str) -> str:
    """Return why a mirror pod may not have its owners, "" if they are the node and nobody else."""
    if len(pod.metadata.ownerReferences) > 1:
        return f'node "{node}" can only create pods with a single owner reference set to itself'
    if not pod.metadata.ownerReferences:
        return f'node "{node}" can only create pods with an owner reference set to itself'
    for owner in pod.metadata.ownerReferences:
        if (owner.apiVersion, owner.kind, owner.name) != ("v1", "Node", node):
            return f'node "{node}" can only create pods with an owner reference set to itself'
        if not owner.controller:
            return f'node "{node}" can only create pods with a controller owner reference set to itself'
        if owner.blockOwnerDeletion:
            return f'node "{node}" must not set blockOwnerDeletion on an owner reference'
    return ""


def _node(request: plugin.Request, node: str) -> str:
    """Return why a write of a Node is refused, "" if it is not."""
    if request.name != node:
        return f'node "{node}" is not allowed to modify node "{request.name}"'
    obj, old = request.obj, request.old
    if request.operation == "CREATE":
        if obj.spec.HasField("configSource"):
            return f'node "{node}" is not allowed to create pods with a non-nil configSource'
        forbidden = _restricted(obj.metadata.labels)
        if forbidden:
            return f'node "{node}" is not allowed to set the following labels: {", ".join(forbidden)}'
    if request.operation == "UPDATE":
        if obj.spec.HasField("configSource") and obj.spec.configSource != old.spec.configSource:
            return f'node "{node}" is not allowed to update configSource to a new non-nil configSource'
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


def _claim(request: plugin.Request, node: str) -> str:
    """Return why a write of a claim is refused, "" if it tells of nothing but the claim's size."""
    if request.subresource != "status":
        return "may only update PVC status"
    obj, old = (_without_size(one) for one in (request.obj, request.old))
    if obj != old:
        return f'node "{node}" is not allowed to update fields other than status.quantity and status.conditions'
    return ""


def _without_size(claim: corev1.PersistentVolumeClaim) -> corev1.PersistentVolumeClaim:
    """Return what a node may not change of a claim."""
    rest = objects.copy(claim)
    for name in ("resourceVersion", "managedFields"):
        rest.metadata.ClearField(name)
    for name in ("capacity", "conditions", "allocatedResources", "allocatedResourceStatuses"):
        rest.status.ClearField(name)
    return rest


def _lease(request: plugin.Request, node: str) -> str:
    """Return why a write of a Lease is refused, "" if it is not."""
    if request.namespace != nodeauthz.LEASE_NAMESPACE:
        return f'can only access leases in the "{nodeauthz.LEASE_NAMESPACE}" system namespace'
    if request.name != node:
        return "can only access node lease with the same name as the requesting node"
    return ""
