"""What a node may do: the rules of Kubernetes' node authorizer.

A node reads and writes its own Node and Lease, reads the pods bound to it and what these name (ConfigMaps, Secrets,
claims), reads Services and EndpointSlices, creates events, and reports on its pods. What a *write* may contain is
the admission plugin `noderestriction`. Pure, over a view of the pods.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from control.apiserver import authz
from fairlead.api import references
from fairlead.api.pb import core_v1_pb2 as corev1

LEASE_NAMESPACE = "kube-node-lease"

# Granted on every object; the narrower rules are methods of NodeAuthorizer.
EVERYWHERE = (
    authz.rule("get list watch", "", "services"),
    authz.rule("get list watch", "discovery.k8s.io", "endpointslices"),
    authz.rule("get list watch", "networking.k8s.io", "networkpolicies"),
    authz.rule("get list watch", "node.k8s.io", "runtimeclasses"),
    authz.rule("get list watch", "storage.k8s.io", "csidrivers"),
    authz.rule("create update patch", "", "events"),
    authz.rule("create update patch", "events.k8s.io", "events"),
    authz.rule("create delete", "", "pods"),  # mirror pods, and pods of its own; see noderestriction
    authz.rule("update patch", "", "pods/status"),
    authz.rule("create", "", "pods/eviction"),
    authz.rule("get", "", "endpoints"),
    authz.rule("create get list watch", "certificates.k8s.io", "certificatesigningrequests"),
)
READS = ("get", "list", "watch")


class Pods(Protocol):
    """The pods, as far as the node authorizer must know them."""

    def pod(self, namespace: str, name: str) -> corev1.Pod | None:
        """Return a pod, or None."""
        ...

    def pods_on(self, node: str, namespace: str) -> Iterable[corev1.Pod]:
        """Return the pods of a namespace that are bound to a node."""
        ...

    def volume(self, name: str) -> corev1.PersistentVolume | None:
        """Return a persistent volume, or None."""
        ...


class NodeAuthorizer:
    """Judges the requests of users `system:node:<name>` in group system:nodes; has no opinion on others."""

    def __init__(self, pods: Pods) -> None:
        self._pods = pods

    def authorize(self, request: authz.Attributes) -> authz.Decision:
        """Allow what the node needs for itself and the pods bound to it."""
        node = request.user.node
        if not node:
            return authz.NO_OPINION
        match (request.group, request.resource):
            case ("", "nodes"):
                return self._nodes(request, node)
            case ("", "pods") if request.verb in READS:
                return self._pods_read(request, node)
            case ("", "secrets" | "configmaps"):
                return self._readable(request, node)
            case ("", "persistentvolumeclaims"):
                return self._claim(request, node)
            case ("", "persistentvolumes"):
                return self._volume(request, node)
            case ("", "serviceaccounts"):
                return self._service_account(request, node)
            case ("coordination.k8s.io", "leases"):
                return self._leases(request, node)
            case ("storage.k8s.io", "csinodes"):
                return self._csi_node(request, node)
        if any(rule.allows(request) for rule in EVERYWHERE):
            return authz.ALLOWED
        return authz.NO_OPINION

    def _nodes(self, request: authz.Attributes, node: str) -> authz.Decision:
        if request.subresource not in ("", "status"):
            return authz.NO_OPINION
        if request.verb == "create" and not request.subresource:
            return authz.ALLOWED  # the name is not known to authorisation; noderestriction holds it to the node's
        if request.verb in ("get", "update", "patch"):
            own = request.name == node
        elif request.verb in ("list", "watch"):
            own = (request.name or (request.fields or {}).get("metadata.name")) == node
        else:
            return authz.NO_OPINION
        if own:
            return authz.ALLOWED
        verb = "read" if request.verb in READS else "modify"
        which = f"'{request.name}'" if request.name else "all nodes"
        return authz.Decision(False, f"node '{node}' cannot {verb} {which}, only its own Node object")

    def _pods_read(self, request: authz.Attributes, node: str) -> authz.Decision:
        if request.subresource not in ("", "status"):
            return authz.NO_OPINION
        if request.verb in ("list", "watch"):
            if (request.fields or {}).get("spec.nodeName") == node:
                return authz.ALLOWED
            return authz.Decision(False, "can only list/watch pods with spec.nodeName field selector")
        pod = self._pods.pod(request.namespace, request.name)
        # of a pod that is gone the answer is that it is not found; what was read is judged once more
        if pod is None or pod.spec.nodeName == node:
            return authz.ALLOWED
        return _unrelated(node)

    def _readable(self, request: authz.Attributes, node: str) -> authz.Decision:
        """A Secret or ConfigMap that a pod bound to the node names."""
        if request.verb not in READS:
            return authz.Decision(False, "can only read resources of this type")
        if request.subresource:
            return authz.Decision(False, "cannot read subresource")
        if not request.namespace:
            return authz.Decision(False, "can only read namespaced object of this type")
        return self._named(request, node)

    def _claim(self, request: authz.Attributes, node: str) -> authz.Decision:
        """A claim that a pod bound to the node names: to be read, and its status written."""
        if request.subresource == "status":
            if request.verb not in ("update", "patch"):
                return authz.Decision(False, "can only get/update/patch this type")
            return self._named(request, node)
        if request.verb != "get":
            return authz.Decision(False, "can only get individual resources of this type")
        if request.subresource:
            return authz.Decision(False, "cannot get subresource")
        return self._named(request, node)

    def _named(self, request: authz.Attributes, node: str) -> authz.Decision:
        """A single object, which a pod bound to the node names."""
        name = request.name or (request.fields or {}).get("metadata.name", "")
        if not name:
            return authz.Decision(False, "No Object name found")
        named = references.BY_RESOURCE[request.resource]
        for pod in self._pods.pods_on(node, request.namespace):
            if name in named(pod.spec):
                return authz.ALLOWED
        return _unrelated(node)

    def _volume(self, request: authz.Attributes, node: str) -> authz.Decision:
        """The volume of a claim that a pod bound to the node names."""
        if request.verb != "get":
            return authz.Decision(False, "can only get individual resources of this type")
        if request.subresource:
            return authz.Decision(False, "cannot get subresource")
        volume = self._pods.volume(request.name)
        if volume is not None and volume.spec.HasField("claimRef"):
            claim = volume.spec.claimRef
            for pod in self._pods.pods_on(node, claim.namespace):
                if claim.name in references.claims(pod.spec):
                    return authz.ALLOWED
        return _unrelated(node)

    def _service_account(self, request: authz.Attributes, node: str) -> authz.Decision:
        """A token for the service account of a pod bound to the node."""
        if (request.verb, request.subresource) != ("get", ""):
            if request.verb != "create" or not request.name:
                return authz.Decision(False, "can only create tokens for individual service accounts")
            if request.subresource != "token":
                return authz.Decision(False, "can only create token subresource of serviceaccount")
        for pod in self._pods.pods_on(node, request.namespace):
            if pod.spec.serviceAccountName == request.name:
                return authz.ALLOWED
        return _unrelated(node)

    def _leases(self, request: authz.Attributes, node: str) -> authz.Decision:
        if request.verb not in ("get", "create", "update", "patch", "delete") or request.subresource:
            return authz.Decision(False, "can only get, create, update, patch, or delete a node lease")
        if request.namespace != LEASE_NAMESPACE:
            return authz.Decision(False, f'can only access leases in the "{LEASE_NAMESPACE}" system namespace')
        if request.verb != "create" and request.name != node:
            return authz.Decision(False, "can only access node lease with the same name as the requesting node")
        return authz.ALLOWED

    def _csi_node(self, request: authz.Attributes, node: str) -> authz.Decision:
        if request.verb not in ("get", "create", "update", "patch", "delete"):
            return authz.Decision(False, "can only get, create, update, patch, or delete a CSINode")
        if request.subresource:
            return authz.Decision(False, "cannot authorize CSINode subresources")
        if request.verb != "create" and request.name != node:
            return authz.Decision(False, "can only access CSINode with the same name as the requesting node")
        return authz.ALLOWED


def _unrelated(node: str) -> authz.Decision:
    return authz.Decision(False, f"no relationship found between node '{node}' and this object")
