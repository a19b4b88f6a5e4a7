"""Service-account tokens: signed, as Kubernetes signs them (RS256, bound to a pod, Secret or node), and verified.

The `token` subresource of service accounts issues them; bearers.py says whom one stands for. A token dies with the
account and the object that it is bound to. `Issuer.discovery` and `Issuer.keys` are OIDC discovery's documents, by
which others verify them.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from control.apiserver import authn, field
from fairlead.api.pb import authentication_v1_pb2 as authenticationv1
from fairlead.api.pb import core_v1_pb2 as corev1

DEFAULT_ISSUER = "https://kubernetes.default.svc.cluster.local"
DEFAULT_SECONDS = 3600
LEAST_SECONDS = 600
MOST_SECONDS = 1 << 32
LEEWAY_SECONDS = 10  # between the clocks of control hosts


@dataclass(frozen=True, slots=True)
class Claims:
    """What a verified token says."""

    namespace: str
    account: str
    account_uid: str
    pod: str = ""
    pod_uid: str = ""
    secret: str = ""
    secret_uid: str = ""
    node: str = ""
    node_uid: str = ""
    id: str = ""
    audiences: tuple[str, ...] = ()

    @property
    def user(self) -> str:
        """Return the user's name."""
        return f"{authn.SERVICE_ACCOUNT_PREFIX}{self.namespace}:{self.account}"


@dataclass(frozen=True, slots=True)
class Bound:
    """What a token is bound to; of a pod also the node that it is on."""

    pod: corev1.Pod | None = None
    secret: corev1.Secret | None = None
    node: corev1.Node | None = None


class Issuer:
    """Signs and verifies tokens with the cluster's service-account key (PEM, RSA)."""

    def __init__(self, key: bytes, now: Callable[[], float], issuer: str = DEFAULT_ISSUER) -> None:
        loaded = serialization.load_pem_private_key(key, None)
        if not isinstance(loaded, rsa.RSAPrivateKey):
            raise ValueError("the service-account key must be an RSA key")
        self._key = loaded
        self._public = loaded.public_key()
        self.now = now
        self.issuer = issuer
        der = self._public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        self._key_id = _encoded(hashlib.sha256(der).digest()).decode()
        self._head = _encoded(orjson.dumps({"alg": "RS256", "kid": self._key_id}))

    def issue(
        self, account: corev1.ServiceAccount, bound: Bound, audiences: Sequence[str], seconds: int
    ) -> tuple[str, int]:
        """Return a token for an account, bound to an object if one is given, and when it expires (epoch seconds)."""
        now = int(self.now())
        meta = account.metadata
        claimed: dict[str, Any] = {
            "namespace": meta.namespace,
            "serviceaccount": {"name": meta.name, "uid": meta.uid},
        }
        for kind, obj in (("pod", bound.pod), ("secret", bound.secret), ("node", bound.node)):
            if obj is not None:
                claimed[kind] = {"name": obj.metadata.name, "uid": obj.metadata.uid}
        claims = {
            "aud": list(audiences) or [self.issuer],
            "exp": now + seconds,
            "iat": now,
            "iss": self.issuer,
            "jti": str(uuid.uuid4()),
            "kubernetes.io": claimed,
            "nbf": now,
            "sub": f"{authn.SERVICE_ACCOUNT_PREFIX}{meta.namespace}:{meta.name}",
        }
        signed = self._head + b"." + _encoded(orjson.dumps(claims))
        signature = self._key.sign(signed, padding.PKCS1v15(), hashes.SHA256())
        return (signed + b"." + _encoded(signature)).decode(), now + seconds

    def issued(self, token: str) -> bool:
        """Say whether a token claims to be this issuer's; nothing is verified."""
        return token_claims(token).get("iss") == self.issuer

    def verify(self, token: str) -> Claims:
        """Return what a token says; authn.BadToken unless it is ours and valid now."""
        signed, _, signature = token.rpartition(".")
        try:
            self._public.verify(_decoded(signature), signed.encode(), padding.PKCS1v15(), hashes.SHA256())
            header = orjson.loads(_decoded(signed.partition(".")[0]))
            claims = token_claims(token)
            found = _claims(claims)
            now = self.now()
            early, late = now < claims["nbf"] - LEEWAY_SECONDS, now >= claims["exp"]
            good = header["alg"] == "RS256" and claims["iss"] == self.issuer
        except (InvalidSignature, ValueError, KeyError, TypeError, AttributeError, binascii.Error):
            raise authn.BadToken("invalid bearer token") from None
        if not good:
            raise authn.BadToken("invalid bearer token")
        if early or late:
            when = "is not valid yet" if early else "has expired"
            raise authn.BadToken(f"[invalid bearer token, service account token {when}]")
        return found

    def discovery(self, jwks_url: str) -> dict[str, Any]:
        """Return /.well-known/openid-configuration; `jwks_url` is where `keys` are served."""
        return {
            "issuer": self.issuer,
            "jwks_uri": jwks_url,
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
        }

    def keys(self) -> dict[str, Any]:
        """Return /openid/v1/jwks: the public key (RFC 7517)."""
        numbers = self._public.public_numbers()
        n, e = (_encoded(value.to_bytes((value.bit_length() + 7) // 8, "big")) for value in (numbers.n, numbers.e))
        key = {"use": "sig", "kty": "RSA", "kid": self._key_id, "alg": "RS256", "n": n.decode(), "e": e.decode()}
        return {"keys": [key]}


def token_claims(token: str) -> dict[str, Any]:
    """Return what a JWT claims, unverified; nothing for what is no JWT."""
    parts = token.split(".")
    try:
        claims = orjson.loads(_decoded(parts[1])) if len(parts) == 3 else {}
    except (ValueError, binascii.Error):
        return {}
    return claims if isinstance(claims, dict) else {}


def _claims(claims: dict[str, Any]) -> Claims:
    bound = claims["kubernetes.io"]
    objects = {kind: bound.get(kind, {}) for kind in ("pod", "secret", "node")}
    return Claims(
        namespace=bound["namespace"],
        account=bound["serviceaccount"]["name"],
        account_uid=bound["serviceaccount"]["uid"],
        id=str(claims.get("jti", "")),
        audiences=tuple(claims["aud"]),
        **{kind: obj.get("name", "") for kind, obj in objects.items()},
        **{f"{kind}_uid": obj.get("uid", "") for kind, obj in objects.items()},
    )


def _encoded(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def judge(request: authenticationv1.TokenRequest) -> field.Faults:
    """Judge what a token is asked for; fills in the default time."""
    spec = request.spec
    if not spec.HasField("expirationSeconds"):
        spec.expirationSeconds = DEFAULT_SECONDS
    path = "spec.expirationSeconds"
    if spec.expirationSeconds < LEAST_SECONDS:
        return [field.invalid(path, spec.expirationSeconds, "may not specify a duration less than 10 minutes")]
    if spec.expirationSeconds > MOST_SECONDS:
        return [field.invalid(path, spec.expirationSeconds, "may not specify a duration larger than 2^32 seconds")]
    return []
