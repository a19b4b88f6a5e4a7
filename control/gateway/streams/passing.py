"""Requests that are passed on to another server: which headers, its answer as it comes, and bytes both ways.

The proxies to pods and Services pass on so, and aggregated APIs. An upgrade (a WebSocket, SPDY, whatever else the two
ends speak) is a tunnel: nothing of what flows through it is looked at.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Protocol

import aiohttp
import multidict
from aiohttp import web

from control.gateway.rest import users
from control.gateway.streams import links, wire
from fairlead import supervise
from fairlead.api import errors

# Of one connection only (RFC 9110, 7.6.1), and what proves the caller to us and is nobody else's business.
HOP = ("connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer", "transfer-encoding")
OURS = ("authorization", "host", "expect", "impersonate-")
# Which pages of other origins may read an answer that comes from here, no other server says.
CORS = tuple(f"access-control-allow-{name}" for name in ("credentials", "headers", "methods", "origin"))
# What aiohttp would add of its own to the headers that are passed on.
UNASKED = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")
LAST_SECONDS = 5.0  # for what a caller said before it hung up

Headers = multidict.CIMultiDict[str]


class Ending(wire.Wire, Protocol):
    """A wire that knows its end before that is read."""

    @property
    def ended(self) -> bool:
        """Whether nothing more will come than what is here to be read."""
        ...


def is_upgrade(request: web.BaseRequest) -> bool:
    """Say whether a request asks to go on in another protocol."""
    return "upgrade" in request.headers.get("Connection", "").lower()


def outgoing(request: web.BaseRequest) -> Headers:
    """Return a request's headers for the next connection, an upgrade's among them, but none that prove the caller.

    Where it came from and what it asked for here stand in X-Forwarded-….
    """
    headers = _end_to_end(request.headers)
    drop(headers, *OURS)
    users.without_tokens(headers)
    if is_upgrade(request) and "Upgrade" in request.headers:
        headers["Connection"], headers["Upgrade"] = "Upgrade", request.headers["Upgrade"]
    before = ", ".join(headers.getall("X-Forwarded-For", ()))
    headers["X-Forwarded-For"] = f"{before}, {request.remote}" if before else str(request.remote)
    headers["X-Forwarded-Host"] = request.host
    headers["X-Forwarded-Proto"] = request.scheme
    headers["X-Forwarded-Uri"] = request.rel_url.raw_path
    return headers


def incoming(answer: aiohttp.ClientResponse) -> Headers:
    """Return the headers of an answer for the caller's connection."""
    headers = _end_to_end(answer.headers)
    drop(headers, *CORS)
    if answer.status == 101 and "Upgrade" in answer.headers:
        headers["Upgrade"] = answer.headers["Upgrade"]
    return headers


def drop(headers: Headers, *named: str) -> None:
    """Take headers out by their names, or by what these begin with (`x-remote-`)."""
    for name in list(headers):
        lower = name.lower().replace("_", "-")  # servers behind WSGI take them for the same
        if lower in named or any(each.endswith("-") and lower.startswith(each) for each in named):
            headers.popall(name, None)


def _end_to_end(found: multidict.MultiMapping[str]) -> Headers:
    named = {name.strip().lower() for name in ",".join(found.getall("Connection", ())).split(",")}
    dropped = {*HOP, "upgrade", *named}
    return multidict.CIMultiDict((name, value) for name, value in found.items() if name.lower() not in dropped)


async def back(
    request: web.BaseRequest,
    answer: aiohttp.ClientResponse,
    headers: Headers,
    begun: Callable[[int], None],
    page: links.Rewriter | None = None,
) -> web.StreamResponse:
    """Give an answer back: as it comes, so that watches flow, or as a tunnel where it agrees to an upgrade.

    `begun` is told the status once the caller has it; `page` rewrites a body. errors.ServiceUnavailable for an
    upgrade that nobody asked for.
    """
    if answer.status != 101:
        return await _answer(request, answer, headers, begun, page)
    if not is_upgrade(request):
        raise errors.ServiceUnavailable("error trying to reach service: it upgraded a request that is no upgrade")
    return await _tunnel(request, answer, headers, begun)


async def _answer(
    request: web.BaseRequest,
    answer: aiohttp.ClientResponse,
    headers: Headers,
    begun: Callable[[int], None],
    page: links.Rewriter | None,
) -> web.StreamResponse:
    if page is not None:
        headers.popall("Content-Length", None)
    response = web.StreamResponse(status=answer.status, reason=answer.reason, headers=headers)
    await response.prepare(request)
    begun(response.status)
    try:
        async for chunk in answer.content.iter_any():
            await response.write(chunk if page is None else page.feed(chunk))
        if page is not None:
            await response.write(page.end())
    except (aiohttp.ClientError, OSError):
        if request.transport is not None:
            request.transport.close()  # the caller sees that the answer was cut
    return response


async def _tunnel(
    request: web.BaseRequest, answer: aiohttp.ClientResponse, headers: Headers, begun: Callable[[int], None]
) -> web.StreamResponse:
    """Carry bytes both ways after an upgrade that the server has agreed to."""
    try:
        far = wire.Joined(answer)
    except ConnectionError as error:
        raise errors.ServiceUnavailable(f"error trying to reach service: {error}") from None
    try:
        near = await wire.take_over(request, headers)
        begun(near.response.status)
        await carry(near, far)
    finally:
        await far.close()
    return near.response


async def carry(near: Ending, far: wire.Wire) -> None:
    """Carry bytes both ways until one side ends; what it said last still reaches the other.

    A caller that hangs up ends the request's task, and so this by cancellation: what it said is carried all the same.
    """
    try:
        with contextlib.suppress(ConnectionError):
            await supervise.first_of(wire.copy(near, far), wire.copy(far, near))
    except asyncio.CancelledError:
        if near.ended:
            with contextlib.suppress(ConnectionError, TimeoutError):
                async with asyncio.timeout(LAST_SECONDS):
                    await wire.copy(near, far)
        raise
