"""Who calls over REST: the user of the TLS peer's certificate or of a bearer token, or whom that user acts as."""

from __future__ import annotations

import base64
import binascii
import functools
from collections.abc import Awaitable, Callable, Collection

import multidict
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from control.apiserver import authn, authz, impersonation
from control.apiserver.audit import event as audit
from control.gateway import identity
from fairlead.api import errors

# What Kubernetes tells to everyone, by the role system:public-info-viewer.
PUBLIC = frozenset({"/healthz", "/livez", "/readyz", "/version", "/version/"})
# Browsers cannot set a header on a WebSocket: the token is then one of the protocols that they offer.
SOCKET_PROTOCOLS = "Sec-WebSocket-Protocol"
SOCKET_TOKEN = "base64url.bearer.authorization.k8s.io."


class ImpersonationRefused(errors.Forbidden):
    """The refusal of a caller who wants to act as somebody else; `caller` is who it is."""

    def __init__(self, caller: authn.User, refused: errors.Forbidden) -> None:
        super().__init__(refused.message, group=refused.group, kind=refused.kind, name=refused.name)
        self.caller = caller


Identify = Callable[[web.BaseRequest], Awaitable[authn.User]]


@functools.lru_cache(maxsize=4096)
def _of_certificate(der: bytes) -> authn.User:
    return authn.from_certificate(x509.load_der_x509_certificate(der).public_bytes(serialization.Encoding.PEM))


class Identifier:
    """Finds the user of a request. TLS has verified the certificate; `tokens` checks bearer tokens.

    Who shows nothing is nobody, but for the paths of `anonymous`. The authorizer says who may act as somebody else.
    """

    def __init__(
        self, tokens: identity.Tokens, authorizer: authz.Authorizer, anonymous: Collection[str] = PUBLIC
    ) -> None:
        self._tokens = identity.Remembered(tokens)
        self._authorizer = authorizer
        self._anonymous = frozenset(anonymous)

    async def __call__(self, request: web.BaseRequest) -> authn.User:
        """Return the user of a request; errors.Unauthorized for nobody, errors.Forbidden for a false somebody."""
        audit.acts_for(None)  # whatever the connection's last request did
        caller = await self._caller(request)
        wish = impersonation.wished(request.headers.items())
        if wish is None:
            return caller
        try:
            acting = impersonation.granted(caller, wish, self._authorizer)
        except errors.Forbidden as error:
            raise ImpersonationRefused(caller, error) from None
        audit.acts_for(caller)
        return acting

    async def _caller(self, request: web.BaseRequest) -> authn.User:
        transport = request.transport
        tls = transport.get_extra_info("ssl_object") if transport is not None else None
        der = tls.getpeercert(binary_form=True) if tls is not None else None
        if der:
            return _of_certificate(der)
        token = _token(request)
        if token:
            return await self._tokens.authenticate(token)
        if "Authorization" not in request.headers and request.rel_url.raw_path in self._anonymous:
            return authn.anonymous()
        raise errors.Unauthorized("Unauthorized")


def source(request: web.BaseRequest, audit_id: str) -> audit.Source:
    """Return where a request comes from, for the audit log."""
    addresses = (request.remote,) if request.remote else ()
    agent = request.headers.get("User-Agent", "")
    return audit.Source(request.path_qs, addresses, agent, audit_id)


def attempted(request: web.BaseRequest) -> list[str]:
    """Return the ways in which a request tried to prove its caller, as Kubernetes' audit log names them."""
    scheme = request.headers.get("Authorization", "").partition(" ")[0].lower()
    tried = [scheme] if scheme in ("basic", "bearer") else []
    return tried or (["bearer"] if _token(request) else [])


def _token(request: web.BaseRequest) -> str:
    """Return a request's bearer token, "" if it has none."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return token.strip()
    if request.headers.get("Upgrade", "").strip().lower() != "websocket":
        return ""
    tokens = [one for one in _protocols(request.headers) if one.startswith(SOCKET_TOKEN)]
    if len(tokens) != 1:
        return ""
    encoded = tokens[0].removeprefix(SOCKET_TOKEN)
    try:
        return base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""


def _protocols(headers: multidict.MultiMapping[str]) -> list[str]:
    return [one.strip() for value in headers.getall(SOCKET_PROTOCOLS, ()) for one in value.split(",")]


def without_tokens(headers: multidict.MutableMultiMapping[str]) -> None:
    """Take the bearer tokens out of the protocols that headers offer: they prove the caller to us alone."""
    offered = _protocols(headers)
    if any(one.startswith(SOCKET_TOKEN) for one in offered):
        headers.popall(SOCKET_PROTOCOLS)
        if kept := [one for one in offered if not one.startswith(SOCKET_TOKEN)]:
            headers.add(SOCKET_PROTOCOLS, ", ".join(kept))
