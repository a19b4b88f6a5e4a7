"""Rules on LimitRanges and ResourceQuotas: which resources they may name, and amounts that fit together. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set

from control.apiserver import field, notation
from control.apiserver.validation import names, numbers
from fairlead.api import quantity
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import resource_pb2

Resources = Mapping[str, resource_pb2.Quantity]

MAX_WITH_THOUSANDTHS = (2**63 - 1) // 1000
LIMIT_TYPES = frozenset({"Container", "PersistentVolumeClaim", "Pod"})
QUOTA_RESOURCES = numbers.COMPUTE | numbers.COUNTED
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


def _is_known(name: str) -> bool:
    """Say whether a quota can name a resource that has no domain."""
    return name in QUOTA_RESOURCES or numbers.is_huge_pages(name.removeprefix("requests."))


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
    amounts: dict[str, dict[str, quantity.Quantity]] = {}
    for part in ("max", "min", "default", "defaultRequest", "maxLimitRequestRatio"):
        values, at = getattr(item, part), f"{path}.{part}"
        if item.type == "PersistentVolumeClaim" and part == "maxLimitRequestRatio":
            faults += _storage(item, f"{path}.limits")
        if item.type == "Pod" and part in ("default", "defaultRequest"):
            faults += [field.forbidden(at, "may not be specified when `type` is 'Pod'")] if values else []
            continue
        for name in sorted(values):
            faults += _limited(f"{at}[{name}]", item.type, name)
            try:
                amounts.setdefault(name, {})[part] = quantity.of(values[name])
            except quantity.QuantityError as error:
                faults.append(field.invalid(f"{at}[{name}]", values[name].string, str(error)))
    for name in sorted(amounts):
        faults += _fitting(amounts[name], name, path)
    return faults


def _storage(item: corev1.LimitRangeItem, path: str) -> field.Faults:
    if "storage" in item.min or "storage" in item.max:
        return []
    text = "either minimum or maximum storage value is required, but neither was provided"
    return [field.required(path, text)]


def _limited(path: str, kind: str, name: str) -> field.Faults:
    of_containers = kind in ("Container", "Pod")
    return numbers.container_resource_name(path, name) if of_containers else numbers.resource_name(path, name)


# What must not be above what: (part that is named, part that is shown, lower part, its word, upper part, its word).
_ORDERED = (
    ("min", "min", "min", "min", "max", "max"),
    ("defaultRequest", "defaultRequest", "min", "min", "defaultRequest", "default request"),
    ("defaultRequest", "defaultRequest", "defaultRequest", "default request", "max", "max"),
    ("defaultRequest", "defaultRequest", "defaultRequest", "default request", "default", "default limit"),
    ("default", "min", "min", "min", "default", "default"),
    ("default", "max", "default", "default", "max", "max"),
)


def _fitting(amounts: Mapping[str, quantity.Quantity], name: str, path: str) -> Iterator[field.Cause]:
    """Judge one resource's bounds and defaults against each other."""
    for at, shown, low, low_word, high, high_word in _ORDERED:
        if low in amounts and high in amounts and amounts[high] < amounts[low]:
            text = f"{low_word} value {amounts[low]} is greater than {high_word} value {amounts[high]}"
            yield field.invalid(f"{path}.{at}[{name}]", str(amounts[shown]), text)
    ratio = amounts.get("maxLimitRequestRatio")
    if ratio is not None:
        at = f"{path}.maxLimitRequestRatio[{name}]"
        if ratio < quantity.whole(1):
            yield field.invalid(at, str(ratio), f"ratio {ratio} is less than 1")
        if "min" in amounts and "max" in amounts and amounts["min"]:
            value, most = _ratios(ratio, amounts["min"], amounts["max"])
            if value > most:
                yield field.invalid(at, str(ratio), f"ratio {ratio} is greater than max/min = {most:f}")
    limit, request = amounts.get("default"), amounts.get("defaultRequest")
    both = limit is not None and request is not None and limit != request
    if both and not numbers.may_overcommit(name):
        text = f"default value {limit} must equal to defaultRequest value {request} in {name}"
        yield field.invalid(f"{path}.defaultRequest[{name}]", str(request), text)


def _ratios(ratio: quantity.Quantity, low: quantity.Quantity, high: quantity.Quantity) -> tuple[float, float]:
    """Return a ratio and the most that it can be, from thousandths or, where one is very large, whole numbers."""
    given = [ratio.nanos, low.nanos, high.nanos]
    whole = [-(-nanos // quantity.NANO) for nanos in given]
    if all(number < MAX_WITH_THOUSANDTHS for number in whole):
        thousandths = [-(-nanos * 1000 // quantity.NANO) for nanos in given]
        return thousandths[0] / 1000, thousandths[2] / thousandths[1]
    return float(whole[0]), whole[2] / whole[1]


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
        faults += numbers.resource_name(at, name)
        if "/" not in name and not _is_known(name):
            faults.append(field.invalid(at, name, "must be a standard resource for quota"))
        faults += numbers.amount(at, name, resources[name])[1]
    return faults


def _scopes(spec: corev1.ResourceQuotaSpec, path: str) -> field.Faults:
    """Judge scopes; each fault shows all of them, and is told once, so that no text grows by their square."""
    shown = notation.typed_strings("core.ResourceQuotaScope", spec.scopes)
    scopes = set(spec.scopes)
    faults: field.Faults = []
    if not scopes <= SCOPES.keys():
        faults.append(field.invalid(path, shown, "unsupported scope"))
    return faults + _combined(scopes, spec.hard, path, shown)


def _combined(scopes: Set[str], hard: Resources, path: str, shown: field.Value) -> field.Faults:
    """Judge that all scopes make sense for the standard resources that a quota limits, and beside each other."""
    faults: field.Faults = []
    if any(name not in SCOPES.get(scope, ()) for scope in scopes for name in hard if name in QUOTA_RESOURCES):
        faults.append(field.invalid(path, shown, "unsupported scope applied to resource"))
    if any(pair <= scopes for pair in CONFLICTING):
        faults.append(field.invalid(path, shown, "conflicting scopes"))
    return faults


def _scope_selector(spec: corev1.ResourceQuotaSpec, path: str) -> field.Faults:
    """Judge a selector of scopes; faults that show all of it are told once, as in `_scopes`."""
    faults: field.Faults = []
    for rule in spec.scopeSelector.matchExpressions:
        if rule.scopeName not in SCOPES:
            faults.append(field.invalid(f"{path}.scopeName", rule.scopeName, "unsupported scope"))
        if rule.scopeName in SCOPES and rule.scopeName != "PriorityClass" and rule.operator != "Exists":
            faults.append(field.invalid(f"{path}.operator", rule.operator, EXISTS_TEXT))
        faults += _operator(rule.operator, rule.values, path)
    chosen = {rule.scopeName for rule in spec.scopeSelector.matchExpressions}
    return faults + _combined(chosen, spec.hard, path, notation.struct(spec.scopeSelector))


def _operator(operator: str, values: Sequence[str], path: str) -> field.Faults:
    match operator:
        case "In" | "NotIn":
            text = "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector"
            return [] if values else [field.required(f"{path}.values", text)]
        case "Exists" | "DoesNotExist":
            text = "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector"
            return [field.invalid(f"{path}.values", notation.strings(values), text)] if values else []
    return [field.invalid(f"{path}.operator", operator, "not a valid selector operator")]
