"""Service-account tokens: signed, as Kubernetes signs them (RS256, bound to a pod), and verified.

The `token` subresource of service accounts issues them; the gateway asks `Accounts` whom one stands for. A token dies
with the account and the pod that it is bound to.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from control.apiserver import authn, field
from fairlead.api import errors
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
    audiences: tuple[str, ...] = ()

    @property
    def user(self) -> str:
        """Return the user's name."""
        return f"{authn.SERVICE_ACCOUNT_PREFIX}{self.namespace}:{self.account}"


class Issuer:
    """Signs and verifies tokens with the cluster's service-account key (PEM, RSA)."""

    def __init__(self, key: bytes, now: Callable[[], float], issuer: str = DEFAULT_ISSUER) -> None:
        loaded = serialization.load_pem_private_key(key, None)
        if not isinstance(loaded, rsa.RSAPrivateKey):
            raise ValueError("the service-account key must be an RSA key")
        self._key = loaded
        self._public = loaded.public_key()
        self._now = now
        self.issuer = issuer
        der = self._public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        self._head = _encoded(orjson.dumps({"alg": "RS256", "kid": _encoded(hashlib.sha256(der).digest()).decode()}))

    def issue(
        self, account: corev1.ServiceAccount, pod: corev1.Pod | None, audiences: Sequence[str], seconds: int
    ) -> tuple[str, int]:
        """Return a token for an account, bound to a pod if one is given, and when it expires (epoch seconds)."""
        now = int(self._now())
        meta = account.metadata
        bound: dict[str, Any] = {
            "namespace": meta.namespace,
            "serviceaccount": {"name": meta.name, "uid": meta.uid},
        }
        if pod is not None:
            bound["pod"] = {"name": pod.metadata.name, "uid": pod.metadata.uid}
        claims = {
            "aud": list(audiences) or [self.issuer],
            "exp": now + seconds,
            "iat": now,
            "iss": self.issuer,
            "jti": str(uuid.uuid4()),
            "kubernetes.io": bound,
            "nbf": now,
            "sub": f"{authn.SERVICE_ACCOUNT_PREFIX}{meta.namespace}:{meta.name}",
        }
        signed = self._head + b"." + _encoded(orjson.dumps(claims))
        signature = self._key.sign(signed, padding.PKCS1v15(), hashes.SHA256())
        return (signed + b"." + _encoded(signature)).decode(), now + seconds

    def verify(self, token: str) -> Claims:
        """Return what a token says; errors.Unauthorized unless it is ours, for us, and valid now."""
        signed, _, signature = token.rpartition(".")
        try:
            self._public.verify(_decoded(signature), signed.encode(), padding.PKCS1v15(), hashes.SHA256())
            header = orjson.loads(_decoded(signed.partition(".")[0]))
            claims = orjson.loads(_decoded(signed.partition(".")[2]))
            bound = claims["kubernetes.io"]
            found = Claims(
                namespace=bound["namespace"],
                account=bound["serviceaccount"]["name"],
                account_uid=bound["serviceaccount"]["uid"],
                pod=bound.get("pod", {}).get("name", ""),
                pod_uid=bound.get("pod", {}).get("uid", ""),
                audiences=tuple(claims["aud"]),
            )
            now = self._now()
            valid = claims["nbf"] - LEEWAY_SECONDS <= now < claims["exp"] and header["alg"] == "RS256"
        except (InvalidSignature, ValueError, KeyError, TypeError, AttributeError, binascii.Error):
            raise errors.Unauthorized("Unauthorized") from None
        if not valid or claims["iss"] != self.issuer or self.issuer not in found.audiences:
            raise errors.Unauthorized("Unauthorized")
        return found


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


class Known(Protocol):
    """The accounts and pods that exist, as far as tokens need them."""

    def account(self, namespace: str, name: str) -> corev1.ServiceAccount | None:
        """Return a service account, or None."""
        ...

    def pod(self, namespace: str, name: str) -> corev1.Pod | None:
        """Return a pod, or None."""
        ...


class Bearers:
    """Whom bearer tokens stand for: bootstrap tokens by their form, all others as service accounts'."""

    def __init__(self, bootstrap: authn.TokenAuthenticator, issuer: Issuer | None, known: Known) -> None:
        self._bootstrap = bootstrap
        self._issuer = issuer
        self._known = known

    async def authenticate(self, token: str) -> authn.User:
        """Return a token's user; errors.Unauthorized where it is nobody's."""
        if self._issuer is None or token.count(".") != 2:
            return await self._bootstrap.authenticate(token)
        claims = self._issuer.verify(token)
        account = self._known.account(claims.namespace, claims.account)
        if account is None or account.metadata.uid != claims.account_uid:
            raise errors.Unauthorized("Unauthorized")
        if claims.pod:
            pod = self._known.pod(claims.namespace, claims.pod)
            if pod is None or pod.metadata.uid != claims.pod_uid:
                raise errors.Unauthorized("Unauthorized")
        return authn.user(claims.user)
