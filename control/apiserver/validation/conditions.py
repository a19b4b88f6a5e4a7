"""Rules on the conditions that a status holds, where they are the API's common ones (metav1.Condition). Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

from control.apiserver import field
from control.apiserver.validation import names
from fairlead.api import names as naming
from fairlead.api.pb import meta_v1_pb2 as metav1

STATUSES = ("False", "True", "Unknown")
MAX_REASON_BYTES = 1024
MAX_MESSAGE_BYTES = 32 * 1024
_REASON = "[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?"
_REASON_TEXT = naming.pattern(
    "a condition reason must start with alphabetic character, optionally followed by a string of alphanumeric"
    " characters or '_,:', and must end with an alphanumeric character or '_'",
    _REASON,
    "my_name",
    "MY_NAME",
    "MyName",
    "ReasonA,ReasonB",
    "ReasonA:ReasonB",
)


def validate(found: Iterable[metav1.Condition], path: str) -> field.Faults:
    """Judge conditions: each type once, and each with what it must say."""
    faults: field.Faults = []
    seen: set[str] = set()
    for index, condition in enumerate(found):
        if condition.type in seen:
            faults.append(field.duplicate(f"{path}[{index}].type", condition.type))
        seen.add(condition.type)
        faults += _one(condition, f"{path}[{index}]")
    return faults


def _one(condition: metav1.Condition, path: str) -> field.Faults:
    faults = field.invalids(f"{path}.type", condition.type, names.qualified(condition.type))
    if condition.status not in STATUSES:
        faults.append(field.unsupported(f"{path}.status", condition.status, STATUSES))
    if condition.observedGeneration < 0:
        text = "must be greater than or equal to zero"
        faults.append(field.invalid(f"{path}.observedGeneration", condition.observedGeneration, text))
    if not condition.HasField("lastTransitionTime"):
        faults.append(field.required(f"{path}.lastTransitionTime", "must be set"))
    if not condition.reason:
        faults.append(field.required(f"{path}.reason", "must be set"))
    else:
        if not re.fullmatch(_REASON, condition.reason):
            faults.append(field.invalid(f"{path}.reason", condition.reason, _REASON_TEXT))
        if len(condition.reason.encode()) > MAX_REASON_BYTES:
            faults.append(field.too_long(f"{path}.reason", MAX_REASON_BYTES))
    if len(condition.message.encode()) > MAX_MESSAGE_BYTES:
        faults.append(field.too_long(f"{path}.message", MAX_MESSAGE_BYTES))
    return faults
