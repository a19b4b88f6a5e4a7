"""Kubernetes' default roles and bindings, release 1.32, as objects; `users.py` and `controllers.py` hold the tables.

A rule is a line: `verbs | groups | resources`, `… | names` where it is for some objects only, or `verbs | URLs`;
`core` is the group that has no name.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from control.apiserver.rbac import controllers, rules, users
from fairlead.api.pb import rbac_v1_pb2 as rbacv1

AUTOUPDATE = "rbac.authorization.kubernetes.io/autoupdate"
BOOTSTRAPPING = "kubernetes.io/bootstrapping"
AGGREGATE = "rbac.authorization.k8s.io/aggregate-to-"
CONTROLLER = "system:controller:"


def rule(line: str) -> rbacv1.PolicyRule:
    """Return the rule that a line describes, its lists in order, as Kubernetes keeps those of its defaults."""
    columns = [sorted(column.split()) for column in line.split("|")]
    if len(columns) == 2:
        return rbacv1.PolicyRule(verbs=columns[0], nonResourceURLs=columns[1])
    verbs, groups, resources, names = columns if len(columns) == 4 else (*columns, [])
    named = sorted("" if group == "core" else group for group in groups)
    return rbacv1.PolicyRule(verbs=verbs, apiGroups=named, resources=resources, resourceNames=names)


@functools.cache
def objects() -> Sequence[Any]:
    """Return every default role and binding, roles first; shared, not to be changed."""
    cluster_roles = [_cluster_role(name, lines) for name, lines in users.CLUSTER_ROLES.items()]
    cluster_roles += [_cluster_role(CONTROLLER + name, lines) for name, lines in controllers.CLUSTER_ROLES.items()]
    cluster_roles += [_aggregated(name, labels) for name, labels in users.AGGREGATED.items()]
    cluster_bindings = [
        _cluster_binding(name, role, subjects) for name, (role, *subjects) in users.CLUSTER_BINDINGS.items()
    ]
    cluster_bindings += [
        _cluster_binding(CONTROLLER + name, CONTROLLER + name, [f"ServiceAccount kube-system/{name}"])
        for name in controllers.CLUSTER_ROLES
    ]
    roles = [_role(namespace, name, lines) for (namespace, name), lines in users.ROLES.items()]
    bindings = [_binding(*at, role, subjects) for at, (role, *subjects) in users.BINDINGS.items()]
    return [*cluster_roles, *cluster_bindings, *roles, *bindings]


def _marked(obj: Any, name: str, namespace: str = "") -> Any:
    obj.metadata.name, obj.metadata.namespace = name, namespace
    obj.metadata.labels[BOOTSTRAPPING] = "rbac-defaults"
    obj.metadata.annotations[AUTOUPDATE] = "true"
    return obj


def _cluster_role(name: str, lines: Sequence[str]) -> rbacv1.ClusterRole:
    role: rbacv1.ClusterRole = _marked(rbacv1.ClusterRole(), name)
    role.rules.extend(rule(line) for line in lines)
    whole = name.removeprefix("system:aggregate-to-")
    if whole != name:
        role.metadata.labels[AGGREGATE + whole] = "true"
    return role


def _aggregated(name: str, contributes: str) -> rbacv1.ClusterRole:
    """Return a role whose rules the aggregation controller gathers, and which another may gather in turn."""
    role: rbacv1.ClusterRole = _marked(rbacv1.ClusterRole(), name)
    role.aggregationRule.clusterRoleSelectors.add().matchLabels[AGGREGATE + name] = "true"
    if contributes:
        role.metadata.labels[AGGREGATE + contributes] = "true"
    return role


def _role(namespace: str, name: str, lines: Sequence[str]) -> rbacv1.Role:
    role: rbacv1.Role = _marked(rbacv1.Role(), name, namespace)
    role.rules.extend(rule(line) for line in lines)
    return role


def _cluster_binding(name: str, role: str, subjects: Sequence[str]) -> rbacv1.ClusterRoleBinding:
    binding: rbacv1.ClusterRoleBinding = _marked(rbacv1.ClusterRoleBinding(), name)
    binding.roleRef.apiGroup, binding.roleRef.kind, binding.roleRef.name = rules.GROUP, "ClusterRole", role
    binding.subjects.extend(map(_subject, subjects))
    return binding


def _binding(namespace: str, name: str, role: str, subjects: Sequence[str]) -> rbacv1.RoleBinding:
    binding: rbacv1.RoleBinding = _marked(rbacv1.RoleBinding(), name, namespace)
    binding.roleRef.apiGroup, binding.roleRef.kind, binding.roleRef.name = rules.GROUP, "Role", role
    binding.subjects.extend(map(_subject, subjects))
    return binding


def _subject(text: str) -> rbacv1.Subject:
    kind, _, name = text.partition(" ")
    if kind == "ServiceAccount":
        namespace, _, account = name.partition("/")
        return rbacv1.Subject(kind=kind, name=account, namespace=namespace)
    return rbacv1.Subject(kind=kind, apiGroup=rules.GROUP, name=name)
