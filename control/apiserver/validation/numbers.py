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
HUGE_PAGES = "hugepages-"
STANDARD_RESOURCES = frozenset({"cpu", "memory", "ephemeral-storage"})
# What is counted in whole numbers.
COUNTED = frozenset({
    "pods", "resourcequotas", "services", "replicationcontrollers", "secrets", "persistentvolumeclaims", "configmaps",
    "services.nodeports", "services.loadbalancers",
})  # fmt: skip
COMPUTE = STANDARD_RESOURCES | {
    "requests.cpu", "requests.memory", "requests.storage", "requests.ephemeral-storage", "limits.cpu",
    "limits.memory", "limits.ephemeral-storage",
}  # fmt: skip
STANDARD = COMPUTE | COUNTED | {"storage"}
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


def is_native(name: str) -> bool:
    """Say whether a resource is Kubernetes' own: without a domain, or of kubernetes.io."""
    return "/" not in name or "kubernetes.io/" in name


def is_extended(name: str) -> bool:
    """Say whether a resource is a device such as nvidia.com/gpu, which a quota can name as `requests.` it."""
    return not is_native(name) and not name.startswith("requests.") and not names.qualified(f"requests.{name}")


def is_huge_pages(name: str) -> bool:
    """Say whether a resource is memory in large pages."""
    return name.startswith(HUGE_PAGES)


def may_overcommit(name: str) -> bool:
    """Say whether more of a resource may be promised as limits than there is."""
    return is_native(name) and not is_huge_pages(name)


def resource_name(path: str, name: str) -> field.Faults:
    """Judge a resource's name: qualified, and where it has no domain, a standard one."""
    faults = field.invalids(path, name, names.qualified(name))
    if not faults and "/" not in name and name not in STANDARD and not is_huge_pages(name.removeprefix("requests.")):
        faults.append(field.invalid(path, name, "must be a standard resource type or fully qualified"))
    return faults


def container_resource_name(path: str, name: str) -> field.Faults:
    """Judge the name of a container's resource."""
    faults = resource_name(path, name)
    if "/" not in name:
        if name not in STANDARD_RESOURCES and not is_huge_pages(name):
            faults.append(field.invalid(path, name, "must be a standard resource for containers"))
    elif not is_native(name) and not is_extended(name):
        faults.append(field.invalid(path, name, "doesn't follow extended resource name standard"))
    return faults


def container_amount(
    path: str, name: str, value: resource_pb2.Quantity
) -> tuple[quantity.Quantity | None, field.Faults]:
    """Return the amount of a container's resource, and what is wrong with its name and with it."""
    parsed, faults = amount(path, name, value)
    return parsed, container_resource_name(path, name) + faults


def whole_pages(path: str, name: str, value: quantity.Quantity) -> field.Faults:
    """Judge that memory in large pages is a number of whole pages."""
    if not is_huge_pages(name):
        return []
    try:
        size = quantity.parse(name.removeprefix(HUGE_PAGES)).nanos
    except quantity.QuantityError:
        size = 0
    if size > 0 and value.nanos % size == 0:
        return []
    return [field.invalid(path, str(value), f"{value} is not positive integer multiple of {name}")]


def amount(path: str, name: str, value: resource_pb2.Quantity) -> tuple[quantity.Quantity | None, field.Faults]:
    """Return an amount, and what is wrong with it."""
    try:
        parsed = quantity.of(value)
    except quantity.QuantityError as error:
        return None, [field.invalid(path, value.string, str(error))]
    if parsed.nanos < 0:
        return parsed, [field.invalid(path, value.string, NEGATIVE)]
    if (name in COUNTED or is_extended(name)) and parsed.nanos % quantity.NANO:
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
