"""The API's errors on gRPC's wire: a code, a message, and a `google.rpc.Status` in a trailer, both ways.

The trailer's detail is Kubernetes' `Status`, so that nothing of an error is lost between the registry and a client.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from google.rpc import status_pb2

from fairlead.api import errors
from fairlead.api.pb import meta_v1_pb2 as metav1

TRAILER = "grpc-status-details-bin"
# What a server says who has itself tried for as long as makes sense: gRPC's own retries (of reads, see `channel`) are
# for connections that break, and would make a caller wait several times over.
_DO_NOT_RETRY = ("grpc-retry-pushback-ms", "-1")

_CODES: dict[type[errors.ApiError], grpc.StatusCode] = {
    errors.BadRequest: grpc.StatusCode.INVALID_ARGUMENT,
    errors.Unauthorized: grpc.StatusCode.UNAUTHENTICATED,
    errors.Forbidden: grpc.StatusCode.PERMISSION_DENIED,
    errors.NotFound: grpc.StatusCode.NOT_FOUND,
    errors.MethodNotAllowed: grpc.StatusCode.UNIMPLEMENTED,
    errors.NotAcceptable: grpc.StatusCode.INVALID_ARGUMENT,
    errors.AlreadyExists: grpc.StatusCode.ALREADY_EXISTS,
    errors.Conflict: grpc.StatusCode.ABORTED,
    errors.Expired: grpc.StatusCode.OUT_OF_RANGE,
    errors.RequestEntityTooLarge: grpc.StatusCode.INVALID_ARGUMENT,
    errors.UnsupportedMediaType: grpc.StatusCode.INVALID_ARGUMENT,
    errors.Invalid: grpc.StatusCode.INVALID_ARGUMENT,
    errors.TooManyRequests: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.NotImplementedByServer: grpc.StatusCode.UNIMPLEMENTED,
    errors.ServiceUnavailable: grpc.StatusCode.UNAVAILABLE,
    errors.Timeout: grpc.StatusCode.DEADLINE_EXCEEDED,
}

_CLASSES: dict[grpc.StatusCode, type[errors.ApiError]] = {
    grpc.StatusCode.INVALID_ARGUMENT: errors.BadRequest,
    grpc.StatusCode.UNAUTHENTICATED: errors.Unauthorized,
    grpc.StatusCode.PERMISSION_DENIED: errors.Forbidden,
    grpc.StatusCode.NOT_FOUND: errors.NotFound,
    grpc.StatusCode.UNAVAILABLE: errors.ServiceUnavailable,
    grpc.StatusCode.DEADLINE_EXCEEDED: errors.Timeout,
    grpc.StatusCode.RESOURCE_EXHAUSTED: errors.RequestEntityTooLarge,
    grpc.StatusCode.UNIMPLEMENTED: errors.NotImplementedByServer,
}


class Unreachable(errors.ServiceUnavailable):
    """No server answered: the connection could not be made, or was lost."""


def code_of(error: errors.ApiError) -> grpc.StatusCode:
    """Return the gRPC code that stands for an error."""
    return next((_CODES[kind] for kind in type(error).__mro__ if kind in _CODES), grpc.StatusCode.INTERNAL)


def trailers_of(error: errors.ApiError) -> tuple[tuple[str, str | bytes], ...]:
    """Return the trailing metadata that carries the whole of an error."""
    code: int = code_of(error).value[0]
    wrapped = status_pb2.Status(code=code, message=error.message)
    wrapped.details.add().Pack(error.status())
    details = (TRAILER, wrapped.SerializeToString())
    return (details, _DO_NOT_RETRY) if isinstance(error, errors.ServiceUnavailable) else (details,)


async def abort(context: grpc.aio.ServicerContext[Any, Any], error: errors.ApiError) -> None:
    """End a call on the server with an error; never returns."""
    await context.abort(code_of(error), error.message, trailers_of(error))


def from_call(code: grpc.StatusCode, details: str | None, trailers: Iterable[Any] | None) -> errors.ApiError:
    """Return the error that a call ended with."""
    for key, value in trailers or ():
        if key == TRAILER and isinstance(value, bytes):
            try:
                wrapped = status_pb2.Status.FromString(value)
            except DecodeError:
                break
            status = metav1.Status()
            for detail in wrapped.details:
                if detail.Unpack(status):
                    return errors.from_status(status)
    if code is grpc.StatusCode.CANCELLED:  # not by us, who would have seen a CancelledError
        return Unreachable("the server ended the call")
    if code is grpc.StatusCode.UNAVAILABLE:
        return Unreachable(_plain(details or code.name))
    return _CLASSES.get(code, errors.InternalError)(details or code.name)


_LAST = re.compile(r"last error: \w+: (?:ipv[46]:)?(?P<where>\S+): (?P<why>.+)")
_REFUSED = re.compile(r"Failed to connect to remote host: (?:connect: )?(?P<why>.+?)(?: \(\d+\))?")


def _plain(details: str) -> str:
    """Return gRPC's account of a failed connection without the parts that only its developers can use."""
    last = _LAST.search(details)
    if last is None:
        return details
    why = last["why"]
    if "CERTIFICATE_VERIFY_FAILED" in why:
        why = "its certificate is not of the authority that we trust"
    elif refused := _REFUSED.fullmatch(why):
        why = refused["why"].lower()
    return f"{last['where']}: {why}"


def from_error(error: grpc.aio.AioRpcError) -> errors.ApiError:
    """Return the error that an asynchronous call raised."""
    return from_call(error.code(), error.details(), error.trailing_metadata())
