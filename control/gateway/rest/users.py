"""Who calls over REST: the user of the TLS peer's certificate, or of a bearer token."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from control.apiserver import authn
from control.gateway import identity
from fairlead.api import errors

Identify = Callable[[web.BaseRequest], Awaitable[authn.User]]


@functools.lru_cache(maxsize=4096)
def _of_certificate(der: bytes) -> authn.User:
    return authn.from_certificate(x509.load_der_x509_certificate(der).public_bytes(serialization.Encoding.PEM))


class Identifier:
    """Finds the user of a request. TLS has verified the certificate; `tokens` checks bearer tokens."""

    def __init__(self, tokens: identity.Tokens) -> None:
        self._tokens = identity.Remembered(tokens)

    async def __call__(self, request: web.BaseRequest) -> authn.User:
        """Return the user of a request; errors.Unauthorized where it shows neither certificate nor a good token."""
        transport = request.transport
        tls = transport.get_extra_info("ssl_object") if transport is not None else None
        der = tls.getpeercert(binary_form=True) if tls is not None else None
        if der:
            return _of_certificate(der)
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "bearer" and token.strip():
            return await self._tokens.authenticate(token.strip())
        raise errors.Unauthorized("Unauthorized")
