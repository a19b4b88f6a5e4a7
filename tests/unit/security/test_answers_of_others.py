"""Webhooks, aggregated APIs and definitions: what others answer or register does not reach beyond its place."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest

from control.apiserver.structural import validating
from fairlead.api import errors
from fairlead.api.pb import admissionregistration_v1_pb2 as registrationv1
from tests.support import definitions, hooks
from tests.support.extension import FLUNDERS, Backend, aggregate
from tests.unit.apiserver.admission.test_webhooks import config, configure
from tests.unit.security.conftest import Attack

Mutating = registrationv1.MutatingWebhookConfiguration
EVIL = "^(a+)+$"


def replaced(path: str, value: Any) -> hooks.Answer:
    """A webhook that puts a value in a place."""
    return hooks.patch({"op": "add", "path": path, "value": value})


async def test_a_webhook_moves_nothing_into_another_namespace(attack: Attack) -> None:
    """Quota, policies and roles were asked for the namespace of the request."""
    async with hooks.serving(replaced("/metadata/namespace", "victim")) as hook:
        client = await configure(attack.api, Mutating, hook)
        before = await attack.stored()
        with pytest.raises(errors.BadRequest, match="does not match the namespace sent on the request"):
            await client.create(config())
    assert await attack.stored() == before


async def test_a_webhook_does_not_choose_an_objects_uid(attack: Attack) -> None:
    """Owners are known by it; the time of creation is the server's, too."""
    wanted = hooks.patch(
        {"op": "add", "path": "/metadata/uid", "value": "chosen"},
        {"op": "add", "path": "/metadata/creationTimestamp", "value": "2001-01-01T00:00:00Z"},
    )
    async with hooks.serving(wanted) as hook:
        client = await configure(attack.api, Mutating, hook)
        made = await client.create(config())
    assert made.metadata.uid != "chosen"
    assert made.metadata.creationTimestamp.seconds > 1_000_000_000


@pytest.mark.parametrize(
    ("path", "value"),
    [("/metadata/name", "other"), ("/metadata/namespace", "victim"), ("/metadata/uid", "x")],
)
async def test_a_webhook_does_not_change_who_an_object_is(attack: Attack, path: str, value: str) -> None:
    """On an update name, namespace and uid stay, or the write is refused."""
    async with hooks.serving(hooks.allow()) as quiet:
        client = await configure(attack.api, Mutating, quiet, name="quiet")
        made = await client.create(config())
        async with hooks.serving(replaced(path, value)) as hook:
            await configure(attack.api, Mutating, hook)
            made.data["a"] = "b"
            with pytest.raises(errors.Invalid):
                await client.update(made)


async def test_a_webhook_does_not_make_a_secret_of_a_config_map(attack: Attack) -> None:
    """Kind and version are not its to choose."""
    async with hooks.serving(replaced("/kind", "Secret")) as hook:
        client = await configure(attack.api, Mutating, hook)
        with pytest.raises(errors.InternalError, match="unknown conversion"):
            await client.create(config())
    assert not [key for key in await attack.stored() if key.startswith("/registry/secrets/default/")]


async def test_a_patch_that_doubles_itself_is_stopped(attack: Attack) -> None:
    """Copies of copies may not add up to more than three megabytes."""
    seed: list[dict[str, Any]] = [{"op": "add", "path": "/data/a", "value": "x" * 100_000}]
    copies = [{"op": "copy", "from": "/data", "path": f"/data/c{index}"} for index in range(40)]
    async with hooks.serving(hooks.patch(*seed, *copies)) as hook:
        client = await configure(attack.api, Mutating, hook)
        with pytest.raises(errors.InternalError):
            await asyncio.wait_for(client.create(config()), 30)


async def test_a_redirect_is_no_answer(attack: Attack) -> None:
    """What a webhook says is what its own address says: nobody follows it into the control plane's network."""
    async with hooks.serving(hooks.allow(), status=302) as hook:
        client = await configure(attack.api, Mutating, hook)
        with pytest.raises(errors.InternalError):
            await client.create(config())


async def test_a_webhook_of_another_authority_is_not_believed(attack: Attack) -> None:
    """A certificate that the configuration's bundle does not vouch for ends the call."""
    async with hooks.serving(hooks.allow()) as hook, hooks.serving(hooks.allow()) as other:
        hook.authority = other.authority
        client = await configure(attack.api, Mutating, hook)
        with pytest.raises(errors.InternalError, match="certificate"):
            await client.create(config())
        assert hook.asked == []


ALIASES = [
    "/apis/wardle.example.com/v1alpha1//flunders",
    "/apis/wardle.example.com/v1alpha1/namespaces/mine/../victim/flunders",
    "/apis/wardle.example.com/v1alpha1/namespaces/mine/%2e%2e/victim/flunders",
    "/apis/wardle.example.com/v1alpha1/namespaces/mine%2f..%2fvictim/flunders",
    "/apis/wardle.example.com/v1alpha1/flunders//x",
    "/apis/wardle.example.com/v1alpha1/namespaces//flunders",
    "/apis/wardle.example.com/v1alpha1/../../../api/v1/secrets",
    "/apis/wardle.example.com/v1alpha1/flunders/%252e%252e/x",
]


@pytest.mark.parametrize("path", ALIASES)
async def test_a_path_that_others_could_read_otherwise_is_not_passed_on(
    attack: Attack, backend: Backend, path: str
) -> None:
    """An aggregated server believes that its callers may have what a path names: it gets none with two meanings."""
    await aggregate(attack.api, backend)
    await attack.administer("eve")
    eve = await attack.as_user("eve")

    answer = await eve("GET", path)

    assert answer.status in (403, 404)
    assert backend.asked == []


async def test_who_somebody_is_comes_from_us_alone(attack: Attack, backend: Backend) -> None:
    """Underscores are dashes to servers behind WSGI."""
    await aggregate(attack.api, backend)
    admin = await attack.as_user("admin", "system:masters")
    async with admin.session.get(
        admin.url + FLUNDERS,
        headers={"X_Remote_User": "mallory", "x-remote_group": "a", "X-Remote-Extra-Scopes": "b"},
    ) as answer:
        assert answer.status == 201
    (asked,) = backend.asked
    assert [value for name, value in asked.headers.items() if value in ("mallory", "a", "b")] == []


@pytest.mark.parametrize("name", ["v1.apps", "v1.rbac.authorization.k8s.io", "v1.example.com"])
async def test_no_registration_takes_over_what_is_served_here(attack: Attack, backend: Backend, name: str) -> None:
    """Neither a built-in group nor that of a definition goes to the Service that an APIService names."""
    await definitions.establish(attack.api, attack.admin)
    await aggregate(attack.api, backend)
    version, _, group = name.partition(".")
    admin = await attack.as_user("admin", "system:masters")
    template = (await admin("GET", "/apis/apiregistration.k8s.io/v1/apiservices/v1alpha1.wardle.example.com")).json
    body = {
        "apiVersion": "apiregistration.k8s.io/v1",
        "kind": "APIService",
        "metadata": {"name": name},
        "spec": {**template["spec"], "group": group, "version": version},
    }
    made = await admin("POST", "/apis/apiregistration.k8s.io/v1/apiservices", body)
    assert made.status == 201
    made.json["status"] = {}
    ready = {**made.json, "status": {"conditions": [{"type": "Available", "status": "True"}]}}
    assert (await admin("PUT", f"/apis/apiregistration.k8s.io/v1/apiservices/{name}/status", ready)).status == 200
    await attack.api.cache.fresh()
    backend.asked.clear()

    resource = {"apps": "deployments", "rbac.authorization.k8s.io": "clusterroles", "example.com": "widgets"}[group]
    answer = await admin("GET", f"/apis/{group}/{version}/{resource}")

    assert (answer.status, backend.asked) == (200, [])


def definition_of(group: str, plural: str, kind: str, version: str = "v1") -> dict[str, Any]:
    """A definition in a group of Kubernetes' own, approved by whoever writes it."""
    made = definitions.written(
        definitions.version(version), group=group, names={"plural": plural, "kind": kind}, scope="Cluster"
    )
    made["metadata"] = {
        "name": f"{plural}.{group}",
        "annotations": {"api-approved.kubernetes.io": "https://github.com/kubernetes/kubernetes/pull/1"},
    }
    return made


CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


@pytest.mark.parametrize(
    ("group", "plural", "kind", "version"),
    [
        ("rbac.authorization.k8s.io", "clusterroles", "ClusterRole", "v1"),
        ("rbac.authorization.k8s.io", "clusterroles", "Mine", "v2"),
        ("rbac.authorization.k8s.io", "mines", "ClusterRole", "v1"),
        ("rbac.authorization.k8s.io", "mines", "Mine", "v1"),
        ("apiextensions.k8s.io", "customresourcedefinitions", "Mine", "v2"),
        ("apiregistration.k8s.io", "apiservices", "Mine", "v2"),
    ],
)
async def test_no_definition_takes_over_what_is_built_in(
    attack: Attack, group: str, plural: str, kind: str, version: str
) -> None:
    """The built-in kinds stay, their objects too, also once the definition goes again."""
    admin = await attack.as_user("admin", "system:masters")
    await definitions.establish(attack.api, attack.admin)
    before = {key for key in await attack.stored() if "definitions" not in key}

    made = await admin("POST", CRDS, definition_of(group, plural, kind, version))
    await attack.api.cache.fresh()
    roles = await admin("GET", "/apis/rbac.authorization.k8s.io/v1/clusterroles/cluster-admin")
    if made.status == 201:
        await admin("DELETE", f"{CRDS}/{plural}.{group}")
        await attack.api.cache.fresh()
    again = await admin("GET", "/apis/rbac.authorization.k8s.io/v1/clusterroles/cluster-admin")
    widgets = await admin("GET", f"{CRDS}/widgets.example.com")

    assert [roles.status, again.status, widgets.status] == [200, 200, 200]
    assert roles.json["rules"]
    assert before <= set(await attack.stored())


@pytest.mark.parametrize("group", ["foo.k8s.io", "k8s.io", "x.kubernetes.io"])
async def test_a_group_of_kubernetes_needs_its_approval(attack: Attack, group: str) -> None:
    """422 with the words that Kubernetes has."""
    admin = await attack.as_user("admin", "system:masters")
    made = definition_of(group, "foos", "Foo")
    del made["metadata"]["annotations"]

    answer = await admin("POST", CRDS, made)

    assert (answer.status, "protected groups must have approval annotation" in answer.json["message"]) == (422, True)


async def test_a_pattern_costs_no_more_than_its_text(attack: Attack) -> None:
    """What would keep Python's engine busy for hours is answered at once: RE2 does not go back."""
    text = {"type": "string", "pattern": EVIL}
    await definitions.establish(
        attack.api, attack.admin, {**definitions.version("v1"), "schema": definitions.schema(a=text)}
    )
    admin = await attack.as_user("admin", "system:masters")
    body = {
        "apiVersion": "example.com/v1",
        "kind": "Widget",
        "metadata": {"name": "x"},
        "spec": {"a": "a" * 10_000 + "!"},
    }

    answer = await asyncio.wait_for(admin("POST", "/apis/example.com/v1/namespaces/mine/widgets", body), 30)

    assert (answer.status, "should match" in answer.json["message"]) == (422, True)


@pytest.mark.parametrize("pattern", ["(?=a)", r"(a)\1", "a{1001}", "((a{100}){100}){100}", "["])
def test_a_pattern_that_is_not_gos_is_refused(pattern: str) -> None:
    """Look-ahead, references back and repetitions of repetitions are no part of RE2."""
    with pytest.raises(validating.PatternError, match="error parsing regexp: "):
        validating.pattern(pattern)


@pytest.mark.parametrize("depth", [20, 120, 400, 2000])
async def test_a_deep_schema_is_taken_or_refused(attack: Attack, depth: int) -> None:
    """Never an internal error."""
    admin = await attack.as_user("admin", "system:masters")
    made = definitions.written({**definitions.version("v1"), "schema": {"openAPIV3Schema": "SCHEMA"}})
    opening, closing = b'{"type":"object","properties":{"a":', b"}}"
    deep = opening * depth + b'{"type":"string"}' + closing * depth
    text = orjson.dumps(made).replace(b'"SCHEMA"', deep)

    answer = await asyncio.wait_for(admin("POST", CRDS, text, Content_Type="application/json"), 60)

    assert answer.status in ((201,) if depth == 20 else (201, 400, 413, 422)), answer.body[:300]


async def test_a_deep_object_is_taken_or_refused(attack: Attack) -> None:
    """Where a schema keeps what it does not know, the object may be as deep as it likes."""
    await definitions.establish(attack.api, attack.admin)
    admin = await attack.as_user("admin", "system:masters")
    for depth in (100, 400, 900, 5000):
        text = b'{"a":' * depth + b"1" + b"}" * depth
        body = b'{"apiVersion":"example.com/v1","kind":"Widget","metadata":{"name":"d%d"},"spec":%s}' % (depth, text)
        answer = await admin(
            "POST", "/apis/example.com/v1/namespaces/mine/widgets", body, Content_Type="application/json"
        )
        assert answer.status in (201, 400, 422), (depth, answer.body[:300])


async def test_a_wide_schema_is_judged_in_time(attack: Attack) -> None:
    """Ten thousand properties with a pattern each."""
    admin = await attack.as_user("admin", "system:masters")
    wide = {f"p{index}": {"type": "string", "pattern": f"^{index}(a|b)*$"} for index in range(10_000)}
    schema = {"openAPIV3Schema": {"type": "object", "properties": {"spec": {"type": "object", "properties": wide}}}}
    made = definitions.written({**definitions.version("v1"), "schema": schema})

    answer = await asyncio.wait_for(admin("POST", CRDS, made), 60)

    assert answer.status == 201
