"""What callers without rights learn, and what they may claim to be."""

from __future__ import annotations

import asyncio
import time

import aiohttp
import pytest

from control.apiserver import authn
from control.gateway import identity
from fairlead.api import errors
from fairlead.api.pb import rbac_v1_pb2 as rbacv1
from tests.unit.apiserver import yamls
from tests.unit.security.conftest import Attack

CLOSED = [
    "/metrics",
    "/metrics/",
    "//metrics",
    "/api/v1/secrets",
    "/api/v1/namespaces/mine/secrets/web",
    "/api/v1/namespaces/mine/pods/web/log",
    "/api/v1/namespaces/mine/pods/web/proxy/",
    "/api/v1/namespaces/mine/services/web/proxy/",
    "/api/v1/nodes/node-1/proxy/pods",
    "/api/v1/componentstatuses",
    "/apis/metrics.k8s.io/v1beta1/nodes",
    "/apis/metrics.k8s.io/v1beta1/pods",
    "/openid/v1/jwks",
    "/.well-known/openid-configuration",
    "/healthz/../metrics",
    "/version/../api/v1/secrets",
    "/debug/pprof",
    "/logs",
    "/",
]
DISCOVERY = ["/api", "/apis", "/api/v1", "/apis/apps/v1", "/openapi/v2", "/openapi/v3", "/version", "/healthz"]


@pytest.mark.parametrize("path", CLOSED)
async def test_who_has_no_rights_learns_nothing(attack: Attack, path: str) -> None:
    """Nobody at all is unauthorized; somebody without a role is refused, or there is nothing."""
    nobody, somebody = await attack.as_user(), await attack.as_user("joe")

    answers = [(await caller("GET", path)).status for caller in (nobody, somebody)]

    assert answers[0] == 401
    assert answers[1] in (403, 404)


@pytest.mark.parametrize("path", DISCOVERY)
async def test_whoever_is_known_discovers_what_there_is(attack: Attack, path: str) -> None:
    """As Kubernetes' role system:discovery has it; nobody at all learns version and health only."""
    nobody, somebody = await attack.as_user(), await attack.as_user("joe")

    assert (await somebody("GET", path)).status == 200
    assert (await nobody("GET", path)).status == (200 if path in ("/version", "/healthz") else 401)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
async def test_public_paths_are_only_read(attack: Attack, method: str) -> None:
    """405: there is nothing to write there."""
    assert (await (await attack.as_user())(method, "/version")).status == 405


WISHES: list[dict[str, str]] = [
    {"Impersonate_User": "admin"},
    {"Impersonate_User": "carol", "Impersonate_Group": "system:masters"},
    {"Impersonate_User": "carol", "Impersonate_Uid": "1"},
    {"Impersonate_User": "carol", "Impersonate_Extra_scopes": "all"},
    {"Impersonate_User": "system:serviceaccount:kube-system:default"},
    {"Impersonate_User": "system:node:node-1"},
    {"Impersonate_Group": "system:masters"},
    {"impersonate_USER": "admin"},
]


@pytest.mark.parametrize("wish", WISHES, ids=[str(wish) for wish in WISHES])
async def test_each_part_of_somebody_else_needs_its_right(attack: Attack, wish: dict[str, str]) -> None:
    """Eve may be carol, in no group, with no uid, no extras; nothing more."""
    rules = "[{verbs: [impersonate], apiGroups: [''], resources: [users], resourceNames: [carol]}]"
    await attack.admin.create(yamls.read(f"{{metadata: {{name: be-carol}}, rules: {rules}}}", rbacv1.ClusterRole))
    bound = yamls.read(
        "{metadata: {name: be-carol}, subjects: [{kind: User, apiGroup: rbac.authorization.k8s.io, name: eve}],"
        " roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: be-carol}}",
        rbacv1.ClusterRoleBinding,
    )
    await attack.admin.create(bound)
    await attack.api.cache.fresh()
    eve = await attack.as_user("eve")

    good = await eve("GET", "/api", Impersonate_User="carol")
    bad = await eve("GET", "/api", **wish)

    assert (good.status, bad.status in (400, 403)) == (200, True), bad.body


async def test_of_several_groups_each_needs_its_right(attack: Attack) -> None:
    """The one that is allowed does not carry the other along."""
    rules = "[{verbs: [impersonate], apiGroups: [''], resources: [users, groups], resourceNames: [carol, staff]}]"
    await attack.admin.create(yamls.read(f"{{metadata: {{name: be}}, rules: {rules}}}", rbacv1.ClusterRole))
    bound = yamls.read(
        "{metadata: {name: be}, subjects: [{kind: User, apiGroup: rbac.authorization.k8s.io, name: eve}],"
        " roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: be}}",
        rbacv1.ClusterRoleBinding,
    )
    await attack.admin.create(bound)
    await attack.api.cache.fresh()
    connector = aiohttp.TCPConnector(ssl=attack.server.tls("eve"))
    async with aiohttp.ClientSession(connector=connector) as session:
        statuses = []
        for groups in (["staff"], ["staff", "system:masters"], ["system:masters", "staff"]):
            named = [("Impersonate-User", "carol"), *(("Impersonate-Group", group) for group in groups)]
            async with session.get(f"{attack.server.url}/api", headers=named) as answer:
                statuses.append(answer.status)

    assert statuses == [200, 403, 403]


async def test_a_token_is_believed_for_ten_seconds_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    """Then it is judged anew, so that one whose pod or account is gone dies as soon."""
    clock = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: clock)

    class Judge:
        good = True

        async def authenticate(self, token: str) -> authn.User:
            if not self.good:
                raise errors.Unauthorized("Unauthorized")
            return authn.User("robot")

    judge = Judge()
    remembered = identity.Remembered(judge)
    await remembered.authenticate("t")
    judge.good = False
    clock += 9.9
    assert (await remembered.authenticate("t")).name == "robot"
    clock += 0.2
    with pytest.raises(errors.Unauthorized):
        await remembered.authenticate("t")


async def test_a_small_body_that_unpacks_to_much_is_not_unpacked(attack: Attack) -> None:
    """Compressed bodies are no part of Kubernetes' API: what cannot be read is a bad request, at no cost."""
    import gzip

    admin = await attack.as_user("admin", "system:masters")
    bomb = gzip.compress(b" " * 50_000_000)

    answer = await asyncio.wait_for(
        admin(
            "POST",
            "/api/v1/namespaces/mine/configmaps",
            bomb,
            Content_Type="application/json",
            Content_Encoding="gzip",
        ),
        30,
    )

    assert answer.status == 400
