"""ValidatingAdmissionPolicies and their bindings: defaults, generations, rules."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from control.apiserver import field, notation
from control.apiserver.cel import admission, escaping
from control.apiserver.policies import compiling, evaluating
from control.apiserver.strategies import strategy, webhooks
from control.apiserver.validation import conditions, names, selectors
from fairlead.api.pb import admissionregistration_v1_pb2 as admissionv1

REASONS = ("Forbidden", "Invalid", "RequestEntityTooLarge")
ACTIONS = ("Audit", "Deny", "Warn")
NOT_FOUND_ACTIONS = ("Deny", "Allow")
MAX_ANNOTATIONS = 20
MAX_ANNOTATION = 5120  # bytes of an audit annotation's expression
_NEITHER = "validations or auditAnnotations must contain at least one item"
_BOTH = (
    "must not contain both Deny and Warn (repeating the same validation failure information in the API response and"
    " headers serves no purpose)"
)
_Policy = admissionv1.ValidatingAdmissionPolicy
_Binding = admissionv1.ValidatingAdmissionPolicyBinding


class AdmissionPolicyStrategy(strategy.SpecStrategy[_Policy]):
    """The rules of ValidatingAdmissionPolicies."""

    message = _Policy
    allow_unconditional_update = False

    def default(self, obj: _Policy) -> None:
        """Fail closed, match equivalent versions in every namespace."""
        if not obj.spec.HasField("failurePolicy"):
            obj.spec.failurePolicy = "Fail"
        if obj.spec.HasField("matchConstraints"):
            _default_resources(obj.spec.matchConstraints)

    def validate(self, obj: _Policy) -> field.Faults:
        """Judge a policy, its expressions included."""
        spec = obj.spec
        faults: field.Faults = webhooks.among(spec, "failurePolicy", webhooks.FAILURE_POLICIES, "spec")
        if spec.HasField("paramKind"):
            faults += _param_kind(spec.paramKind, "spec.paramKind")
        if not spec.HasField("matchConstraints"):
            faults.append(field.required("spec.matchConstraints"))
        else:
            faults += _resources(spec.matchConstraints, "spec.matchConstraints")
            if not spec.matchConstraints.resourceRules:
                faults.append(field.required("spec.matchConstraints.resourceRules"))
        has_params = spec.HasField("paramKind")
        faults += webhooks.conditions(spec.matchConditions, "spec.matchConditions", has_params=has_params)
        made, scope = compiling.variables(spec)
        for index, variable in enumerate(spec.variables):
            faults += _variable(variable, made[variable.Name], f"spec.variables[{index}]")
        if not spec.validations and not spec.auditAnnotations:
            return faults + [field.required(f"spec.{name}", _NEITHER) for name in ("validations", "auditAnnotations")]
        for index, validation in enumerate(spec.validations):
            faults += _validation(validation, scope, f"spec.validations[{index}]")
        return faults + _annotations(obj, scope, "spec.auditAnnotations")

    def prepare_for_status_update(self, obj: _Policy, old: _Policy) -> None:
        """Keep all but the status."""
        strategy.keep_all_but_status(obj, old)
        strategy.keep_user_metadata(obj, old)

    def validate_status_update(self, obj: _Policy, old: _Policy) -> field.Faults:
        """Judge a changed status: warnings about expressions, and conditions."""
        faults: field.Faults = []
        for index, warning in enumerate(obj.status.typeChecking.expressionWarnings):
            at = f"status.typeChecking.expressionWarnings[{index}]"
            if not warning.warning:
                faults.append(field.required(f"{at}.warning"))
            if not warning.fieldRef.strip():
                faults.append(field.required(f"{at}.fieldRef"))
        return faults + conditions.validate(obj.status.conditions, "status.conditions")


class AdmissionPolicyBindingStrategy(strategy.Strategy[_Binding]):
    """The rules of ValidatingAdmissionPolicyBindings."""

    message = _Binding
    allow_unconditional_update = False

    def default(self, obj: _Binding) -> None:
        """Match equivalent versions in every namespace."""
        if obj.spec.HasField("matchResources"):
            _default_resources(obj.spec.matchResources)

    def prepare_for_create(self, obj: _Binding) -> None:
        """Start at generation 1."""
        obj.metadata.generation = 1

    def prepare_for_update(self, obj: _Binding, old: _Binding) -> None:
        """Count the generation."""
        strategy.count_generation(obj, old)

    def validate(self, obj: _Binding) -> field.Faults:
        """Judge a binding."""
        spec, faults = obj.spec, field.Faults()
        if not spec.policyName:
            faults.append(field.required("spec.policyName"))
        else:
            faults += field.invalids("spec.policyName", spec.policyName, names.subdomain(spec.policyName))
        if spec.HasField("paramRef"):
            faults += _param_ref(spec.paramRef, "spec.paramRef")
        if spec.HasField("matchResources"):
            faults += _resources(spec.matchResources, "spec.matchResources")
        return faults + _actions(list(spec.validationActions), "spec.validationActions")


def _default_resources(resources: Any) -> None:
    if not resources.HasField("matchPolicy"):
        resources.matchPolicy = "Equivalent"
    for name in ("namespaceSelector", "objectSelector"):
        if not resources.HasField(name):
            getattr(resources, name).SetInParent()
    for each in (*resources.resourceRules, *resources.excludeResourceRules):
        webhooks.default_rule(each.ruleWithOperations)


def _param_kind(kind: admissionv1.ParamKind, path: str) -> field.Faults:
    faults: field.Faults = []
    group, _, version = kind.apiVersion.rpartition("/")
    if not kind.apiVersion:
        faults.append(field.required(f"{path}.apiVersion"))
    elif "/" in group:
        text = f"unexpected GroupVersion string: {kind.apiVersion}"
        faults.append(field.invalid(f"{path}.apiVersion", kind.apiVersion, text))
    else:
        if group and (found := names.subdomain(group)):
            faults.append(field.invalid(f"{path}.apiVersion", group, ",".join(found)))
        if not version:
            faults.append(field.invalid(f"{path}.apiVersion", kind.apiVersion, "version must be specified"))
        elif found := names.label_1035(version):
            faults.append(field.invalid(f"{path}.apiVersion", version, ",".join(found)))
    if not kind.kind:
        faults.append(field.required(f"{path}.kind"))
    elif found := names.label_1035(kind.kind.lower()):
        text = f"may have mixed case, but should otherwise match: {','.join(found)}"
        faults.append(field.invalid(f"{path}.kind", kind.kind, text))
    return faults


def _resources(resources: admissionv1.MatchResources, path: str) -> field.Faults:
    faults = webhooks.among(resources, "matchPolicy", webhooks.MATCH_POLICIES, path)
    for name in ("namespaceSelector", "objectSelector"):
        faults += selectors.validate(getattr(resources, name), f"{path}.{name}")
    for name in ("resourceRules", "excludeResourceRules"):
        for index, each in enumerate(getattr(resources, name)):
            faults += _named_rule(each, f"{path}.{name}[{index}]")
    return faults


def _named_rule(rule: admissionv1.NamedRuleWithOperations, path: str) -> field.Faults:
    faults: field.Faults = []
    again = field.repeats(rule.resourceNames)
    for index, name in enumerate(rule.resourceNames):
        at = f"{path}.resourceNames[{index}]"
        faults += field.invalids(at, name, names.segment(name))
        if index in again:
            faults.append(field.duplicate(at, name))
    return faults + webhooks.rule(rule.ruleWithOperations, path)


def _variable(variable: admissionv1.Variable, made: evaluating.Compiled, path: str) -> field.Faults:
    faults: field.Faults = []
    if not variable.Name.strip():
        faults.append(field.required(f"{path}.name", "name is not specified"))
    elif not escaping.is_identifier(variable.Name):
        faults.append(field.invalid(f"{path}.name", variable.Name, "name is not a valid CEL identifier"))
    if not variable.Expression.strip():
        return [*faults, field.required(f"{path}.expression", "expression is not specified")]
    return faults + _expression(made, f"{path}.expression")


def _expression(made: evaluating.Compiled, path: str) -> field.Faults:
    return [field.invalid(path, made.source, made.error)] if made.error else []


def _validation(validation: admissionv1.Validation, scope: compiling.Scope, path: str) -> field.Faults:
    faults: field.Faults = []
    source, made, message = validation.Expression, validation.messageExpression, validation.message
    if not source.strip():
        faults.append(field.required(f"{path}.expression", "expression is not specified"))
    else:
        faults += _expression(scope.compiled(source, admission.BOOL), f"{path}.expression")
    if made and not made.strip():
        faults.append(field.invalid(f"{path}.messageExpression", made, "must be non-empty if specified"))
    elif made:
        spoken = compiling.Scope(scope.has_params, has_authorizer=False, variables=scope.variables)
        faults += _expression(spoken.compiled(made, admission.STRING), f"{path}.messageExpression")
    if message and not message.strip():
        faults.append(field.invalid(f"{path}.message", message, "message must be non-empty if specified"))
    elif "\n" in message.strip() or "\r" in message.strip():
        faults.append(field.invalid(f"{path}.message", message, "message must not contain line breaks"))
    return faults + webhooks.among(validation, "reason", REASONS, path)


def _annotations(policy: _Policy, scope: compiling.Scope, path: str) -> field.Faults:
    faults: field.Faults = []
    written, name = list(policy.spec.auditAnnotations), policy.metadata.name
    if len(written) > MAX_ANNOTATIONS:
        text = f"must not have more than {MAX_ANNOTATIONS} auditAnnotations"
        faults.append(field.invalid(path, _shown(written), text))
    again = field.repeats(each.key for each in written)
    for index, each in enumerate(written):
        at, source = f"{path}[{index}]", each.valueExpression.strip()
        faults += field.invalids(f"{at}.key", f"{name}/{each.key}", names.qualified(f"{name}/{each.key}"))
        if not source:
            faults.append(field.required(f"{at}.valueExpression", "valueExpression is not specified"))
        elif len(source.encode()) > MAX_ANNOTATION:
            text = f"must not exceed {MAX_ANNOTATION} bytes in length"
            faults.append(field.required(f"{at}.valueExpression", text))
        else:
            made = scope.compiled(source, admission.STRING_OR_NULL)
            if made.error:
                faults.append(field.invalid(f"{at}.valueExpression", each.valueExpression, made.error))
        if index in again:
            faults.append(field.duplicate(f"{at}.key", each.key))
    return faults


def _shown(annotations: Sequence[admissionv1.AuditAnnotation]) -> field.Raw:
    """Return annotations in Go's notation, as Kubernetes' errors show them."""
    kind = "admissionregistration.AuditAnnotation"
    listed = (
        f"{kind}{{Key:{field.quoted(each.key)}, ValueExpression:{field.quoted(each.valueExpression)}}}"
        for each in annotations
    )
    return field.Raw(f"[]{kind}{{{', '.join(listed)}}}")


def _param_ref(reference: admissionv1.ParamRef, path: str) -> field.Faults:
    faults: field.Faults = []
    has_selector, exclusive = reference.HasField("selector"), "name and selector are mutually exclusive"
    if reference.name:
        faults += field.invalids(f"{path}.name", reference.name, names.segment(reference.name))
        if has_selector:
            faults.append(field.forbidden(f"{path}.name", exclusive))
    if has_selector:
        faults += selectors.validate(reference.selector, f"{path}.selector")
        if reference.name:
            faults.append(field.forbidden(f"{path}.selector", exclusive))
    if not reference.name and not has_selector:
        faults.append(field.required(path, "one of name or selector must be specified"))
    if not reference.parameterNotFoundAction:
        return [*faults, field.required(f"{path}.parameterNotFoundAction")]
    return faults + webhooks.among(reference, "parameterNotFoundAction", NOT_FOUND_ACTIONS, path)


def _actions(actions: Sequence[str], path: str) -> field.Faults:
    faults: field.Faults = []
    again = field.repeats(actions)
    for index, action in enumerate(actions):
        if action not in ACTIONS:
            faults.append(field.unsupported(f"{path}[{index}]", action, ACTIONS))
        if index in again:
            faults.append(field.duplicate(f"{path}[{index}]", action))
    if {"Deny", "Warn"} <= set(actions):
        shown = notation.typed_strings("admissionregistration.ValidationAction", actions)
        faults.append(field.invalid(path, shown, _BOTH))
    if not actions:
        faults.append(field.required(path, "at least one validation action is required"))
    return faults
