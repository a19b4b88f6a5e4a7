"""The quota controller: counts what namespaces use, where admission only adds to it.

Admission charges a quota before an object is stored. This controller takes over a new or changed specification, and
gives back what was deleted, or charged and then not stored. A count that is lower than what is charged is believed
only once the quota has been left alone for a while: until then an object may be on its way.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

from control.controllers import customkinds, framework
from fairlead.api import objects, quantity, quotas, scheme
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.client import informer

SETTLE_SECONDS = 1.0  # far longer than it takes from a charge to the object's write
RECOUNT_SECONDS = 300.0
# Kinds that are many and counted by nobody.
IGNORED = frozenset({"Event", "Lease"})


def decide(
    quota: corev1.ResourceQuota, counted: Mapping[str, quantity.Quantity], quiet_seconds: float
) -> tuple[quantity.Amounts | None, float | None]:
    """Return what to write as used, None for nothing, and in how many seconds to look again, None for not soon.

    `counted` is what there is, for every name that the quota limits; `quiet_seconds` since when nobody has charged.
    """
    hard, status = quantity.amounts(quota.spec.hard), quota.status
    charged = quantity.amounts(status.used)
    lowered = [name for name in hard if name in charged and counted[name] < charged[name]]
    wait = bool(lowered) and quiet_seconds < SETTLE_SECONDS
    used = {name: max(counted[name], charged[name]) if wait and name in lowered else counted[name] for name in hard}
    again = SETTLE_SECONDS - quiet_seconds if wait else None
    if used == charged and hard == quantity.amounts(status.hard):
        return None, again
    return used, again


class ResourceQuotaController(framework.Controller):
    """Counts anew for quotas that changed and where something went; one key a quota."""

    name = "resourcequota-controller"
    workers = 2

    def __init__(self, context: framework.Context, kinds: scheme.Scheme = scheme.DEFAULT) -> None:
        super().__init__(context)
        self._quotas = context.informers.of(corev1.ResourceQuota)
        self._quotas.add_handler(self._quota_changed)
        self._counted: dict[str, informer.Informer[Any]] = {}
        self._seen: dict[str, tuple[str, float]] = {}
        for kind in kinds:
            self._follow(kind)
        self._custom = customkinds.CustomKinds(self.informers, kinds, began=self._follow, ended=self._forget)

    def _follow(self, kind: scheme.Kind) -> None:
        if not kind.namespaced or kind.kind in IGNORED:
            return
        carrier = objects.class_of(kind)
        followed = self._counted[objects.type_name(carrier)] = self.informers.of(carrier)
        followed.add_handler(self._changed)

    def _forget(self, kind: scheme.Kind) -> None:
        """Count a custom kind no more; its objects went before it."""
        self._counted.pop(objects.type_name(objects.class_of(kind)), None)

    def keys(self) -> Iterable[str]:
        """Return every quota."""
        return [objects.key_of(each) for each in self._quotas.list()]

    def _quota_changed(self, change: str, old: corev1.ResourceQuota | None, new: corev1.ResourceQuota | None) -> None:
        if new is None:
            self._seen.pop(objects.key_of(old), None) if old is not None else None
            return
        if old is None or old.spec != new.spec:
            self.enqueue(objects.key_of(new))
        elif old.status != new.status:
            self.enqueue(objects.key_of(new), SETTLE_SECONDS)

    def _changed(self, change: str, old: Any | None, new: Any | None) -> None:
        """Look at the quotas of a namespace where something went, came, or ceased to count."""
        if not self._running or (old is not None and new is not None and not _counts_otherwise(old, new)):
            return
        obj = new if new is not None else old
        assert obj is not None
        for quota in self._quotas.list(obj.metadata.namespace):
            self.enqueue(objects.key_of(quota))

    async def reconcile(self, key: str) -> framework.Result:
        namespace, name = objects.split_key(key)
        quota = self._quotas.get(name, namespace)
        if quota is None:
            return framework.nothing("gone")
        used, again = decide(quota, await self._count(quota), self._quiet(key, quota))
        later = RECOUNT_SECONDS if again is None else again
        if used is None:
            return framework.nothing("counts what it should", again_seconds=later)
        fresh = objects.copy(quota)
        fresh.status.hard.clear()
        quantity.write(quantity.amounts(quota.spec.hard), fresh.status.hard)
        fresh.status.used.clear()
        quantity.write(used, fresh.status.used)
        self.wrote(key, await self.client.update(fresh, subresource="status"))
        return framework.Result(f"counted {quotas.shown(used, used)}", again_seconds=later)

    def _quiet(self, key: str, quota: corev1.ResourceQuota) -> float:
        """Return for how long this controller has seen the quota unchanged."""
        version, now = quota.metadata.resourceVersion, self.clock.monotonic()
        seen = self._seen.get(key)
        if seen is None or seen[0] != version:
            seen = self._seen[key] = (version, now)
        return now - seen[1]

    async def _count(self, quota: corev1.ResourceQuota) -> quantity.Amounts:
        """Return what the namespace's objects use of all that the quota limits."""
        now = self.clock.now()
        counted = dict.fromkeys(quota.spec.hard, quantity.ZERO)
        namespace = quota.metadata.namespace
        for followed in list(self._counted.values()):
            for number, obj in enumerate(followed.list(namespace)):
                if number % framework.SLICE_KEYS == framework.SLICE_KEYS - 1:
                    await asyncio.sleep(0)
                if not quotas.counts(quota.spec, obj):
                    continue
                for name, amount in quotas.usage(obj, now).items():
                    if name in counted:
                        counted[name] = counted[name] + amount
        return counted


def _counts_otherwise(old: Any, new: Any) -> bool:
    """Whether a change can change what an object counts for."""
    if isinstance(new, corev1.Pod):
        return bool(old.status.phase != new.status.phase or old.spec != new.spec)
    if isinstance(new, corev1.Service | corev1.PersistentVolumeClaim):
        return bool(old.spec != new.spec)
    return False
