"""ID tokens of another issuer (OpenID Connect): whom a JWT of somebody else's login stands for.

The issuer's keys come from a file, a JWK set (RFC 7517) as the issuer publishes it; RS256 and ES256 are taken. The
rules on claims are those of Kubernetes' --oidc flags.
"""

from __future__ import annotations

import base64
import binascii
import pathlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from control.apiserver import authn, bearers, tokens

Key = rsa.RSAPublicKey | ec.EllipticCurvePublicKey
ES256_BYTES = 32


class KeysError(ValueError):
    """A key set that cannot be used; the text says why."""


@dataclass(frozen=True, slots=True)
class Trust:
    """Whose tokens are taken, and which claims make a user. A prefix of `-` is none."""

    issuer: str
    client_id: str
    username_claim: str = "sub"
    username_prefix: str = ""
    groups_claim: str = ""
    groups_prefix: str = ""

    @property
    def prefix(self) -> str:
        """Return what stands before user names: by default the issuer, for any claim but an address."""
        if self.username_prefix:
            return "" if self.username_prefix == "-" else self.username_prefix
        return "" if self.username_claim == "email" else f"{self.issuer}#"


def keys(path: pathlib.Path) -> Mapping[str, Key]:
    """Return the signing keys of a JWK set by their ids; KeysError."""
    try:
        found = orjson.loads(path.read_bytes())["keys"]
        made = {str(one.get("kid", "")): _key(one) for one in found if one.get("use", "sig") == "sig"}
    except OSError as error:
        raise KeysError(f"{path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise KeysError(f"{path}: expected a JWK set of RSA or P-256 keys: {error}") from None
    if not made:
        raise KeysError(f"{path}: has no key for signatures")
    return made


def _key(one: Mapping[str, Any]) -> Key:
    match one["kty"]:
        case "RSA":
            return rsa.RSAPublicNumbers(_number(one["e"]), _number(one["n"])).public_key()
        case "EC" if one["crv"] == "P-256":
            return ec.EllipticCurvePublicNumbers(_number(one["x"]), _number(one["y"]), ec.SECP256R1()).public_key()
    raise ValueError(f"a key of type {one['kty']}")


class IdTokens:
    """Tokens of a trusted issuer, as an authenticator among others; `own` are the audiences of this API."""

    def __init__(self, trust: Trust, found: Mapping[str, Key], own: Sequence[str], now: Callable[[], float]) -> None:
        self._trust = trust
        self._keys = found
        self._own = tuple(own)
        self._now = now

    async def authenticate(self, token: str, audiences: Sequence[str]) -> bearers.Authenticated | None:
        """Return the user of a token of this issuer; authn.BadToken for one that is not good."""
        claims = tokens.token_claims(token)
        if claims.get("iss") != self._trust.issuer:
            return None
        self._verify(token)
        fault = self._fault(claims)
        if fault:
            raise authn.BadToken(f"oidc: {fault}")
        return bearers.for_everyone(self._user(claims), self._own, audiences)

    def _verify(self, token: str) -> None:
        """Refuse a token that no key of the issuer has signed."""
        signed, _, signature = token.rpartition(".")
        try:
            header = orjson.loads(_bytes(signed.partition(".")[0]))
            key = self._keys.get(header.get("kid", ""))
            raw = _bytes(signature)
            match header["alg"], key:
                case "RS256", rsa.RSAPublicKey():
                    key.verify(raw, signed.encode(), padding.PKCS1v15(), hashes.SHA256())
                    return
                case "ES256", ec.EllipticCurvePublicKey() if len(raw) == 2 * ES256_BYTES:
                    r, s = (int.from_bytes(half) for half in (raw[:ES256_BYTES], raw[ES256_BYTES:]))
                    key.verify(encode_dss_signature(r, s), signed.encode(), ec.ECDSA(hashes.SHA256()))
                    return
        except (InvalidSignature, ValueError, KeyError, TypeError, AttributeError, binascii.Error):
            pass
        raise authn.BadToken("oidc: verify token: failed to verify signature")

    def _fault(self, claims: Mapping[str, Any]) -> str:
        """Say why the claims of a token that is the issuer's do not make a user."""
        if self._trust.client_id not in _texts(claims.get("aud")):
            return "verify token: expected audience is not in the token"
        expires, begins, now = claims.get("exp"), claims.get("nbf", 0), self._now()
        if not isinstance(expires, int | float) or now >= expires + tokens.LEEWAY_SECONDS:
            return "verify token: token is expired"
        if not isinstance(begins, int | float) or now < begins - tokens.LEEWAY_SECONDS:
            return "verify token: token is not valid yet"
        name = claims.get(self._trust.username_claim)
        if not isinstance(name, str) or not name:
            return f'parse username claims "{self._trust.username_claim}": claim not present'
        if self._trust.username_claim == "email" and not claims.get("email_verified", True):
            return "email not verified"
        return ""

    def _user(self, claims: Mapping[str, Any]) -> authn.User:
        groups = _texts(claims.get(self._trust.groups_claim)) if self._trust.groups_claim else ()
        prefixed = tuple(self._trust.groups_prefix + group for group in groups)
        return authn.User(self._trust.prefix + claims[self._trust.username_claim], (*prefixed, authn.AUTHENTICATED))


def _texts(claim: Any) -> Sequence[str]:
    """Return the texts of a claim, which may be one or a list; what else it holds says nothing."""
    if isinstance(claim, str):
        return [claim]
    return [one for one in claim if isinstance(one, str)] if isinstance(claim, list) else ()


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _number(text: str) -> int:
    return int.from_bytes(_bytes(text))
