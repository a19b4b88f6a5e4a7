"""Who may do what without roles: masters, nodes, strangers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pytest

from control.apiserver import authn, authz, nodeauthz
from fairlead.api.pb import core_v1_pb2 as corev1

NODE = authn.user("system:node:node-1")
MASTER = authn.User("admin", (authn.MASTERS, authn.AUTHENTICATED))
JOE = authn.user("joe", ("staff",))


def pod(name: str, node: str) -> corev1.Pod:
    """A pod in `default` that names a Secret and a ConfigMap in every way."""
    made = corev1.Pod()
    made.metadata.name, made.metadata.namespace = name, "default"
    made.spec.nodeName = node
    made.spec.serviceAccountName = f"{name}-account"
    made.spec.imagePullSecrets.add(name=f"{name}-pull")
    container = made.spec.containers.add(name="main")
    container.env.add(name="A").valueFrom.secretKeyRef.localObjectReference.name = f"{name}-env"
    container.envFrom.add().configMapRef.localObjectReference.name = f"{name}-from"
    made.spec.volumes.add(name="v").volumeSource.secret.secretName = f"{name}-volume"
    projected = made.spec.volumes.add(name="p").volumeSource.projected
    projected.sources.add().configMap.localObjectReference.name = f"{name}-projected"
    made.spec.volumes.add(name="c").volumeSource.persistentVolumeClaim.claimName = f"{name}-claim"
    return made


class Pods:
    """Two pods on two nodes."""

    def __init__(self) -> None:
        self._pods = {"mine": pod("mine", "node-1"), "other": pod("other", "node-2")}

    def pod(self, namespace: str, name: str) -> corev1.Pod | None:
        """Return a pod."""
        return self._pods.get(name) if namespace == "default" else None

    def pods_on(self, node: str, namespace: str) -> Iterable[corev1.Pod]:
        """Return the pods of a node."""
        return [one for one in self._pods.values() if one.spec.nodeName == node and namespace == "default"]


AUTHORIZER = authz.Union(authz.MastersAuthorizer(), nodeauthz.NodeAuthorizer(Pods()))


def allowed(
    user: authn.User,
    verb: str,
    resource: str,
    name: str = "",
    *,
    group: str = "",
    namespace: str = "default",
    fields: Mapping[str, str] | None = None,
) -> bool:
    """Ask about `pods` or `pods/status`."""
    plural, _, subresource = resource.partition("/")
    request = authz.Attributes(user, verb, group, plural, subresource, namespace, name, fields)
    return AUTHORIZER.authorize(request).allowed


@pytest.mark.parametrize("verb", ["get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"])
def test_masters_may_do_everything_and_strangers_nothing(verb: str) -> None:
    """On any resource."""
    for resource in ("pods", "secrets", "nodes/status", "somethings"):
        assert allowed(MASTER, verb, resource)
        assert not allowed(JOE, verb, resource)


NODE_MAY = [
    ("get", "nodes", "node-1", "", {}),
    ("update", "nodes/status", "node-1", "", {}),
    ("patch", "nodes", "node-1", "", {}),
    ("create", "nodes", "", "", {}),
    ("list", "nodes", "", "", {"fields": {"metadata.name": "node-1"}}),
    ("get", "pods", "mine", "", {}),
    ("list", "pods", "", "", {"fields": {"spec.nodeName": "node-1"}}),
    ("watch", "pods", "", "", {"fields": {"spec.nodeName": "node-1"}, "namespace": ""}),
    ("update", "pods/status", "mine", "", {}),
    ("delete", "pods", "mine", "", {}),
    ("create", "pods/eviction", "mine", "", {}),
    ("get", "secrets", "mine-pull", "", {}),
    ("get", "secrets", "mine-env", "", {}),
    ("get", "secrets", "mine-volume", "", {}),
    ("get", "configmaps", "mine-from", "", {}),
    ("watch", "configmaps", "mine-projected", "", {}),
    ("create", "serviceaccounts/token", "mine-account", "", {}),
    ("get", "persistentvolumeclaims", "mine-claim", "", {}),
    ("patch", "persistentvolumeclaims/status", "mine-claim", "", {}),
    ("update", "csinodes", "node-1", "storage.k8s.io", {}),
    ("list", "csidrivers", "", "storage.k8s.io", {}),
    ("list", "services", "", "", {"namespace": ""}),
    ("list", "endpointslices", "", "discovery.k8s.io", {"namespace": ""}),
    ("create", "events", "", "", {}),
    ("create", "leases", "", "coordination.k8s.io", {"namespace": "kube-node-lease"}),
    ("update", "leases", "node-1", "coordination.k8s.io", {"namespace": "kube-node-lease"}),
]

NODE_MAY_NOT = [
    ("get", "nodes", "node-2", "", {}),
    ("list", "nodes", "", "", {}),
    ("delete", "nodes", "node-1", "", {}),
    ("update", "nodes", "node-2", "", {}),
    ("get", "pods", "other", "", {}),
    ("list", "pods", "", "", {}),
    ("list", "pods", "", "", {"fields": {"spec.nodeName": "node-2"}}),
    ("update", "pods", "mine", "", {}),
    ("create", "pods/binding", "mine", "", {}),
    ("create", "pods/exec", "mine", "", {}),
    ("get", "secrets", "other-env", "", {}),
    ("get", "secrets", "mine-env", "", {"namespace": "kube-system"}),
    ("list", "secrets", "", "", {}),
    ("create", "secrets", "", "", {}),
    ("get", "configmaps", "other-from", "", {}),
    ("update", "configmaps", "mine-from", "", {}),
    ("update", "persistentvolumeclaims", "mine-claim", "", {}),
    ("patch", "persistentvolumeclaims/status", "other-claim", "", {}),
    ("create", "serviceaccounts/token", "other-account", "", {}),
    ("list", "serviceaccounts", "", "", {}),
    ("create", "services", "", "", {}),
    ("get", "events", "x", "", {}),
    ("get", "leases", "node-2", "coordination.k8s.io", {"namespace": "kube-node-lease"}),
    ("get", "leases", "node-1", "coordination.k8s.io", {"namespace": "default"}),
    ("list", "leases", "", "coordination.k8s.io", {"namespace": "kube-node-lease"}),
    ("get", "deployments", "web", "apps", {}),
    ("list", "namespaces", "", "", {"namespace": ""}),
]


@pytest.mark.parametrize(("verb", "resource", "name", "group", "more"), NODE_MAY)
def test_a_node_may_do_what_it_needs(verb: str, resource: str, name: str, group: str, more: dict[str, str]) -> None:
    """Its Node, its Lease, its pods and what they name."""
    assert allowed(NODE, verb, resource, name, group=group, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(("verb", "resource", "name", "group", "more"), NODE_MAY_NOT)
def test_a_node_may_do_nothing_else(verb: str, resource: str, name: str, group: str, more: dict[str, str]) -> None:
    """Not another's, and nothing that pods do not refer to."""
    assert not allowed(NODE, verb, resource, name, group=group, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("verb", "resource", "name", "group", "why"),
    [
        ("list", "nodes", "", "", "node 'node-1' cannot read all nodes, only its own Node object"),
        ("get", "nodes", "node-2", "", "node 'node-1' cannot read 'node-2', only its own Node object"),
        ("delete", "nodes", "node-1", "", ""),
        ("create", "secrets", "", "", "can only read resources of this type"),
        ("get", "secrets/x", "a", "", "cannot read subresource"),
        ("list", "secrets", "", "", "No Object name found"),
        ("get", "secrets", "other-env", "", "no relationship found between node 'node-1' and this object"),
        ("list", "persistentvolumeclaims", "a", "", "can only get individual resources of this type"),
        ("get", "persistentvolumeclaims/x", "a", "", "cannot get subresource"),
        ("get", "persistentvolumeclaims/status", "a", "", "can only get/update/patch this type"),
        ("list", "persistentvolumes", "", "", "can only get individual resources of this type"),
        ("list", "serviceaccounts", "", "", "can only create tokens for individual service accounts"),
        ("create", "serviceaccounts", "a", "", "can only create token subresource of serviceaccount"),
        ("list", "csinodes", "", "storage.k8s.io", "can only get, create, update, patch, or delete a CSINode"),
        ("get", "csinodes/x", "node-1", "storage.k8s.io", "cannot authorize CSINode subresources"),
        (
            "get",
            "csinodes",
            "node-2",
            "storage.k8s.io",
            "can only access CSINode with the same name as the requesting node",
        ),
    ],
)
def test_a_node_is_told_why_not(verb: str, resource: str, name: str, group: str, why: str) -> None:
    """In the words of Kubernetes' node authorizer."""
    plural, _, subresource = resource.partition("/")

    decision = AUTHORIZER.authorize(authz.Attributes(NODE, verb, group, plural, subresource, "default", name))

    assert decision == authz.Decision(False, why)


def test_a_node_needs_the_group_of_nodes() -> None:
    """A certificate with a node's name alone is a stranger's."""
    nameless = authn.User("system:node:node-1", (authn.AUTHENTICATED,))

    assert not allowed(nameless, "get", "nodes", "node-1")


@pytest.mark.parametrize(
    ("request_", "text"),
    [
        (
            authz.Attributes(JOE, "list", "", "pods", "", "default"),
            'pods is forbidden: User "joe" cannot list resource "pods" in API group "" in the namespace "default"',
        ),
        (
            authz.Attributes(JOE, "update", "apps", "deployments", "scale", "a", "web"),
            'deployments.apps "web" is forbidden: User "joe" cannot update resource "deployments/scale" in API group'
            ' "apps" in the namespace "a"',
        ),
        (
            authz.Attributes(JOE, "get", "", "nodes", "", "", "node-1"),
            'nodes "node-1" is forbidden: User "joe" cannot get resource "nodes" in API group ""'
            " at the cluster scope",
        ),
        (authz.Attributes(JOE, "get", path="/metrics"), 'forbidden: User "joe" cannot get path "/metrics"'),
    ],
)
def test_a_refusal_is_worded_as_kubernetes_words_it(request_: authz.Attributes, text: str) -> None:
    """Who, what, where."""
    assert authz.refusal(request_).message == text
