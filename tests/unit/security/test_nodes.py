"""What a stolen node certificate is good for: its own pods and what they name, and nothing besides."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from fairlead.api.pb import core_v1_pb2 as corev1
from tests.unit.security.conftest import Attack

SECRETS = "/api/v1/namespaces/victim/secrets"
PODS = "/api/v1/namespaces/victim/pods"
ACCOUNT = "/api/v1/namespaces/victim/serviceaccounts/db"
LEASES = "/apis/coordination.k8s.io/v1/namespaces"
TOKEN = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
POD_BOUND = {"boundObjectRef": {"apiVersion": "v1", "kind": "Pod", "name": "db"}}
EVICTION = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "db"}}
BINDING = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "db"}, "target": {"name": "node-1"}}
MERGE = "application/merge-patch+json"
OWNERSHIP = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "x", "uid": "y", "controller": True}


def lease(namespace: str, name: str) -> dict[str, Any]:
    """A Lease."""
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"holderIdentity": "mallory"},
    }


ATTACKS: list[tuple[str, str, Any]] = [
    # Secrets that no pod here names, by every way of reading
    ("GET", f"{SECRETS}/db", None),
    ("GET", SECRETS, None),
    ("GET", f"{SECRETS}?watch=true", None),
    ("GET", "/api/v1/secrets", None),
    ("GET", f"{SECRETS}?fieldSelector=metadata.name%3Ddb", None),
    ("GET", f"{SECRETS}?fieldSelector=metadata.name%3Ddb&watch=1", None),
    ("GET", f"{SECRETS}?fieldSelector=metadata.name!%3Dx", None),
    ("GET", "/api/v1/secrets?fieldSelector=metadata.name%3Dweb", None),
    ("GET", "/api/v1/namespaces/mine/secrets?fieldSelector=metadata.name%3Dweb,metadata.name%3Dx", None),
    ("GET", "/api/v1/watch/namespaces/victim/secrets/db", None),
    ("GET", f"{SECRETS}/db/", None),
    ("GET", "/api/v1/namespaces/victim/%73ecrets/db", None),
    ("GET", "/%61pi/v1/namespaces/victim/secrets/db", None),
    ("PATCH", "/api/v1/namespaces/mine/secrets/web", {"stringData": {"a": "b"}}),
    ("DELETE", "/api/v1/namespaces/mine/secrets/web", None),
    # volumes of others
    ("GET", "/api/v1/persistentvolumes/db", None),
    ("GET", "/api/v1/persistentvolumes", None),
    # pods of others
    ("GET", f"{PODS}/db", None),
    ("GET", f"{PODS}/db/status", None),
    ("GET", "/api/v1/pods", None),
    ("GET", "/api/v1/pods?fieldSelector=spec.nodeName%3Dnode-2", None),
    ("GET", "/api/v1/pods?fieldSelector=spec.nodeName!%3Dnode-1", None),
    ("GET", f"{PODS}?labelSelector=app%3Ddb", None),
    ("GET", f"{PODS}/db/log", None),
    ("POST", f"{PODS}/db/exec?command=id&stdout=1", None),
    ("GET", f"{PODS}/db/proxy/", None),
    ("GET", "/api/v1/namespaces/mine/pods/web/log", None),
    ("POST", "/api/v1/namespaces/mine/pods/web/exec?command=id&stdout=1", None),
    ("GET", "/api/v1/nodes/node-2/proxy/pods", None),
    ("GET", "/api/v1/nodes/node-1/proxy/pods", None),
    ("PATCH", f"{PODS}/db/status", {"status": {"phase": "Failed"}}),
    ("PATCH", "/api/v1/namespaces/mine/pods/web", {"metadata": {"labels": {"a": "b"}}}),
    ("PATCH", "/api/v1/namespaces/mine/pods/web/status", {"metadata": {"labels": {"app": "db"}}}),
    ("PATCH", "/api/v1/namespaces/mine/pods/web/ephemeralcontainers", {"spec": {"ephemeralContainers": []}}),
    ("DELETE", f"{PODS}/db", None),
    ("DELETE", PODS, None),
    ("POST", f"{PODS}/db/eviction", EVICTION),
    ("POST", f"{PODS}/db/binding", BINDING),
    ("POST", "/api/v1/namespaces/victim/bindings", BINDING),
    # tokens of accounts whose pods are elsewhere, or of its own that no pod here holds
    ("POST", f"{ACCOUNT}/token", TOKEN),
    ("POST", f"{ACCOUNT}/token", {**TOKEN, "spec": POD_BOUND}),
    ("POST", "/api/v1/namespaces/mine/serviceaccounts/web/token", TOKEN),
    ("POST", "/api/v1/namespaces/mine/serviceaccounts/default/token", TOKEN),
    ("POST", "/api/v1/namespaces/mine/serviceaccounts", {"metadata": {"name": "x"}}),
    # other nodes, and itself beyond what it may choose
    ("GET", "/api/v1/nodes/node-2", None),
    ("GET", "/api/v1/nodes", None),
    ("PATCH", "/api/v1/nodes/node-2", {"metadata": {"labels": {"a": "b"}}}),
    ("PATCH", "/api/v1/nodes/node-2/status", {"status": {"phase": "Running"}}),
    ("PATCH", "/api/v1/nodes/node-1", {"metadata": {"labels": {"node-restriction.kubernetes.io/tier": "gold"}}}),
    ("PATCH", "/api/v1/nodes/node-1", {"metadata": {"labels": {"node-role.kubernetes.io/control-plane": ""}}}),
    ("PATCH", "/api/v1/nodes/node-1/status", {"metadata": {"labels": {"a.k8s.io/x": "y"}}}),
    ("PATCH", "/api/v1/nodes/node-1", {"spec": {"taints": [{"key": "a", "effect": "NoSchedule"}]}}),
    ("PATCH", "/api/v1/nodes/node-1", {"metadata": {"ownerReferences": [OWNERSHIP]}}),
    ("DELETE", "/api/v1/nodes/node-1", None),
    ("DELETE", "/api/v1/nodes/node-2", None),
    ("POST", "/api/v1/nodes", {"metadata": {"name": "node-3"}}),
    # leases and CSINodes of others
    ("POST", f"{LEASES}/kube-node-lease/leases", lease("kube-node-lease", "node-2")),
    ("POST", f"{LEASES}/kube-system/leases", lease("kube-system", "kube-scheduler")),
    ("GET", f"{LEASES}/kube-node-lease/leases/node-2", None),
    ("GET", f"{LEASES}/kube-node-lease/leases", None),
    ("DELETE", f"{LEASES}/kube-node-lease/leases/node-2", None),
    ("POST", "/apis/storage.k8s.io/v1/csinodes", {"metadata": {"name": "node-2"}, "spec": {"drivers": []}}),
    # the rest of the cluster
    ("GET", "/api/v1/configmaps", None),
    ("GET", "/apis/rbac.authorization.k8s.io/v1/clusterroles", None),
    ("POST", "/apis/rbac.authorization.k8s.io/v1/clusterroles", {"metadata": {"name": "x"}, "rules": []}),
    ("GET", "/metrics", None),
]


@pytest.mark.parametrize(("method", "path", "body"), ATTACKS, ids=[f"{one[0]} {one[1]}" for one in ATTACKS])
async def test_a_node_cannot(attack: Attack, method: str, path: str, body: Any) -> None:
    """403, or 404 for a path that names nothing; and nothing is written, not even beside what was asked for."""
    node = await attack.node()
    before = await attack.stored()
    kind = {"Content_Type": MERGE} if method == "PATCH" else {}

    answer = await node(method, path, body, **kind)

    assert answer.status in (403, 404), answer.body
    assert await attack.stored() == before


@pytest.mark.parametrize(
    ("spec", "metadata", "why"),
    [
        ({"serviceAccountName": "db"}, {}, "a mirror pod may not reference service accounts"),
        ({"serviceAccount": "db"}, {}, "service account"),
        (
            {"volumes": [{"name": "s", "secret": {"secretName": "db"}}]},
            {},
            "a mirror pod may not reference secrets",
        ),
        (
            {"volumes": [{"name": "s", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}}]},
            {},
            "a mirror pod may not use ServiceAccountToken volume projections",
        ),
        (
            {"imagePullSecrets": [{"name": "db"}]},
            {},
            "a mirror pod may not reference secrets",
        ),
        ({"nodeName": "node-2"}, {}, 'node "node-1" can only create pods with spec.nodeName set to itself'),
        ({"nodeName": ""}, {}, "must set spec.nodeName if mirror pod annotation is set"),
        ({"serviceAccountName": "db"}, {"annotations": {}}, "can only create mirror pods"),
        ({}, {"ownerReferences": [OWNERSHIP]}, "with an owner reference set to itself"),
    ],
)
async def test_a_mirror_pod_opens_nothing(
    attack: Attack, spec: dict[str, Any], metadata: dict[str, Any], why: str
) -> None:
    """A pod that a node makes names no account, no Secret and no other owner: else it would read what it names."""
    node = await attack.node()
    marked = {"name": "static", "annotations": {"kubernetes.io/config.mirror": "x"}, **metadata}
    pod = {"nodeName": "node-1", "containers": [{"name": "c", "image": "i"}], **spec}

    answer = await node("POST", PODS, {"apiVersion": "v1", "kind": "Pod", "metadata": marked, "spec": pod})

    assert answer.status == (403 if pod["nodeName"] else 422), answer.body
    assert why in answer.json["message"], answer.body


async def test_a_mirror_pod_belongs_to_its_node(attack: Attack) -> None:
    """To the node as it is registered: its uid too."""
    node, uid = await attack.node(), (await attack.admin.get(corev1.Node, "node-1")).metadata.uid
    owner = {"apiVersion": "v1", "kind": "Node", "name": "node-1", "uid": uid, "controller": True}
    owners: list[list[dict[str, Any]]] = [[], [{**owner, "uid": "x"}], [owner]]
    told = []
    for some in owners:
        marked = {"name": "static", "annotations": {"kubernetes.io/config.mirror": "x"}, "ownerReferences": some}
        spec = {"nodeName": "node-1", "containers": [{"name": "c", "image": "i"}]}
        answer = await node("POST", PODS, {"apiVersion": "v1", "kind": "Pod", "metadata": marked, "spec": spec})
        told.append(answer.json.get("message", answer.status))

    assert told == [
        'pods "static" is forbidden: node "node-1" can only create pods with an owner reference set to itself',
        f'pods "static" is forbidden: node node-1 UID mismatch: expected x got {uid}',
        201,
    ]


async def test_a_node_asks_for_its_own_certificate_only(attack: Attack) -> None:
    """By the common name, of the signers that make nodes' certificates."""
    node = await attack.node()
    told = []
    for name in ("system:node:node-2", "system:node:node-1"):
        key = ec.generate_private_key(ec.SECP256R1())
        subject = [(NameOID.ORGANIZATION_NAME, "system:nodes"), (NameOID.COMMON_NAME, name)]
        named = x509.Name([x509.NameAttribute(*one) for one in subject])
        csr = x509.CertificateSigningRequestBuilder().subject_name(named).sign(key, hashes.SHA256())
        spec = {
            "request": base64.b64encode(csr.public_bytes(serialization.Encoding.PEM)).decode(),
            "signerName": "kubernetes.io/kube-apiserver-client-kubelet",
            "usages": ["client auth"],
        }
        body = {
            "apiVersion": "certificates.k8s.io/v1",
            "kind": "CertificateSigningRequest",
            "metadata": {"name": "c"},
            "spec": spec,
        }
        answer = await node("POST", "/apis/certificates.k8s.io/v1/certificatesigningrequests", body)
        told.append(answer.json.get("message", answer.status))

    assert told == [
        'certificatesigningrequests.certificates.k8s.io "c" is forbidden: can only create a node CSR with'
        " CN=system:node:node-1",
        201,
    ]


async def test_a_node_has_what_it_needs(attack: Attack) -> None:
    """So that the refusals above are no accident of a server that refuses everything."""
    node = await attack.node()
    uid = (await attack.admin.get(corev1.Pod, "web", "mine")).metadata.uid
    bound = {"boundObjectRef": {"apiVersion": "v1", "kind": "Pod", "name": "web", "uid": uid}}
    asked = [
        ("GET", "/api/v1/namespaces/mine/secrets/web", None),
        ("GET", "/api/v1/persistentvolumes/web", None),
        ("GET", "/api/v1/namespaces/mine/pods/web", None),
        ("GET", "/api/v1/pods?fieldSelector=spec.nodeName%3Dnode-1", None),
        ("GET", "/api/v1/nodes/node-1", None),
        ("POST", f"{LEASES}/kube-node-lease/leases", lease("kube-node-lease", "node-1")),
        ("POST", "/api/v1/namespaces/mine/serviceaccounts/web/token", {**TOKEN, "spec": bound}),
        ("POST", "/api/v1/namespaces/mine/pods/web/eviction", {**EVICTION, "metadata": {"name": "web"}}),
    ]
    answers = [(path, (await node(method, path, body)).status) for method, path, body in asked]
    assert [path for path, status in answers if status >= 300] == []


@pytest.mark.parametrize("signer", ["kubernetes.io/kube-apiserver-client-kubelet", "kubernetes.io/kubelet-serving"])
async def test_of_several_common_names_the_last_must_be_the_nodes(attack: Attack, signer: str) -> None:
    """Of several names it is the last that counts, as in Go: for who approves, signs and believes the certificate."""
    node, path = await attack.node(), "/apis/certificates.k8s.io/v1/certificatesigningrequests"
    key = ec.generate_private_key(ec.SECP256R1())

    async def asked(*names: str) -> Any:
        subject = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "system:nodes")]
        subject += [x509.NameAttribute(NameOID.COMMON_NAME, f"system:node:{name}") for name in names]
        request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(subject)).sign(key, hashes.SHA256())
        pem = base64.b64encode(request.public_bytes(serialization.Encoding.PEM)).decode()
        usages = ["digital signature", "server auth" if signer.endswith("serving") else "client auth"]
        spec = {"request": pem, "signerName": signer, "usages": usages}
        return await node("POST", path, {"metadata": {"generateName": "csr-"}, "spec": spec})

    answers = [
        await asked(*names) for names in (("node-1",), ("node-2",), ("node-1", "node-2"), ("node-2", "node-1"))
    ]

    assert [answer.status for answer in answers] == [201, 403, 403, 201]
    assert answers[1].json["message"].endswith("can only create a node CSR with CN=system:node:node-1")


async def test_a_nodes_request_for_another_nodes_certificate_waits(attack: Attack) -> None:
    """Nobody's access review lets a node ask for another: no auto-approval, and it cannot approve by itself."""
    node = await attack.node()
    for subresource in ("selfnodeclient", "nodeclient"):
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {
                "user": "system:node:node-1",
                "groups": ["system:nodes"],
                "resourceAttributes": {
                    "group": "certificates.k8s.io",
                    "resource": "certificatesigningrequests",
                    "subresource": subresource,
                    "verb": "create",
                },
            },
        }
        admin = await attack.as_user("admin", "system:masters")
        found = await admin("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", review)
        assert found.json["status"].get("allowed", False) is False or subresource == "selfnodeclient"
    path = "/apis/certificates.k8s.io/v1/certificatesigningrequests/x/approval"
    assert (await node("PUT", path, {"metadata": {"name": "x"}})).status == 403
