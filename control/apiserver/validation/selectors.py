"""Rules on label selectors inside objects. Pure."""

from __future__ import annotations

from control.apiserver import field
from control.apiserver.validation import meta, names
from fairlead.api.pb import meta_v1_pb2 as metav1


def validate(selector: metav1.LabelSelector, path: str) -> field.Faults:
    """Judge a label selector."""
    faults = meta.labels(selector.matchLabels, f"{path}.matchLabels")
    for index, wanted in enumerate(selector.matchExpressions):
        at = f"{path}.matchExpressions[{index}]"
        if wanted.operator in ("In", "NotIn"):
            if not wanted.values:
                text = "must be specified when `operator` is 'In' or 'NotIn'"
                faults.append(field.required(f"{at}.values", text))
        elif wanted.operator in ("Exists", "DoesNotExist"):
            if wanted.values:
                text = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
                faults.append(field.forbidden(f"{at}.values", text))
        else:
            faults.append(field.invalid(f"{at}.operator", wanted.operator, "not a valid selector operator"))
        faults += field.invalids(f"{at}.key", wanted.key, names.qualified(wanted.key))
        for place, value in enumerate(wanted.values):
            faults += field.invalids(f"{at}.values[{place}]", value, names.label_value(value))
    return faults


def is_empty(selector: metav1.LabelSelector) -> bool:
    """Say whether a selector selects everything."""
    return not selector.matchLabels and not selector.matchExpressions
