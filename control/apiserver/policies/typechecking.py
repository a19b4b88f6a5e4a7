"""Whether a policy's expressions fit the types of what the policy is about: its status tells, nothing is refused.

Pure. Source: Kubernetes' documentation, "Validating Admission Policy", type checking.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from control.apiserver.cel import admission, authorizing, expressions, library, typed
from control.apiserver.custom import shape as shapes
from control.apiserver.structural import builtin, schema
from fairlead.api import scheme as schemes
from fairlead.api.pb import admissionregistration_v1_pb2 as registrationv1

MOST_KINDS = 10  # that one rule names and that are looked at

Policy = registrationv1.ValidatingAdmissionPolicy
Warned = tuple[str, str]  # where an expression stands, and what is wrong with it, if anything


class Kinds(Protocol):
    """What the process serves: the API server's catalogue."""

    @property
    def scheme(self) -> schemes.Scheme:
        """The kinds that are known."""
        ...

    def served(self) -> Sequence[schemes.Kind]:
        """Return the row of every version of every kind that is served."""
        ...

    def shape(self, kind: schemes.Kind) -> shapes.Shape | None:
        """Return what the definition of a custom kind says; None for another kind."""
        ...


class TypeChecks:
    """Checks policies against the kinds that the process serves."""

    def __init__(self, kinds: Kinds) -> None:
        self._kinds = kinds

    def __call__(self, policy: Policy) -> Iterator[Warned]:
        """Iterate over a policy's expressions with each kind that it is about; a step takes some milliseconds."""
        named = policy.spec.paramKind
        of_params = [
            self._schema(row)
            for row in self._kinds.scheme.versions()
            if (row.api_version, row.kind) == (named.apiVersion, named.kind)
        ]
        rows = sorted(concerned(policy, self._kinds.served()), key=lambda row: (row.group, row.version, row.kind))
        typings = [_Typing(row, self._schema(row), next(iter(of_params), None)) for row in dict.fromkeys(rows)]
        for typing, place, source in _pairs(policy, typings):
            why = typing.fault(source, policy)
            yield place, f"{typing.name}: {why}\n" if why else ""

    def _schema(self, kind: schemes.Kind) -> schema.Schema:
        shape = self._kinds.shape(kind)
        return builtin.of_kind(kind, shape.schema if shape is not None else None)


def concerned(policy: Policy, rows: Sequence[schemes.Kind]) -> Iterator[schemes.Kind]:
    """Iterate over the kinds that a policy's rules name without wildcards; subresources are left out."""
    for each in policy.spec.matchConstraints.resourceRules:
        rule = each.ruleWithOperations.rule
        if any("*" in text for text in (*rule.apiGroups, *rule.apiVersions)):
            continue
        wanted = [
            row
            for row in rows
            if row.group in rule.apiGroups and row.version in rule.apiVersions and row.resource in rule.resources
        ]
        yield from sorted(wanted, key=lambda row: (row.group, row.version, row.resource))[:MOST_KINDS]


def _pairs(policy: Policy, typings: Iterable[_Typing]) -> Iterator[tuple[_Typing, str, str]]:
    """Iterate over each expression with each kind that it is about, and where it stands."""
    for index, each in enumerate(policy.spec.validations):
        for name, source in (("expression", each.Expression), ("messageExpression", each.messageExpression)):
            for typing in typings if source else ():
                yield typing, f"spec.validations[{index}].{name}", source


class _Typing:
    """Expressions over one kind's objects and a policy's parameters."""

    def __init__(self, kind: schemes.Kind, of_object: schema.Schema, of_params: schema.Schema | None) -> None:
        self.name = f"{kind.group}/{kind.version}, Kind={kind.kind}"
        self._object = of_object
        self._params = of_params
        self._checkers: dict[admission.Variables, library.Checker] = {}
        self._variables: admission.Variables | None = None

    def fault(self, source: str, policy: Policy) -> str:
        """Return why an expression of a policy does not fit; "" where it does."""
        if self._variables is None:
            self._variables = self._typed(policy)
        try:
            self._compiled(source, self._variables)
        except library.CompileError as error:
            return str(error)
        return ""

    def _typed(self, policy: Policy) -> admission.Variables:
        """Return a policy's variables with their types; one that does not fit may be anything."""
        found: dict[str, str] = {}
        for variable in policy.spec.variables:
            try:
                made = self._compiled(variable.Expression, tuple(found.items()))
                found[variable.Name] = admission.type_of_variable(made)
            except library.CompileError:
                found[variable.Name] = typed.DYN
        return tuple(found.items())

    def _compiled(self, source: str, variables: admission.Variables) -> expressions.Expression:
        if variables not in self._checkers:
            types = typed.Types(plain=True)
            kind = types.of(self._object, is_resource=False)
            declared = {"object": kind, "oldObject": kind, "authorizer": authorizing.AUTHORIZER}
            declared |= admission.surroundings(types)
            declared["variables"] = types.message(dict(variables))
            if self._params is not None:
                declared["params"] = types.of(self._params, is_resource=False)
            self._checkers[variables] = types.checker(declared)
        return expressions.compiled(source, self._checkers[variables])
