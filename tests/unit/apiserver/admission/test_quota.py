"""Quotas: exact under concurrent creations through several servers, and refused in Kubernetes' words."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from control.apiserver.server import ApiServer
from control.store import memory
from fairlead.api import errors, objects, quantity
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import scheduling_v1_pb2 as schedulingv1
from fairlead.testing import control
from tests.support import definitions
from tests.unit.apiserver import yamls

LIMIT = 10
CREATIONS = 50


@pytest.fixture
async def api() -> AsyncIterator[ApiServer]:
    """An API server."""
    async with control.memory_api(now=lambda: 1000.0) as made:
        yield made


async def limit(api: ApiServer, name: str = "few", spec: str = "", **hard: str) -> Any:
    """Put a quota in force with nothing used; returns an administrator's client."""
    client = api.as_user(*control.ADMIN)
    quota = yamls.read(f"{{metadata: {{name: {name}, namespace: default}}, spec: {{{spec}}}}}", corev1.ResourceQuota)
    amounts = {each.replace("_", "."): quantity.parse(amount) for each, amount in hard.items()}
    quantity.write(amounts, quota.spec.hard)
    made = await client.create(quota)
    quantity.write(amounts, made.status.hard)
    quantity.write(dict.fromkeys(amounts, quantity.ZERO), made.status.used)
    await client.update(made, subresource="status")
    await api.cache.fresh()
    return client


async def used(client: Any, name: str = "few") -> dict[str, str]:
    """Return what a quota says is used."""
    quota = await client.get(corev1.ResourceQuota, name, "default")
    return {each: quota.status.used[each].string for each in quota.status.used}


def config(name: str) -> corev1.ConfigMap:
    """Return a ConfigMap."""
    return yamls.read(f"metadata: {{name: {name}, namespace: default}}", corev1.ConfigMap)


def pod(name: str, resources: str = "{}", more: str = "") -> corev1.Pod:
    """Return a pod of one container."""
    text = f"spec: {{containers: [{{name: a, image: web, resources: {resources}}}]{more}}}"
    made = yamls.read(text, corev1.Pod)
    made.metadata.name, made.metadata.namespace = name, "default"
    return made


async def test_concurrent_creations_through_two_servers_end_at_the_limit() -> None:
    """50 creations against a quota of 10: exactly 10 are made, 40 forbidden, and 10 are used."""
    store = memory.MemoryStore()
    async with control.memory_api(store) as one, control.memory_api(store) as two:
        admin = await limit(one, configmaps="10")
        await two.cache.fresh()
        clients = [each.as_user(*control.ADMIN) for each in (one, two)]

        outcomes = await asyncio.gather(
            *(clients[number % 2].create(config(f"c-{number}")) for number in range(CREATIONS)),
            return_exceptions=True,
        )

        refused = [each for each in outcomes if isinstance(each, BaseException)]
        assert {type(each) for each in refused} == {errors.Forbidden}
        assert len(refused) == CREATIONS - LIMIT
        assert len((await admin.list(corev1.ConfigMap, "default")).items) == LIMIT
        assert await used(admin) == {"configmaps": "10"}


async def test_the_words_of_a_refusal(api: ApiServer) -> None:
    """What is requested, used and limited, of what is exceeded alone."""
    client = await limit(api, pods="1", requests_cpu="500m", secrets="5")
    await client.create(pod("one", "{requests: {cpu: 400m}}"))
    with pytest.raises(errors.Forbidden) as refused:
        await client.create(pod("two", "{requests: {cpu: 200m}}"))
    with pytest.raises(errors.Forbidden) as unspecified:
        await client.create(pod("three"))

    assert refused.value.message == (
        'pods "two" is forbidden: exceeded quota: few, requested: pods=1,requests.cpu=200m,'
        " used: pods=1,requests.cpu=400m, limited: pods=1,requests.cpu=500m"
    )
    assert unspecified.value.message == (
        'pods "three" is forbidden: failed quota: few: must specify requests.cpu for: a'
    )
    assert await used(client) == {"pods": "1", "requests.cpu": "400m", "secrets": "0"}


async def test_counts_of_any_kind_and_dry_runs(api: ApiServer) -> None:
    """`count/…` limits every kind; a dry run is judged and not charged."""
    client = await limit(api, **{"count/configmaps": "1"})
    await client.create(config("dry"), dry_run=True)
    await client.create(config("one"))
    with pytest.raises(errors.Forbidden):
        await client.create(config("two"), dry_run=True)

    assert await used(client) == {"count/configmaps": "1"}


async def test_a_quota_that_refuses_takes_nothing_from_the_others(api: ApiServer) -> None:
    """Several quotas hold at once; a refused creation is charged to none."""
    client = await limit(api, "a-wide", configmaps="5")
    await limit(api, "b-narrow", configmaps="1")
    await client.create(config("one"))
    with pytest.raises(errors.Forbidden) as refused:
        await client.create(config("two"))

    assert "exceeded quota: b-narrow" in refused.value.message
    assert (await used(client, "a-wide"), await used(client, "b-narrow")) == ({"configmaps": "1"},) * 2


async def test_scopes_choose_pods(api: ApiServer) -> None:
    """A quota for a priority class counts its pods alone."""
    selector = "scopeSelector: {matchExpressions: [{scopeName: PriorityClass, operator: In, values: [top]}]}"
    client = await limit(api, spec=selector, pods="1")
    await client.create(yamls.read("{metadata: {name: top}, value: 7}", schedulingv1.PriorityClass))
    await api.cache.fresh()
    for number in range(3):
        await client.create(pod(f"plain-{number}"))
    await client.create(pod("top-1", more=", priorityClassName: top"))
    with pytest.raises(errors.Forbidden):
        await client.create(pod("top-2", more=", priorityClassName: top"))


async def test_a_quota_that_has_not_been_counted_yet(api: ApiServer) -> None:
    """A new limit holds once the controller has counted; until its status says what is used, nothing fits."""
    client = await limit(api, configmaps="5")
    quota = objects.copy(await client.get(corev1.ResourceQuota, "few", "default"))
    del quota.status.used["configmaps"]
    await client.update(quota, subresource="status")
    await api.cache.fresh()
    with pytest.raises(errors.Forbidden) as refused:
        await client.create(config("one"))

    assert refused.value.message == (
        'configmaps "one" is forbidden: status unknown for quota: few, resources: configmaps'
    )


async def test_custom_resources_are_counted(api: ApiServer) -> None:
    """`count/widgets.example.com`, as for any other kind."""
    client = await limit(api, **{"count/widgets.example.com": "1"})
    (widget,) = await definitions.establish(api, client)
    first, second = widget(), widget()
    for name, each in (("one", first), ("two", second)):
        each.metadata.name, each.metadata.namespace = name, "default"
    await client.create(first)
    with pytest.raises(errors.Forbidden) as refused:
        await client.create(second)

    assert refused.value.message == (
        'widgets.example.com "two" is forbidden: exceeded quota: few, requested: count/widgets.example.com=1,'
        " used: count/widgets.example.com=1, limited: count/widgets.example.com=1"
    )
