"""Webhooks over real HTTPS on loopback: what they hear, what they change, how they refuse and fail."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from control.apiserver import warnings
from control.apiserver.admission import plugin
from control.apiserver.server import ApiServer
from control.apiserver.webhooks import matching
from fairlead.api import errors, objects, scheme
from fairlead.api.pb import admissionregistration_v1_pb2 as registrationv1
from fairlead.api.pb import autoscaling_v1_pb2 as autoscalingv1
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import rbac_v1_pb2 as rbacv1
from fairlead.testing import control
from tests.support import definitions, hooks
from tests.unit.apiserver import yamls

CONFIG_MAPS = "{operations: ['*'], apiGroups: [''], apiVersions: [v1], resources: [configmaps]}"


@pytest.fixture
async def api() -> AsyncIterator[ApiServer]:
    """An API server."""
    async with control.memory_api() as made:
        yield made


def config(name: str = "settings", **data: str) -> corev1.ConfigMap:
    """Return a ConfigMap."""
    made = corev1.ConfigMap()
    made.metadata.name, made.metadata.namespace = name, "default"
    made.data.update(data)
    return made


async def configure(
    api: ApiServer, kind: Any, hook: hooks.Hook, more: str = "", name: str = "policy", rules: str = CONFIG_MAPS
) -> Any:
    """Put a webhook for ConfigMaps in force; returns an administrator's client."""
    client = api.as_user(*control.ADMIN)
    made = yamls.read(
        f"{{metadata: {{name: {name}}}, webhooks: [{{name: {name}.example.com, sideEffects: None, timeoutSeconds: 5,"
        f" admissionReviewVersions: [v1], rules: [{rules}], clientConfig: {{url: '{hook.url}'}}{more}}}]}}",
        kind,
    )
    for each in made.Webhooks:
        each.clientConfig.caBundle = hook.authority
    await client.create(made)
    await api.cache.fresh()
    return client


Mutating = registrationv1.MutatingWebhookConfiguration
Validating = registrationv1.ValidatingWebhookConfiguration


async def test_a_validating_webhook_hears_what_is_written(api: ApiServer) -> None:
    """Create, update and delete, with user, old and new object in the hub's version, and the timeout in the query."""
    async with hooks.serving(hooks.allow()) as hook:
        client = await configure(api, Validating, hook)
        made = await client.create(config(a="1"))
        made.data["a"] = "2"
        await client.update(made)
        await api.cache.fresh()
        await client.delete(corev1.ConfigMap, "settings", "default")
        await client.create(yamls.read("metadata: {name: other, namespace: default}", corev1.Secret))

    assert [one["operation"] for one in hook.asked] == ["CREATE", "UPDATE", "DELETE"]
    created, updated, deleted = hook.asked
    assert created["resource"] == {"group": "", "version": "v1", "resource": "configmaps"}
    assert (created["name"], created["namespace"], created["dryRun"]) == ("settings", "default", False)
    assert created["userInfo"] == {"username": "admin", "groups": ["system:masters", "system:authenticated"]}
    assert (created["object"]["apiVersion"], created["object"]["kind"]) == ("v1", "ConfigMap")
    assert (created["object"]["data"], created["oldObject"]) == ({"a": "1"}, None)
    assert (updated["object"]["data"], updated["oldObject"]["data"]) == ({"a": "2"}, {"a": "1"})
    assert (deleted["object"], deleted["oldObject"]["data"]) == (None, {"a": "2"})
    assert hook.queries[0] == "timeout=5s"


@pytest.mark.parametrize(
    ("status", "error", "code", "text"),
    [
        ({"message": "not today", "code": 403}, errors.Forbidden, 403, "denied the request: not today"),
        ({"message": "no", "reason": "Invalid", "code": 422}, errors.Invalid, 422, "denied the request: no"),
        ({"message": "no"}, errors.BadRequest, 400, "denied the request: no"),
        ({"message": "no", "code": 418}, errors.BadRequest, 418, "denied the request: no"),
        ({"message": "no", "code": 200}, errors.BadRequest, 400, "denied the request: no"),
        ({"reason": "Conflict"}, errors.Conflict, 400, "denied the request: Conflict"),
        ({}, errors.BadRequest, 400, "denied the request without explanation"),
    ],
)
async def test_a_denial(
    api: ApiServer, status: dict[str, Any], error: type[errors.ApiError], code: int, text: str
) -> None:
    """It has the webhook's words, reason and code; none is none, and a code that is no refusal is 400."""
    async with hooks.serving(hooks.deny(**status)) as hook:
        client = await configure(api, Validating, hook)
        with pytest.raises(error) as refused:
            await client.create(config())

    assert refused.value.message == f'admission webhook "policy.example.com" {text}'
    told = refused.value.status()
    assert (told.code, told.reason) == (code, status.get("reason", ""))


async def test_a_denied_update_is_asked_about_once(api: ApiServer) -> None:
    """As the object is still what the decision was made on, nobody is asked again."""
    async with hooks.serving(hooks.deny()) as hook:
        client = api.as_user(*control.ADMIN)
        made = await client.create(config())
        await configure(api, Validating, hook)
        made.data["a"] = "1"
        with pytest.raises(errors.BadRequest):
            await client.update(made)
        with pytest.raises(errors.BadRequest):
            await client.delete(corev1.ConfigMap, "settings", "default")

    assert [one["operation"] for one in hook.asked] == ["UPDATE", "DELETE"]


async def test_a_mutating_webhook_changes_what_is_stored(api: ApiServer) -> None:
    """By a JSON patch, on creation and update; its warnings reach the caller."""
    add = {"op": "add", "path": "/data/added", "value": "yes"}
    answer = hooks.patch(add)
    async with hooks.serving(lambda request: {**answer(request), "warnings": ["changed"]}) as hook:
        client = await configure(api, Mutating, hook)
        with warnings.collected() as told:
            made = await client.create(config(a="1"))
        made.data.pop("added")
        changed = await client.update(made)

    assert dict(made.data) == {"a": "1"}
    assert dict(changed.data) == {"a": "1", "added": "yes"}
    assert told == ["changed"]


async def test_custom_resources_are_changed_as_well(api: ApiServer) -> None:
    """Whatever the kind."""
    rule = "{operations: [CREATE], apiGroups: [example.com], apiVersions: [v1], resources: [widgets]}"
    async with hooks.serving(hooks.patch({"op": "add", "path": "/spec", "value": {"size": 3}})) as hook:
        client = await configure(api, Mutating, hook, rules=rule)
        (widget,) = await definitions.establish(api, client)
        wanted = widget()
        wanted.metadata.name, wanted.metadata.namespace = "one", "default"
        made = await client.create(wanted)

    assert made.content["spec"] == {"size": 3}


async def test_what_a_mutating_webhook_adds_is_judged(api: ApiServer) -> None:
    """An object that breaks the kind's rules is refused as if its author had written it."""
    async with hooks.serving(hooks.patch({"op": "add", "path": "/data", "value": {"a b": "c"}})) as hook:
        client = await configure(api, Mutating, hook)
        with pytest.raises(errors.Invalid):
            await client.create(config(a="1"))


async def test_reinvocation_shows_later_changes_to_those_who_ask(api: ApiServer) -> None:
    """The first, IfNeeded, is asked again once the second has changed the object; the second is not."""
    label = hooks.patch({"op": "add", "path": "/data/late", "value": "yes"})
    async with hooks.serving(hooks.allow()) as first, hooks.serving(label) as second:
        await configure(api, Mutating, first, ", reinvocationPolicy: IfNeeded", name="a")
        client = await configure(api, Mutating, second, name="b")
        await client.create(config(a="1"))

    assert [one["object"]["data"] for one in first.asked] == [{"a": "1"}, {"a": "1", "late": "yes"}]
    assert len(second.asked) == 1


async def test_a_webhook_that_does_not_answer(api: ApiServer) -> None:
    """Fail refuses the write in Kubernetes' words, Ignore lets it pass."""
    async with hooks.serving(hooks.allow()) as hook:
        pass
    client = await configure(api, Validating, hook)
    with pytest.raises(errors.InternalError) as refused:
        await client.create(config())
    await client.delete(Validating, "policy")
    await configure(api, Validating, hook, ", failurePolicy: Ignore")
    await client.create(config())

    assert refused.value.message == (
        'Internal error occurred: failed calling webhook "policy.example.com": failed to call webhook:'
        f' Post "{hook.url}?timeout=5s": dial tcp 127.0.0.1:{hook.port}: connect: connection refused'
    )


async def test_a_webhook_that_takes_too_long(api: ApiServer) -> None:
    """Its time is its configuration's."""
    hold = asyncio.Event()
    async with hooks.serving(hooks.allow(), hold=hold) as hook:
        client = await configure(api, Validating, hook)
        changed = objects.copy(await client.get(Validating, "policy"))
        changed.Webhooks[0].timeoutSeconds = 1
        await client.update(changed)
        await api.cache.fresh()
        with pytest.raises(errors.InternalError) as refused:
            await client.create(config())
        hold.set()

    assert refused.value.message.endswith(
        f'failed to call webhook: Post "{hook.url}?timeout=1s": context deadline exceeded'
    )


@pytest.mark.parametrize(
    ("answer", "status", "text"),
    [
        (hooks.allow(uid="x"), 200, "received invalid webhook response: expected response.uid="),
        (
            hooks.allow(patch="e30="),
            200,
            "received invalid webhook response: webhook returned response.patch but not",
        ),
        (hooks.allow(), 404, "failed to call webhook: the server could not find the requested resource"),
        (hooks.allow(), 500, 'failed to call webhook: an error on the server ("unknown") has prevented'),
    ],
)
async def test_bad_answers(api: ApiServer, answer: hooks.Answer, status: int, text: str) -> None:
    """What is no answer to the question is a failure, worded as Kubernetes words it."""
    async with hooks.serving(answer, status=status) as hook:
        client = await configure(api, Validating, hook)
        with pytest.raises(errors.InternalError) as refused:
            await client.create(config())

    start = 'Internal error occurred: failed calling webhook "policy.example.com": '
    assert refused.value.message.startswith(start + text)


async def test_a_webhook_whose_authority_is_not_trusted(api: ApiServer) -> None:
    """Nothing is sent."""
    async with hooks.serving(hooks.allow()) as hook, hooks.serving(hooks.allow()) as other:
        hook.authority = other.authority
        client = await configure(api, Validating, hook)
        with pytest.raises(errors.InternalError) as refused:
            await client.create(config())

    assert "tls: failed to verify certificate" in refused.value.message
    assert hook.asked == []


async def test_dry_runs(api: ApiServer) -> None:
    """A webhook hears that a run is dry; one with side effects that it does not confine takes no part."""
    async with hooks.serving(hooks.allow()) as hook:
        client = await configure(api, Validating, hook)
        await client.create(config(), dry_run=True)

    assert (hook.asked[0]["dryRun"], hook.asked[0]["options"]["dryRun"]) == (True, ["All"])


async def test_a_service_is_called_under_its_name(api: ApiServer) -> None:
    """Its certificate is for name.namespace.svc; one that is not there is a failure."""
    async with hooks.serving(hooks.allow()) as hook:
        service = yamls.read(
            "{metadata: {name: hook, namespace: default}, spec: {type: ExternalName, externalName: localhost}}",
            corev1.Service,
        )
        where = f"{{namespace: default, name: hook, port: {hook.port}, path: /hook}}"
        client = await configure(api, Validating, hook)
        changed = objects.copy(await client.get(Validating, "policy"))
        changed.Webhooks[0].clientConfig.ClearField("url")
        changed.Webhooks[0].clientConfig.service.CopyFrom(yamls.read(where, registrationv1.ServiceReference))
        await client.update(changed)
        await api.cache.fresh()
        with pytest.raises(errors.InternalError) as missing:
            await client.create(config())
        await client.create(service)
        await api.cache.fresh()
        await client.create(config())

    assert missing.value.message.endswith('failed to call webhook: service "hook" not found')
    assert [one["name"] for one in hook.asked] == ["settings"]


async def test_selectors(api: ApiServer) -> None:
    """Namespaces and objects are selected by their labels."""
    async with hooks.serving(hooks.allow()) as hook:
        client = await configure(
            api,
            Validating,
            hook,
            ", namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: default}},"
            " objectSelector: {matchExpressions: [{key: skip, operator: DoesNotExist}]}",
        )
        skipped = config("skipped")
        skipped.metadata.labels["skip"] = "yes"
        elsewhere = config("elsewhere")
        elsewhere.metadata.namespace = "kube-system"
        for each in (skipped, elsewhere, config("asked")):
            await client.create(each)

    assert [one["name"] for one in hook.asked] == ["asked"]


async def test_webhooks_do_not_judge_their_own_configurations(api: ApiServer) -> None:
    """A webhook for everything that denies everything can still be taken away."""
    everything = "{operations: ['*'], apiGroups: ['*'], apiVersions: ['*'], resources: ['*/*']}"
    async with hooks.serving(hooks.deny()) as hook:
        client = await configure(api, Validating, hook, rules=everything)
        with pytest.raises(errors.BadRequest):
            await client.create(config())
        await client.delete(Validating, "policy")
        await api.cache.fresh()
        await client.create(config())


@pytest.mark.parametrize("kind", [Mutating, Validating])
async def test_conditions_decide_whether_a_webhook_is_asked(api: ApiServer, kind: Any) -> None:
    """All must hold, of the object, the request and what its user may do."""
    conditions = (
        "{name: keyed, expression: \"has(object.data) && object.data.exists(k, k == 'a')\"},"
        "{name: new, expression: request.operation == 'CREATE' && oldObject == null},"
        "{name: may, expression: \"authorizer.group('').resource('pods').check('get').allowed()\"}"
    )
    async with hooks.serving(hooks.allow()) as hook:
        client = await configure(api, kind, hook, f", matchConditions: [{conditions}]")
        await client.create(config("without"))
        made = await client.create(config("with", a="1"))
        made.data["a"] = "2"
        await client.update(made)

    assert [one["name"] for one in hook.asked] == ["with"]


@pytest.mark.parametrize(("policy", "asked"), [("Ignore", 0), ("Fail", None)])
async def test_a_condition_that_fails(api: ApiServer, policy: str, asked: int | None) -> None:
    """The failure policy decides: the webhook is not asked, or the request is refused."""
    more = f", failurePolicy: {policy}, matchConditions: [{{name: a, expression: object.data.missing == 'x'}}]"
    async with hooks.serving(hooks.deny()) as hook:
        client = await configure(api, Validating, hook, more)
        if asked is not None:
            await client.create(config(a="1"))
        else:
            with pytest.raises(errors.Forbidden) as refused:
                await client.create(config(a="1"))
            assert refused.value.message == (
                "configmaps \"settings\" is forbidden: expression 'object.data.missing == 'x'' resulted in error:"
                " no such key: missing"
            )

    assert hook.asked == []


async def test_a_condition_that_does_not_compile_is_refused(api: ApiServer) -> None:
    """The configuration is invalid, at the expression."""
    async with hooks.serving(hooks.allow()) as hook:
        with pytest.raises(errors.Invalid) as refused:
            await configure(api, Validating, hook, ", matchConditions: [{name: a, expression: request.nothing == 1}]")

    assert refused.value.message == (
        'ValidatingWebhookConfiguration.admissionregistration.k8s.io "policy" is invalid:'
        ' webhooks[0].matchConditions[0].expression: Invalid value: "request.nothing == 1": compilation failed:'
        " ERROR: <input>:1:8: undefined field 'nothing'\n | request.nothing == 1\n | .......^"
    )


def asked(kind: Any, operation: Any = "CREATE", subresource: str = "") -> plugin.Request:
    """Return a request on an object of a kind."""
    row = scheme.DEFAULT.of(kind)
    return plugin.Request(None, operation, row, "default" if row.namespaced else "", "x", subresource, kind())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("rule", "request_", "version"),
    [
        ("{operations: [CREATE], apiGroups: [''], apiVersions: [v1], resources: [pods]}", asked(corev1.Pod), "v1"),
        ("{operations: [UPDATE], apiGroups: [''], apiVersions: [v1], resources: [pods]}", asked(corev1.Pod), None),
        ("{operations: ['*'], apiGroups: ['*'], apiVersions: ['*'], resources: ['*']}", asked(corev1.Pod), "v1"),
        (
            "{operations: ['*'], apiGroups: [''], apiVersions: [v1], resources: [pods/status]}",
            asked(corev1.Pod, "UPDATE", "status"),
            "v1",
        ),
        (
            "{operations: ['*'], apiGroups: [''], apiVersions: [v1], resources: ['*']}",
            asked(corev1.Pod, "UPDATE", "status"),
            None,
        ),
        (
            "{operations: ['*'], apiGroups: [''], apiVersions: [v1], resources: ['*/*'], scope: Cluster}",
            asked(corev1.Node),
            "v1",
        ),
        (
            "{operations: ['*'], apiGroups: ['*'], apiVersions: [v1], resources: ['*/*'], scope: Namespaced}",
            asked(rbacv1.ClusterRole),
            None,
        ),
    ],
)
def test_rules(rule: str, request_: plugin.Request, version: str | None) -> None:
    """Operations, groups, versions, resources with their subresources, scope."""
    hook = yamls.read(f"{{name: a, rules: [{rule}]}}", registrationv1.ValidatingWebhook)

    found = matching.own_version(hook, request_)

    assert (found and found.version) == version


AUTOSCALERS = (
    "{{operations: ['*'], apiGroups: [autoscaling], apiVersions: [{}], resources: [horizontalpodautoscalers]}}"
)
AUTOSCALER = """
metadata: {name: web, namespace: default}
spec: {maxReplicas: 3, targetCPUUtilizationPercentage: 70, scaleTargetRef: {kind: Deployment, name: web}}
"""


@pytest.mark.parametrize(
    ("policy", "version", "named"), [("Exact", "v1", "v1"), ("Exact", "v2", None), ("Equivalent", "v2", "v2")]
)
async def test_a_rule_is_for_the_version_that_a_request_names(
    api: ApiServer, policy: str, version: str, named: str | None
) -> None:
    """Not for the one that is stored; with Equivalent the object is shown as the rule has it."""
    rules = AUTOSCALERS.format(version)
    async with hooks.serving(hooks.allow()) as hook:
        client = await configure(api, Validating, hook, f", matchPolicy: {policy}", rules=rules)
        await client.create(yamls.read(AUTOSCALER, autoscalingv1.HorizontalPodAutoscaler))

    assert [one["kind"]["version"] for one in hook.asked] == ([named] if named else [])
    for asked in hook.asked:
        assert (asked["requestKind"]["version"], asked["requestResource"]["version"]) == ("v1", "v1")
        assert asked["object"]["apiVersion"] == f"autoscaling/{named}"
        assert ("targetCPUUtilizationPercentage" in asked["object"]["spec"]) == (named == "v1")


@pytest.mark.parametrize("policy", ["Exact", "Equivalent"])
async def test_versions_of_custom_resources(api: ApiServer, policy: str) -> None:
    """A rule for v1 hears of what is written through v2, as v1, and what it changes there is stored."""
    rule = "{operations: [CREATE], apiGroups: [example.com], apiVersions: [v1], resources: [widgets]}"
    size = hooks.patch({"op": "add", "path": "/spec", "value": {"size": 3}})
    async with hooks.serving(size) as hook:
        client = await configure(api, Mutating, hook, f", matchPolicy: {policy}", rules=rule)
        both = (definitions.version("v1"), definitions.version("v2", storage=False))
        _, widget = await definitions.establish(api, client, *both)
        wanted = widget()
        wanted.metadata.name, wanted.metadata.namespace = "one", "default"
        made = await client.create(wanted)

    assert made.kind.version == "v2"
    if policy == "Exact":
        assert (hook.asked, made.content.get("spec")) == ([], None)
        return
    (asked,) = hook.asked
    assert (asked["kind"]["version"], asked["requestKind"]["version"]) == ("v1", "v2")
    assert asked["object"]["apiVersion"] == "example.com/v1"
    assert made.content["spec"] == {"size": 3}
