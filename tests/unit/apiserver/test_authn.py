"""Whom certificates and bootstrap tokens stand for."""

from __future__ import annotations

import datetime
import hashlib
import ssl

import pytest

from control import pki
from control.apiserver import authn
from fairlead.api import errors
from fairlead.api.pb import core_v1_pb2 as corev1

NOW = datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC)
TOKEN = "abcdef.0123456789abcdef"


def token_secret(**changes: bytes) -> corev1.Secret:
    """A good bootstrap token's Secret, changed."""
    secret = corev1.Secret(type=authn.TOKEN_SECRET_TYPE)
    secret.metadata.name = "bootstrap-token-abcdef"
    secret.data.update(
        {
            "token-id": b"abcdef",
            "token-secret": b"0123456789abcdef",
            "usage-bootstrap-authentication": b"true",
            "expiration": b"2026-01-02T00:00:01Z",
        }
    )
    secret.data.update({name.replace("_", "-"): value for name, value in changes.items()})
    return secret


def authenticator(secret: corev1.Secret | None) -> authn.TokenAuthenticator:
    """One that finds this Secret under every name."""

    async def find(name: str) -> corev1.Secret | None:
        assert name == "bootstrap-token-abcdef"
        return secret

    return authn.TokenAuthenticator(find, lambda: NOW)


def test_a_certificates_subject_is_the_user() -> None:
    """CN is the name, each O a group; its extra tells by which certificate, as Kubernetes has it."""
    pem, _ = pki.create_authority("test").issue(pki.Subject("jane", ("system:masters", "staff"), client=True))

    user = authn.from_certificate(pem)

    digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem.decode())).hexdigest()
    extra = (("authentication.kubernetes.io/credential-id", (f"X509SHA256={digest}",)),)
    assert user == authn.User("jane", ("system:masters", "staff", "system:authenticated"), extra=extra)


async def test_a_good_token_is_a_bootstrapper() -> None:
    """system:bootstrap:<id>, and the groups that the Secret adds, if they are bootstrappers' groups."""
    secret = token_secret(auth_extra_groups=b"system:bootstrappers:lab,system:masters")

    user = await authenticator(secret).authenticate(TOKEN)

    groups = ("system:bootstrappers", "system:bootstrappers:lab", "system:authenticated")
    assert user == authn.User("system:bootstrap:abcdef", groups)


@pytest.mark.parametrize(
    "secret",
    [
        None,
        token_secret(token_secret=b"fedcba9876543210"),
        token_secret(token_id=b"fedcba"),
        token_secret(expiration=b"2026-01-01T23:59:59Z"),
        token_secret(expiration=b"tomorrow"),
        token_secret(usage_bootstrap_authentication=b"false"),
    ],
)
async def test_a_bad_token_is_refused_without_saying_why(secret: corev1.Secret | None) -> None:
    """Unknown, wrong, expired or not meant for authentication: all the same to the caller."""
    with pytest.raises(errors.Unauthorized, match="^Unauthorized$"):
        await authenticator(secret).authenticate(TOKEN)


@pytest.mark.parametrize("token", ["", "abcdef", "ABCDEF.0123456789abcdef", "abcdef.0123456789abcde", "a.b.c"])
async def test_what_is_no_bootstrap_token_is_refused(token: str) -> None:
    """Before any Secret is read."""
    with pytest.raises(errors.Unauthorized):
        await authenticator(None).authenticate(token)
