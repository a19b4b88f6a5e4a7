"""Requests for another version of a kind: one object, read and written as each client knows it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from control.apiserver import warnings
from control.apiserver.settings import Settings
from control.store import memory
from fairlead.api import codec, conversion, errors, objects, scheme
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import discovery_v1_pb2 as discoveryv1
from fairlead.api.pb import discovery_v1beta1_pb2 as discoveryv1beta1
from fairlead.api.pb import events_v1_pb2 as eventsv1
from fairlead.api.pb import policy_v1beta1_pb2 as policyv1beta1
from fairlead.client.interface import Patch, PatchType, Selection
from fairlead.testing import control
from tests.unit.apiserver import yamls

EVENT = """
metadata: {name: web.1, namespace: default}
eventTime: "2026-01-02T03:04:05.000006Z"
reportingController: example.com/robot
reportingInstance: robot-1
action: Binding
reason: Scheduled
regarding: {kind: Pod, namespace: default, name: web}
note: it went well
type: Normal
"""
SLICE = """
metadata: {name: web, namespace: default}
addressType: IPv4
endpoints: [{addresses: [10.0.0.1], topology: {topology.kubernetes.io/zone: a}}]
"""
NOW = "2026-01-02T03:04:05.000006Z"
OLD = Settings(api_compat=scheme.COMPAT_1_20)


@pytest.fixture
async def admin() -> AsyncIterator[Any]:
    """A client of system:masters at a server for old clients, too."""
    async with control.memory_api(now=lambda: 1000.0, settings=OLD) as api:
        yield api.as_user(*control.ADMIN)


async def test_an_event_of_the_new_api_is_one_of_the_old(admin: Any) -> None:
    """Created as events.k8s.io/v1, listed by the names of either, and the answer is the caller's version."""
    made = await admin.create(yamls.read(EVENT, eventsv1.Event))

    old = await admin.get(corev1.Event, "web.1", "default")
    new = await admin.list(eventsv1.Event, select=Selection(fields="regarding.name=web"))
    none = await admin.list(eventsv1.Event, select=Selection(fields="regarding.name=lost"))

    assert isinstance(made, eventsv1.Event)
    assert (old.involvedObject.name, old.message, old.reportingComponent) == (
        "web",
        "it went well",
        "example.com/robot",
    )
    assert [(type(one), one.note) for one in new.items] == [(eventsv1.Event, "it went well")]
    assert none.items == []


async def test_a_watch_speaks_the_version_that_it_asks_for(admin: Any) -> None:
    """Events of the watch are converted like answers."""
    await admin.create(yamls.read(EVENT, eventsv1.Event))

    async for some in admin.watch(eventsv1.Event, "default"):
        assert [type(one.object) for one in some] == [eventsv1.Event, eventsv1.Event]  # the second is a bookmark
        assert some[0].object.regarding.name == "web"
        break


BAD_EVENTS = [
    ("eventTime", None, "eventTime: Required value"),
    ("type", "Odd", 'type: Invalid value: "": has invalid value: Odd'),
    ("action", "", "action: Required value"),
    ("reason", "x" * 129, 'reason: Invalid value: "": can have at most 128 characters'),
    ("note", "x" * 1025, 'message: Invalid value: "": can have at most 1024 characters'),
    ("reportingInstance", "", "reportingInstance: Required value"),
    ("deprecatedCount", 1, 'count: Invalid value: "": needs to be unset'),
    ("deprecatedSource", {"component": "x"}, 'source: Invalid value: "": needs to be unset'),
    ("series", {"count": 1, "lastObservedTime": NOW}, 'series.count: Invalid value: "": should be at least 2'),
    ("series", {"count": 2}, "series.lastObservedTime: Required value"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value", "fault"), BAD_EVENTS)
async def test_a_new_event_must_be_complete(admin: Any, name: str, value: Any, fault: str) -> None:
    """events.k8s.io/v1 asks more than core v1."""
    document: Any = yamls.loaded(EVENT)
    document[name] = value

    with pytest.raises(errors.Invalid) as refused:
        await admin.create(codec.from_json(document, eventsv1.Event))

    assert fault in [f"{cause.field}: {cause.message}" for cause in refused.value.causes]


async def test_an_event_of_the_new_api_changes_only_in_its_series(admin: Any) -> None:
    """A patch counts it up; another note is refused."""
    await admin.create(yamls.read(EVENT, eventsv1.Event))
    counted = b'{"series": {"count": 2, "lastObservedTime": "2026-01-02T03:04:06.000000Z"}}'

    patched = await admin.patch(eventsv1.Event, "web.1", "default", Patch(PatchType.MERGE, counted))
    changed = objects.copy(patched)
    changed.note = "otherwise"
    with pytest.raises(errors.Invalid) as refused:
        await admin.update(changed)

    assert patched.series.count == 2
    assert [f"{cause.field}: {cause.message}" for cause in refused.value.causes] == [
        'message: Invalid value: "otherwise": field is immutable'
    ]


async def test_an_old_client_writes_what_a_new_one_reads(admin: Any) -> None:
    """discovery/v1beta1: created, updated, deleted; stored as v1."""
    made = await admin.create(yamls.read(SLICE, discoveryv1beta1.EndpointSlice))
    stable = await admin.get(discoveryv1.EndpointSlice, "web", "default")
    changed = objects.copy(made)
    changed.endpoints[0].topology["topology.kubernetes.io/zone"] = "b"
    updated = await admin.update(changed)
    gone = await admin.delete(discoveryv1beta1.EndpointSlice, "web", "default")

    assert stable.endpoints[0].zone == "a"
    assert updated.endpoints[0].topology == {"topology.kubernetes.io/zone": "b"}
    assert isinstance(gone, discoveryv1beta1.EndpointSlice)


async def test_a_beta_eviction_is_always_taken() -> None:
    """kubectl 1.20 drains with policy/v1beta1."""
    async with control.memory_api() as api:
        client = api.as_user(*control.ADMIN)
        pod = "{metadata: {name: web, namespace: default}, spec: {containers: [{name: main, image: web}]}}"
        await client.create(yamls.read(pod, corev1.Pod))

        eviction = policyv1beta1.Eviction()
        eviction.metadata.name = "web"
        await client.post(corev1.Pod, "web", "default", "eviction", eviction)

        with pytest.raises(errors.NotFound):
            await client.get(corev1.Pod, "web", "default")


async def test_beta_versions_need_the_switch() -> None:
    """Without --api-compat=1.20 they are neither served nor discovered."""
    async with control.memory_api() as api:
        client = api.as_user(*control.ADMIN)
        beta = scheme.DEFAULT.of(discoveryv1beta1.EndpointSlice)

        with pytest.raises(errors.NotFound):
            await client.list(discoveryv1beta1.EndpointSlice, "default")

        assert beta not in api.kinds.served()
        assert scheme.DEFAULT.of(eventsv1.Event) in api.kinds.served()
    async with control.memory_api(settings=OLD) as api:
        assert beta in api.kinds.served()


async def test_what_an_older_server_stored_is_read_as_its_hub() -> None:
    """etcd may hold the version that was the stored one then."""
    version = yamls.read(SLICE, discoveryv1beta1.EndpointSlice)
    store = memory.MemoryStore()
    async with control.memory_api(store) as api:
        client = api.as_user(*control.ADMIN)
        kind = scheme.DEFAULT.of(discoveryv1.EndpointSlice)
        await store.commit(memory.Put(kind.key("default", "web"), codec.encode_stored(version), expected=0))

        found = await client.get(discoveryv1.EndpointSlice, "web", "default")

        hub = conversion.to_hub(version)
        hub.metadata.resourceVersion = found.metadata.resourceVersion
        assert found == hub


async def test_users_of_deprecated_versions_are_warned(admin: Any) -> None:
    """In Kubernetes' words; users of the versions that replaced them are not."""
    with warnings.collected() as told:
        for message in (corev1.ComponentStatus, policyv1beta1.PodDisruptionBudget, discoveryv1beta1.EndpointSlice):
            await admin.list(message)
    with warnings.collected() as untold:
        await admin.list(discoveryv1.EndpointSlice)
        await admin.list(eventsv1.Event)

    assert told == [
        "v1 ComponentStatus is deprecated in v1.19+",
        "policy/v1beta1 PodDisruptionBudget is deprecated in v1.21+, unavailable in v1.25+; use policy/v1"
        " PodDisruptionBudget",
        "discovery.k8s.io/v1beta1 EndpointSlice is deprecated in v1.21+, unavailable in v1.25+; use"
        " discovery.k8s.io/v1 EndpointSlice",
    ]
    assert untold == []
