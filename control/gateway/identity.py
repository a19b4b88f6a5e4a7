"""Who calls over gRPC: the user of the TLS peer's certificate, or of a bearer token."""

from __future__ import annotations

import functools
import time
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from control.apiserver import authn
from fairlead.api import errors

TOKEN_SECONDS = 10.0  # how long a token that was good is believed: a revoked one dies as soon
TOKENS_KEPT = 1024

Identify = Callable[[Any], Awaitable[authn.User]]


@functools.lru_cache(maxsize=4096)
def _of_certificate(pem: bytes) -> authn.User:
    return authn.from_certificate(pem)


class Tokens(Protocol):
    """A judge of bearer tokens."""

    async def authenticate(self, token: str) -> authn.User:
        """Return a token's user; errors.Unauthorized where it is nobody's."""
        ...


class Remembered:
    """A judge of bearer tokens that believes a good one for a while without asking again."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens
        self._known: dict[str, tuple[float, authn.User]] = {}

    async def authenticate(self, token: str) -> authn.User:
        """Return a token's user; errors.Unauthorized where it is nobody's."""
        now = time.monotonic()
        known = self._known.get(token)
        if known is not None and known[0] > now:
            return known[1]
        user = await self._tokens.authenticate(token)
        if len(self._known) >= TOKENS_KEPT:
            self._known.clear()
        self._known[token] = (now + TOKEN_SECONDS, user)
        return user


class Identifier:
    """Finds the user of a call; `tokens` checks bearer tokens where the port takes them."""

    def __init__(self, tokens: Tokens | None = None) -> None:
        self._tokens = Remembered(tokens) if tokens is not None else None

    async def __call__(self, context: Any) -> authn.User:
        """Return the user of a call; errors.Unauthorized where it shows neither certificate nor a good token."""
        pem = context.auth_context().get("x509_pem_cert")
        if pem:
            return _of_certificate(pem[0])
        if self._tokens is not None:
            for key, value in context.invocation_metadata() or ():
                if key == "authorization" and isinstance(value, str) and value.startswith("Bearer "):
                    return await self._tokens.authenticate(value.removeprefix("Bearer ").strip())
        raise errors.Unauthorized("Unauthorized")
