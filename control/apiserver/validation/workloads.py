"""Rules that the kinds that make pods share: selector and template together, counts of a status. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from control.apiserver import field, notation
from control.apiserver.validation import meta, numbers, podspec, selectors
from fairlead.api import codec
from fairlead.api import selectors as matching
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import meta_v1_pb2 as metav1

MISMATCH = "`selector` does not match template `labels`"


def selector_and_template(spec: Any, *, empty: str, kind: str) -> field.Faults:
    """Judge a spec's selector, and its template whose labels the selector must match and whose pods run for ever.

    `empty` is the kind that Kubernetes names for an empty selector, `kind` the one for a deadline in the template.
    """
    faults = selector(spec, "spec.selector", empty)
    if not faults:
        faults += mismatch(spec.selector, spec.template)
    faults += podspec.validate_template(spec.template, "spec.template")
    return faults + runs_for_ever(spec.template, kind)


def selector(spec: Any, path: str, empty: str) -> field.Faults:
    """Judge a selector that must be there and select something."""
    if not spec.HasField("selector"):
        return [field.required(path)]
    faults = selectors.validate(spec.selector, path)
    if selectors.is_empty(spec.selector):
        text = f"empty selector is invalid for {empty}"
        faults.append(field.invalid(path, notation.selector(spec.selector), text))
    return faults


def mismatch(chosen: metav1.LabelSelector, template: corev1.PodTemplateSpec) -> field.Faults:
    """Return the fault of a template whose labels a good selector does not match."""
    if matching.of_message(chosen).matches(template.metadata.labels):
        return []
    shown = notation.labels(template.metadata.labels)
    return [field.invalid("spec.template.metadata.labels", shown, MISMATCH)]


def runs_for_ever(template: corev1.PodTemplateSpec, kind: str) -> field.Faults:
    """Judge that a template's pods are started again and have no deadline."""
    faults: field.Faults = []
    if template.spec.restartPolicy != "Always":
        faults.append(field.unsupported("spec.template.spec.restartPolicy", template.spec.restartPolicy, ("Always",)))
    if template.spec.HasField("activeDeadlineSeconds"):
        text = f"activeDeadlineSeconds in {kind} is not Supported"
        faults.append(field.forbidden("spec.template.spec.activeDeadlineSeconds", text))
    return faults


def same_selector(new: metav1.LabelSelector, old: metav1.LabelSelector) -> field.Faults:
    """Return the fault of a selector that an update changes."""
    changed = new != old and codec.to_json(new) != codec.to_json(old)
    return meta.immutable("spec.selector", notation.selector(new), changed)


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


def replica_counts(status: Any, *parts: str) -> field.Faults:
    """Judge the counts of a status with replicas, of which some are ready and some of these available."""
    faults = counts(status, ("replicas", *parts, "observedGeneration"))
    faults += within(status, parts, "replicas")
    return faults + within(status, ("availableReplicas",), "readyReplicas", "cannot be greater than readyReplicas")


def not_decremented(status: Any, old: Any) -> field.Faults:
    """Judge that collisions are only counted up."""
    if status.collisionCount < old.collisionCount:
        return [field.invalid("status.collisionCount", status.collisionCount, "cannot be decremented")]
    return []
