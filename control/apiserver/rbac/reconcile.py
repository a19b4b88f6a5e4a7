"""Makes the default roles and bindings at start, and gives back to them what they lack.

As in Kubernetes, what was added to them stays, and an object whose annotation
rbac.authorization.kubernetes.io/autoupdate is not `true` is left alone. `repaired` is pure.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

from google.protobuf.message import Message

from control.apiserver.rbac import defaults, rules
from fairlead.api import errors, objects
from fairlead.api.pb import rbac_v1_pb2 as rbacv1
from fairlead.client.interface import Client

IN_FLIGHT = 16
KINDS: Sequence[type[Message]] = (rbacv1.ClusterRole, rbacv1.ClusterRoleBinding, rbacv1.Role, rbacv1.RoleBinding)


async def ensure(client: Client) -> list[str]:
    """Make and mend the defaults; returns the names of what was written. Several processes may do so at once."""
    there: dict[tuple[type[Message], str], Any] = {}
    for kind in KINDS:
        found: Sequence[Any] = (await client.list(kind)).items
        there.update({(kind, objects.key_of(obj)): obj for obj in found})
    gate = asyncio.Semaphore(IN_FLIGHT)

    async def one(wanted: Any) -> str:
        async with gate:
            return await _ensure(client, wanted, there.get((type(wanted), objects.key_of(wanted))))

    return [name for name in await asyncio.gather(*map(one, defaults.objects())) if name]


async def _ensure(client: Client, wanted: Any, present: Any) -> str:
    name = f"{wanted.DESCRIPTOR.name} {wanted.metadata.name}"
    try:
        if present is None:
            await client.create(wanted)
            return name
        fresh = repaired(wanted, present)
        if fresh is None:
            return ""
        if hasattr(fresh, "roleRef") and fresh.roleRef != present.roleRef:
            await client.delete(type(present), present.metadata.name, present.metadata.namespace)
            await client.create(fresh)
        else:
            await client.update(fresh)
        return name
    except (errors.AlreadyExists, errors.Conflict, errors.NotFound):
        return ""  # another process is at it


def repaired(wanted: Any, present: Any) -> Any:
    """Return a default object with what it lacks; None where it lacks nothing or is not to be touched."""
    if present.metadata.annotations.get(defaults.AUTOUPDATE) != "true":
        return None
    fresh = objects.copy(present)
    for key, value in wanted.metadata.labels.items():
        fresh.metadata.labels[key] = value
    if hasattr(wanted, "roleRef"):
        if fresh.roleRef != wanted.roleRef:
            return objects.copy(wanted)
        fresh.subjects.extend(_missing(wanted.subjects, present.subjects))
    elif isinstance(wanted, rbacv1.ClusterRole) and wanted.HasField("aggregationRule"):
        selectors = fresh.aggregationRule.clusterRoleSelectors
        selectors.extend(_missing(wanted.aggregationRule.clusterRoleSelectors, selectors))
    else:
        owned = rules.compiled(present.rules)
        fresh.rules.extend(rule for rule in wanted.rules if rules.uncovered(owned, [rule]))
    return None if fresh == present else fresh


def _missing(wanted: Iterable[Any], present: Iterable[Any]) -> list[Any]:
    there = list(present)
    return [one for one in wanted if one not in there]
