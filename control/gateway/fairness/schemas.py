"""Which flow a request belongs to, by FlowSchemas. Pure.

`gate.py` asks. The rules are Kubernetes' (API Priority and Fairness): schemas are tried by precedence, then by name,
and the first that has a rule for the user and the request takes it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from control.apiserver import authn, authz
from control.apiserver.strategies import flowdefaults
from fairlead.api.pb import flowcontrol_v1_pb2 as flowcontrolv1

ANY = "*"
BY_USER, BY_NAMESPACE = "ByUser", "ByNamespace"

Subject = Callable[[authn.User], bool]


@dataclass(frozen=True, slots=True)
class Rule:
    """Who, and what that user asks: verbs on resources, in namespaces or the cluster, or on paths."""

    subjects: Sequence[Subject]
    resources: Sequence[tuple[authz.Rule, frozenset[str], bool]]
    paths: Sequence[authz.Rule]

    def takes(self, asked: authz.Attributes) -> bool:
        """Say whether this rule is for a request."""
        if not any(matches(asked.user) for matches in self.subjects):
            return False
        if asked.path:
            return any(rule.grants(asked) for rule in self.paths)
        return any(
            _in_scope(asked.namespace, namespaces, cluster) and rule.grants(asked)
            for rule, namespaces, cluster in self.resources
        )


@dataclass(frozen=True, slots=True)
class Schema:
    """A FlowSchema, ready to be asked; `method` tells what distinguishes its flows."""

    name: str
    uid: str
    level: str
    precedence: int
    method: str
    rules: Sequence[Rule]

    def distinguisher(self, asked: authz.Attributes) -> str:
        """Return which of the schema's flows a request belongs to."""
        if self.method == BY_USER:
            return asked.user.name
        return asked.namespace if self.method == BY_NAMESPACE else ""


def compiled(found: Iterable[flowcontrolv1.FlowSchema], levels: Iterable[str]) -> Sequence[Schema]:
    """Return schemas in the order in which they are tried; those whose level does not exist take nothing.

    Mandatory ones are always there, deleted or not.
    """
    known = {one.metadata.name: one for one in _MANDATORY} | {one.metadata.name: one for one in found}
    exist = set(levels)
    made = [_schema(one) for one in known.values() if one.spec.priorityLevelConfiguration.name in exist]
    return sorted(made, key=lambda one: (one.precedence, one.name))


def classify(schemas: Sequence[Schema], asked: authz.Attributes) -> Schema:
    """Return the schema that takes a request: the last one, the catch-all, where no other does."""
    return next((one for one in schemas if any(rule.takes(asked) for rule in one.rules)), schemas[-1])


_MANDATORY = [one for one in flowdefaults.schemas() if one.metadata.name in flowdefaults.MANDATORY]


def _schema(found: flowcontrolv1.FlowSchema) -> Schema:
    spec = found.spec
    return Schema(
        found.metadata.name,
        found.metadata.uid,
        spec.priorityLevelConfiguration.name,
        spec.matchingPrecedence,
        spec.distinguisherMethod.type,
        [_rule(one) for one in spec.rules],
    )


def _rule(found: flowcontrolv1.PolicyRulesWithSubjects) -> Rule:
    resources = [
        (
            authz.Rule(frozenset(one.verbs), frozenset(one.apiGroups), frozenset(one.resources)),
            frozenset(one.namespaces),
            one.clusterScope,
        )
        for one in found.resourceRules
    ]
    paths = [authz.Rule(frozenset(one.verbs), urls=frozenset(one.nonResourceURLs)) for one in found.nonResourceRules]
    return Rule([_subject(one) for one in found.subjects], resources, paths)


def _in_scope(namespace: str, namespaces: frozenset[str], cluster: bool) -> bool:
    if not namespace:
        return cluster
    return ANY in namespaces or namespace in namespaces


def _subject(subject: flowcontrolv1.Subject) -> Subject:
    """Return whether a user is a subject; the name `*` stands for all of its kind."""
    match subject.kind:
        case "User":
            name = subject.user.name
            return lambda user: name in (ANY, user.name)
        case "Group":
            group = subject.group.name
            return lambda user: group == ANY or group in user.groups
        case "ServiceAccount":
            account = subject.serviceAccount
            prefix = f"{authn.SERVICE_ACCOUNT_PREFIX}{account.namespace}:"
            if account.name == ANY:
                return lambda user: user.name.startswith(prefix)
            return lambda user: user.name == prefix + account.name
    return lambda user: False
