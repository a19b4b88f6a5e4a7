"""ValidatingAdmissionPolicies and match conditions, compiled. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from control.apiserver.cel import admission, escaping, library
from control.apiserver.policies import evaluating
from fairlead.api.pb import admissionregistration_v1_pb2 as registrationv1

IGNORE = "Ignore"


@dataclass(frozen=True, slots=True)
class Validation:
    """What must hold, and what is said where it does not."""

    written: registrationv1.Validation
    condition: evaluating.Compiled
    message: evaluating.Compiled | None


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy whose expressions are ready to run; `fails_closed` says that one that cannot be run denies."""

    fails_closed: bool
    conditions: Sequence[evaluating.Condition]
    variables: dict[str, evaluating.Compiled]
    validations: Sequence[Validation]
    annotations: Sequence[tuple[str, evaluating.Compiled]]


@dataclass(frozen=True, slots=True)
class Scope:
    """What expressions of one place may name."""

    has_params: bool = False
    has_authorizer: bool = True
    variables: admission.Variables = ()

    def compiled(self, source: str, returns: Sequence[str]) -> evaluating.Compiled:
        """Return an expression, or why it is none."""
        try:
            found = admission.compiled(
                source,
                returns,
                has_params=self.has_params,
                has_authorizer=self.has_authorizer,
                variables=self.variables,
            )
        except library.CompileError as error:
            return evaluating.Compiled(source, None, str(error))
        return evaluating.Compiled(source, found)


def conditions(
    written: Iterable[registrationv1.MatchCondition], *, has_params: bool = False
) -> Sequence[evaluating.Condition]:
    """Return match conditions compiled."""
    scope = Scope(has_params)
    return [evaluating.Condition(each.name, scope.compiled(each.expression, admission.BOOL)) for each in written]


def variables(spec: registrationv1.ValidatingAdmissionPolicySpec) -> tuple[dict[str, evaluating.Compiled], Scope]:
    """Return a policy's variables, each of which may name those before it, and the scope that has them all."""
    scope, found = Scope(spec.HasField("paramKind")), dict[str, evaluating.Compiled]()
    for variable in spec.variables:
        made = scope.compiled(variable.Expression, ())
        if made.expression is not None and made.expression.type.startswith("optional"):
            made = evaluating.Compiled(made.source, None, "must not evaluate to an optional value")
        found[variable.Name] = made
        if not escaping.is_identifier(variable.Name):
            continue
        kind = admission.type_of_variable(made.expression) if made.expression is not None else "dyn"
        others = tuple(each for each in scope.variables if each[0] != variable.Name)
        scope = Scope(scope.has_params, variables=(*others, (variable.Name, kind)))
    return found, scope


def policy(spec: registrationv1.ValidatingAdmissionPolicySpec) -> Policy:
    """Return a policy compiled."""
    found, scope = variables(spec)
    spoken = Scope(scope.has_params, has_authorizer=False, variables=scope.variables)
    validations = [
        Validation(
            each,
            scope.compiled(each.Expression, admission.BOOL),
            spoken.compiled(each.messageExpression, admission.STRING) if each.messageExpression.strip() else None,
        )
        for each in spec.validations
    ]
    annotations = [
        (each.key, scope.compiled(each.valueExpression, admission.STRING_OR_NULL)) for each in spec.auditAnnotations
    ]
    own = conditions(spec.matchConditions, has_params=scope.has_params)
    return Policy(spec.failurePolicy != IGNORE, own, found, validations, annotations)
