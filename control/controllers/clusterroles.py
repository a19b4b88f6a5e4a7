"""The ClusterRole aggregation controller: a role with an aggregationRule has the rules of those that it selects."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from control.controllers import framework
from fairlead.api import objects, selectors
from fairlead.api.pb import rbac_v1_pb2 as rbacv1


def gathered(role: rbacv1.ClusterRole, others: Iterable[rbacv1.ClusterRole]) -> list[rbacv1.PolicyRule]:
    """Return the rules of all selected roles in the order of their names, each rule once."""
    wanted = [selectors.of_message(one) for one in role.aggregationRule.clusterRoleSelectors]
    found: list[rbacv1.PolicyRule] = []
    for other in sorted(others, key=lambda one: one.metadata.name):
        if other.metadata.name == role.metadata.name:
            continue
        if any(selector.matches(other.metadata.labels) for selector in wanted):
            found += [rule for rule in other.rules if rule not in found]
    return found


class ClusterRoleAggregation(framework.Controller):
    """Gathers rules anew whenever any ClusterRole changes."""

    name = "clusterrole-aggregation-controller"
    workers = 1

    def __init__(self, context: framework.Context) -> None:
        super().__init__(context)
        self._roles = context.informers.of(rbacv1.ClusterRole)
        self._roles.add_handler(self._changed)

    def keys(self) -> Sequence[str]:
        return [one.metadata.name for one in self._roles.list() if one.HasField("aggregationRule")]

    def _changed(self, change: str, old: rbacv1.ClusterRole | None, new: rbacv1.ClusterRole | None) -> None:
        for key in self.keys():
            self.enqueue(key)

    async def reconcile(self, key: str) -> framework.Result:
        role = self._roles.get(key)
        if role is None or not role.HasField("aggregationRule"):
            return framework.nothing("gathers nothing")
        rules = gathered(role, self._roles.list())
        if rules == list(role.rules):
            return framework.nothing("has the rules that it gathers")
        fresh = objects.copy(role)
        del fresh.rules[:]
        fresh.rules.extend(rules)
        self.wrote(key, await self.client.update(fresh))
        return framework.Result(f"gathered {len(rules)} rules")
