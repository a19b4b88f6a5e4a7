"""What somebody with the role `admin` in one namespace makes of it: nothing outside, and no new rights."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from fairlead.api.pb import rbac_v1_pb2 as rbacv1
from tests.unit.apiserver import yamls
from tests.unit.security.conftest import Attack

RBAC = "/apis/rbac.authorization.k8s.io/v1"
ROLES = f"{RBAC}/namespaces/mine/roles"
BINDINGS = f"{RBAC}/namespaces/mine/rolebindings"
CSRS = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"
JSON = "application/json-patch+json"
ALL = [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}]
ME = [{"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "eve"}]


def role(name: str = "x", rules: Any = ALL, **metadata: Any) -> dict[str, Any]:
    """A Role that grants everything unless told otherwise."""
    made = {"name": name, "namespace": "mine", **metadata}
    return {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": made, "rules": rules}


def binding(to: str, kind: str = "ClusterRole") -> dict[str, Any]:
    """A RoleBinding for the attacker."""
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": to}
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "x", "namespace": "mine"},
        "roleRef": reference,
        "subjects": ME,
    }


def pod(**spec: Any) -> dict[str, Any]:
    """A pod."""
    containers = [{"name": "c", "image": "i"}]
    return {"metadata": {"name": "x"}, "spec": {"serviceAccountName": "web", "containers": containers, **spec}}


ATTACKS: list[tuple[str, str, Any, str]] = [
    # new rights in the own namespace
    ("POST", ROLES, role(), ""),
    ("POST", f"{ROLES}?dryRun=All", role(), ""),
    ("PATCH", f"{ROLES}/x?fieldManager=eve", role(), APPLY),
    ("PATCH", f"{ROLES}/small", {"rules": ALL}, MERGE),
    ("PATCH", f"{ROLES}/small", [{"op": "add", "path": "/rules/-", "value": ALL[0]}], JSON),
    ("PATCH", f"{ROLES}/small?fieldManager=eve&force=true", role("small"), APPLY),
    ("PUT", f"{ROLES}/small", role("small"), ""),
    ("PUT", f"{ROLES}/small", role("small", [{"verbs": ["escalate"], "apiGroups": ["*"], "resources": ["*"]}]), ""),
    ("POST", ROLES, role(rules=[{"verbs": ["get"], "apiGroups": [""], "resources": ["*"]}]), ""),
    ("POST", ROLES, role(rules=[{"verbs": ["get"], "apiGroups": [""], "resources": ["*/status"]}]), ""),
    ("POST", ROLES, role(rules=[{"verbs": ["impersonate"], "apiGroups": [""], "resources": ["users"]}]), ""),
    ("POST", BINDINGS, binding("cluster-admin"), ""),
    ("PATCH", f"{BINDINGS}/x?fieldManager=eve", binding("cluster-admin"), APPLY),
    ("PATCH", f"{BINDINGS}/strong", {"subjects": ME}, MERGE),
    ("PUT", f"{BINDINGS}/strong", {**binding("strong", "Role"), "metadata": {"name": "strong"}}, ""),
    # the whole cluster
    ("POST", f"{RBAC}/clusterroles", {"metadata": {"name": "x"}, "rules": ALL}, ""),
    ("POST", f"{RBAC}/clusterroles", {"metadata": {"name": "x", "namespace": "mine"}, "rules": ALL}, ""),
    ("POST", f"{RBAC}/namespaces/mine/clusterroles", {"metadata": {"name": "x"}, "rules": ALL}, ""),
    ("PATCH", f"{RBAC}/clusterroles/edit", {"rules": ALL}, MERGE),
    ("PATCH", f"{RBAC}/clusterroles/cluster-admin", {"metadata": {"labels": {"a": "b"}}}, MERGE),
    ("POST", f"{RBAC}/clusterrolebindings", {**binding("cluster-admin"), "kind": "ClusterRoleBinding"}, ""),
    # another namespace, by every spelling
    ("POST", f"{RBAC}/namespaces/victim/roles", role(namespace="victim", rules=[]), ""),
    ("POST", ROLES, role(namespace="victim", rules=[]), ""),
    ("POST", "/api/v1/configmaps", {"metadata": {"name": "x", "namespace": "victim"}}, ""),
    ("POST", "/api/v1/namespaces/mine/configmaps", {"metadata": {"name": "x", "namespace": "victim"}}, ""),
    ("PUT", "/api/v1/namespaces/mine/configmaps/x", {"metadata": {"name": "x", "namespace": "victim"}}, ""),
    ("PATCH", "/api/v1/namespaces/mine/configmaps/web", {"metadata": {"namespace": "victim"}}, MERGE),
    ("PATCH", "/api/v1/namespaces/mine/pods/web", {"metadata": {"name": "other"}}, MERGE),
    ("GET", "/api/v1/namespaces/victim/secrets/db", None, ""),
    ("GET", "/api/v1/namespaces/mine/../victim/secrets/db", None, ""),
    ("GET", "/api/v1/namespaces/mine%2F..%2Fvictim/secrets/db", None, ""),
    ("GET", "/api/v1/namespaces/mine/secrets/..%2F..%2Fvictim%2Fdb", None, ""),
    ("GET", "/api/v1/namespaces/mine/secrets/%2e%2e/%2e%2e/victim/db", None, ""),
    ("GET", "/api/v1/namespaces/VICTIM/secrets/db", None, ""),
    ("GET", "/api/v1/namespaces/mine//../victim/secrets/db", None, ""),
    ("GET", "//api/v1/namespaces/victim/secrets/db", None, ""),
    ("GET", "/api/v1/namespaces//secrets", None, ""),
    ("GET", "/api/v1/namespaces/%00/secrets", None, ""),
    ("GET", "/api/v1/secrets?fieldSelector=metadata.namespace%3Dmine", None, ""),
    ("DELETE", "/api/v1/secrets?fieldSelector=metadata.namespace%3Dmine", None, ""),
    ("GET", "/api/v1/watch/namespaces/victim/secrets", None, ""),
    ("GET", "/api/v1/namespaces/victim/pods/db/log", None, ""),
    ("POST", "/api/v1/namespaces/victim/pods/db/exec?command=id&stdout=1", None, ""),
    ("GET", "/apis/metrics.k8s.io/v1beta1/namespaces/victim/pods", None, ""),
    ("GET", "/apis/metrics.k8s.io/v1beta1/pods", None, ""),
    # subresources and fields that are others' to write
    ("PATCH", "/api/v1/namespaces/mine/pods/web/status", {"status": {"phase": "Failed"}}, MERGE),
    ("POST", "/api/v1/namespaces/mine/pods/web/binding", {"metadata": {"name": "web"}, "target": {"name": "n"}}, ""),
    ("POST", "/api/v1/namespaces/mine/bindings", {"metadata": {"name": "web"}, "target": {"name": "n"}}, ""),
    ("PUT", "/api/v1/namespaces/mine/finalize", {"metadata": {"name": "mine"}, "spec": {"finalizers": []}}, ""),
    ("PATCH", "/api/v1/namespaces/mine", {"metadata": {"labels": {"a": "b"}}}, MERGE),
    ("PATCH", "/api/v1/namespaces/mine/pods/web", {"spec": {"nodeName": "node-2"}}, MERGE),
    ("PATCH", "/api/v1/namespaces/mine/pods/web", {"spec": {"serviceAccountName": "other"}}, MERGE),
    ("POST", "/api/v1/namespaces/mine/pods", pod(serviceAccountName="db"), ""),
    ("PATCH", "/api/v1/namespaces/mine/resourcequotas/q", {"spec": {}}, MERGE),
    # certificates
    ("PATCH", f"{CSRS}/x/approval", {"status": {"conditions": []}}, MERGE),
    ("PATCH", f"{CSRS}/x/status", {"status": {"certificate": "eA=="}}, MERGE),
    # admission and the API itself
    (
        "POST",
        "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations",
        {"metadata": {"name": "x"}},
        "",
    ),
    ("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", {"metadata": {"name": "x"}}, ""),
    ("POST", "/apis/apiregistration.k8s.io/v1/apiservices", {"metadata": {"name": "v1.apps"}}, ""),
]


@pytest.mark.parametrize(("method", "path", "body", "content"), ATTACKS, ids=[f"{a[0]} {a[1]}" for a in ATTACKS])
async def test_an_administrator_of_a_namespace_cannot(
    attack: Attack, method: str, path: str, body: Any, content: str
) -> None:
    """Refused, and nothing is written."""
    admin = attack.admin
    for text in ("{metadata: {name: small, namespace: mine}, rules: []}", STRONG):
        await admin.create(yamls.read(text, rbacv1.Role))
    await admin.create(yamls.read(BOUND, rbacv1.RoleBinding))
    await attack.administer("eve")
    eve = await attack.as_user("eve")
    before = await attack.stored()

    answer = await eve(method, path, body, **({"Content_Type": content} if content else {}))

    assert answer.status in (400, 401, 403, 404, 405, 409, 422), answer.body
    assert await attack.stored() == before


STRONG = "{metadata: {name: strong, namespace: mine}, rules: [{verbs: ['*'], apiGroups: ['*'], resources: ['*']}]}"
BOUND = (
    "{metadata: {name: strong, namespace: mine}, subjects: [],"
    " roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: strong}}"
)


async def test_apply_needs_create_where_it_creates(attack: Attack) -> None:
    """The verb patch alone changes what is there; create alone neither patches nor applies."""
    await attack.allow("patcher", "patch of configmaps in core")
    await attack.allow("creator", "create of configmaps in core")
    path = "/api/v1/namespaces/mine/configmaps/x?fieldManager=eve"
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}, "data": {"a": "b"}}

    callers = [await attack.as_user(name) for name in ("patcher", "creator")]
    answers = [await caller("PATCH", path, body, Content_Type=APPLY) for caller in callers]

    assert [answer.status for answer in answers] == [403, 403]


async def test_a_rule_for_the_empty_name_is_no_rule_for_all(attack: Attack) -> None:
    """Who may do something to objects named "" cannot grant it for every name."""
    role_ = rbacv1.ClusterRole()
    role_.metadata.name = "odd"
    role_.rules.add(verbs=["get"], apiGroups=[""], resources=["secrets"], resourceNames=[""])
    role_.rules.add(verbs=["create"], apiGroups=["rbac.authorization.k8s.io"], resources=["roles"])
    await attack.admin.create(role_)
    await attack.grant("eve", "odd")
    eve = await attack.as_user("eve")

    answer = await eve("POST", ROLES, role(rules=[{"verbs": ["get"], "apiGroups": [""], "resources": ["secrets"]}]))

    assert (answer.status, "not currently held" in answer.json["message"]) == (403, True)


WEAK = "get,update,patch of clusterroles,clusterrolebindings in rbac.authorization.k8s.io"
GATHERED = {"rbac.authorization.k8s.io/aggregate-to-edit": "true"}


async def test_a_label_does_not_put_a_role_into_another(attack: Attack) -> None:
    """What aggregated roles gather, their holders have: who may write roles may not label those that exceed it."""
    await attack.allow("eve", WEAK, namespace="")
    eve, path = await attack.as_user("eve"), f"{RBAC}/clusterroles/cluster-admin"
    before = await attack.stored()
    stored = (await eve("GET", path)).json
    labelled = {**stored, "metadata": {**stored["metadata"], "labels": GATHERED}}
    applied = {
        "apiVersion": stored["apiVersion"],
        "kind": "ClusterRole",
        "metadata": {"name": "cluster-admin", "labels": GATHERED},
    }

    answers = [
        await eve("PATCH", path, {"metadata": {"labels": GATHERED}}, Content_Type=MERGE),
        await eve("PATCH", f"{path}?fieldManager=eve", applied, Content_Type=APPLY),
        await eve("PUT", path, labelled),
        await eve("PATCH", f"{RBAC}/clusterroles/edit", {"aggregationRule": None}, Content_Type=MERGE),
        await eve(
            "PATCH",
            f"{RBAC}/clusterrolebindings/cluster-admin",
            {"metadata": {"labels": {"a": "b"}}},
            Content_Type=MERGE,
        ),
    ]

    assert [answer.status for answer in answers] == [403] * 5
    assert await attack.stored() == before


async def test_the_garbage_collector_needs_no_more_rights_than_it_has(attack: Attack) -> None:
    """Owners and finalizers of a role say nothing of what it grants."""
    await attack.allow("eve", WEAK, namespace="")
    eve = await attack.as_user("eve")

    changed = {"metadata": {"finalizers": ["example.com/kept"]}}
    answer = await eve("PATCH", f"{RBAC}/clusterroles/cluster-admin", changed, Content_Type=MERGE)

    assert (answer.status, answer.json["metadata"]["finalizers"]) == (200, ["example.com/kept"])


async def test_versions_of_a_kind_are_one_permission_and_groups_are_not(attack: Attack) -> None:
    """autoscaling/v1 and v2 are one group's; Events of events.k8s.io are not those of the core group."""
    await attack.allow("eve", "list of events in events.k8s.io")
    eve = await attack.as_user("eve")

    asked = ("/apis/events.k8s.io/v1", "/api/v1", "/apis/autoscaling/v1", "/apis/autoscaling/v2")
    kinds = ("events", "events", "horizontalpodautoscalers", "horizontalpodautoscalers")
    answers = [
        (await eve("GET", f"{prefix}/namespaces/mine/{kind}")).status
        for prefix, kind in zip(asked, kinds, strict=True)
    ]

    assert answers == [200, 403, 403, 403]


def request_for(*groups: str, name: str = "eve") -> str:
    """A certificate request, as the field has it."""
    subject = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
    subject.append(x509.NameAttribute(NameOID.COMMON_NAME, name))
    key = ec.generate_private_key(ec.SECP256R1())
    made = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(subject)).sign(key, hashes.SHA256())
    return base64.b64encode(made.public_bytes(serialization.Encoding.PEM)).decode()


async def test_nobody_gets_masters_by_a_certificate_request(attack: Attack) -> None:
    """The group is refused wherever it stands; who asks is what the server knows, whatever the request says."""
    await attack.allow("eve", "create,update,patch of * in certificates.k8s.io", namespace="")
    eve = await attack.as_user("eve")

    def asked(name: str, request: str, **spec: Any) -> dict[str, Any]:
        signer = "kubernetes.io/kube-apiserver-client"
        return {
            "apiVersion": "certificates.k8s.io/v1",
            "kind": "CertificateSigningRequest",
            "metadata": {"name": name},
            "spec": {"request": request, "signerName": signer, "usages": ["client auth"], **spec},
        }

    masters = await eve("POST", CSRS, asked("a", request_for("staff", "system:masters")))
    forged = await eve("POST", CSRS, asked("b", request_for(), username="admin", groups=["system:masters"]))
    approved = {"conditions": [{"type": "Approved", "status": "True", "reason": "x", "message": "y"}]}
    own = await eve("PUT", f"{CSRS}/b/approval", {**forged.json, "status": approved})
    signed = await eve("PATCH", f"{CSRS}/b/status", {"status": {"certificate": "eA=="}}, Content_Type=MERGE)
    changed = await eve("PATCH", f"{CSRS}/b", {"spec": {"username": "admin"}}, Content_Type=MERGE)

    assert masters.status == 403
    assert (forged.status, forged.json["spec"]["username"]) == (201, "eve")
    assert forged.json["spec"]["groups"] == ["system:authenticated"]
    assert (own.status, signed.status) in ((403, 403), (403, 422))
    assert changed.status >= 400 or changed.json["spec"]["username"] == "eve"


async def test_a_mirror_pod_of_a_user_names_no_secret(attack: Attack) -> None:
    """Nor an account: what only mirrors a static pod is nobody's way around the plugin for accounts."""
    await attack.administer("eve")
    eve = await attack.as_user("eve")
    volume = {"name": "s", "secret": {"secretName": "web"}}
    marked = {"name": "x", "annotations": {"kubernetes.io/config.mirror": "y"}}

    answers = [
        await eve("POST", "/api/v1/namespaces/mine/pods", {**pod(nodeName="node-1", **spec), "metadata": marked})
        for spec in ({}, {"serviceAccountName": "", "volumes": [volume]})
    ]

    assert [answer.json["message"].partition(": ")[2] for answer in answers] == [
        "a mirror pod may not reference service accounts",
        "a mirror pod may not reference secrets",
    ]


async def test_a_namespace_lies_in_itself(attack: Attack) -> None:
    """Who reads a namespace's objects reads the namespace, as in Kubernetes; no other, nor the list of all."""
    await attack.administer("eve")
    eve = await attack.as_user("eve")

    answers = [await eve("GET", f"/api/v1/namespaces{path}") for path in ("/mine", "/victim", "")]

    assert [answer.status for answer in answers] == [200, 403, 403]
    assert answers[1].json["message"] == (
        'namespaces "victim" is forbidden: User "eve" cannot get resource "namespaces" in API group ""'
        ' in the namespace "victim"'
    )
