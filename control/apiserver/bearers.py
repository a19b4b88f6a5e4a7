"""Whom bearer tokens stand for: several authenticators, asked in turn, each for the tokens of its form.

The edges ask `authenticate`, TokenReviews `review`. Tokens without audiences of their own (bootstrap tokens, those
of a file) are for this API; service accounts' tokens name whom they are for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from google.protobuf.message import Message

from control.apiserver import authn, tokens
from control.apiserver.strategies import secret
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import meta_v1_pb2 as metav1

LINGERING_SECONDS = 60.0  # Kubernetes' leeway, after which what is being deleted vouches for nothing

M = TypeVar("M", bound=Message)


@dataclass(frozen=True, slots=True)
class Authenticated:
    """A token's user, and which of the audiences that were asked for the token is for."""

    user: authn.User
    audiences: tuple[str, ...]


class Authenticator(Protocol):
    """Judges tokens of one form."""

    async def authenticate(self, token: str, audiences: Sequence[str]) -> Authenticated | None:
        """Return a token's user; None for a token of another form, authn.BadToken for one that is not good."""
        ...


class Known(Protocol):
    """The objects that exist, as far as tokens need them."""

    async def fresh(self) -> None:
        """Wait until what follows shows all that was written before."""
        ...

    def find(self, kind: type[M], namespace: str, name: str) -> M | None:
        """Return an object, or None."""
        ...


class Bearers:
    """All authenticators of an API server; `own` are the audiences that stand for it."""

    def __init__(self, authenticators: Sequence[Authenticator], own: Sequence[str]) -> None:
        self._authenticators = authenticators
        self._own = tuple(own)

    async def authenticate(self, token: str) -> authn.User:
        """Return a token's user; errors.Unauthorized where it is nobody's, or for others."""
        return (await self.review(token, ())).user

    async def review(self, token: str, audiences: Sequence[str]) -> Authenticated:
        """Return the user of a token for any of the audiences, this API's by default; authn.BadToken."""
        wanted = tuple(audiences) or self._own
        for one in self._authenticators:
            found = await one.authenticate(token, wanted)
            if found is not None:
                return found
        raise authn.BadToken("invalid bearer token")


class BootstrapTokens:
    """Bootstrap tokens, as an authenticator among others."""

    def __init__(self, tokens: authn.TokenAuthenticator, own: Sequence[str]) -> None:
        self._tokens = tokens
        self._own = tuple(own)

    async def authenticate(self, token: str, audiences: Sequence[str]) -> Authenticated | None:
        """Return the user of what has the form of a bootstrap token."""
        if authn.token_parts(token) is None:
            return None
        return for_everyone(await self._tokens.authenticate(token), self._own, audiences)


class ServiceAccountTokens:
    """Tokens of service accounts: signed by this cluster, and alive as long as what they are bound to."""

    def __init__(self, issuer: tokens.Issuer, known: Known) -> None:
        self._issuer = issuer
        self._known = known

    async def authenticate(self, token: str, audiences: Sequence[str]) -> Authenticated | None:
        """Return a token's account; None for a token of another issuer."""
        if not self._issuer.issued(token):
            return None
        claims = self._issuer.verify(token)
        meant = tuple(one for one in audiences if one in claims.audiences)
        if not meant:
            shown = "[" + " ".join(f'"{one}"' for one in claims.audiences) + "]"
            wanted = "[" + " ".join(f'"{one}"' for one in audiences) + "]"
            raise authn.BadToken(f"token audiences {shown} is invalid for the target audiences {wanted}")
        if self._fault(token, claims):
            await self._known.fresh()  # what the token is bound to may be newer than what the cache shows
        fault = self._fault(token, claims)
        if fault:
            raise authn.BadToken(fault)
        return Authenticated(_user(claims), meant)

    def _fault(self, token: str, claims: tokens.Claims) -> str:
        """Say why what a token is bound to does not vouch for it; "" where it does.

        A Secret that is there to hold a token vouches for the one that it holds.
        """
        account = self._known.find(corev1.ServiceAccount, claims.namespace, claims.account)
        if self._is_gone(account, claims.account_uid):
            return "service account token has been invalidated"
        bound: Any = None
        if claims.pod:
            bound, uid = self._known.find(corev1.Pod, claims.namespace, claims.pod), claims.pod_uid
        elif claims.secret:
            bound, uid = self._known.find(corev1.Secret, claims.namespace, claims.secret), claims.secret_uid
        elif claims.node:
            bound, uid = self._known.find(corev1.Node, "", claims.node), claims.node_uid
        else:
            return ""
        if self._is_gone(bound, uid):
            return "service account token has been invalidated"
        holds_one = claims.secret and bound.type == secret.SERVICE_ACCOUNT
        if holds_one and bound.data.get("token", b"") != token.encode():
            return "token does not match server's copy"
        return ""

    def _is_gone(self, obj: Any, uid: str) -> bool:
        """Say whether an object is no more, or lingers on its finalizers after the time of its deletion."""
        if obj is None or obj.metadata.uid != uid:
            return True
        meta: metav1.ObjectMeta = obj.metadata
        return meta.HasField("deletionTimestamp") and (
            meta.deletionTimestamp.seconds < self._issuer.now() - LINGERING_SECONDS
        )


def for_everyone(user: authn.User, own: Sequence[str], audiences: Sequence[str]) -> Authenticated:
    """Return the user of a token without audiences; authn.BadToken unless it is asked for this API."""
    meant = tuple(one for one in audiences if one in own)
    if not meant and audiences:
        raise authn.BadToken("invalid bearer token")
    return Authenticated(user, meant)


def _user(claims: tokens.Claims) -> authn.User:
    """Return the account's user, with what Kubernetes tells of its token."""
    known = {
        "credential-id": f"JTI={claims.id}" if claims.id else "",
        "node-name": claims.node,
        "node-uid": claims.node_uid,
        "pod-name": claims.pod,
        "pod-uid": claims.pod_uid,
    }
    extra = tuple((authn.EXTRA + key, (value,)) for key, value in known.items() if value)
    named = authn.user(claims.user)
    return authn.User(named.name, named.groups, claims.account_uid, extra)


def standard(
    bootstrap: authn.TokenAuthenticator, issuer: tokens.Issuer | None, known: Known, more: Sequence[Authenticator]
) -> Bearers:
    """Return the judge of bearer tokens: bootstrap tokens, service accounts', and what others know."""
    own = (issuer.issuer if issuer is not None else tokens.DEFAULT_ISSUER,)
    accounts = [ServiceAccountTokens(issuer, known)] if issuer is not None else []
    return Bearers([BootstrapTokens(bootstrap, own), *accounts, *more], own)
