"""The RBAC authorizer, over roles and bindings as the watch cache holds them.

Bindings are indexed by subject, a role's rules are compiled once a revision, and what a user has in a namespace is
remembered until any role or binding changes; so a decision costs two look-ups, whatever the number of bindings.
Kubernetes reads its informers likewise: a write counts as soon as the cache shows it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from control.apiserver import authn, authz
from control.apiserver.rbac import rules
from control.store import cache as caches
from control.store.entry import Entry
from fairlead.api import errors, scheme
from fairlead.api.pb import rbac_v1_pb2 as rbacv1

SUBJECTS = "subject"  # the index of bindings
USERS_KEPT = 4096
QUESTIONS_KEPT = 1024
ROLES_KEPT = 16384

_Memo = dict[tuple[str, tuple[str, ...], str], "_Holdings"]


class Authorizer:
    """Allows what roles grant; has no opinion on anything else."""

    def __init__(self, cache: caches.Cache) -> None:
        self._cache = cache
        self._roles, self._cluster_roles, self._bindings, self._cluster_bindings = (
            scheme.DEFAULT.of(message)
            for message in (rbacv1.Role, rbacv1.ClusterRole, rbacv1.RoleBinding, rbacv1.ClusterRoleBinding)
        )
        self._kinds = (self._roles, self._cluster_roles, self._bindings, self._cluster_bindings)
        cache.index(self._bindings, SUBJECTS, subjects_of)
        cache.index(self._cluster_bindings, SUBJECTS, subjects_of)
        self._seen: tuple[int, ...] = ()
        self._held: _Memo = {}
        self._compiled: dict[str, tuple[int, tuple[authz.Rule, ...]]] = {}

    def authorize(self, request: authz.Attributes) -> authz.Decision:
        """Allow what a binding in the request's namespace, or one of the whole cluster, grants the user."""
        everywhere = self._holdings(request.user, "")
        source = everywhere.source(request)
        if source:
            return authz.Decision(True, source)
        faults = everywhere.faults
        if request.namespace and not request.path:
            local = self._holdings(request.user, request.namespace)
            source = local.source(request)
            if source:
                return authz.Decision(True, source)
            faults = (*faults, *local.faults)
        return authz.Decision(False, f"RBAC: {listed(faults)}") if faults else authz.NO_OPINION

    def rules_for(self, user: authn.User, namespace: str) -> tuple[Sequence[rbacv1.PolicyRule], Sequence[str]]:
        """Return every rule that a user has in a namespace, and which roles could not be found."""
        found: list[rbacv1.PolicyRule] = []
        faults: list[str] = []
        for scope in dict.fromkeys(("", namespace)):
            for binding, _ in self._bound(user, scope):
                try:
                    found += self.role(binding.object.roleRef, scope).object.rules  # type: ignore[attr-defined]
                except errors.NotFound as error:
                    faults.append(error.message)
        return found, faults

    def held(self, user: authn.User, namespace: str) -> tuple[Sequence[authz.Rule], Sequence[str]]:
        """Return the same in the form in which rules are asked."""
        found, faults = self.rules_for(user, namespace)
        return rules.compiled(found), faults

    def role(self, reference: rbacv1.RoleRef, namespace: str) -> Entry:
        """Return the role that a binding of a namespace names; errors.NotFound."""
        kind = self._cluster_roles if reference.kind == "ClusterRole" else self._roles
        entry = self._cache.get(kind, namespace if kind.namespaced else "", reference.name)
        if entry is None:
            raise errors.not_found(rules.GROUP, kind.kind.lower(), reference.name)
        return entry

    def _holdings(self, user: authn.User, namespace: str) -> _Holdings:
        seen = tuple([self._cache.version(kind) for kind in self._kinds])
        if seen != self._seen or len(self._held) >= USERS_KEPT:
            self._held.clear()
            self._seen = seen
        key = (user.name, user.groups, namespace)
        known = self._held.get(key)
        if known is None:
            known = self._held[key] = self._gather(user, namespace)
        return known

    def _gather(self, user: authn.User, namespace: str) -> _Holdings:
        found: list[tuple[authz.Rule, str]] = []
        faults = []
        for binding, subject in self._bound(user, namespace):
            reference: rbacv1.RoleRef = binding.object.roleRef  # type: ignore[attr-defined]
            try:
                granted = self._rules(self.role(reference, namespace))
            except errors.NotFound as error:
                faults.append(error.message)
                continue
            source = "RBAC: allowed by " + described(binding.object, subject)
            found += [(rule, source) for rule in granted]
        return _Holdings(found, tuple(faults))

    def _bound(self, user: authn.User, namespace: str) -> Iterator[tuple[Entry, rbacv1.Subject]]:
        """Iterate over the bindings of a namespace (none: of the cluster) that hold for a user, in key order."""
        kind = self._bindings if namespace else self._cluster_bindings
        found: dict[str, Entry] = {}
        names = subject_keys(user, namespace)
        for name in names:
            for entry in self._cache.find(kind, SUBJECTS, name):
                found[entry.key] = entry
        wanted = set(names)
        for _, entry in sorted(found.items()):
            subjects = entry.object.subjects  # type: ignore[attr-defined]
            yield entry, next(one for one in subjects if subject_key(one, namespace) in wanted)

    def _rules(self, role: Entry) -> tuple[authz.Rule, ...]:
        known = self._compiled.get(role.key)
        if known is None or known[0] != role.revision:
            if len(self._compiled) >= ROLES_KEPT:
                self._compiled.clear()
            known = (role.revision, rules.compiled(role.object.rules))  # type: ignore[attr-defined]
            self._compiled[role.key] = known
        return known[1]


class _Holdings:
    """The rules that a user has in one scope, each with the sentence that tells whence."""

    __slots__ = ("_known", "_rules", "faults")

    def __init__(self, found: Sequence[tuple[authz.Rule, str]], faults: tuple[str, ...]) -> None:
        self._rules = found
        self.faults = faults
        self._known: dict[tuple[str, str, str, str], Sequence[tuple[authz.Rule, str]]] = {}

    def source(self, request: authz.Attributes) -> str:
        """Return why a request is allowed, "" where it is not."""
        if request.path:
            return next((source for rule, source in self._rules if rule.allows(request)), "")
        key = (request.verb, request.group, request.resource, request.subresource)
        granting = self._known.get(key)
        if granting is None:
            if len(self._known) >= QUESTIONS_KEPT:
                self._known.clear()
            granting = self._known[key] = [one for one in self._rules if one[0].grants(request)]
        for rule, source in granting:
            if not rule.names or request.name in rule.names:
                return source
        return ""


def subject_key(subject: rbacv1.Subject, namespace: str) -> str:
    """Return what a binding of a namespace is found by: `User jane` or `Group devs`, after its namespace."""
    kind, name = subject.kind, subject.name
    if kind == "ServiceAccount":
        kind, name = "User", f"{authn.SERVICE_ACCOUNT_PREFIX}{subject.namespace or namespace}:{subject.name}"
    return f"{namespace}/{kind} {name}"


def subjects_of(binding: Any) -> Iterable[str]:
    """Return what a binding is indexed by."""
    return {subject_key(subject, binding.metadata.namespace) for subject in binding.subjects}


def subject_keys(user: authn.User, namespace: str) -> list[str]:
    """Return what the bindings of a user in a namespace are found by."""
    return [f"{namespace}/User {user.name}", *(f"{namespace}/Group {group}" for group in user.groups)]


def described(binding: Any, subject: rbacv1.Subject) -> str:
    """Return a binding in the words of a decision's reason."""
    namespace, reference = binding.metadata.namespace, binding.roleRef
    kind = "RoleBinding" if namespace else "ClusterRoleBinding"
    name = f"{binding.metadata.name}/{namespace}" if namespace else binding.metadata.name
    whom = subject.name
    if subject.kind == "ServiceAccount":
        whom = f"{subject.name}/{subject.namespace or namespace}"
    return f'{kind} "{name}" of {reference.kind} "{reference.name}" to {subject.kind} "{whom}"'


def listed(faults: Sequence[str]) -> str:
    """Return several faults as Go's aggregate shows them: one bare, more in brackets."""
    once = list(dict.fromkeys(faults))
    return once[0] if len(once) == 1 else "[" + ", ".join(once) + "]"
