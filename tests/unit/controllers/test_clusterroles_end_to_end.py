"""ClusterRoles that gather the rules of others."""

from __future__ import annotations

from control.apiserver import authn, authz
from control.apiserver.rbac import defaults
from fairlead.api.pb import rbac_v1_pb2 as rbacv1
from tests.unit.controllers import cluster as clusters


async def test_view_edit_and_admin_gather_in_turn_also_what_is_added_later() -> None:
    """A role with the label aggregate-to-view reaches admin through edit, and goes as it came."""
    added = rbacv1.ClusterRole()
    added.metadata.name = "crontab-view"
    added.metadata.labels["rbac.authorization.k8s.io/aggregate-to-view"] = "true"
    added.rules.append(defaults.rule("get | stable.example.com | crontabs"))
    jane = authn.user("jane")
    async with clusters.cluster(nodes=0, watched=[rbacv1.ClusterRole]) as cluster:
        bound = rbacv1.RoleBinding()
        bound.metadata.name, bound.metadata.namespace = "janes", "default"
        bound.roleRef.kind, bound.roleRef.name = "ClusterRole", "admin"
        bound.subjects.add(kind="User", name="jane")
        await cluster.client.create(bound)

        def may(verb: str, group: str, resource: str) -> bool:
            asked = authz.Attributes(jane, verb, group, resource, "", "default", "x")
            return cluster.api.authorizer.authorize(asked).allowed

        await clusters.wait_until(lambda: "" if may("get", "", "pods") else "admin has not what view has")
        await cluster.client.create(added)
        await clusters.wait_until(lambda: "" if may("get", "stable.example.com", "crontabs") else "not gathered")
        assert may("create", "apps", "deployments")
        assert may("create", "rbac.authorization.k8s.io", "rolebindings")
        assert not may("create", "", "resourcequotas")
        await cluster.client.delete(rbacv1.ClusterRole, "crontab-view")
        await clusters.wait_until(lambda: "still there" if may("get", "stable.example.com", "crontabs") else "")
