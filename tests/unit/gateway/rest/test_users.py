"""Who calls over REST: everyone, somebody, or somebody else."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import orjson
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from control.apiserver import tokens
from control.apiserver.audit import policy, recording
from control.apiserver.server import ApiServer
from fairlead import certificates
from fairlead.api.pb import authentication_v1_pb2 as authenticationv1
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import rbac_v1_pb2 as rbacv1
from fairlead.testing import control
from fairlead.testing import rest as testing
from tests.unit.gateway.rest.conftest import Caller

PODS = "/api/v1/namespaces/default/pods"
REVIEW = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
KEY = certificates.key_pem(rsa.generate_private_key(public_exponent=65537, key_size=2048))
QUESTION = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}


@pytest.fixture
async def api() -> AsyncIterator[ApiServer]:
    """An API server that issues tokens, with the account `robot`."""
    async with control.memory_api(now=lambda: 1000.0, issuer=tokens.Issuer(KEY, lambda: 1000.0)) as made:
        account = corev1.ServiceAccount()
        account.metadata.name, account.metadata.namespace = "robot", "default"
        await made.as_user(*control.ADMIN).create(account)
        yield made


@pytest.fixture
async def server(api: ApiServer) -> AsyncIterator[testing.Server]:
    """It on a port."""
    async with testing.serve(api) as made:
        yield made


async def ask(server: testing.Server, method: str, path: str, user: str = "", *groups: str, **headers: str) -> Any:
    """Send a request as a user, or as nobody; returns status and JSON or text."""
    connector = aiohttp.TCPConnector(ssl=server.tls(user, *groups))
    async with aiohttp.ClientSession(connector=connector) as session:
        body = QUESTION if method == "POST" else None
        async with session.request(method, server.url + path, json=body, headers=headers) as answer:
            is_json = "json" in answer.headers["Content-Type"]
            return answer.status, await answer.json(content_type=None) if is_json else await answer.text()


async def whoami(server: testing.Server, user: str, *groups: str, **headers: str) -> dict[str, Any]:
    """Ask who one is."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    status, answer = await ask(server, "POST", REVIEW, user, *groups, **named)
    assert status == 201, answer
    info: dict[str, Any] = answer["status"]["userInfo"]
    return info


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/healthz", 200),
        ("/livez", 200),
        ("/readyz", 200),
        ("/version", 200),
        ("/metrics", 401),
        ("/api", 401),
        (PODS, 401),
    ],
)
async def test_nobody_learns_health_and_version_only(server: testing.Server, path: str, status: int) -> None:
    """As by Kubernetes' role system:public-info-viewer."""
    assert (await ask(server, "GET", path))[0] == status


async def test_a_bad_token_is_not_anonymous(server: testing.Server) -> None:
    """Also where everyone is answered."""
    got = await ask(server, "GET", "/healthz", Authorization="Bearer nonsense")

    assert got[0] == 401


async def test_paths_are_authorised(server: testing.Server) -> None:
    """Discovery is for all users, metrics for those with a role; the refusal is Kubernetes'."""
    status, refusal = await ask(server, "GET", "/metrics", "jane")

    assert (await ask(server, "GET", "/apis", "jane"))[0] == 200
    assert (await ask(server, "GET", "/healthz/etcd", "jane"))[0] == 403
    assert (await ask(server, "GET", "/metrics", "jane", "system:monitoring"))[0] == 200
    assert (status, refusal["message"]) == (403, 'forbidden: User "jane" cannot get path "/metrics"')
    assert refusal["reason"] == "Forbidden"


async def test_a_master_acts_as_another(server: testing.Server) -> None:
    """Name, groups, uid and extras are the other's, and nothing of its own."""
    info = await whoami(
        server,
        "admin",
        "system:masters",
        Impersonate_User="jane",
        Impersonate_Group="devs",
        Impersonate_Uid="uid-1",
        Impersonate_Extra_Acme_com_2fproject="web",
    )
    robot = await whoami(server, "admin", "system:masters", Impersonate_User="system:serviceaccount:default:robot")

    assert info["username"] == "jane"
    assert info["groups"] == ["devs", "system:authenticated"]
    assert info["uid"] == "uid-1"
    assert robot["groups"] == [
        "system:serviceaccounts",
        "system:serviceaccounts:default",
        "system:authenticated",
    ]
    assert (await ask(server, "GET", PODS, "admin", "system:masters", **{"Impersonate-User": "jane"}))[0] == 403


async def test_extras_are_decoded(server: testing.Server) -> None:
    """A key in a header's name is percent-encoded and lower case."""
    headers = {"Impersonate-User": "jane", "Impersonate-Extra-Acme.com%2FProject": "web"}

    _, answer = await ask(server, "POST", REVIEW, "admin", "system:masters", **headers)

    assert answer["status"]["userInfo"]["extra"] == {"acme.com/project": ["web"]}


async def test_to_act_as_another_needs_a_role_for_each_part(server: testing.Server, api: ApiServer) -> None:
    """The verb impersonate on users, groups, serviceaccounts, uids, userextras."""
    admin = api.as_user(*control.ADMIN)
    role = rbacv1.ClusterRole()
    role.metadata.name = "acts"
    role.rules.add(verbs=["impersonate"], apiGroups=[""], resources=["users"], resourceNames=["jane"])
    role.rules.add(verbs=["impersonate"], apiGroups=[""], resources=["groups"], resourceNames=["devs"])
    await admin.create(role)
    binding = rbacv1.ClusterRoleBinding()
    binding.metadata.name = "acts"
    binding.roleRef.kind, binding.roleRef.name = "ClusterRole", "acts"
    binding.subjects.add(kind="User", name="bob")
    await admin.create(binding)
    await api.cache.fresh()

    async def refused(**headers: str) -> str:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        status, answer = await ask(server, "POST", REVIEW, "bob", **named)
        assert status == 403
        text: str = answer["message"]
        return text

    assert (await whoami(server, "bob", Impersonate_User="jane", Impersonate_Group="devs"))["username"] == "jane"
    assert await refused(Impersonate_User="joe") == (
        'users "joe" is forbidden: User "bob" cannot impersonate resource "users" in API group ""'
        " at the cluster scope"
    )
    assert 'groups "ops" is forbidden' in await refused(Impersonate_User="jane", Impersonate_Group="ops")
    assert await refused(Impersonate_User="jane", Impersonate_Extra_A="b") == (
        'userextras.authentication.k8s.io "b" is forbidden: User "bob" cannot impersonate resource "userextras/a"'
        ' in API group "authentication.k8s.io" at the cluster scope'
    )
    assert (
        'cannot impersonate resource "serviceaccounts" in API group "" in the namespace "default"'
        in await refused(Impersonate_User="system:serviceaccount:default:robot")
    )
    status, _ = await ask(server, "POST", REVIEW, "bob", **{"Impersonate-Group": "devs"})
    assert status == 400


async def test_others_can_verify_an_accounts_token(server: testing.Server, api: ApiServer) -> None:
    """By the key set that the discovery document points to, which service accounts may read."""
    admin = api.as_user(*control.ADMIN)
    request = authenticationv1.TokenRequest()
    token = (await admin.post(corev1.ServiceAccount, "robot", "default", "token", request)).status.token
    bearer = {"Authorization": f"Bearer {token}"}

    _, document = await ask(server, "GET", "/.well-known/openid-configuration", **bearer)
    status, keys = await ask(server, "GET", "/openid/v1/jwks", **bearer)

    assert document == {
        "issuer": "https://kubernetes.default.svc.cluster.local",
        "jwks_uri": "https://127.0.0.1/openid/v1/jwks",
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
    }
    assert status == 200
    n, e = (int.from_bytes(base64.urlsafe_b64decode(keys["keys"][0][name] + "==")) for name in ("n", "e"))
    signed, _, signature = token.rpartition(".")
    key = rsa.RSAPublicNumbers(e, n).public_key()
    key.verify(base64.urlsafe_b64decode(signature + "=="), signed.encode(), padding.PKCS1v15(), hashes.SHA256())
    assert (await ask(server, "GET", "/openid/v1/jwks", "jane"))[0] == 403


async def test_reviews_are_served_and_discovered(call: Caller) -> None:
    """Create is their only verb."""
    resources = (await call("GET", "/apis/authorization.k8s.io/v1")).json["resources"]
    spec = {"resourceAttributes": {"verb": "get", "resource": "pods", "namespace": "default"}}
    review = {"metadata": {"creationTimestamp": None}, "spec": spec}  # as kubectl sends it
    kind = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview"}
    answer = await call("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", kind | review)
    listed = await call("GET", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews")

    assert {one["name"]: (one["verbs"], one["namespaced"]) for one in resources} == {
        "localsubjectaccessreviews": (["create"], True),
        "selfsubjectaccessreviews": (["create"], False),
        "selfsubjectrulesreviews": (["create"], False),
        "subjectaccessreviews": (["create"], False),
    }
    assert (answer.status, answer.json["status"]) == (201, {"allowed": True})
    assert (listed.status, listed.json["reason"]) == (405, "MethodNotAllowed")


async def test_the_audit_log_knows_who_acts_as_whom_and_from_where() -> None:
    """Over REST: path, address, agent, the caller's Audit-Id, and both users."""
    lines: list[bytes] = []
    rule = "omitStages: [RequestReceived], rules: [{level: Metadata, users: [bob]}]"
    auditor = recording.Recorder(policy.parse(f"{{apiVersion: audit.k8s.io/v1, kind: Policy, {rule}}}"), lines.append)
    headers = {"Impersonate-User": "jane", "Audit-Id": "id-1", "User-Agent": "test/1"}
    async with control.memory_api(auditor=auditor) as api, testing.serve(api) as server:
        await ask(server, "GET", f"{PODS}?limit=5", "bob", "system:masters", **headers)
        await ask(server, "GET", "/metrics", "bob")

    listed, scraped = (orjson.loads(line) for line in lines)
    shown = {key: listed[key] for key in ("auditID", "requestURI", "sourceIPs", "userAgent", "verb")}
    assert shown == {
        "auditID": "id-1",
        "requestURI": f"{PODS}?limit=5",
        "sourceIPs": ["127.0.0.1"],
        "userAgent": "test/1",
        "verb": "list",
    }
    assert listed["user"]["username"] == "bob"
    assert listed["impersonatedUser"] == {"username": "jane", "groups": ["system:authenticated"]}
    assert (scraped["requestURI"], scraped["verb"], scraped["responseStatus"]["code"]) == ("/metrics", "get", 403)
