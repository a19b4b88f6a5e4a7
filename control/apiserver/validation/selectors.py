"""Rules on label selectors inside objects. Pure."""

from __future__ import annotations

from typing import Any

from control.apiserver import field
from control.apiserver.validation import meta, names
from fairlead.api.pb import meta_v1_pb2 as metav1


def validate(selector: metav1.LabelSelector, path: str) -> field.Faults:
    """Judge a label selector."""
    faults = meta.labels(selector.matchLabels, f"{path}.matchLabels")
    for index, wanted in enumerate(selector.matchExpressions):
        faults += requirement(wanted, f"{path}.matchExpressions[{index}]")
    return faults


def requirement(wanted: metav1.LabelSelectorRequirement, path: str) -> field.Faults:
    """Judge what a selector wants of one label."""
    faults = values_fit(wanted, path)
    faults += field.invalids(f"{path}.key", wanted.key, names.qualified(wanted.key))
    for place, value in enumerate(wanted.values):
        faults += field.invalids(f"{path}.values[{place}]", value, names.label_value(value))
    return faults


def values_fit(wanted: Any, path: str) -> field.Faults:
    """Judge that an operator is known and has values where it needs them; of labels or fields."""
    if wanted.operator in ("In", "NotIn"):
        text = "must be specified when `operator` is 'In' or 'NotIn'"
        return [] if wanted.values else [field.required(f"{path}.values", text)]
    if wanted.operator in ("Exists", "DoesNotExist"):
        text = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
        return [field.forbidden(f"{path}.values", text)] if wanted.values else []
    return [field.invalid(f"{path}.operator", wanted.operator, "not a valid selector operator")]


def is_empty(selector: metav1.LabelSelector) -> bool:
    """Say whether a selector selects everything."""
    return not selector.matchLabels and not selector.matchExpressions
