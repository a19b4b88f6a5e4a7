"""Rules on numbers and amounts: ranges, percentages, quantities. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

from control.apiserver import field, notation
from control.apiserver.validation import names
from fairlead.api import quantity
from fairlead.api.pb import intstr_pb2, resource_pb2

NEGATIVE = "must be greater than or equal to 0"
MAX_INT32 = 2**31 - 1
STANDARD_RESOURCES = frozenset({"cpu", "memory", "ephemeral-storage"})
_INTEGER = re.compile(r"[+-]?[0-9]{1,19}")
_INTEGER_TEXT = "must be an integer"
INT, STRING = 0, 1


def not_negative(path: str, value: int) -> field.Faults:
    """Return the fault of a number below zero."""
    return [field.invalid(path, value, NEGATIVE)] if value < 0 else []


def between(path: str, value: int, low: int, high: int) -> field.Faults:
    """Return the fault of a number outside a range."""
    return [] if low <= value <= high else [field.invalid(path, value, names.in_range(low, high))]


def int_or_percent(path: str, value: intstr_pb2.IntOrString) -> field.Faults:
    """Judge a count or a percentage."""
    if value.type == STRING:
        return field.invalids(path, notation.int_or_string(value), names.percent(value.strVal))
    return not_negative(path, value.intVal)


def over_hundred_percent(path: str, value: intstr_pb2.IntOrString) -> field.Faults:
    """Return the fault of a percentage above 100."""
    if value.type == STRING and not names.percent(value.strVal) and _above_hundred(value.strVal[:-1]):
        return [field.invalid(path, notation.int_or_string(value), "must not be greater than 100%")]
    return []


def is_zero(value: intstr_pb2.IntOrString) -> bool:
    """Say whether a count or percentage is nothing; as in Kubernetes a text that is neither is nothing, too."""
    if value.type == INT:
        return value.intVal == 0
    text = value.strVal[:-1] if not names.percent(value.strVal) else value.strVal
    return not _INTEGER.fullmatch(text) or int(text) == 0


def port_or_name(path: str, value: intstr_pb2.IntOrString) -> field.Faults:
    """Judge a reference to a port, by number or by name."""
    if value.type == STRING:
        return field.invalids(path, value.strVal, names.port_name(value.strVal))
    return field.invalids(path, value.intVal, names.port(value.intVal))


def is_extended(name: str) -> bool:
    """Say whether a resource is neither Kubernetes' own nor a native one: a device such as nvidia.com/gpu."""
    return "/" in name and not name.partition("/")[0].endswith("kubernetes.io") and not name.startswith("requests.")


def resource_name(path: str, name: str) -> field.Faults:
    """Judge the name of a container's resource."""
    faults = field.invalids(path, name, names.qualified(name))
    if faults or "/" in name or name in STANDARD_RESOURCES or name.startswith("hugepages-"):
        return faults
    return [
        field.invalid(path, name, "must be a standard resource type or fully qualified"),
        field.invalid(path, name, "must be a standard resource for containers"),
    ]


def amount(path: str, name: str, value: resource_pb2.Quantity) -> tuple[quantity.Quantity | None, field.Faults]:
    """Return an amount, and what is wrong with it."""
    try:
        parsed = quantity.of(value)
    except quantity.QuantityError as error:
        return None, [field.invalid(path, value.string, str(error))]
    if parsed.nanos < 0:
        return parsed, [field.invalid(path, value.string, NEGATIVE)]
    if is_extended(name) and parsed.nanos % quantity.NANO:
        return parsed, [field.invalid(path, value.string, _INTEGER_TEXT)]
    return parsed, []


def amounts(path: str, values: Mapping[str, resource_pb2.Quantity]) -> field.Faults:
    """Judge amounts by resource name, such as a node's capacity."""
    faults: field.Faults = []
    for name in values:
        faults += amount(f"{path}[{name}]", name, values[name])[1]
    return faults


def _above_hundred(digits: str) -> bool:
    significant = digits.lstrip("0")
    return len(significant) > 3 or int(significant or "0") > 100
