"""Roles and bindings: rules that say enough, names that may stand in a path, and a role that a binding keeps."""

from __future__ import annotations

from typing import Any, ClassVar

from control.apiserver import field, notation
from control.apiserver.rbac import rules
from control.apiserver.strategies import strategy
from control.apiserver.validation import names, selectors
from fairlead.api import names as naming
from fairlead.api.pb import rbac_v1_pb2 as rbacv1

GROUP = rules.GROUP
SUBJECT_KINDS = ("ServiceAccount", "User", "Group")


class _Rbac(strategy.Strategy[Any]):
    """What roles and bindings have in common."""

    created_by_update = True

    def name_rule(self, name: str) -> names.Found:
        return tuple(naming.path_segment(name))


class RoleStrategy(_Rbac):
    """The rules of Roles."""

    message = rbacv1.Role

    def validate(self, obj: rbacv1.Role) -> field.Faults:
        """Judge the rules; a namespace has no URLs."""
        return _rules(obj, namespaced=True)


class ClusterRoleStrategy(_Rbac):
    """The rules of ClusterRoles."""

    message = rbacv1.ClusterRole

    def validate(self, obj: rbacv1.ClusterRole) -> field.Faults:
        """Judge the rules and what they are gathered by."""
        faults = _rules(obj, namespaced=False)
        path, chosen = "aggregationRule.clusterRoleSelectors", obj.aggregationRule.clusterRoleSelectors
        if obj.HasField("aggregationRule") and not chosen:
            text = "at least one clusterRoleSelector required if aggregationRule is non-nil"
            faults.append(field.required(path, text))
        for index, selector in enumerate(chosen):
            if found := selectors.validate(selector, f"{path}[{index}]"):
                faults += [*found, field.invalid(f"{path}[{index}]", None, "invalid label selector.")]
        return faults


class _BindingStrategy(_Rbac):
    """What both kinds of bindings have in common; `role_kinds` are what they may bind."""

    role_kinds: ClassVar[tuple[str, ...]]

    def default(self, obj: Any) -> None:
        """Fill in the groups of role and subjects."""
        obj.roleRef.apiGroup = obj.roleRef.apiGroup or GROUP
        for subject in obj.subjects:
            if subject.kind in ("User", "Group"):
                subject.apiGroup = subject.apiGroup or GROUP

    def validate(self, obj: Any) -> field.Faults:
        """Judge the role's reference and the subjects."""
        faults: field.Faults = []
        reference: rbacv1.RoleRef = obj.roleRef
        if reference.apiGroup != GROUP:
            faults.append(field.unsupported("roleRef.apiGroup", reference.apiGroup, (GROUP,)))
        if reference.kind not in self.role_kinds:
            faults.append(field.unsupported("roleRef.kind", reference.kind, self.role_kinds))
        if not reference.name:
            faults.append(field.required("roleRef.name"))
        else:
            faults += field.invalids("roleRef.name", reference.name, naming.path_segment(reference.name))
        for number, subject in enumerate(obj.subjects):
            faults += _subject(subject, f"subjects[{number}]", namespaced=self.kind.namespaced)
        return faults

    def validate_update(self, obj: Any, old: Any) -> field.Faults:
        """Judge the new binding; the role stays."""
        faults = self.validate(obj)
        if obj.roleRef != old.roleRef:
            reference = obj.roleRef
            parts = (("APIGroup", reference.apiGroup), ("Kind", reference.kind), ("Name", reference.name))
            shown = ", ".join(f"{key}:{field.quoted(value)}" for key, value in parts)
            faults.append(field.invalid("roleRef", field.Raw(f"rbac.RoleRef{{{shown}}}"), "cannot change roleRef"))
        return faults


class RoleBindingStrategy(_BindingStrategy):
    """The rules of RoleBindings."""

    message = rbacv1.RoleBinding
    role_kinds = ("Role", "ClusterRole")


class ClusterRoleBindingStrategy(_BindingStrategy):
    """The rules of ClusterRoleBindings."""

    message = rbacv1.ClusterRoleBinding
    role_kinds = ("ClusterRole",)


def _rules(obj: Any, *, namespaced: bool) -> field.Faults:
    faults: field.Faults = []
    for number, rule in enumerate(obj.rules):
        faults += _rule(rule, f"rules[{number}]", namespaced=namespaced)
    return faults


def _rule(rule: rbacv1.PolicyRule, path: str, *, namespaced: bool) -> field.Faults:
    faults: field.Faults = []
    if not rule.verbs:
        faults.append(field.required(f"{path}.verbs", "verbs must contain at least one value"))
    if rule.nonResourceURLs:
        at, shown = f"{path}.nonResourceURLs", notation.strings(rule.nonResourceURLs)
        if namespaced:
            faults.append(field.invalid(at, shown, "namespaced rules cannot apply to non-resource URLs"))
        if rule.apiGroups or rule.resources or rule.resourceNames:
            text = "rules cannot apply to both regular resources and non-resource URLs"
            faults.append(field.invalid(at, shown, text))
        return faults
    if not rule.apiGroups:
        faults.append(field.required(f"{path}.apiGroups", "resource rules must supply at least one api group"))
    if not rule.resources:
        faults.append(field.required(f"{path}.resources", "resource rules must supply at least one resource"))
    return faults


def _subject(subject: rbacv1.Subject, path: str, *, namespaced: bool) -> field.Faults:
    faults: field.Faults = []
    if not subject.name:
        faults.append(field.required(f"{path}.name"))
    match subject.kind:
        case "ServiceAccount":
            if subject.name:
                faults += field.invalids(f"{path}.name", subject.name, names.subdomain(subject.name))
            if subject.apiGroup:
                faults.append(field.unsupported(f"{path}.apiGroup", subject.apiGroup, ("",)))
            if not namespaced and not subject.namespace:
                faults.append(field.required(f"{path}.namespace"))
        case "User" | "Group":
            if subject.apiGroup != GROUP:
                faults.append(field.unsupported(f"{path}.apiGroup", subject.apiGroup, (GROUP,)))
        case _:
            faults.append(field.unsupported(f"{path}.kind", subject.kind, SUBJECT_KINDS))
    return faults
