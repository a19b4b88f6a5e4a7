"""Who may do what: the attributes of a request and the authorizers that judge them.

The API server asks before anything else. Group system:masters may do everything; a node what nodeauthz.py allows;
the control plane's own users what their roles below say; every other caller nothing. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from control.apiserver import authn
from fairlead.api import errors


@dataclass(frozen=True, slots=True)
class Attributes:
    """A request, as authorizers see it; `resource` is the plural, `fields` the field selector's equalities."""

    user: authn.User
    verb: str
    group: str
    resource: str
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    fields: Mapping[str, str] | None = None

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
    """A grant: every verb on every resource of a group; `*` stands for any."""

    verbs: frozenset[str]
    group: str
    resources: frozenset[str]

    def allows(self, verb: str, group: str, target: str) -> bool:
        """Say whether the rule grants a verb on a resource, `pods` or `pods/status`."""
        if self.group not in (group, "*") or not ("*" in self.verbs or verb in self.verbs):
            return False
        return target in self.resources or "*" in self.resources


def rule(verbs: str, group: str, *resources: str) -> Rule:
    """Return a rule from its verbs, parted by blanks."""
    return Rule(frozenset(verbs.split()), group, frozenset(resources))


READ = "get list watch"
APPS = "apps"
COORDINATION = "coordination.k8s.io"
DISCOVERY = "discovery.k8s.io"
EVENTS = (rule("create update patch", "", "events"), rule("create update patch", "events.k8s.io", "events"))
ELECTION = (rule("create get list watch update patch", COORDINATION, "leases"),)
CONTROLLER = authn.SERVICE_ACCOUNT_PREFIX + "kube-system:"

# What Kubernetes' bootstrap policy grants the same users, cut to the kinds that are served.
ROLES: Mapping[str, Sequence[Rule]] = {
    "system:kube-scheduler": (
        *EVENTS,
        *ELECTION,
        rule(READ, "", "nodes", "namespaces", "services", "replicationcontrollers", "persistentvolumes"),
        rule(f"{READ} delete", "", "pods"),
        rule(f"{READ} patch update", "", "persistentvolumeclaims"),
        rule("create", "", "pods/binding", "bindings"),
        rule("update patch", "", "pods/status"),
        rule(READ, APPS, "replicasets", "statefulsets"),
        rule(READ, "policy", "poddisruptionbudgets"),
        rule(READ, "scheduling.k8s.io", "priorityclasses"),
        rule(READ, "storage.k8s.io", "*"),
    ),
    "system:kube-controller-manager": (
        *EVENTS,
        *ELECTION,
        rule(READ, "*", "*"),
        rule("create delete get update", "", "secrets", "serviceaccounts"),
        rule("create", "", "serviceaccounts/token"),
        rule("create get update", "", "endpoints"),
    ),
    # The dispatcher reads what nodes must know and judges which of them are gone.
    "system:fairlead-dispatcher": (
        rule(READ, "", "pods", "nodes", "configmaps", "secrets", "services"),
        rule(READ, DISCOVERY, "endpointslices"),
        rule(READ, "networking.k8s.io", "networkpolicies"),
        rule(f"{READ} create update patch", COORDINATION, "leases"),
        rule("update patch", "", "nodes/status"),
    ),
    f"{CONTROLLER}deployment-controller": (
        *EVENTS,
        rule(f"{READ} update", APPS, "deployments"),
        rule("update patch", APPS, "deployments/status", "deployments/finalizers"),
        rule(f"{READ} create update patch delete", APPS, "replicasets"),
        rule(f"{READ} update", "", "pods"),
    ),
    f"{CONTROLLER}replicaset-controller": (
        *EVENTS,
        rule(f"{READ} update", APPS, "replicasets"),
        rule("update patch", APPS, "replicasets/status", "replicasets/finalizers"),
        rule(f"{READ} create delete patch", "", "pods"),
    ),
    f"{CONTROLLER}endpointslice-controller": (
        *EVENTS,
        rule(READ, "", "services", "pods", "nodes"),
        rule("update", "", "services/finalizers"),
        rule(f"{READ} create update delete", DISCOVERY, "endpointslices"),
    ),
    f"{CONTROLLER}node-controller": (
        *EVENTS,
        rule(f"{READ} update patch delete", "", "nodes"),
        rule("update patch", "", "nodes/status", "pods/status"),
        rule(f"{READ} delete", "", "pods"),
        rule(READ, COORDINATION, "leases"),
    ),
    f"{CONTROLLER}pod-garbage-collector": (
        rule(f"{READ} delete", "", "pods"),
        rule(READ, "", "nodes"),
        rule("patch update", "", "pods/status"),
    ),
    f"{CONTROLLER}namespace-controller": (
        rule(f"{READ} delete", "", "namespaces"),
        rule("update", "", "namespaces/finalize", "namespaces/status"),
        rule("get list watch delete deletecollection", "*", "*"),
    ),
    f"{CONTROLLER}generic-garbage-collector": (*EVENTS, rule(f"{READ} patch update delete", "*", "*")),
    f"{CONTROLLER}service-account-controller": (
        *EVENTS,
        rule(READ, "", "namespaces"),
        rule(f"{READ} create", "", "serviceaccounts"),
    ),
    f"{CONTROLLER}root-ca-cert-publisher": (
        *EVENTS,
        rule(READ, "", "namespaces"),
        rule(f"{READ} create update", "", "configmaps"),
    ),
}

GROUP_ROLES: Mapping[str, Sequence[Rule]] = {
    # A peer relays requests that it has itself authorised, to the process that holds a node's session.
    authn.CONTROL_PEERS: (
        rule(READ, "", "pods", "nodes"),
        rule("get", "", "pods/log"),
        rule("create get", "", "pods/exec", "pods/attach", "pods/portforward"),
        rule("get list", "metrics.k8s.io", "nodes", "pods"),
    ),
}


class MastersAuthorizer:
    """Group system:masters may do everything."""

    def authorize(self, request: Attributes) -> Decision:
        """Allow members of the group, have no opinion on others."""
        return ALLOWED if authn.MASTERS in request.user.groups else NO_OPINION


class RoleAuthorizer:
    """The control plane's own users may do what their roles grant."""

    def __init__(
        self, roles: Mapping[str, Sequence[Rule]] = ROLES, groups: Mapping[str, Sequence[Rule]] = GROUP_ROLES
    ) -> None:
        self._roles = roles
        self._groups = groups
        self._known: dict[tuple[str, tuple[str, ...], str, str, str], bool] = {}

    def authorize(self, request: Attributes) -> Decision:
        """Allow what a role of the user or of one of its groups grants."""
        user = request.user
        if user.name not in self._roles and not any(group in self._groups for group in user.groups):
            return NO_OPINION
        key = (user.name, user.groups, request.verb, request.group, request.target)
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = any(
                rule.allows(request.verb, request.group, request.target) for rule in self._rules(user)
            )
        return ALLOWED if known else NO_OPINION

    def _rules(self, user: authn.User) -> Iterable[Rule]:
        yield from self._roles.get(user.name, ())
        for group in user.groups:
            yield from self._groups.get(group, ())


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


def refusal(request: Attributes, reason: str = "") -> errors.Forbidden:
    """Return the error of a refused request, worded as Kubernetes words it.

    For example `pods is forbidden: User "x" cannot list resource "pods" in API group "" in the namespace "default"`.
    """
    where = f'in the namespace "{request.namespace}"' if request.namespace else "at the cluster scope"
    why = (
        f'User "{request.user.name}" cannot {request.verb} resource "{request.target}"'
        f' in API group "{request.group}" {where}'
    )
    return errors.forbidden(request.group, request.resource, request.name, f"{why}: {reason}" if reason else why)
