"""Who may do what: the attributes of a request and the authorizers that judge them.

The API server asks before anything else. Group system:masters may do everything; a node what nodeauthz.py allows;
everybody, the control plane's own users included, what roles grant that are bound to them (rbac/). Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from control.apiserver import authn
from fairlead.api import errors, selectors


@dataclass(frozen=True, slots=True)
class Attributes:
    """A request, as authorizers see it; `resource` is the plural, `fields` the field selector's equalities.

    A request that is not for a resource has a `path` (`/metrics`), and its method in lower case as verb.
    """

    user: authn.User
    verb: str
    group: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    fields: Mapping[str, str] | None = None
    path: str = ""

    @property
    def target(self) -> str:
        """Return `pods`, or `pods/status` for a subresource."""
        return f"{self.resource}/{self.subresource}" if self.subresource else self.resource


@dataclass(frozen=True, slots=True)
class Decision:
    """An authorizer's answer; `reason` goes into the error of a refusal."""

    allowed: bool
    reason: str = ""


ALLOWED = Decision(True)
NO_OPINION = Decision(False)


class Authorizer(Protocol):
    """Judges requests."""

    def authorize(self, request: Attributes) -> Decision:
        """Return whether this authorizer allows the request."""
        ...


@dataclass(frozen=True, slots=True)
class Rule:
    """A grant: verbs on resources of groups, of all names or of some, or on URLs; `*` stands for any.

    A resource is `pods`, `pods/status`, or `*/scale` for that subresource of any; a URL may end in `*`.
    """

    verbs: frozenset[str]
    groups: frozenset[str] = frozenset()
    resources: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()
    urls: frozenset[str] = frozenset()

    def grants(self, request: Attributes) -> bool:
        """Say whether the rule grants a request, but for the object's name."""
        if not ("*" in self.verbs or request.verb in self.verbs):
            return False
        if request.path:
            return any(matches_url(url, request.path) for url in self.urls)
        if not ("*" in self.groups or request.group in self.groups):
            return False
        if "*" in self.resources or request.target in self.resources:
            return True
        return bool(request.subresource) and f"*/{request.subresource}" in self.resources

    def allows(self, request: Attributes) -> bool:
        """Say whether the rule grants a request."""
        return self.grants(request) and (not self.names or request.name in self.names)


def matches_url(url: str, path: str) -> bool:
    """Say whether a rule's URL, which may end in `*`, is for a path."""
    return url in ("*", path) or (url.endswith("*") and path.startswith(url.rstrip("*")))


def rule(verbs: str, group: str, *resources: str) -> Rule:
    """Return a rule from its verbs, parted by blanks."""
    return Rule(frozenset(verbs.split()), frozenset((group,)), frozenset(resources))


class MastersAuthorizer:
    """Group system:masters may do everything."""

    def authorize(self, request: Attributes) -> Decision:
        """Allow members of the group, have no opinion on others."""
        return ALLOWED if authn.MASTERS in request.user.groups else NO_OPINION


class Union:
    """Several authorizers: what one of them allows is allowed."""

    def __init__(self, *authorizers: Authorizer) -> None:
        self._authorizers = authorizers

    def authorize(self, request: Attributes) -> Decision:
        """Return the first allowance, or a refusal with every reason that was given."""
        reasons = []
        for authorizer in self._authorizers:
            decision = authorizer.authorize(request)
            if decision.allowed:
                return decision
            if decision.reason:
                reasons.append(decision.reason)
        return Decision(False, "\n".join(reasons))


def equalities(fields: str) -> dict[str, str]:
    """Return the fields that a selector pins to a value; nothing for a selector that cannot be read."""
    try:
        parsed = selectors.parse_fields(fields)
    except selectors.SelectorError:
        return {}
    return {one.field: one.value for one in parsed.requirements if one.operator == selectors.EQUALS}


def refusal(request: Attributes, reason: str = "") -> errors.Forbidden:
    """Return the error of a refused request, worded as Kubernetes words it.

    For example `pods is forbidden: User "x" cannot list resource "pods" in API group "" in the namespace "default"`,
    or `forbidden: User "x" cannot get path "/metrics"`.
    """
    who = f'User "{request.user.name}" cannot {request.verb}'
    if request.path:
        why = f'{who} path "{request.path}"'
        return errors.Forbidden(f"forbidden: {why}: {reason}" if reason else f"forbidden: {why}")
    where = f'in the namespace "{request.namespace}"' if request.namespace else "at the cluster scope"
    why = f'{who} resource "{request.target}" in API group "{request.group}" {where}'
    return errors.forbidden(request.group, request.resource, request.name, f"{why}: {reason}" if reason else why)
