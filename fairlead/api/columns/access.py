"""The columns of roles and their bindings. Pure."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any

from google.protobuf.message import Message

from fairlead.api import times
from fairlead.api.columns import layout
from fairlead.api.pb import rbac_v1_pb2 as rbacv1


def _role(role: Any, now: datetime.datetime) -> layout.Row:
    return role.metadata.name, times.format_seconds(role.metadata.creationTimestamp.seconds)


def _binding(binding: Any, now: datetime.datetime) -> layout.Row:
    def named(kind: str) -> str:
        return ", ".join(one.name for one in binding.subjects if one.kind == kind)

    accounts = (one for one in binding.subjects if one.kind == "ServiceAccount")
    return (
        binding.metadata.name,
        f"{binding.roleRef.kind}/{binding.roleRef.name}",
        layout.created(binding, now),
        named("User"),
        named("Group"),
        ", ".join(f"{one.namespace}/{one.name}" for one in accounts),
    )


_BINDING = "Name|Role|Age|+Users|+Groups|+ServiceAccounts"
LAYOUTS: Mapping[type[Message], layout.Layout] = {
    rbacv1.Role: layout.layout("Name|Created At:date", _role),
    rbacv1.ClusterRole: layout.layout("Name|Created At:date", _role),
    rbacv1.RoleBinding: layout.layout(_BINDING, _binding),
    rbacv1.ClusterRoleBinding: layout.layout(_BINDING, _binding),
}
