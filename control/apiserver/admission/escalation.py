"""The guard of RBAC: nobody grants what it has not, by writing roles or by binding them.

Kubernetes does this in the storage of these kinds; here it is the last plugin of the chain. The verbs `escalate` (on
roles) and `bind` (on the roles that are bound) lift it, and group system:masters has both.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from control.apiserver import authn, authz, field
from control.apiserver.admission import plugin
from control.apiserver.rbac import authorizer, rules
from fairlead.api import errors, objects
from fairlead.api.pb import rbac_v1_pb2 as rbacv1

MOST_GRANTS = 20_000  # what a few bytes can list is a product; Kubernetes' largest role has two thousand
RESOURCES = {"Role": "roles", "ClusterRole": "clusterroles"}


class Escalation(plugin.Plugin):
    """Judges writes of roles and bindings; `judge` is asked for the verbs that lift it, `held` for what one has."""

    def __init__(self, judge: authz.Authorizer, held: authorizer.Authorizer) -> None:
        self.judge = judge
        self._held = held

    async def validate(self, request: plugin.Request) -> None:
        """Refuse what would grant more than the writer has."""
        obj, old = request.obj, request.old
        if obj is None or request.kind.group != rules.GROUP or authn.MASTERS in request.user.groups:
            return
        if old is not None and _is_housekeeping(obj, old):
            return
        if isinstance(obj, rbacv1.Role | rbacv1.ClusterRole):
            self._role(request, obj, old)
        elif isinstance(obj, rbacv1.RoleBinding | rbacv1.ClusterRoleBinding):
            self._binding(request, obj)

    def _role(self, request: plugin.Request, role: Any, old: Any) -> None:
        """Judge all rules, also where they stay: a label may let another role gather them."""
        if self._may(request, "escalate", request.kind.resource, request.namespace, request.name):
            return
        why = self._lacks(request, role.rules)
        if not why and (_gathers(role) or _gathers(old)) and self._lacks(request, EVERYTHING):
            why = "must have cluster-admin privileges to use the aggregationRule"
        if why:
            raise errors.forbidden(rules.GROUP, request.kind.resource, request.name, why)

    def _binding(self, request: plugin.Request, binding: Any) -> None:
        reference: rbacv1.RoleRef = binding.roleRef
        resource = RESOURCES.get(reference.kind, "")
        if self._may(request, "bind", resource, request.namespace, reference.name):
            return
        role = self._held.role(reference, request.namespace).object
        why = self._lacks(request, role.rules)  # type: ignore[attr-defined]
        if why:
            raise errors.forbidden(rules.GROUP, request.kind.resource, request.name, why)

    def _may(self, request: plugin.Request, verb: str, resource: str, namespace: str, name: str) -> bool:
        asked = authz.Attributes(request.user, verb, rules.GROUP, resource, "", namespace, name)
        return self.judge.authorize(asked).allowed

    def _lacks(self, request: plugin.Request, wanted: Sequence[rbacv1.PolicyRule]) -> str:
        """Return Kubernetes' sentence about what the writer lacks, "" where it has all."""
        if (count := rules.count(wanted)) > MOST_GRANTS:
            text = f"the rules are too many to be judged: {count} grants, at most {MOST_GRANTS}"
            raise errors.RequestEntityTooLarge(text, retry_after_seconds=0)
        user = request.user
        held, faults = self._held.held(user, request.namespace)
        missing = rules.uncovered(held, wanted)
        if not missing:
            return ""
        groups = " ".join(map(field.quoted, user.groups))
        lines = "\n".join(rules.described(missing))
        text = f'user "{user.name}" (groups=[{groups}]) is attempting to grant RBAC permissions not currently held:'
        return f"{text}\n{lines}" + (f"; resolution errors: [{', '.join(faults)}]" if faults else "")


def _gathers(role: Any) -> bool:
    """Say whether a role takes over the rules of others."""
    return isinstance(role, rbacv1.ClusterRole) and role.HasField("aggregationRule")


def _is_housekeeping(obj: Any, old: Any) -> bool:
    """Say whether nothing changes but what the garbage collector writes: owners and finalizers."""
    now, before = objects.copy(obj), objects.copy(old)
    for one in (now, before):
        for name in ("ownerReferences", "finalizers", "managedFields", "resourceVersion"):
            one.metadata.ClearField(name)
    return bool(now == before)


EVERYTHING: Sequence[rbacv1.PolicyRule] = (
    rbacv1.PolicyRule(verbs=["*"], apiGroups=["*"], resources=["*"]),
    rbacv1.PolicyRule(verbs=["*"], nonResourceURLs=["*"]),
)
