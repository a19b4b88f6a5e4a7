"""The gate over a real cache: seats, queues, refusals, configuration, figures."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import prometheus_client
import pytest

from control.apiserver import authn, authz
from control.apiserver.server import ApiServer
from control.gateway.fairness import gate as gates
from fairlead.api import errors
from fairlead.api.pb import flowcontrol_v1_pb2 as flowcontrolv1
from fairlead.testing import control

ROOT = authz.Attributes(authn.user("root", ("system:masters",)), "list", "", "pods")


def asked(name: str) -> authz.Attributes:
    """A list of a user's."""
    return authz.Attributes(authn.user(name), "list", "", "pods", "", "web")


@pytest.fixture
async def api() -> AsyncIterator[ApiServer]:
    """An API with the default schemas and levels."""
    async with control.memory_api() as made:
        yield made


async def test_a_flood_does_not_starve_another(api: ApiServer) -> None:
    """With one seat a level, the second user is served after one request of the first's, who has queued fifty."""
    gate = gates.Gate(api.cache, seats=1)
    order = []

    async def one(name: str) -> None:
        ticket = await gate.enter(asked(name))
        order.append(name)
        ticket.leave()

    held = await gate.enter(asked("flood"))
    tasks = [asyncio.create_task(one("flood")) for _ in range(50)]
    await asyncio.sleep(0)
    tasks.append(asyncio.create_task(one("calm")))
    await asyncio.sleep(0)
    with pytest.raises(errors.TooManyRequests) as caught:
        await gate.enter(asked("flood"))
    held.leave()
    await asyncio.gather(*tasks)

    assert order[:2] == ["flood", "calm"]
    assert (caught.value.message, caught.value.retry_after_seconds) == (gates.TOO_MANY, 1)


async def test_administrators_are_never_turned_away(api: ApiServer) -> None:
    """Group system:masters is exempt, whatever else goes on."""
    gate = gates.Gate(api.cache, seats=1, wait_seconds=0.001)
    await gate.enter(asked("flood"))

    assert len([await gate.enter(ROOT) for _ in range(1000)]) == 1000


async def test_who_waits_too_long_is_turned_away(api: ApiServer) -> None:
    """And leaves its place in the queue."""
    gate = gates.Gate(api.cache, seats=1, wait_seconds=0.001)
    await gate.enter(asked("alice"))

    with pytest.raises(errors.TooManyRequests):
        await gate.enter(asked("alice"))

    assert gate.flow(asked("alice")).level.waiting == 0


@pytest.mark.parametrize("admitted", [False, True])
async def test_a_caller_that_hangs_up_takes_no_seat_along(api: ApiServer, admitted: bool) -> None:
    """Neither while it waits, nor where its turn comes at the same moment."""
    gate = gates.Gate(api.cache, seats=1)
    held = await gate.enter(asked("alice"))
    waiting = asyncio.create_task(gate.enter(asked("alice")))
    await asyncio.sleep(0)

    if admitted:
        held.leave()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    held.leave()

    level = gate.flow(asked("alice")).level
    assert (level.executing, level.waiting) == (0, 0)


async def test_a_ticket_is_given_back_once(api: ApiServer) -> None:
    """A watch leaves when it has started, and its request when it ends."""
    gate = gates.Gate(api.cache)
    ticket = await gate.enter(asked("alice"))

    ticket.leave()
    ticket.leave()

    assert gate.flow(asked("alice")).level.executing == 0


async def test_what_is_configured_counts_at_once(api: ApiServer) -> None:
    """A new level and a schema that leads to it: the next request goes there."""
    gate = gates.Gate(api.cache)
    before = gate.flow(asked("alice")).labels
    admin = api.as_user(*control.ADMIN)
    level = flowcontrolv1.PriorityLevelConfiguration()
    level.metadata.name, level.spec.type = "tiny", "Limited"
    level.spec.limited.limitResponse.type = "Reject"
    schema = flowcontrolv1.FlowSchema()
    schema.metadata.name = "alices"
    schema.spec.priorityLevelConfiguration.name = "tiny"
    rule = schema.spec.rules.add()
    rule.subjects.add(kind="User").user.name = "alice"
    rule.resourceRules.add(verbs=["*"], apiGroups=["*"], resources=["*"], namespaces=["*"])
    made = [await admin.create(level), await admin.create(schema)]
    await api.cache.fresh()

    flow = gate.flow(asked("alice"))

    assert (before, flow.labels) == (("global-default", "global-default"), ("tiny", "alices"))
    assert flow.headers == {
        "X-Kubernetes-PF-FlowSchema-UID": made[1].metadata.uid,
        "X-Kubernetes-PF-PriorityLevel-UID": made[0].metadata.uid,
    }
    await admin.delete(flowcontrolv1.PriorityLevelConfiguration, "tiny")
    await api.cache.fresh()
    assert gate.flow(asked("alice")).labels == ("global-default", "global-default")


async def test_figures_bear_kubernetes_names(api: ApiServer) -> None:
    """What was dispatched, executes, waits and was turned away, by level and schema."""
    gate = gates.Gate(api.cache, seats=1, wait_seconds=0.001)
    await gate.enter(asked("alice"))
    with pytest.raises(errors.TooManyRequests):
        await gate.enter(asked("alice"))
    registry = prometheus_client.CollectorRegistry()
    registry.register(gate)

    labels = {"priority_level": "global-default", "flow_schema": "global-default"}
    prefix = "apiserver_flowcontrol_"
    assert registry.get_sample_value(f"{prefix}dispatched_requests_total", labels) == 1
    assert registry.get_sample_value(f"{prefix}current_executing_requests", labels) == 1
    assert registry.get_sample_value(f"{prefix}current_inqueue_requests", labels) == 0
    assert registry.get_sample_value(f"{prefix}rejected_requests_total", {**labels, "reason": "time-out"}) == 1
    assert registry.get_sample_value(f"{prefix}nominal_limit_seats", {"priority_level": "global-default"}) == 1


async def test_long_paths_are_not_remembered(api: ApiServer) -> None:
    """A caller that invents paths makes no memory grow."""
    gate = gates.Gate(api.cache)
    user = authn.user("alice")

    for number in range(100):
        gate.flow(authz.Attributes(user, "get", path=f"/{number}" + "x" * 10_000))

    assert not gate._flows
