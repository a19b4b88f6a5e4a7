"""What Kubernetes says of an object that is of another kind than its place asks for. Pure.

Kinds are pairs of apiVersion and kind.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from control.apiserver import field
from fairlead.api import codec, errors, table

SCHEME = "pkg/api/legacyscheme/scheme.go:30"  # as Kubernetes' own refusals name it
# Groups whose package of internal types has another name than the group begins with.
_INTERNAL = {"": "core", "events": "core"}

NO_JSON = "couldn't get version/kind; json parse error: "
GO_KINDS = {list: "array", str: "string", bool: "bool", dict: "object"}  # of JSON; all else is a number

Named = tuple[str, str]


def named(document: Mapping[str, Any], expected: Named) -> Named:
    """Return the kind that a document names, where it does not the expected one; codec.DecodeError."""
    for name in ("apiVersion", "kind"):
        value = document.get(name)
        if value is not None and not isinstance(value, str):
            got = GO_KINDS.get(type(value), "number")
            why = f"json: cannot unmarshal {got} into Go struct field .{name} of type string"
            raise codec.DecodeError(NO_JSON + why)
    version, kind = document.get("apiVersion") or expected[0], document.get("kind") or expected[1]
    if version.count("/") > 1:
        raise codec.DecodeError(f"unexpected GroupVersion string: {version}")
    return version, kind


def known(kind: Named) -> bool:
    """Say whether a kind is one of Kubernetes' own."""
    try:
        table.by_kind(*kind)
    except LookupError:
        return False
    return True


def unregistered(named: Named) -> str:
    """Return why an object of a kind that is not known cannot be read."""
    return f'no kind "{named[1]}" is registered for version "{named[0]}" in scheme "{SCHEME}"'


def unfit(named: Named, expected: Named) -> str:
    """Return why an object of a kind cannot be one of the kind that is expected; "" where it is one."""
    if named == expected:
        return ""
    if not known(named):
        return unregistered(named)
    wanted, _, _ = expected[0].rpartition("/")
    first = wanted.partition(".")[0]
    to = f"{_INTERNAL.get(first, first)}.{expected[1]}"
    return f"converting ({named[0].rpartition('/')[2]}.{named[1]}) to ({to}): unknown conversion"


def unfit_custom(named: Named, expected: Named) -> str:
    """Return why an object of a group cannot be a custom resource of another one; "" where it is of the same."""
    group, _, _ = named[0].rpartition("/")
    if group == expected[0].rpartition("/")[0]:
        return ""
    shown = f"{named[0] if group else '/' + named[0]}, Kind={named[1]}"
    return f'{shown} is unstructured and is not suitable for converting to "{expected[0]}"'


def check_custom(named: Named, expected: Named, name: str) -> None:
    """Refuse a custom resource of another kind of the same group. Invalid."""
    if named[1] != expected[1]:
        fault = field.invalid("kind", named[1], f"must be {expected[1]}")
        raise errors.invalid(named[0].rpartition("/")[0], named[1], name, [fault])
