"""ComponentStatuses: kinds of an object that is made when it is read. There is one, etcd's.

The server serves this in place of a registry; only get and list are offered. Kubernetes also asks scheduler and
controller manager, which are parts of the same process here.
"""

from __future__ import annotations

from control.apiserver import reading, registry, selection
from control.apiserver.strategies import strategy
from control.store.entry import Entry
from fairlead.api import errors
from fairlead.api.pb import core_v1_pb2 as corev1

ETCD = "etcd-0"
PROBE = "/registry/health"


class ComponentStatusStrategy(strategy.Strategy[corev1.ComponentStatus]):
    """The rules of ComponentStatuses: nobody writes them."""

    message = corev1.ComponentStatus


class ComponentStatuses(registry.Registry):
    """Reads of ComponentStatuses, each of which asks etcd."""

    async def get(self, namespace: str, name: str, resource_version: str = "") -> Entry:
        """Return a component's status; errors.NotFound."""
        if name != ETCD:
            raise self.not_found(name)
        return await self._etcd()

    async def list(self, query: reading.ListQuery) -> reading.Listing:
        """Return the statuses that are selected."""
        selector = selection.Selector(self.strategy, query.labels, query.fields)
        entry = await self._etcd()
        return reading.Listing(await selector.select([entry]), entry.revision)

    async def _etcd(self) -> Entry:
        """Ask etcd for a key that need not be there: a linearizable read takes a quorum."""
        status = corev1.ComponentStatus()
        status.metadata.name = ETCD
        condition = status.conditions.add(type="Healthy", status="True", message="ok")
        try:
            _, revision = await self._store.get(PROBE)
        except (errors.ServiceUnavailable, errors.Timeout) as error:
            condition.status, condition.message, condition.error = "False", "", error.message
            revision = self._cache.revision
        entry = Entry(self.kind.key("", ETCD), self.kind, status, revision)
        status.metadata.resourceVersion = ""
        return entry
