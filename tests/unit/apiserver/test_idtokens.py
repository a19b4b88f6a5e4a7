"""ID tokens of another issuer."""

from __future__ import annotations

import base64
import pathlib
from typing import Any

import orjson
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from control.apiserver import authn, bearers, idtokens, tokens
from fairlead import certificates

ISSUER = "https://login.example.com"
RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
TRUST = idtokens.Trust(ISSUER, "fairlead", groups_claim="groups", groups_prefix="oidc:")
NOW = 1000.0


def encoded(data: bytes) -> str:
    """Base64 as JWTs have it."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def token(key: Any = EC_KEY, **changes: Any) -> str:
    """A token signed by a key of the issuer, with changed claims."""
    claims = {"iss": ISSUER, "aud": "fairlead", "sub": "jane", "exp": 2000, "groups": ["devs"], **changes}
    head = {"alg": "ES256", "kid": "ec"}
    signed = f"{encoded(orjson.dumps(head))}.{encoded(orjson.dumps(claims))}"
    r, s = decode_dss_signature(key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
    return f"{signed}.{encoded(r.to_bytes(32) + s.to_bytes(32))}"


@pytest.fixture
def judge(tmp_path: pathlib.Path) -> bearers.Bearers:
    """A judge that trusts the issuer's two keys."""
    numbers = EC_KEY.public_key().public_numbers()
    curve = {"kty": "EC", "crv": "P-256", "kid": "ec"}
    curve |= {name: encoded(getattr(numbers, name).to_bytes(32)) for name in ("x", "y")}
    issuer = tokens.Issuer(certificates.key_pem(RSA_KEY), lambda: NOW, ISSUER)
    path = tmp_path / "keys.json"
    path.write_bytes(orjson.dumps({"keys": [curve, *issuer.keys()["keys"]]}))
    found = idtokens.keys(path)
    assert len(found) == 2
    return bearers.Bearers([idtokens.IdTokens(TRUST, found, ("here",), lambda: NOW)], ("here",))


async def test_a_good_token_is_a_user_with_groups(judge: bearers.Bearers) -> None:
    """Names begin with the issuer, unless another prefix is asked for."""
    user = await judge.authenticate(token())

    assert user == authn.User(f"{ISSUER}#jane", ("oidc:devs", "system:authenticated"))


@pytest.mark.parametrize("groups", [1, None, {"devs": 1}, [1, {}]])
async def test_groups_that_are_no_texts_are_none(judge: bearers.Bearers, groups: Any) -> None:
    """The token is good without them."""
    user = await judge.authenticate(token(groups=groups))

    assert user.groups == ("system:authenticated",)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"aud": ["other"]}, "oidc: verify token: expected audience is not in the token"),
        ({"aud": 1}, "oidc: verify token: expected audience is not in the token"),
        ({"aud": {"fairlead": 1}}, "oidc: verify token: expected audience is not in the token"),
        ({"exp": 900}, "oidc: verify token: token is expired"),
        ({"nbf": 1100}, "oidc: verify token: token is not valid yet"),
        ({"sub": ""}, 'oidc: parse username claims "sub": claim not present'),
        ({"iss": "https://other.example.com"}, "invalid bearer token"),
    ],
)
async def test_a_token_whose_claims_are_not_good_is_nobodys(
    judge: bearers.Bearers, changes: dict[str, Any], why: str
) -> None:
    """And a TokenReview says why."""
    with pytest.raises(authn.BadToken) as caught:
        await judge.authenticate(token(**changes))

    assert caught.value.why == why


async def test_a_token_of_another_key_is_nobodys(judge: bearers.Bearers) -> None:
    """Whatever it claims; also one that names no algorithm."""
    other = token(ec.generate_private_key(ec.SECP256R1()))
    _, claims, signature = token().split(".")
    none = f"{encoded(b'{}')}.{claims}.{signature}"

    for forged in (other, none, token()[:-4] + "AAAA"):
        with pytest.raises(authn.BadToken, match="Unauthorized"):
            await judge.authenticate(forged)


@pytest.mark.parametrize("text", ["", "{}", '{"keys": []}', '{"keys": [{"kty": "oct", "k": "x"}]}'])
def test_a_key_set_that_cannot_be_used_is_refused(tmp_path: pathlib.Path, text: str) -> None:
    """With the file's name."""
    path = tmp_path / "keys.json"
    path.write_text(text)

    with pytest.raises(idtokens.KeysError, match=r"keys\.json: "):
        idtokens.keys(path)
