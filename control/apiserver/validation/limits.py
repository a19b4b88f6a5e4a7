"""Rules on LimitRanges and ResourceQuotas: which resources they may name, and amounts that fit together. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from control.apiserver import field, notation
from control.apiserver.validation import names, numbers
from fairlead.api import quantity
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import resource_pb2

Resources = Mapping[str, resource_pb2.Quantity]

CONTAINER_RESOURCES = frozenset({"cpu", "memory", "ephemeral-storage"})
LIMIT_TYPES = frozenset({"Container", "PersistentVolumeClaim", "Pod"})
COMPUTE = frozenset({
    "cpu", "memory", "ephemeral-storage", "requests.cpu", "requests.memory", "requests.storage",
    "requests.ephemeral-storage", "limits.cpu", "limits.memory", "limits.ephemeral-storage",
})  # fmt: skip
COUNTED = frozenset({
    "pods", "resourcequotas", "services", "replicationcontrollers", "secrets", "persistentvolumeclaims", "configmaps",
    "services.nodeports", "services.loadbalancers",
})  # fmt: skip
POD_RESOURCES = frozenset({
    "pods", "cpu", "memory", "ephemeral-storage", "requests.cpu", "requests.memory", "requests.ephemeral-storage",
    "limits.cpu", "limits.memory", "limits.ephemeral-storage",
})  # fmt: skip
BEST_EFFORT = frozenset({"pods"})
SCOPES = {
    "BestEffort": BEST_EFFORT,
    "CrossNamespacePodAffinity": POD_RESOURCES,
    "NotBestEffort": POD_RESOURCES,
    "NotTerminating": POD_RESOURCES,
    "PriorityClass": POD_RESOURCES,
    "Terminating": POD_RESOURCES,
}
CONFLICTING = (frozenset({"BestEffort", "NotBestEffort"}), frozenset({"Terminating", "NotTerminating"}))
EXISTS_TEXT = (
    "must be 'Exist' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating,"
    " ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity"
)


def is_huge_pages(name: str) -> bool:
    """Say whether a resource is memory in large pages, as such or as a quota's request for it."""
    return name.removeprefix("requests.").startswith("hugepages-")


def _resource(path: str, name: str, standard: bool, text: str) -> field.Faults:
    """Judge a resource's name: qualified, and where it has no domain, one that the place knows."""
    faults = field.invalids(path, name, names.qualified(name))
    if "/" in name or standard:
        return faults
    if name not in CONTAINER_RESOURCES | COMPUTE | COUNTED | {"storage"} and not is_huge_pages(name):
        faults.append(field.invalid(path, name, "must be a standard resource type or fully qualified"))
    return [*faults, field.invalid(path, name, text)] if text else faults


def limit_range(spec: corev1.LimitRangeSpec, path: str) -> field.Faults:
    """Judge the limits of a LimitRange."""
    faults: field.Faults = []
    seen: set[str] = set()
    for index, item in enumerate(spec.limits):
        at = f"{path}[{index}]"
        if found := names.qualified(item.type):
            faults += field.invalids(f"{at}.type", item.type, found)
        elif "/" not in item.type and item.type not in LIMIT_TYPES:
            text = "must be a standard limit type or fully qualified"
            faults.append(field.invalid(f"{at}.type", item.type, text))
        if item.type in seen:
            faults.append(field.duplicate(f"{at}.type", item.type))
        seen.add(item.type)
        faults += _limit(item, at)
    return faults


def _limit(item: corev1.LimitRangeItem, path: str) -> field.Faults:
    faults: field.Faults = []
    parts = ["max", "min", "default", "defaultRequest", "maxLimitRequestRatio"]
    if item.type == "Pod":
        for part in ("default", "defaultRequest"):
            if getattr(item, part):
                faults.append(field.forbidden(f"{path}.{part}", "may not be specified when `type` is 'Pod'"))
            parts.remove(part)
    if item.type == "PersistentVolumeClaim" and "storage" not in item.min and "storage" not in item.max:
        text = "either minimum or maximum storage value is required, but neither was provided"
        faults.append(field.required(f"{path}.limits", text))
    amounts: dict[str, dict[str, quantity.Quantity]] = {}
    for part in parts:
        for name, amount in getattr(item, part).items():
            at = f"{path}.{part}[{name}]"
            faults += _limited(at, item.type, name)
            try:
                amounts.setdefault(name, {})[part] = quantity.of(amount)
            except quantity.QuantityError as error:
                faults.append(field.invalid(at, amount.string, str(error)))
    for name in sorted(amounts):
        faults += _fitting(amounts[name], name, path)
    return faults


def _limited(path: str, kind: str, name: str) -> field.Faults:
    if kind in ("Container", "Pod"):
        known = name in CONTAINER_RESOURCES or is_huge_pages(name)
        return _resource(path, name, known, "must be a standard resource for containers")
    return _resource(path, name, False, "")


# What must not be above what: (part that is named, lower part, its word, upper part, its word).
_ORDERED = (
    ("min", "min", "min", "max", "max"),
    ("defaultRequest", "min", "min", "defaultRequest", "default request"),
    ("defaultRequest", "defaultRequest", "default request", "max", "max"),
    ("defaultRequest", "defaultRequest", "default request", "default", "default limit"),
    ("default", "min", "min", "default", "default"),
    ("default", "default", "default", "max", "max"),
)


def _fitting(amounts: Mapping[str, quantity.Quantity], name: str, path: str) -> Iterator[field.Cause]:
    """Judge one resource's bounds and defaults against each other."""
    for at, low, low_word, high, high_word in _ORDERED:
        if low in amounts and high in amounts and amounts[high] < amounts[low]:
            text = f"{low_word} value {amounts[low]} is greater than {high_word} value {amounts[high]}"
            yield field.invalid(f"{path}.{at}[{name}]", str(amounts[at]), text)
    ratio = amounts.get("maxLimitRequestRatio")
    if ratio is not None:
        at = f"{path}.maxLimitRequestRatio[{name}]"
        if ratio < quantity.whole(1):
            yield field.invalid(at, str(ratio), f"ratio {ratio} is less than 1")
        if "min" in amounts and "max" in amounts and amounts["min"]:
            most = amounts["max"].nanos / amounts["min"].nanos
            if ratio.nanos / quantity.NANO > most:
                yield field.invalid(at, str(ratio), f"ratio {ratio} is greater than max/min = {most:f}")
    if numbers.is_extended(name) or is_huge_pages(name):
        limit, request = amounts.get("default"), amounts.get("defaultRequest")
        if limit is not None and request is not None and limit != request:
            text = f"default value {limit} must equal to defaultRequest value {request} in {name}"
            yield field.invalid(f"{path}.defaultRequest[{name}]", str(request), text)


def quota(spec: corev1.ResourceQuotaSpec, path: str) -> field.Faults:
    """Judge a quota's amounts and scopes."""
    faults = quota_amounts(spec.hard, f"{path}.hard")
    faults += _scopes(spec, f"{path}.scopes")
    return faults + _scope_selector(spec, f"{path}.scopeSelector.matchExpressions")


def quota_amounts(resources: Resources, path: str) -> field.Faults:
    """Judge amounts by the resources that a quota may name."""
    faults: field.Faults = []
    for name in sorted(resources):
        at = f"{path}[{name}]"
        known = name in COMPUTE | COUNTED or is_huge_pages(name)
        faults += _resource(at, name, known, "must be a standard resource for quota")
        amount, found = numbers.amount(at, name, resources[name])
        faults += found
        whole = name in COUNTED or name.startswith("count/")
        if amount is not None and not found and whole and amount.nanos % quantity.NANO:
            faults.append(field.invalid(at, resources[name].string, "must be an integer"))
    return faults


def _scopes(spec: corev1.ResourceQuotaSpec, path: str) -> field.Faults:
    faults: field.Faults = []
    shown = notation.typed_strings("core.ResourceQuotaScope", spec.scopes)
    for scope in spec.scopes:
        if scope not in SCOPES:
            faults.append(field.invalid(path, shown, "unsupported scope"))
        faults += _applied(scope, spec.hard, path, shown)
    faults += [field.invalid(path, shown, "conflicting scopes") for pair in CONFLICTING if pair <= set(spec.scopes)]
    return faults


def _applied(scope: str, hard: Resources, path: str, shown: field.Value) -> field.Faults:
    """Judge that a scope makes sense for each of the standard resources that a quota limits."""
    fitting = SCOPES.get(scope, frozenset[str]())
    text = "unsupported scope applied to resource"
    named = [name for name in sorted(hard) if name in COMPUTE | COUNTED or is_huge_pages(name)]
    return [field.invalid(path, shown, text) for name in named if name not in fitting and not is_huge_pages(name)]


def _scope_selector(spec: corev1.ResourceQuotaSpec, path: str) -> field.Faults:
    faults: field.Faults = []
    chosen: set[str] = set()
    for rule in spec.scopeSelector.matchExpressions:
        if rule.scopeName not in SCOPES:
            faults.append(field.invalid(f"{path}.scopeName", rule.scopeName, "unsupported scope"))
        faults += _applied(rule.scopeName, spec.hard, path, notation.struct(spec.scopeSelector))
        if rule.scopeName in SCOPES and rule.scopeName != "PriorityClass" and rule.operator != "Exists":
            faults.append(field.invalid(f"{path}.operator", rule.operator, EXISTS_TEXT))
        faults += _operator(rule.operator, rule.values, path)
        chosen.add(rule.scopeName)
    shown = notation.struct(spec.scopeSelector)
    faults += [field.invalid(path, shown, "conflicting scopes") for pair in CONFLICTING if pair <= chosen]
    return faults


def _operator(operator: str, values: Sequence[str], path: str) -> field.Faults:
    match operator:
        case "In" | "NotIn":
            text = "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector"
            return [] if values else [field.required(f"{path}.values", text)]
        case "Exists" | "DoesNotExist":
            text = "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector"
            return [field.invalid(f"{path}.values", notation.strings(values), text)] if values else []
    return [field.invalid(f"{path}.operator", operator, "not a valid selector operator")]
