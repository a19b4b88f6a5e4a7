"""What rules of roles grant, and whether some rules cover others; pure.

The matching is that of Kubernetes' documentation, "Using RBAC Authorization". Covering is what keeps a user from
granting more than it has.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from control.apiserver import authz, field
from fairlead.api.pb import rbac_v1_pb2 as rbacv1

GROUP = "rbac.authorization.k8s.io"


def compiled(rules: Iterable[rbacv1.PolicyRule]) -> tuple[authz.Rule, ...]:
    """Return a role's rules in the form in which they are asked."""
    return tuple(
        authz.Rule(
            frozenset(rule.verbs),
            frozenset(rule.apiGroups),
            frozenset(rule.resources),
            frozenset(rule.resourceNames),
            frozenset(rule.nonResourceURLs),
        )
        for rule in rules
    )


@dataclass(frozen=True, slots=True)
class Grant:
    """The smallest thing that a rule grants: one verb on one resource, of one name or (None) any, or on one URL."""

    verb: str
    group: str = ""
    resource: str = ""
    name: str | None = None
    url: str = ""


def grants(rules: Iterable[rbacv1.PolicyRule]) -> list[Grant]:
    """Take rules apart, in the order in which they stand."""
    found: dict[Grant, None] = {}
    for rule in rules:
        for group in rule.apiGroups:
            for resource in rule.resources:
                for verb in rule.verbs:
                    for name in rule.resourceNames or (None,):
                        found[Grant(verb, group, resource, name)] = None
        for url in rule.nonResourceURLs:
            for verb in rule.verbs:
                found[Grant(verb, url=url)] = None
    return list(found)


def count(rules: Iterable[rbacv1.PolicyRule]) -> int:
    """Return how many grants rules are at most: the product of what each lists."""
    return sum(
        len(rule.verbs)
        * (len(rule.apiGroups) * len(rule.resources) * max(len(rule.resourceNames), 1) + len(rule.nonResourceURLs))
        for rule in rules
    )


def covers(rule: authz.Rule, grant: Grant) -> bool:
    """Say whether a rule grants all that a grant does."""
    if not ("*" in rule.verbs or grant.verb in rule.verbs):
        return False
    if grant.url:
        return any(_covers_url(url, grant.url) for url in rule.urls)
    if not ("*" in rule.groups or grant.group in rule.groups):
        return False
    _, slash, subresource = grant.resource.partition("/")
    everywhere = f"*/{subresource}" if slash else grant.resource
    if rule.resources.isdisjoint(("*", grant.resource, everywhere)):
        return False
    return not rule.names or grant.name in rule.names


def _covers_url(owned: str, wanted: str) -> bool:
    return owned in ("*", wanted) or (owned.endswith("*") and wanted.startswith(owned.rstrip("*")))


def uncovered(owned: Sequence[authz.Rule], wanted: Iterable[rbacv1.PolicyRule]) -> list[Grant]:
    """Return what of the wanted rules no owned rule covers."""
    return [grant for grant in grants(wanted) if not any(covers(rule, grant) for rule in owned)]


def described(missing: Iterable[Grant]) -> list[str]:
    """Return grants as Kubernetes lists them, those that differ in the verb together, sorted."""
    verbs: dict[tuple[str, str, str | None, str], list[str]] = {}
    for grant in missing:
        # Kubernetes joins what is on resources and leaves URLs one a line
        key = (grant.group, grant.resource, grant.name, f"{grant.url} {grant.verb}" if grant.url else "")
        verbs.setdefault(key, []).append(grant.verb)
    lines = []
    for (group, resource, name, url), some in verbs.items():
        parts = [("NonResourceURLs", url.split(" ")[0])] if url else [("APIGroups", group), ("Resources", resource)]
        if name is not None:
            parts.append(("ResourceNames", name))
        shown = [f"{label}:[{field.quoted(value)}]" for label, value in parts]
        lines.append("{" + ", ".join([*shown, f"Verbs:[{' '.join(map(field.quoted, some))}]"]) + "}")
    return sorted(lines)
