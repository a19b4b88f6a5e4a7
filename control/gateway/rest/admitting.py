"""How a request is let in: through the gate, asked for its body, and with a time by which it is answered.

Watches and upgrades have a seat while they start; streams to containers and proxied requests have none. Whoever
expects `100 Continue` hears it once there is a seat, so that what is refused never sends its body.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from aiohttp import web

from control.apiserver import authz
from control.gateway.fairness import gate as gates
from control.gateway.rest import answers
from fairlead.api import errors

REQUEST_SECONDS = 60.0  # Kubernetes' --request-timeout
CONTINUE = "100-continue"
_ASKED = web.RequestKey("asked for its body", bool)

Answering = Callable[[Callable[[], None]], Awaitable[web.StreamResponse]]


async def carry_out(
    gate: gates.Gate, request: web.BaseRequest, asked: authz.Attributes, answering: Answering
) -> web.StreamResponse:
    """Carry a request out once it may be; `answering` is told what a watch or an upgrade calls when it has started.

    From then on it has no seat, and all the time that it wants. errors.TooManyRequests where the request may not be
    carried out, errors.Timeout where it takes too long.
    """
    expected = request.headers.get("Expect")
    if expected is not None and expected.lower() != CONTINUE:
        return answers.text("expectation failed\n", 417)
    if gates.is_stream(asked):
        await _ask_for_body(request)
        return await answering(_nothing)
    try:
        ticket = await gate.enter(asked)
    except gates.Refused as refused:
        request[answers.FLOW] = refused.headers
        raise
    request[answers.FLOW] = ticket.flow.headers
    try:
        await _ask_for_body(request)
        if asked.verb == "watch":
            return await answering(ticket.leave)
        return await _in_time(request, answering, ticket)
    finally:
        ticket.leave()


def finished(request: web.BaseRequest, response: web.StreamResponse) -> web.StreamResponse:
    """Return an answer with what it says of the request's flow, unless it has gone out already.

    The connection of a caller whose body was never asked for can carry nothing more: the body might come or not.
    """
    if not response.prepared:
        response.headers.update(request.get(answers.FLOW, {}))
        if "Expect" in request.headers and request.can_read_body and _ASKED not in request:
            response.force_close()
    return response


async def _ask_for_body(request: web.BaseRequest) -> None:
    if "Expect" in request.headers and request.can_read_body:
        request[_ASKED] = True
        writer = request.writer
        await writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        writer.output_size = 0  # the answer itself has not begun


async def _in_time(request: web.BaseRequest, answering: Answering, ticket: gates.Ticket) -> web.StreamResponse:
    """Return an answer; one that stops half-way takes its connection along."""
    limit = asyncio.timeout(REQUEST_SECONDS)

    def started() -> None:
        limit.reschedule(None)
        ticket.leave()

    try:
        async with limit:
            return await answering(started)
    except TimeoutError:
        if not limit.expired():
            raise
    if request.writer.output_size and request.transport is not None:
        request.transport.abort()
    raise errors.Timeout("request did not complete within the allotted timeout")


def _nothing() -> None:
    """Do nothing: who holds no seat has none to give back."""
