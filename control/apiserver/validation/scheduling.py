"""Rules on what steers scheduling: node selectors, affinity, tolerations, spread constraints. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from control.apiserver import field, notation
from control.apiserver.validation import names, selectors
from fairlead.api.pb import core_v1_pb2 as corev1

# In the order in which Kubernetes names them.
EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
INCLUSIONS = frozenset({"Honor", "Ignore"})
UNSELECTED = "must not be specified when labelSelector is not set"
SELECTED_TWICE = "exists in both matchLabelKeys and labelSelector"
UNSATISFIABLE = frozenset({"DoNotSchedule", "ScheduleAnyway"})


def tolerations(values: Iterable[corev1.Toleration], path: str) -> field.Faults:
    """Judge tolerations."""
    faults: field.Faults = []
    for index, value in enumerate(values):
        at = f"{path}[{index}]"
        if value.key:
            faults += field.invalids(f"{at}.key", value.key, names.qualified(value.key))
        elif value.operator != "Exists":
            text = 'operator must be Exists when `key` is empty, which means "match all values and all keys"'
            faults.append(field.invalid(f"{at}.operator", value.operator, text))
        if value.HasField("tolerationSeconds") and value.effect != "NoExecute":
            text = "effect must be 'NoExecute' when `tolerationSeconds` is set"
            faults.append(field.invalid(f"{at}.effect", value.effect, text))
        if value.operator in ("", "Equal"):
            faults += _one(f"{at}.operator", value.value, names.label_value(value.value))
        elif value.operator == "Exists":
            if value.value:
                text = "value must be empty when `operator` is 'Exists'"
                faults.append(field.invalid(f"{at}.operator", value.value, text))
        else:
            faults.append(field.unsupported(f"{at}.operator", value.operator, ("Equal", "Exists")))
        if value.effect and value.effect not in EFFECTS:
            faults.append(field.unsupported(f"{at}.effect", value.effect, EFFECTS))
    return faults


def taints(values: Sequence[corev1.Taint], path: str) -> field.Faults:
    """Judge a node's taints: known effects, and one of each key and effect."""
    faults: field.Faults = []
    seen: set[tuple[str, str]] = set()
    for index, taint in enumerate(values):
        at = f"{path}[{index}]"
        faults += field.invalids(f"{at}.key", taint.key, names.qualified(taint.key))
        faults += _one(f"{at}.value", taint.value, names.label_value(taint.value))
        if not taint.effect:
            faults.append(field.required(f"{at}.effect"))
        elif taint.effect not in EFFECTS:
            faults.append(field.unsupported(f"{at}.effect", taint.effect, EFFECTS))
        if (taint.key, taint.effect) in seen:
            text = "taints must be unique by key and effect pair"
            faults.append(field.Cause("FieldValueDuplicate", f"Duplicate value: {_taint(taint)}: {text}", at))
        seen.add((taint.key, taint.effect))
    return faults


def _one(path: str, value: str, found: names.Found) -> field.Faults:
    """Return one fault that says all that is wrong with a value."""
    return [field.invalid(path, value, ";".join(found))] if found else []


def _taint(taint: corev1.Taint) -> field.Value:
    if taint.HasField("timeAdded"):
        return notation.struct(taint)
    key, value, effect = (field.quoted(one) for one in (taint.key, taint.value, taint.effect))
    return field.Raw(f"core.Taint{{Key:{key}, Value:{value}, Effect:{effect}, TimeAdded:<nil>}}")


def affinity(value: corev1.Affinity, path: str) -> field.Faults:
    """Judge affinity to nodes and to and against pods."""
    faults: field.Faults = []
    if value.HasField("nodeAffinity"):
        faults += _node_affinity(value.nodeAffinity, f"{path}.nodeAffinity")
    for part in ("podAffinity", "podAntiAffinity"):
        if not value.HasField(part):
            continue
        terms = getattr(value, part)
        at = f"{path}.{part}.requiredDuringSchedulingIgnoredDuringExecution"
        for index, term in enumerate(terms.requiredDuringSchedulingIgnoredDuringExecution):
            faults += _pod_term(term, f"{at}[{index}]")
        at = f"{path}.{part}.preferredDuringSchedulingIgnoredDuringExecution"
        for index, weighted in enumerate(terms.preferredDuringSchedulingIgnoredDuringExecution):
            faults += _weight(weighted.weight, f"{at}[{index}].weight")
            faults += _pod_term(weighted.podAffinityTerm, f"{at}[{index}].podAffinityTerm")
    return faults


def _node_affinity(value: corev1.NodeAffinity, path: str) -> field.Faults:
    faults: field.Faults = []
    if value.HasField("requiredDuringSchedulingIgnoredDuringExecution"):
        at = f"{path}.requiredDuringSchedulingIgnoredDuringExecution"
        faults += node_selector(value.requiredDuringSchedulingIgnoredDuringExecution, at)
    at = f"{path}.preferredDuringSchedulingIgnoredDuringExecution"
    for index, preferred in enumerate(value.preferredDuringSchedulingIgnoredDuringExecution):
        faults += _weight(preferred.weight, f"{at}[{index}].weight")
        faults += _node_term(preferred.preference, f"{at}[{index}].preference")
    return faults


def node_selector(selector: corev1.NodeSelector, path: str) -> field.Faults:
    """Judge a selector of nodes: at least one term."""
    faults: field.Faults = []
    terms = selector.nodeSelectorTerms
    if not terms:
        faults.append(field.required(f"{path}.nodeSelectorTerms", "must have at least one node selector term"))
    for index, term in enumerate(terms):
        faults += _node_term(term, f"{path}.nodeSelectorTerms[{index}]")
    return faults


def _node_term(term: corev1.NodeSelectorTerm, path: str) -> field.Faults:
    faults: field.Faults = []
    for index, wanted in enumerate(term.matchExpressions):
        at = f"{path}.matchExpressions[{index}]"
        faults += _node_operator(wanted, at)
        faults += field.invalids(f"{at}.key", wanted.key, names.qualified(wanted.key))
    for index, wanted in enumerate(term.matchFields):
        at = f"{path}.matchFields[{index}]"
        if wanted.operator not in ("In", "NotIn"):
            faults.append(field.invalid(f"{at}.operator", wanted.operator, "not a valid selector operator"))
        elif len(wanted.values) != 1:
            text = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector"
            faults.append(field.required(f"{at}.values", text))
        if wanted.key != "metadata.name":
            faults.append(field.invalid(f"{at}.key", wanted.key, "not a valid field selector key"))
            continue
        for place, value in enumerate(wanted.values):
            faults += field.invalids(f"{at}.values[{place}]", value, names.subdomain(value))
    return faults


def _node_operator(wanted: corev1.NodeSelectorRequirement, path: str) -> field.Faults:
    count = len(wanted.values)
    match wanted.operator:
        case "In" | "NotIn":
            text = "must be specified when `operator` is 'In' or 'NotIn'"
            return [] if count else [field.required(f"{path}.values", text)]
        case "Exists" | "DoesNotExist":
            text = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
            return [field.forbidden(f"{path}.values", text)] if count else []
        case "Gt" | "Lt":
            text = "must be specified single value when `operator` is 'Lt' or 'Gt'"
            return [] if count == 1 else [field.required(f"{path}.values", text)]
    return [field.invalid(f"{path}.operator", wanted.operator, "not a valid selector operator")]


def _weight(weight: int, path: str) -> field.Faults:
    return [] if 1 <= weight <= 100 else [field.invalid(path, weight, "must be in the range 1-100")]


def _pod_term(term: corev1.PodAffinityTerm, path: str) -> field.Faults:
    faults: field.Faults = []
    if term.HasField("labelSelector"):
        faults += selectors.validate(term.labelSelector, f"{path}.labelSelector")
    if term.HasField("namespaceSelector"):
        faults += selectors.validate(term.namespaceSelector, f"{path}.namespaceSelector")
    for namespace in term.namespaces:
        faults += field.invalids(f"{path}.namespace", namespace, names.label(namespace))
    if term.matchLabelKeys or term.mismatchLabelKeys:
        faults += _label_keys(term, path)
    if not term.topologyKey:
        faults.append(field.required(f"{path}.topologyKey", "can not be empty"))
    return faults + field.invalids(f"{path}.topologyKey", term.topologyKey, names.qualified(term.topologyKey))


def _label_keys(term: corev1.PodAffinityTerm, path: str) -> field.Faults:
    """Judge the keys whose values a pod's own labels give: of labels, and each of one sort only."""
    faults: field.Faults = []
    for part in ("matchLabelKeys", "mismatchLabelKeys"):
        keys = getattr(term, part)
        if keys and not term.HasField("labelSelector"):
            faults.append(field.forbidden(f"{path}.{part}", UNSELECTED))
            continue
        for index, key in enumerate(keys):
            faults += field.invalids(f"{path}.{part}[{index}]", key, names.qualified(key))
    taken = set(term.labelSelector.matchLabels)
    places = {key: index for index, key in enumerate(term.matchLabelKeys)}
    for rule in term.labelSelector.matchExpressions:
        if rule.key in places and rule.key in taken:
            faults.append(field.invalid(f"{path}[{places[rule.key]}]", rule.key, SELECTED_TWICE))
        taken.add(rule.key)
    for index, key in enumerate(term.matchLabelKeys):
        if key in term.mismatchLabelKeys:
            text = "exists in both matchLabelKeys and mismatchLabelKeys"
            faults.append(field.invalid(f"{path}.matchLabelKeys[{index}]", key, text))
    return faults


def spread(values: Sequence[corev1.TopologySpreadConstraint], path: str) -> field.Faults:
    """Judge topology spread constraints."""
    faults: field.Faults = []
    pairs = [(one.topologyKey, one.whenUnsatisfiable) for one in values]
    last = {pair: index for index, pair in enumerate(pairs)}
    for index, value in enumerate(values):
        at = f"{path}[{index}]"
        if value.maxSkew <= 0:
            faults.append(field.invalid(f"{at}.maxSkew", value.maxSkew, "must be greater than zero"))
        if not value.topologyKey:
            faults.append(field.required(f"{at}.topologyKey", "can not be empty"))
        if value.whenUnsatisfiable not in UNSATISFIABLE:
            faults.append(field.unsupported(f"{at}.whenUnsatisfiable", value.whenUnsatisfiable, UNSATISFIABLE))
        if last[pairs[index]] > index:
            shown = f"{{{', '.join(pairs[index])}}}"
            faults.append(field.duplicate(f"{at}.{{topologyKey, whenUnsatisfiable}}", shown))
        faults += _spread_details(value, at)
    return faults


def _spread_details(value: corev1.TopologySpreadConstraint, path: str) -> field.Faults:
    faults: field.Faults = []
    if value.HasField("minDomains"):
        at = f"{path}.minDomains"
        if value.minDomains <= 0:
            faults.append(field.invalid(at, value.minDomains, "must be greater than zero"))
        if value.whenUnsatisfiable != "DoNotSchedule":
            text = f"can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {value.whenUnsatisfiable}"
            faults.append(field.invalid(at, value.minDomains, text))
    for part in ("nodeAffinityPolicy", "nodeTaintsPolicy"):
        if value.HasField(part) and getattr(value, part) not in INCLUSIONS:
            faults.append(field.unsupported(f"{path}.{part}", getattr(value, part), INCLUSIONS))
    if value.matchLabelKeys and not value.HasField("labelSelector"):
        faults.append(field.forbidden(f"{path}.matchLabelKeys", UNSELECTED))
    selected = {*value.labelSelector.matchLabels, *(rule.key for rule in value.labelSelector.matchExpressions)}
    for index, key in enumerate(value.matchLabelKeys):
        at = f"{path}.matchLabelKeys[{index}]"
        faults += field.invalids(at, key, names.qualified(key))
        if key in selected:
            faults.append(field.invalid(at, key, SELECTED_TWICE))
    if value.HasField("labelSelector"):
        faults += selectors.validate(value.labelSelector, f"{path}.labelSelector")
    return faults
