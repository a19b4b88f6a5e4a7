"""Conditions: reading and setting one entry of any kind's `status.conditions`.

A condition's transition time moves only when its status changes; a fault's message may change in between.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

from fairlead.api.pb import meta_v1_pb2 as metav1

TRUE, FALSE, UNKNOWN = "True", "False", "Unknown"


class Condition(Protocol):
    """What the conditions of every kind have."""

    type: str
    status: str
    reason: str
    message: str


class Conditions(Protocol):
    """The repeated field that holds them."""

    def __iter__(self) -> Any:
        """Iterate over the conditions."""
        ...

    def __delitem__(self, index: int) -> None:
        """Remove one by its place."""
        ...

    def add(self, **fields: Any) -> Any:
        """Append one and return it."""
        ...


def get(conditions: Iterable[Any], kind: str) -> Any | None:
    """Return the condition of a type, live, or None."""
    return next((each for each in conditions if each.type == kind), None)


def status(conditions: Iterable[Any], kind: str) -> str:
    """Return the status of a type's condition, Unknown where there is none."""
    found = get(conditions, kind)
    return str(found.status) if found is not None else UNKNOWN


def is_true(conditions: Iterable[Any], kind: str) -> bool:
    """Whether there is a condition of the type and its status is True."""
    return status(conditions, kind) == TRUE


def set_condition(
    conditions: Conditions, kind: str, status: str, now: metav1.Time, *, reason: str = "", message: str = ""
) -> bool:
    """Set the condition of a type and return whether anything of it changed.

    `lastTransitionTime` becomes `now` with a new status, `lastUpdateTime` (where the kind has it) with any
    change. `lastHeartbeatTime` and `lastProbeTime` are their reporters' own and left alone.
    """
    found = get(conditions, kind)
    if found is not None and (found.status, found.reason, found.message) == (status, reason, message):
        return False
    if found is None:
        found = conditions.add(type=kind)
    if found.status != status:
        found.status = status
        found.lastTransitionTime.CopyFrom(now)
    found.reason, found.message = reason, message
    if "lastUpdateTime" in found.DESCRIPTOR.fields_by_name:
        found.lastUpdateTime.CopyFrom(now)
    return True


def remove(conditions: Conditions, kind: str) -> bool:
    """Remove the condition of a type and return whether there was one."""
    for index, each in enumerate(conditions):
        if each.type == kind:
            del conditions[index]
            return True
    return False
