"""Who calls: certificates and bearer tokens over TLS; and what is too much."""

from __future__ import annotations

import ssl
import time
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import rsa

from control import pki
from control.apiserver import authn, tokens
from control.apiserver.server import ApiServer
from fairlead import certificates
from fairlead.api import errors
from fairlead.api.pb import authentication_v1_pb2 as authenticationv1
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.testing import control
from fairlead.testing import rest as testing
from tests.unit.gateway.rest.conftest import CONFIGMAPS, Answer, Caller, configmap

WHOAMI = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
QUESTION = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}


@pytest.fixture
async def api() -> AsyncIterator[ApiServer]:
    """An API server that signs tokens, with an account and a bootstrap token."""
    key = _service_account_key()
    async with control.memory_api(issuer=tokens.Issuer(key, time.time)) as made:
        admin = made.as_user(*control.ADMIN)
        account = corev1.ServiceAccount()
        account.metadata.name, account.metadata.namespace = "robot", "default"
        await admin.create(account)
        secret = corev1.Secret(type=authn.TOKEN_SECRET_TYPE)
        secret.metadata.name, secret.metadata.namespace = "bootstrap-token-abcdef", "kube-system"
        secret.data.update(
            {"token-id": b"abcdef", "token-secret": b"0123456789abcdef", "usage-bootstrap-authentication": b"true"}
        )
        await admin.create(secret)
        yield made


def _service_account_key() -> bytes:
    return certificates.key_pem(rsa.generate_private_key(public_exponent=65537, key_size=2048))


async def ask(server: testing.Server, tls: ssl.SSLContext, **headers: str) -> Answer:
    """Ask the server who one is."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=tls)) as session:
        return await Caller(session, server.url)("POST", WHOAMI, QUESTION, **headers)


async def test_a_certificate_names_user_and_groups(server: testing.Server) -> None:
    """CN and O of the TLS peer's certificate, which its extra names by its hash."""
    answer = await ask(server, server.tls("alice", "team-a", "team-b"))
    user = answer.json["status"]["userInfo"]
    (credential,) = user.pop("extra")["authentication.kubernetes.io/credential-id"]
    assert credential.startswith("X509SHA256=")
    assert user == {
        "username": "alice",
        "groups": ["team-a", "team-b", "system:authenticated"],
    }


async def test_a_service_accounts_token_names_it(api: ApiServer, server: testing.Server) -> None:
    """A token from TokenRequest, without a certificate; the answer is stored nowhere and has no revision."""
    request = authenticationv1.TokenRequest()
    admin = api.as_user(*control.ADMIN)
    issued = await admin.post(corev1.ServiceAccount, "robot", "default", "token", request)
    answer = await ask(server, server.tls(), Authorization=f"Bearer {issued.status.token}")
    assert answer.json["status"]["userInfo"]["username"] == "system:serviceaccount:default:robot"
    assert issued.metadata.resourceVersion == ""


async def test_a_bootstrap_token_names_its_id(server: testing.Server) -> None:
    """As Kubernetes has it."""
    answer = await ask(server, server.tls(), Authorization="bearer abcdef.0123456789abcdef")
    assert answer.json["status"]["userInfo"]["username"] == "system:bootstrap:abcdef"


@pytest.mark.parametrize("authorization", ["Bearer nonsense", "Bearer a.b.c", "Bearer ", "Basic YTpi"])
async def test_who_cannot_be_told_is_unauthorized(server: testing.Server, authorization: str) -> None:
    """401, the same for every reason."""
    answer = await ask(server, server.tls(), Authorization=authorization)
    assert (answer.status, answer.json) == (
        401,
        {
            "apiVersion": "v1",
            "kind": "Status",
            "metadata": {},
            "status": "Failure",
            "message": "Unauthorized",
            "reason": "Unauthorized",
            "code": 401,
        },
    )


async def test_a_certificate_of_another_authority_is_refused(server: testing.Server) -> None:
    """TLS ends: the server believes only its own authority."""
    other = testing.Server(server.gateway, server.port, pki.create_authority("other"), server.folder)
    tls = other.tls("alice", "system:masters")
    tls.load_verify_locations(cadata=server.authority.pem.decode())
    with pytest.raises(aiohttp.ClientError):
        await ask(server, tls)


async def test_a_body_over_three_mebibytes_is_too_large(call: Caller) -> None:
    """413; one below that is judged by what it holds."""
    big = await call("POST", CONFIGMAPS, configmap("a", x="y" * (3 * 1024 * 1024)))
    large = await call("POST", CONFIGMAPS, configmap("a", x="y" * (2 * 1024 * 1024)))
    assert (big.status, big.json["reason"], big.json["message"]) == (
        413,
        "RequestEntityTooLarge",
        "Request entity is too large: limit is 3145728",
    )
    assert large.status in (413, 422)


async def test_what_asks_to_come_again_says_when(server: testing.Server, call: Caller) -> None:
    """429 with Retry-After and the same in the details."""

    async def busy(asked: object) -> web.StreamResponse:
        raise errors.TooManyRequests("too many requests, please try again later", retry_after_seconds=3)

    server.gateway.handlers.add("pods", "log", ("get",), busy)
    answer = await call("GET", "/api/v1/namespaces/default/pods/a/log")
    assert (answer.status, answer.headers["Retry-After"]) == (429, "3")
    assert answer.json["details"] == {"retryAfterSeconds": 3}


async def test_a_long_selector_fits(call: Caller) -> None:
    """Paths of 16 KiB are read."""
    selector = ",".join(f"key-{number}=value" for number in range(1000))
    answer = await call("GET", f"{CONFIGMAPS}?labelSelector={selector}")
    assert (answer.status, answer.json["items"]) == (200, [])
