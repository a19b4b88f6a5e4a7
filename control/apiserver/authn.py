"""Who a caller is: the user that a client certificate or a bearer token stands for.

The gateway asks at the edge; everything behind it sees only `User`. Pure but for `TokenAuthenticator`, which looks a
bootstrap token's Secret up through the function that it is given.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from fairlead import certificates
from fairlead.api import errors
from fairlead.api.pb import core_v1_pb2 as corev1

MASTERS = "system:masters"
NODES = "system:nodes"
NODE_PREFIX = "system:node:"
AUTHENTICATED = "system:authenticated"
UNAUTHENTICATED = "system:unauthenticated"
ANONYMOUS = "system:anonymous"
BOOTSTRAPPERS = "system:bootstrappers"
CONTROL_PEERS = "system:fairlead-control"
SERVICE_ACCOUNT_PREFIX = "system:serviceaccount:"
EXTRA = "authentication.kubernetes.io/"  # what Kubernetes tells of a user beside name, groups and uid

TOKEN_SECRET_TYPE = "bootstrap.kubernetes.io/token"
TOKEN_NAMESPACE = "kube-system"
_TOKEN = re.compile(r"([a-z0-9]{6})\.([a-z0-9]{16})")
_EXTRA_GROUP = re.compile(r"system:bootstrappers:[a-z0-9:-]{0,255}[a-z0-9]")


@dataclass(frozen=True, slots=True)
class User:
    """A caller: its name, the groups that it is in, its uid where it has one, and what else is known of it."""

    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: tuple[tuple[str, tuple[str, ...]], ...] = ()

    @property
    def node(self) -> str:
        """Return the node's name where the user is a node's agent, else ""."""
        if NODES in self.groups and self.name.startswith(NODE_PREFIX):
            return self.name.removeprefix(NODE_PREFIX)
        return ""


class BadToken(errors.Unauthorized):
    """A bearer token that is not good. Its sender learns no more than that; `why` is for TokenReviews."""

    def __init__(self, why: str) -> None:
        super().__init__("Unauthorized")
        self.why = why


def anonymous() -> User:
    """Return the user of who shows nothing."""
    return User(ANONYMOUS, (UNAUTHENTICATED,))


def user(name: str, groups: tuple[str, ...] = ()) -> User:
    """Return an authenticated user; a service account and a node are in the groups that Kubernetes gives them."""
    implied = list(groups)
    if name.startswith(SERVICE_ACCOUNT_PREFIX):
        namespace = name.removeprefix(SERVICE_ACCOUNT_PREFIX).partition(":")[0]
        implied += ["system:serviceaccounts", f"system:serviceaccounts:{namespace}"]
    if name.startswith(NODE_PREFIX):
        implied.append(NODES)
    return User(name, tuple(dict.fromkeys([*implied, AUTHENTICATED])))


SERVER = user("system:apiserver", (MASTERS,))  # the API server itself, where it acts for nobody else


def info(user: User) -> dict[str, Any]:
    """Return a user as audit events and admission reviews carry it: the JSON of Kubernetes' UserInfo."""
    shown: dict[str, Any] = {"username": user.name, "groups": list(user.groups)}
    if user.uid:
        shown["uid"] = user.uid
    if user.extra:
        shown["extra"] = {key: list(values) for key, values in user.extra}
    return shown


def from_certificate(pem: bytes) -> User:
    """Return the user of a verified client certificate: CN is its name, each O a group.

    Its extra names the certificate by its hash, as Kubernetes 1.32 does, so that an audit log tells which one it was.
    errors.Unauthorized for a certificate without a common name.
    """
    certificate = x509.load_pem_x509_certificate(pem)
    name, groups = certificates.name_and_groups(certificate.subject)
    if not name:
        raise errors.Unauthorized("the client certificate has no common name")
    credential = f"X509SHA256={certificate.fingerprint(hashes.SHA256()).hex()}"
    extra = ((f"{EXTRA}credential-id", (credential,)),)
    return User(name, tuple(dict.fromkeys([*groups, AUTHENTICATED])), extra=extra)


def token_parts(token: str) -> tuple[str, str] | None:
    """Return (id, secret) of a bootstrap token's text, or None where it does not have the form of one."""
    found = _TOKEN.fullmatch(token)
    return (found[1], found[2]) if found else None


def token_fault(secret: corev1.Secret, token_id: str, token_secret: str, now: datetime) -> str:
    """Say why a Secret does not vouch for a bootstrap token; "" where it does.

    The rules are Kubernetes' (bootstrap tokens: type, deletion, id, secret, expiration, usage for authentication).
    """
    data = secret.data
    if secret.type != TOKEN_SECRET_TYPE or secret.metadata.HasField("deletionTimestamp"):
        return "it is not a bootstrap token's secret"
    if not hmac.compare_digest(data.get("token-secret", b""), token_secret.encode()):
        return "the token's secret is wrong"
    if data.get("token-id", b"") != token_id.encode():
        return "the token's id is not the secret's"
    expiration = data.get("expiration", b"").decode(errors="replace")
    if expiration and not _is_after(expiration, now):
        return "the token has expired"
    if data.get("usage-bootstrap-authentication", b"") != b"true":
        return "the token is not meant for authentication"
    return ""


def _is_after(stamp: str, now: datetime) -> bool:
    try:
        return datetime.fromisoformat(stamp) > now
    except (TypeError, ValueError):
        return False


def token_groups(secret: corev1.Secret) -> tuple[str, ...]:
    """Return the groups of a bootstrap token's user: system:bootstrappers and those that its Secret adds."""
    extra = secret.data.get("auth-extra-groups", b"").decode(errors="replace")
    valid = (group for group in extra.split(",") if _EXTRA_GROUP.fullmatch(group))
    return (BOOTSTRAPPERS, *valid)


class TokenAuthenticator:
    """Turns a bearer token into a user; `secret` reads a Secret of kube-system by its name, or gives None."""

    def __init__(self, secret: Callable[[str], Awaitable[corev1.Secret | None]], now: Callable[[], datetime]) -> None:
        self._secret = secret
        self._now = now

    async def authenticate(self, token: str) -> User:
        """Return the user `system:bootstrap:<id>` of a bootstrap token; BadToken for any other token."""
        parts = token_parts(token)
        if parts is None:
            raise BadToken("invalid bearer token")
        secret = await self._secret(f"bootstrap-token-{parts[0]}")
        fault = "invalid bearer token" if secret is None else token_fault(secret, *parts, self._now())
        if secret is None or fault:
            raise BadToken(fault)
        return user(f"system:bootstrap:{parts[0]}", token_groups(secret))
