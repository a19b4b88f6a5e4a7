"""What every gRPC method of the gateway does alike: errors become status codes, once."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar

from fairlead.api import codec, errors
from fairlead.client import rpcerrors

# A client takes 8 KiB of headers, and both stand there twice.
MESSAGE_CHARACTERS = 1500
CAUSES = 8

Request = TypeVar("Request")
Response = TypeVar("Response")
Self = TypeVar("Self")

Unary = Callable[[Self, Request, Any], Awaitable[Response]]
Streaming = Callable[[Self, Request, Any], AsyncIterator[Response]]


def unary(method: Unary[Self, Request, Response]) -> Unary[Self, Request, Response]:
    """Make a method answer API errors as Kubernetes' Status; faults of ours stay gRPC's to log (UNKNOWN)."""

    @functools.wraps(method)
    async def called(self: Self, request: Request, context: Any) -> Response:
        try:
            return await method(self, request, context)
        except errors.ApiError as error:
            failure = error
        except codec.DecodeError as error:
            failure = errors.BadRequest(str(error))
        await abort(context, failure)
        raise AssertionError("abort always raises")

    return called


def streaming(method: Streaming[Self, Request, Response]) -> Streaming[Self, Request, Response]:
    """Do for a method that streams its answer what `unary` does."""

    @functools.wraps(method)
    async def called(self: Self, request: Request, context: Any) -> AsyncIterator[Response]:
        try:
            async for response in method(self, request, context):
                yield response
            return
        except errors.ApiError as error:
            failure = error
        except codec.DecodeError as error:
            failure = errors.BadRequest(str(error))
        await abort(context, failure)

    return called


async def abort(context: Any, error: errors.ApiError) -> Any:
    """End a call with an error, cut to what fits into headers."""
    await rpcerrors.abort(context, _fitting(error))


def _fitting(error: errors.ApiError) -> errors.ApiError:
    if len(error.message) <= MESSAGE_CHARACTERS and len(error.causes) <= CAUSES:
        return error
    causes = [
        errors.Cause(cause.reason, cause.message[: MESSAGE_CHARACTERS // CAUSES], cause.field)
        for cause in error.causes[:CAUSES]
    ]
    message = error.message[:MESSAGE_CHARACTERS]
    return type(error)(
        message,
        group=error.group,
        kind=error.kind,
        name=error.name,
        causes=causes,
        retry_after_seconds=error.retry_after_seconds,
    )
