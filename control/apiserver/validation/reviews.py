"""Rules on the questions who may do what: about one thing, somebody, and in a form that can be asked. Pure."""

from __future__ import annotations

from typing import Any

from control.apiserver import field
from control.apiserver.validation import selectors
from fairlead.api.pb import authorization_v1_pb2 as authorizationv1

KNOWN = frozenset({"DoesNotExist", "Exists", "In", "NotIn"})


def of_self(spec: Any) -> field.Faults:
    """Judge what is asked about: a resource or a path."""
    return _one_of(spec) + _resource(spec)


def of_others(spec: Any) -> field.Faults:
    """Judge what is asked about, and about whom."""
    faults = _one_of(spec)
    if not spec.user and not spec.groups:
        faults.append(field.invalid("spec.user", "", "at least one of user or group must be specified"))
    return faults + _resource(spec)


def local(spec: authorizationv1.SubjectAccessReviewSpec, namespace: str) -> field.Faults:
    """Judge what holds in a namespace besides: that it is the one that is asked about, and no path."""
    faults: field.Faults = []
    wanted = spec.resourceAttributes.namespace
    if spec.HasField("resourceAttributes") and wanted != namespace:
        faults.append(field.invalid("spec.resourceAttributes.namespace", wanted, "must match metadata.namespace"))
    if spec.HasField("nonResourceAttributes"):
        text = "disallowed on this kind of request"
        faults.append(field.invalid("spec.nonResourceAttributes", _path(spec.nonResourceAttributes), text))
    return faults


def _path(asked: authorizationv1.NonResourceAttributes) -> field.Raw:
    path, verb = field.quoted(asked.path), field.quoted(asked.verb)
    return field.Raw(f"authorization.NonResourceAttributes{{Path:{path}, Verb:{verb}}}")


def _one_of(spec: Any) -> field.Faults:
    resource, path = spec.HasField("resourceAttributes"), spec.HasField("nonResourceAttributes")
    if resource and path:
        text = "cannot be specified in combination with resourceAttributes"
        return [field.invalid("spec.nonResourceAttributes", _path(spec.nonResourceAttributes), text)]
    if not resource and not path:
        text = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
        return [field.invalid("spec.resourceAttributes", None, text)]
    return []


def _resource(spec: Any) -> field.Faults:
    faults: field.Faults = []
    for name in ("fieldSelector", "labelSelector"):
        if spec.resourceAttributes.HasField(name):
            selector = getattr(spec.resourceAttributes, name)
            faults += _selector(selector, f"spec.resourceAttributes.{name}", of_labels=name == "labelSelector")
    return faults


def _selector(selector: Any, path: str, *, of_labels: bool) -> field.Faults:
    faults: field.Faults = []
    if selector.rawSelector and selector.requirements:
        text = "may not specified at the same time as requirements"
        faults.append(field.invalid(f"{path}.rawSelector", selector.rawSelector, text))
    if not selector.rawSelector and not selector.requirements:
        text = f"when {path} is specified, requirements or rawSelector is required"
        faults.append(field.required(f"{path}.requirements", text))
    for index, wanted in enumerate(selector.requirements):
        at = f"{path}.requirements[{index}]"
        if of_labels:
            found = selectors.requirement(wanted, at)
        else:
            found = selectors.values_fit(wanted, at)
            found += [] if wanted.key else [field.required(f"{at}.key", "must be specified")]
        # an operator that only a newer client knows is let through
        faults += [one for one in found if wanted.operator in KNOWN or one.field != f"{at}.operator"]
    return faults
