"""[sig-auth]: certificates, service accounts and their tokens, what others may do. [sig-architecture]: nodes."""

from __future__ import annotations

import base64
import json
from typing import Any

import kubernetes
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import NameOID

from tests.clients.conformance import operations
from tests.support.rawrest import MERGE, STRATEGIC, Rest

CORE = "/api/v1/namespaces/default"
SIGNER = "example.com/e2e-certificates"


def request(*hosts: str) -> tuple[str, Any]:
    """Return a certificate request in base64, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "e2e.example.com")])
    built = x509.CertificateSigningRequestBuilder().subject_name(name)
    if hosts:
        built = built.add_extension(
            x509.SubjectAlternativeName([x509.DNSName(each) for each in hosts]), critical=False
        )
    pem = built.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    return base64.b64encode(pem).decode(), key


def test_a_certificate_request_has_every_operation(rest: Rest, cluster: Any) -> None:
    """Certificates API "should support CSR API operations": the object's own, approval's and status'."""
    spec = {
        "request": request("e2e.example.com")[0],
        "signerName": SIGNER,
        "expirationSeconds": 3600,
        "usages": ["digital signature", "key encipherment", "server auth"],
    }
    kind = operations.Kind(
        *("certificates.k8s.io", "v1", "certificatesigningrequests", "CertificateSigningRequest"),
        made={"spec": spec},
        subresources=("approval", "status"),
    )
    operations.discovered(rest, kind)
    made = operations.written(rest, kind)
    path = f"{kind.path}/{made['metadata']['name']}"
    assert made["spec"]["expirationSeconds"] == 3600
    assert len(rest("GET", kind.path, fieldSelector=f"spec.signerName={SIGNER}")["items"]) == 3

    assert rest("GET", f"{path}/approval")["metadata"]["uid"] == made["metadata"]["uid"]
    condition = {"type": "ApprovalPatch", "status": "True", "reason": "e2e"}
    patch = {"metadata": {"annotations": {"patchedapproval": "true"}}, "status": {"conditions": [condition]}}
    patched = rest("PATCH", f"{path}/approval", patch, sent=MERGE)
    assert [each["type"] for each in patched["status"]["conditions"]] == ["ApprovalPatch"]
    assert patched["metadata"]["annotations"]["patchedapproval"] == "true"
    patched["status"]["conditions"].append(
        {"type": "Approved", "status": "True", "reason": "E2E", "message": "a test"}
    )
    approved = rest("PUT", f"{path}/approval", patched)
    assert [each["type"] for each in approved["status"]["conditions"]] == ["ApprovalPatch", "Approved"]

    assert rest("GET", f"{path}/status")["metadata"]["uid"] == made["metadata"]["uid"]
    issued = base64.b64encode(cluster.authority.read_bytes()).decode()
    patch = {"metadata": {"annotations": {"patchedstatus": "true"}}, "status": {"certificate": issued}}
    patched = rest("PATCH", f"{path}/status", patch, sent=MERGE)
    assert (patched["status"]["certificate"], patched["metadata"]["annotations"]["patchedstatus"]) == (issued, "true")
    patched["status"]["conditions"].append(
        {"type": "StatusUpdate", "status": "True", "reason": "E2E", "message": "a test"}
    )
    updated = rest("PUT", f"{path}/status", patched)
    assert [each["type"] for each in updated["status"]["conditions"]] == ["ApprovalPatch", "Approved", "StatusUpdate"]
    operations.deleted(rest, kind, made["metadata"]["name"])


def account(rest: Rest, name: str, **more: Any) -> Any:
    """Create a service account."""
    return rest("POST", f"{CORE}/serviceaccounts", {"metadata": {"name": name}, **more})


def pod(name: str, **spec: Any) -> dict[str, Any]:
    """Return a pod."""
    return {"metadata": {"name": name}, "spec": {"containers": [{"name": "main", "image": "a"}], **spec}}


def test_tokens_are_mounted_unless_somebody_opts_out(rest: Rest) -> None:
    """ServiceAccounts "should allow opting out of API token automount": the pod's word before the account's."""
    account(rest, "mount", automountServiceAccountToken=True)
    account(rest, "nomount", automountServiceAccountToken=False)
    said = {None: {"default": True, "mount": True, "nomount": False}}
    said |= {word: dict.fromkeys(("default", "mount", "nomount"), word) for word in (True, False)}
    for word, wanted in said.items():
        for name, mounted in wanted.items():
            more = {} if word is None else {"automountServiceAccountToken": word}
            made = rest("POST", f"{CORE}/pods", pod(f"{name}-{word}".lower(), serviceAccountName=name, **more))
            mounts = [each["mountPath"] for each in made["spec"]["containers"][0].get("volumeMounts", ())]
            assert ("/var/run/secrets/kubernetes.io/serviceaccount" in mounts) == mounted


def test_what_is_mounted_is_a_token_the_authority_and_the_namespace(rest: Rest) -> None:
    """ServiceAccounts "should mount an API token into pods": the API's part; a pod's token says whose it is.

    That containers read the files, and a projected token of their own choice, is in tests/integration/node.
    """
    account(rest, "mount-test")
    made = rest("POST", f"{CORE}/pods", pod("one", serviceAccountName="mount-test"))
    (volume,) = made["spec"]["volumes"]
    token, authority, namespace = volume["projected"]["sources"]
    assert token["serviceAccountToken"] == {"expirationSeconds": 3607, "path": "token"}
    assert authority["configMap"] == {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}
    assert namespace["downwardAPI"]["items"][0]["path"] == "namespace"

    bound = {"kind": "Pod", "apiVersion": "v1", "name": "one", "uid": made["metadata"]["uid"]}
    asked = {"spec": {"expirationSeconds": 3607, "boundObjectRef": bound}}
    given = rest("POST", f"{CORE}/serviceaccounts/mount-test/token", asked)["status"]["token"]
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": given}}
    status = rest("POST", "/apis/authentication.k8s.io/v1/tokenreviews", review)["status"]
    assert (status["authenticated"], status.get("error")) == (True, None)
    assert status["user"]["username"] == "system:serviceaccount:default:mount-test"
    groups = {"system:authenticated", "system:serviceaccounts", "system:serviceaccounts:default"}
    assert set(status["user"]["groups"]) == groups


def test_a_service_accounts_life(rest: Rest) -> None:
    """ServiceAccounts "should run through the lifecycle of a ServiceAccount", "should update a ServiceAccount"."""
    path, selector = f"{CORE}/serviceaccounts", "test-serviceaccount-static=true"
    body = {"metadata": {"name": "test", "labels": {"test-serviceaccount-static": "true"}}}
    with rest.watch(path, labelSelector=selector) as events:
        made = rest("POST", path, body)
        assert rest("GET", f"{path}/test")["metadata"]["uid"] == made["metadata"]["uid"]
        # as Go writes a whole object with one field set
        patch = {"metadata": {"creationTimestamp": None}, "automountServiceAccountToken": False}
        rest("PATCH", f"{path}/test", patch, sent=STRATEGIC)
        (found,) = rest("GET", "/api/v1/serviceaccounts", labelSelector=selector)["items"]
        assert found["automountServiceAccountToken"] is False
        found["automountServiceAccountToken"] = True
        assert rest("PUT", f"{path}/test", found)["automountServiceAccountToken"] is True
        rest("DELETE", path)
        assert events.take(4) == [("ADDED", "test"), ("MODIFIED", "test"), ("MODIFIED", "test"), ("DELETED", "test")]
    default = rest.until(path, lambda each: each["metadata"]["name"] == "default")
    assert "secrets" not in default


def test_the_authoritys_certificate_is_in_every_namespace(rest: Rest) -> None:
    """ServiceAccounts "should guarantee kube-root-ca.crt exist in any namespace": deleted or changed, it is back."""
    rest("POST", "/api/v1/namespaces", {"metadata": {"name": "one"}})
    path = "/api/v1/namespaces/one/configmaps"

    def good(found: Any) -> bool:
        return found["metadata"]["name"] == "kube-root-ca.crt" and bool(found["data"].get("ca.crt"))

    first = rest.until(path, good)
    rest("DELETE", f"{path}/kube-root-ca.crt", {"gracePeriodSeconds": 0})
    second = rest.until(path, lambda found: good(found) and found["metadata"]["uid"] != first["metadata"]["uid"])
    emptied = rest(
        "PUT", f"{path}/kube-root-ca.crt", {"metadata": {"name": "kube-root-ca.crt"}, "data": {"ca.crt": ""}}
    )
    assert (
        rest.until(path, lambda found: good(found) and found["metadata"]["resourceVersion"] != emptied)["data"]
        == (second["data"])
    )


def decoded(part: str) -> bytes:
    """Return what base64url without its padding holds."""
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def test_a_token_is_verified_by_what_the_issuer_publishes(
    rest: Rest, cluster: Any, python: kubernetes.client.ApiClient
) -> None:
    """ServiceAccountIssuerDiscovery "should support OIDC discovery of service account issuer"."""
    role = {"kind": "ClusterRole", "name": "system:service-account-issuer-discovery"}
    body = {
        "metadata": {"name": "discovery"},
        "subjects": [{"kind": "ServiceAccount", "name": "default", "namespace": "default"}],
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", **role},
    }
    rest("POST", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", body)
    asked = {"spec": {"audiences": ["oidc-discovery-test"], "expirationSeconds": 600}}
    token = rest("POST", f"{CORE}/serviceaccounts/default/token", asked)["status"]["token"]
    plain = rest("POST", f"{CORE}/serviceaccounts/default/token", {"spec": {}})["status"]["token"]
    configuration = kubernetes.client.Configuration(host=cluster.url)
    configuration.ssl_ca_cert = str(cluster.authority)
    with kubernetes.client.ApiClient(configuration) as anonymous:
        own = Rest(anonymous, {"Authorization": f"Bearer {plain}"})
        document = own.ask("GET", "/.well-known/openid-configuration")
        keys = own.ask("GET", "/openid/v1/jwks", accept="application/jwk-set+json, */*")
        assert Rest(anonymous).ask("GET", "/openid/v1/jwks").status in (401, 403)

    header, claims, signature = token.split(".")
    told = json.loads(decoded(claims))
    assert (document.status, keys.status) == (200, 200)
    assert (told["iss"], told["aud"]) == (document.body["issuer"], ["oidc-discovery-test"])
    assert document.body["jwks_uri"].endswith("/openid/v1/jwks")
    assert "RS256" in document.body["id_token_signing_alg_values_supported"]
    assert keys.headers["Content-Type"] == "application/jwk-set+json"
    wanted = json.loads(decoded(header))
    (key,) = [each for each in json.loads(keys.body)["keys"] if each["kid"] == wanted["kid"]]
    numbers = [int.from_bytes(decoded(key[name])) for name in ("e", "n")]
    public = rsa.RSAPublicNumbers(*numbers).public_key()
    public.verify(decoded(signature), f"{header}.{claims}".encode(), padding.PKCS1v15(), hashes.SHA256())


@pytest.mark.parametrize("granted", [False, True])
def test_a_review_says_what_its_subject_then_may(
    rest: Rest, python: kubernetes.client.ApiClient, granted: bool
) -> None:
    """SubjectReview "should support SubjectReview API operations": in the cluster, in a namespace, and in fact."""
    made = account(rest, "e2e")
    name = "system:serviceaccount:default:e2e"
    groups = ["system:authenticated", "system:serviceaccounts", "system:serviceaccounts:default"]
    if granted:
        body = {
            "metadata": {"name": "view"},
            "subjects": [{"kind": "ServiceAccount", "name": "e2e", "namespace": "default"}],
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
        }
        rest("POST", "/apis/rbac.authorization.k8s.io/v1/namespaces/default/rolebindings", body)
    what = {"verb": "list", "resource": "configmaps", "namespace": "default", "version": "v1"}
    spec = {"resourceAttributes": what, "user": name, "groups": groups, "uid": made["metadata"]["uid"]}
    root = "/apis/authorization.k8s.io/v1"
    reviews = [
        rest("POST", f"{root}/subjectaccessreviews", {"spec": spec}),
        rest("POST", f"{root}/namespaces/default/localsubjectaccessreviews", {"spec": spec}),
    ]
    # one header a group: the pool takes a list of pairs from a header dictionary only
    headers = kubernetes.client.rest.urllib3.HTTPHeaderDict({"Impersonate-User": name})
    headers["Impersonate-Uid"] = made["metadata"]["uid"]
    for group in groups:
        headers.add("Impersonate-Group", group)
    answer = Rest(python, headers).ask("GET", f"{CORE}/configmaps")
    assert [each["status"]["allowed"] for each in reviews] == [granted, granted]
    assert answer.status == (200 if granted else 403)


def test_everybody_learns_who_he_is(rest: Rest) -> None:
    """SelfSubjectReview: the user as the server sees him, in groups that he has."""
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    found = rest("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", body)
    assert "system:masters" in found["status"]["userInfo"]["groups"]


def test_two_nodes_take_pods(rest: Rest) -> None:
    """[sig-architecture] Conformance Tests "should have at least two untainted nodes"."""
    nodes = rest("GET", "/api/v1/nodes")["items"]
    ready = [
        each["metadata"]["name"]
        for each in nodes
        if {"type": "Ready", "status": "True"}.items()
        <= next(c for c in each["status"]["conditions"] if c["type"] == "Ready").items()
        and not each["spec"].get("taints")
        and not each["spec"].get("unschedulable")
    ]
    assert len(ready) >= 2
