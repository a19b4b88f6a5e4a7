"""The one error tree: a class per reason of Kubernetes' `Status`.

Raised by the registry and by every client; the edges (gRPC, REST) translate it to and from the wire once.
Messages are worded as Kubernetes words them, because users search for them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from fairlead.api.pb import meta_v1_pb2 as metav1

NO_RESOURCE = "the server could not find the requested resource"
NO_METHOD = "the server does not allow this method on the requested resource"


@dataclass(frozen=True, slots=True)
class Cause:
    """One fault of one field; `reason` is Kubernetes' (FieldValueInvalid), `field` a path."""

    reason: str
    message: str
    field: str


class ApiError(Exception):
    """A request that failed; carries all that Kubernetes' `Status` says of it."""

    code: ClassVar[int] = 500
    reason: ClassVar[str] = "InternalError"

    def __init__(
        self,
        message: str,
        *,
        group: str = "",
        kind: str = "",
        name: str = "",
        causes: Sequence[Cause] = (),
        retry_after_seconds: int = 0,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.group = group
        self.kind = kind
        self.name = name
        self.causes = tuple(causes)
        self.retry_after_seconds = retry_after_seconds

    def status(self) -> metav1.Status:
        """Return the error as a `Status` message."""
        status = metav1.Status(status="Failure", message=self.message, reason=self.reason, code=self.code)
        status.metadata.SetInParent()
        if isinstance(self, NotFound):
            status.details.SetInParent()  # clients look for the missing name without asking whether it is told
        if self.group or self.kind or self.name or self.causes or self.retry_after_seconds:
            details = status.details
            details.group, details.kind, details.name = self.group, self.kind, self.name
            details.retryAfterSeconds = self.retry_after_seconds
            for cause in self.causes:
                details.causes.add(reason=cause.reason, message=cause.message, field=cause.field)
        return status


class BadRequest(ApiError):
    """The request cannot be understood."""

    code, reason = 400, "BadRequest"


class Unauthorized(ApiError):
    """The caller did not say, or could not prove, who it is."""

    code, reason = 401, "Unauthorized"


class Forbidden(ApiError):
    """The caller may not do this, or admission refused it."""

    code, reason = 403, "Forbidden"


class NotFound(ApiError):
    """There is no such object or resource."""

    code, reason = 404, "NotFound"


class MethodNotAllowed(ApiError):
    """The resource has no such verb."""

    code, reason = 405, "MethodNotAllowed"


class NotAcceptable(ApiError):
    """None of the content types that the caller accepts is served."""

    code, reason = 406, "NotAcceptable"


class AlreadyExists(ApiError):
    """An object of this name exists."""

    code, reason = 409, "AlreadyExists"


class Conflict(ApiError):
    """The object has changed since the revision that the request was decided on."""

    code, reason = 409, "Conflict"


class Expired(ApiError):
    """The revision asked for is compacted: list again (Kubernetes also says Gone).

    Of a page, `continue_` is the token for the rest as it is now.
    """

    code, reason = 410, "Expired"
    continue_ = ""

    def status(self) -> metav1.Status:
        """Return the error as a `Status` message, with the token."""
        status = super().status()
        setattr(status.metadata, "continue", self.continue_)
        return status


class RequestEntityTooLarge(ApiError):
    """The request exceeds the size that is accepted."""

    code, reason = 413, "RequestEntityTooLarge"


class UnsupportedMediaType(ApiError):
    """The body's content type is not served."""

    code, reason = 415, "UnsupportedMediaType"


class Invalid(ApiError):
    """The object breaks rules of its kind; `causes` names each field."""

    code, reason = 422, "Invalid"


class TooManyRequests(ApiError):
    """The server is busy, or a disruption budget forbids the eviction now."""

    code, reason = 429, "TooManyRequests"


class InternalError(ApiError):
    """A fault of the server."""


class NotImplementedByServer(ApiError):
    """The server knows the request and does not offer it."""

    code, reason = 501, "NotImplemented"


class ServiceUnavailable(ApiError):
    """etcd, or another part that the request needs, does not answer."""

    code, reason = 503, "ServiceUnavailable"


class Timeout(ApiError):
    """The request took too long; it may have been carried out."""

    code, reason = 504, "Timeout"


def _subclasses(cls: type[ApiError]) -> list[type[ApiError]]:
    return [cls, *(found for sub in cls.__subclasses__() for found in _subclasses(sub))]


_BY_REASON = {cls.reason: cls for cls in reversed(_subclasses(ApiError))} | {"Gone": Expired}
_BY_CODE = {400: BadRequest, 401: Unauthorized, 403: Forbidden, 404: NotFound, 409: Conflict, 410: Expired}


def from_status(status: metav1.Status) -> ApiError:
    """Return the error that a `Status` describes; a reason that is not known falls back to its code."""
    cls = _BY_REASON.get(status.reason) or _BY_CODE.get(status.code, InternalError)
    details = status.details
    causes = [Cause(cause.reason, cause.message, cause.field) for cause in details.causes]
    return cls(
        status.message,
        group=details.group,
        kind=details.kind,
        name=details.name,
        causes=causes,
        retry_after_seconds=details.retryAfterSeconds,
    )


def no_resource() -> NotFound:
    """Return the error of a path whose resource is not served."""
    return NotFound(NO_RESOURCE)


def no_method() -> MethodNotAllowed:
    """Return the error of a method that a path does not take."""
    return MethodNotAllowed(NO_METHOD)


def not_found(group: str, resource: str, name: str) -> NotFound:
    """Return `pods "web-1" not found`."""
    return NotFound(f'{qualified(group, resource)} "{name}" not found', group=group, kind=resource, name=name)


def already_exists(group: str, resource: str, name: str) -> AlreadyExists:
    """Return `pods "web-1" already exists`."""
    message = f'{qualified(group, resource)} "{name}" already exists'
    return AlreadyExists(message, group=group, kind=resource, name=name)


def too_large_resource_version(wanted: int, current: int) -> Timeout:
    """Return the error of a read at a revision that is yet to come; clients look for the cause, and ask again."""
    return Timeout(
        f"Timeout: Too large resource version: {wanted}, current: {current}",
        causes=[Cause("ResourceVersionTooLarge", "Too large resource version", "")],
        retry_after_seconds=1,
    )


def conflict(group: str, resource: str, name: str, why: str = "") -> Conflict:
    """Return the error of a write that was decided on an old revision."""
    why = why or ("the object has been modified; please apply your changes to the latest version and try again")
    message = f'Operation cannot be fulfilled on {qualified(group, resource)} "{name}": {why}'
    return Conflict(message, group=group, kind=resource, name=name)


def forbidden(group: str, resource: str, name: str, why: str) -> Forbidden:
    """Return `pods "web-1" is forbidden: <why>`; without a name `pods is forbidden: <why>`."""
    subject = f'{qualified(group, resource)} "{name}"' if name else qualified(group, resource)
    return Forbidden(f"{subject} is forbidden: {why}", group=group, kind=resource, name=name)


def invalid(group: str, kind: str, name: str, causes: Sequence[Cause]) -> Invalid:
    """Return `Pod "web-1" is invalid: spec.x: Required value`, several causes as a bracketed list of what differs."""
    texts = list(dict.fromkeys(f"{cause.field}: {cause.message}" for cause in causes))
    listed = texts[0] if len(texts) == 1 else "[" + ", ".join(texts) + "]"
    message = f'{qualified(group, kind)} "{name}" is invalid: {listed}'
    return Invalid(message, group=group, kind=kind, name=name, causes=causes)


def qualified(group: str, resource: str) -> str:
    """Return `deployments.apps`, or `pods` for the core group."""
    return f"{resource}.{group}" if group else resource
