"""Functions on lists and on lists as sets. Source: Kubernetes' documentation, "CEL in Kubernetes". Pure."""

from __future__ import annotations

import datetime
import itertools
from collections.abc import Sequence
from typing import Any

from control.apiserver.cel import functions

ORDERED = ("int", "uint", "double", "string", "bool", "bytes", "timestamp", "duration")
SUMMED = ("int", "uint", "double", "duration")
_BOUNDS = (-(2**63), 2**63 - 1)


def is_sorted(values: list[Any]) -> bool:
    """Say whether no element is greater than the one after it."""
    try:
        return all(one <= other for one, other in itertools.pairwise(values))
    except TypeError:
        raise ValueError("no such overload") from None


def total(values: list[Any]) -> Any:
    """Return the sum; 0 of nothing."""
    if not values:
        return 0
    try:
        found = sum(values[1:], values[0])
    except TypeError:
        raise ValueError("no such overload") from None
    if isinstance(found, int) and not _BOUNDS[0] <= found <= _BOUNDS[1]:
        raise ValueError("integer overflow")
    if isinstance(found, datetime.timedelta) or not isinstance(found, str | list):
        return found
    raise ValueError("no such overload")


def least(values: list[Any]) -> Any:
    """Return the smallest element."""
    return _extreme(values, "min", min)


def greatest(values: list[Any]) -> Any:
    """Return the largest element."""
    return _extreme(values, "max", max)


def _extreme(values: list[Any], name: str, choose: Any) -> Any:
    if not values:
        raise ValueError(f"{name} called on empty list")
    try:
        return choose(values)
    except TypeError:
        raise ValueError("no such overload") from None


def position(values: Sequence[Any], value: Any) -> int:
    """Return where a value first is; -1 for nowhere."""
    return next((at for at, each in enumerate(values) if functions.same(each, value)), -1)


def last_position(values: Sequence[Any], value: Any) -> int:
    """Return where a value last is; -1 for nowhere."""
    return next((at for at in reversed(range(len(values))) if functions.same(values[at], value)), -1)


def includes(values: list[Any], wanted: list[Any]) -> bool:
    """Say whether a list has all of another's elements."""
    _bound(values, wanted)
    return all(functions.contains(values, each) for each in wanted)


def equivalent(left: list[Any], right: list[Any]) -> bool:
    """Say whether two lists have the same elements, however often and in whatever order."""
    return includes(left, right) and includes(right, left)


def intersects(left: list[Any], right: list[Any]) -> bool:
    """Say whether two lists have an element in common."""
    _bound(left, right)
    return any(functions.contains(left, each) for each in right)


def _bound(left: list[Any], right: list[Any]) -> None:
    if len(left) * len(right) > functions.MOST_TEXT:
        raise ValueError("lists are too large to be compared as sets")


FUNCTIONS = (
    functions.function("isSorted", is_sorted, *(f"list({each}).() bool" for each in ORDERED)),
    functions.function("sum", total, *(f"list({each}).() {each}" for each in SUMMED)),
    functions.function("min", least, *(f"list({each}).() {each}" for each in ORDERED)),
    functions.function("max", greatest, *(f"list({each}).() {each}" for each in ORDERED)),
    functions.function("sets.contains", includes, "(list, list) bool"),
    functions.function("sets.equivalent", equivalent, "(list, list) bool"),
    functions.function("sets.intersects", intersects, "(list, list) bool"),
)
