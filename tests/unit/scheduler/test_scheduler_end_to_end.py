"""The scheduler over the real API on a memory store."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from control.scheduler import scheduler
from control.scheduler.plugins import profile
from fairlead import clock as clocks
from fairlead.api import conditions, errors, objects
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import meta_v1_pb2 as metav1
from fairlead.api.pb import scheduling_v1_pb2 as schedulingv1
from fairlead.client import events, informer, interface
from fairlead.testing import control, samples
from tests.unit.controllers.cluster import wait_until


@dataclass
class _World:
    client: interface.Client
    pods: informer.Informer[corev1.Pod]
    events: informer.Informer[corev1.Event]

    def node_of(self, name: str) -> str:
        found = self.pods.get(name, "default")
        return found.spec.nodeName if found is not None else "absent"

    def nominated(self, name: str) -> str:
        found = self.pods.get(name, "default")
        return found.status.nominatedNodeName if found is not None else "absent"

    async def bound(self, *names: str) -> None:
        await wait_until(lambda: " ".join(name for name in names if self.node_of(name) in ("", "absent")))

    async def refused(self, name: str) -> str:
        """Wait until a pod is said to be unschedulable, and return why."""

        def condition() -> Any:
            found = self.pods.get(name, "default")
            return conditions.get(found.status.conditions, "PodScheduled") if found is not None else None

        await wait_until(lambda: "" if condition() is not None and condition().status == "False" else "no verdict")
        return str(condition().message)


@contextlib.asynccontextmanager
async def _world(*nodes: corev1.Node) -> AsyncIterator[_World]:
    async with control.memory_api() as api:
        client = api.as_user(*control.ADMIN)
        for node in nodes:
            await client.create(node)
        informers = informer.Informers(client)
        world = _World(client, informers.of(corev1.Pod), informers.of(corev1.Event))
        working = scheduler.Scheduler(api.as_user(scheduler.USER), "scheduler-1")
        tasks = [asyncio.create_task(informers.run()), asyncio.create_task(working.run())]
        try:
            await informers.synced()
            yield world
        finally:
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
        assert [each for each in results if not isinstance(each, asyncio.CancelledError)] == []


def _three() -> list[corev1.Node]:
    return [samples.node(f"node-{number}") for number in (1, 2, 3)]


async def test_replicas_land_on_different_nodes() -> None:
    """Three pods of one owner run on three nodes, and an Event says where each went."""
    async with _world(*_three()) as world:
        for number in (1, 2, 3):
            await world.client.create(samples.pod(f"web-{number}", owner="web"))
        await world.bound("web-1", "web-2", "web-3")
        assert {world.node_of(f"web-{number}") for number in (1, 2, 3)} == {"node-1", "node-2", "node-3"}

        want = f"Successfully assigned default/web-1 to {world.node_of('web-1')}"
        await wait_until(lambda: "" if any(e.message == want for e in world.events.list()) else "no event")


async def test_pod_that_fits_nowhere_says_why_and_waits_for_room() -> None:
    """A pod too large for what is left is bound once another pod goes."""
    async with _world(samples.node("node-1", cpu="2")) as world:
        await world.client.create(samples.pod("first", cpu="1500m"))
        await world.bound("first")
        await world.client.create(samples.pod("second", cpu="1500m"))
        assert await world.refused("second") == (
            "0/1 nodes are available: 1 Insufficient cpu."
            " preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod."
        )
        await wait_until(
            lambda: "" if any(e.reason == "FailedScheduling" for e in world.events.list()) else "no event"
        )

        now = metav1.DeleteOptions(gracePeriodSeconds=0)
        await world.client.delete(corev1.Pod, "first", "default", options=now)
        await world.bound("second")


async def test_pod_waits_for_its_node() -> None:
    """A pod whose selector no node matches is bound when such a node joins."""
    async with _world(*_three()) as world:
        picky = samples.pod("picky")
        picky.spec.nodeSelector["disk"] = "fast"
        await world.client.create(picky)
        want = "0/3 nodes are available: 3 node(s) didn't match Pod's node affinity/selector."
        want += " preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling."
        assert await world.refused("picky") == want
        await world.client.create(samples.node("node-4", labels={"disk": "fast"}))
        await world.bound("picky")
        assert world.node_of("picky") == "node-4"


async def test_cluster_without_nodes() -> None:
    """Without a node a pod waits, and is bound when the first one joins."""
    async with _world() as world:
        await world.client.create(samples.pod("early"))
        assert await world.refused("early") == "no nodes available to schedule pods"
        await world.client.create(samples.node("node-1"))
        await world.bound("early")


async def test_other_schedulers_pods_are_left_alone() -> None:
    """A pod that asks for another scheduler stays unbound; the next one does not."""
    async with _world(*_three()) as world:
        foreign = samples.pod("foreign")
        foreign.spec.schedulerName = "theirs"
        await world.client.create(foreign)
        await world.client.create(samples.pod("ours"))
        await world.bound("ours")
        assert world.node_of("foreign") == ""


async def test_many_pods_fill_the_nodes_exactly() -> None:
    """Thirty pods of which ten fit on each of three nodes are bound ten each: assumed pods count at once."""
    async with _world(*[samples.node(f"node-{number}", cpu="1") for number in (1, 2, 3)]) as world:
        for number in range(30):
            await world.client.create(samples.pod(f"p-{number}", cpu="100m"))
        await world.bound(*(f"p-{number}" for number in range(30)))
        landed = [world.node_of(f"p-{number}") for number in range(30)]
        assert sorted(landed.count(f"node-{number}") for number in (1, 2, 3)) == [10, 10, 10]


async def test_a_term_holds_the_newest_message_of_a_node() -> None:
    """Also after a change that scheduling does not look at: no message of before stays in memory."""
    async with control.memory_api() as api:
        client = api.as_user(*control.ADMIN)
        recorder = events.Recorder(client, "test")
        term = scheduler.Term(client, profile.default(random.Random(1)), recorder, clocks.SYSTEM)
        old, new = samples.node("a"), samples.node("a")
        new.status.conditions.add(type="Ready", status="True")
        term.node_changed("ADDED", None, old)

        term.node_changed("MODIFIED", old, new)

        assert term.nodes.objects[term.nodes.positions["a"]] is new


def _important(name: str, priority: int, **requests: str) -> corev1.Pod:
    made = samples.pod(name, **requests)
    made.spec.priorityClassName = f"p{priority}"
    return made


async def _priorities(client: interface.Client, *values: int) -> None:
    for value in values:
        made = schedulingv1.PriorityClass(value=value)
        made.metadata.name = f"p{value}"
        await client.create(made)


async def test_a_more_important_pod_takes_the_room_of_a_less_important_one() -> None:
    """The victim says why it goes, the other waits for its node; what comes later leaves the room alone."""
    async with _world(samples.node("node-1", cpu="2")) as world:
        await _priorities(world.client, 1, 10)
        low = _important("low", 1, cpu="1500m")
        low.metadata.finalizers.append("example.com/stay")
        low.metadata.labels["app"] = "low"
        await world.client.create(low)
        await world.bound("low")

        await world.client.create(_important("high", 10, cpu="1500m"))

        def going() -> str:
            found = world.pods.get("low", "default")
            assert found is not None
            target = conditions.get(found.status.conditions, "DisruptionTarget")
            return "" if target is not None and found.metadata.HasField("deletionTimestamp") else str(found.status)

        await wait_until(going)
        victim, waiting = world.pods.get("low", "default"), world.pods.get("high", "default")
        assert victim is not None
        assert waiting is not None
        target = conditions.get(victim.status.conditions, "DisruptionTarget")
        assert target is not None
        assert (target.reason, target.message) == (
            "PreemptionByScheduler",
            "default-scheduler: preempting to accommodate a higher priority pod",
        )
        assert await world.refused("high") == "0/1 nodes are available: 1 Insufficient cpu."
        await wait_until(lambda: "" if world.nominated("high") == "node-1" else world.nominated("high"))
        want = f"Preempted by pod {waiting.metadata.uid} on node node-1"
        await wait_until(lambda: "" if any(e.message == want for e in world.events.list()) else "no event")

        await world.client.create(_important("later", 1, cpu="1500m"))
        await world.refused("later")
        fresh = objects.copy(victim)
        del fresh.metadata.finalizers[:]
        fresh.metadata.resourceVersion = ""
        await world.client.update(fresh)
        now = metav1.DeleteOptions(gracePeriodSeconds=0)
        with contextlib.suppress(errors.NotFound):
            await world.client.delete(corev1.Pod, "low", "default", options=now)
        await world.bound("high")
        assert world.node_of("later") == ""


async def test_a_pod_waits_on_for_its_room_under_a_new_leader() -> None:
    """Its nominated node is written in its status."""
    nominated = samples.pod("high", cpu="1500m")
    nominated.spec.priority, nominated.status.nominatedNodeName = 10, "node-1"
    term = scheduler.Term(None, profile.default(), None, clocks.SYSTEM)  # type: ignore[arg-type]
    term.node_changed("added", None, samples.node("node-1", cpu="2"))
    term.node_changed("added", None, samples.node("node-2", cpu="1"))
    term.pod_changed("added", None, nominated)
    later = samples.pod("later", cpu="1500m")
    term.pod_changed("added", None, later)

    first, second = term.queue.pop_ready(), term.queue.pop_ready()
    assert first is not None
    assert second is not None
    assert (second.info.key, term.schedule_one(second)) == ("default/later", "")
    assert (first.info.key, term.schedule_one(first)) == ("default/high", "node-1")
