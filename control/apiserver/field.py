"""Faults of fields, worded as Kubernetes words them.

Strategies and validators call this; a fault is an `errors.Cause` whose `field` is a path such as
`spec.containers[0].name`. Paths are plain text, so that validating a good object costs little. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from contextvars import ContextVar

from fairlead.api import errors, gotext

Cause = errors.Cause
Faults = list[errors.Cause]

MOST_FAULTS = 1000  # that are looked for and told: more help nobody, and millions fit into a body
ROOT = "<nil>"  # the path of what is on no field

_found: ContextVar[Faults | None] = ContextVar("faults found so far", default=None)


class _Enough(Exception):
    """So many faults were found that judging ends."""


Value = str | int | float | bool | None

quoted = gotext.quoted


class Raw(str):
    """A value that errors show without quotes: Go's notation of what is neither text nor number (see `notation`)."""

    __slots__ = ()


META_GROUP = "meta.k8s.io"  # of the options of requests
OMITTED = Raw()  # an `Invalid value` that names no value


def judged(judge: Callable[[], Iterable[Cause]]) -> Faults:
    """Return the faults that judging finds; after MOST_FAULTS it ends there, and the last fault says so.

    Faults count as they are made, by the functions below: those that a judge makes and drops count as well.
    """
    found: Faults = []
    token = _found.set(found)
    try:
        return list(judge())
    except _Enough:
        text = f"Too many: more than {MOST_FAULTS} faults, of which the rest is not told"
        return [*found, Cause("FieldValueTooMany", text, ROOT)]
    finally:
        _found.reset(token)


def fault(reason: str, message: str, path: str) -> Cause:
    """Return a fault by Kubernetes' reason and a whole message."""
    made, found = Cause(reason, message, path), _found.get()
    if found is not None:
        if len(found) == MOST_FAULTS:
            raise _Enough
        found.append(made)
    return made


def required(path: str, detail: str = "") -> Cause:
    """Return `Required value`, with a detail if there is one."""
    return fault("FieldValueRequired", f"Required value: {detail}" if detail else "Required value", path)


def invalid(path: str, value: Value, detail: str) -> Cause:
    """Return `Invalid value: "x": detail`, or without the detail where it is empty."""
    if value is OMITTED:
        return fault("FieldValueInvalid", f"Invalid value: {detail}", path)
    more = f": {detail}" if detail else ""
    return fault("FieldValueInvalid", f"Invalid value: {shown(value)}{more}", path)


def unsupported(path: str, value: Value, supported: Iterable[str]) -> Cause:
    """Return `Unsupported value: "x": supported values: "A", "B"`: a tuple's in their order, others sorted."""
    listed = ", ".join(shown(one) for one in (supported if isinstance(supported, tuple) else sorted(supported)))
    return fault("FieldValueNotSupported", f"Unsupported value: {shown(value)}: supported values: {listed}", path)


def duplicate(path: str, value: Value) -> Cause:
    """Return `Duplicate value: "x"`."""
    return fault("FieldValueDuplicate", f"Duplicate value: {shown(value)}", path)


def repeats(values: Iterable[Hashable]) -> frozenset[int]:
    """Return the places of values that stand before them already; in one pass, because callers choose how many."""
    seen: set[Hashable] = set()
    found = []
    for place, value in enumerate(values):
        if value in seen:
            found.append(place)
        seen.add(value)
    return frozenset(found)


def not_found(path: str, value: Value) -> Cause:
    """Return `Not found: "x"`: a reference to nothing."""
    return fault("FieldValueNotFound", f"Not found: {shown(value)}", path)


def forbidden(path: str, detail: str) -> Cause:
    """Return `Forbidden: detail`."""
    return fault("FieldValueForbidden", f"Forbidden: {detail}", path)


def too_long(path: str, limit: int) -> Cause:
    """Return `Too long: may not be more than <limit> bytes`."""
    return fault("FieldValueTooLong", f"Too long: may not be more than {limit} bytes", path)


def too_many(path: str, count: int, limit: int) -> Cause:
    """Return `Too many: <count>: must have at most <limit> items`."""
    return fault("FieldValueTooMany", f"Too many: {count}: must have at most {limit} items", path)


def invalids(path: str, value: Value, details: Sequence[str]) -> Faults:
    """Return one `Invalid value` a detail."""
    return [invalid(path, value, detail) for detail in details]


def refuse(faults: Sequence[Cause], group: str, kind: str, name: str = "") -> None:
    """Raise errors.Invalid for an object that has faults."""
    if faults:
        raise errors.invalid(group, kind, name, faults)


def shown(value: Value) -> str:
    """Return a value as Go's %q and %v show it: text quoted, numbers and booleans bare, nothing as `"null"`."""
    if isinstance(value, Raw):
        return str(value)
    if isinstance(value, str):
        return quoted(value)
    if value is None:
        return '"null"'
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
