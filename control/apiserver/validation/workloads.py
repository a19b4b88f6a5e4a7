"""Rules that the kinds that make pods share: selector and template together, counts of a status. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from control.apiserver import field, notation
from control.apiserver.validation import meta, numbers, podspec, selectors
from fairlead.api import codec
from fairlead.api import selectors as matching
from fairlead.api.pb import core_v1_pb2 as corev1

MISMATCH = "`selector` does not match template `labels`"


def selector_and_template(spec: Any) -> field.Faults:
    """Judge the selector of a Deployment or ReplicaSet, and its template, which only a good selector is held to."""
    faults = selector(spec, "deployment")  # Kubernetes names that kind for both
    if not is_selector(spec):
        shown = notation.selector(spec.selector)
        return [*faults, field.invalid("spec.selector", shown, "invalid label selector")]
    faults += mismatch(spec) + podspec.validate_template(spec.template, "spec.template")
    return faults + runs_for_ever(spec.template, "ReplicaSet")


def selector(spec: Any, kind: str) -> field.Faults:
    """Judge a selector that must be there and select something."""
    if not spec.HasField("selector"):
        return [field.required("spec.selector")]
    return selectors.validate(spec.selector, "spec.selector") + selects_some(spec, kind)


def selects_some(spec: Any, kind: str) -> field.Faults:
    """Return the fault of a selector that is there and selects everything."""
    if not spec.HasField("selector") or not selectors.is_empty(spec.selector):
        return []
    text = f"empty selector is invalid for {kind}"
    return [field.invalid("spec.selector", notation.selector(spec.selector), text)]


def is_selector(spec: Any) -> bool:
    """Say whether a selector can be asked: one that is missing selects nothing."""
    return not spec.HasField("selector") or not selectors.validate(spec.selector, "spec.selector")


def mismatch(spec: Any) -> field.Faults:
    """Return the fault of a template whose labels a selector that can be asked does not match."""
    labels = spec.template.metadata.labels
    if spec.HasField("selector") and matching.of_message(spec.selector).matches(labels):
        return []
    return [field.invalid("spec.template.metadata.labels", notation.labels(labels), MISMATCH)]


def runs_for_ever(template: corev1.PodTemplateSpec, kind: str) -> field.Faults:
    """Judge that a template's pods are started again and have no deadline."""
    faults: field.Faults = []
    if template.spec.restartPolicy != "Always":
        faults.append(field.unsupported("spec.template.spec.restartPolicy", template.spec.restartPolicy, ("Always",)))
    if template.spec.HasField("activeDeadlineSeconds"):
        text = f"activeDeadlineSeconds in {kind} is not Supported"
        faults.append(field.forbidden("spec.template.spec.activeDeadlineSeconds", text))
    return faults


def same_selector(spec: Any, old: Any) -> field.Faults:
    """Return the fault of a selector that an update changes."""
    new, before = spec.selector, old.selector
    there = spec.HasField("selector")
    changed = new != before and codec.to_json(new) != codec.to_json(before)
    return meta.immutable(
        "spec.selector", notation.selector(new) if there else None, changed or there != old.HasField("selector")
    )


def shown_strategy(kind: str, rolling: str, value: Any) -> field.Raw:
    """Return how errors show a strategy of rollout, whose type is not known."""
    if value.HasField("rollingUpdate"):
        return notation.struct(value)
    return field.Raw(f"apps.{kind}{{Type:{field.quoted(value.type)}, RollingUpdate:(*apps.{rolling})(nil)}}")


def counts(status: Any, names: Iterable[str]) -> field.Faults:
    """Judge that a status' counts are not negative."""
    return [fault for name in names for fault in numbers.not_negative(f"status.{name}", getattr(status, name))]


def within(status: Any, names: Iterable[str], whole: str, text: str = "") -> field.Faults:
    """Judge that counts of a status are not above another of its counts."""
    detail = text or f"cannot be greater than status.{whole}"
    return [
        field.invalid(f"status.{name}", getattr(status, name), detail)
        for name in names
        if getattr(status, name) > getattr(status, whole)
    ]


def replica_counts(status: Any, counted: Iterable[str], parts: Iterable[str]) -> field.Faults:
    """Judge the counts of a status in the order given; no part is more than all, nor the available than the ready."""
    faults = counts(status, counted) + within(status, parts, "replicas")
    text = "cannot be greater than readyReplicas"
    return faults + within(status, ("availableReplicas",), "readyReplicas", text)


def not_decremented(status: Any, old: Any) -> field.Faults:
    """Judge that collisions are only counted up."""
    if status.collisionCount < old.collisionCount:
        return [field.invalid("status.collisionCount", status.collisionCount, "cannot be decremented")]
    return []
