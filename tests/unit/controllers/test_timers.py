"""What the controllers do after a while, on a clock that the test moves; and who does it when the leader dies."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from control.controllers import manager
from fairlead import clock as clocks
from fairlead.api import conditions, errors, objects, pods, times
from fairlead.api.pb import apps_v1_pb2 as appsv1
from fairlead.api.pb import coordination_v1_pb2 as coordinationv1
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.client import interface
from fairlead.testing import control, samples
from tests.unit.client import waiting
from tests.unit.controllers import cluster as clusters

TURNS = 300


@dataclass
class _World:
    api: Any
    client: interface.Client
    clock: clocks.FakeClock

    async def pods(self) -> list[corev1.Pod]:
        return list((await self.client.list(corev1.Pod)).items)

    async def ready(self, node: str) -> str:
        found = await self.client.get(corev1.Node, node)
        return conditions.status(found.status.conditions, "Ready")

    async def set_ready(self, name: str, status: str) -> None:
        node = objects.copy(await self.client.get(corev1.Node, name))
        conditions.set_condition(node.status.conditions, "Ready", status, times.now(), reason="NodeStatusUnknown")
        await self.client.update(node, subresource="status")

    async def pass_by(self, seconds: float) -> None:
        """Let time pass in steps in which everyone gets enough turns to act; nothing here waits for real time."""
        for _ in range(round(seconds * 2)):
            self.clock.advance(0.5)
            await waiting.settle(TURNS)


@contextlib.asynccontextmanager
async def _world(*managers: str) -> AsyncIterator[_World]:
    async with control.memory_api() as api:
        client, clock = api.as_user(*control.ADMIN), clocks.FakeClock()
        world = _World(api, client, clock)
        tasks = [asyncio.create_task(manager.Manager(api, name, clock=clock).run(), name=name) for name in managers]
        try:
            await _led(world)
            yield world
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def _holder(world: _World) -> str:
    with contextlib.suppress(errors.NotFound):
        lease = await world.client.get(coordinationv1.Lease, manager.LEASE_NAME, "kube-system")
        return str(lease.spec.holderIdentity)
    return ""


async def _led(world: _World) -> None:
    for _ in range(2000):
        if await _holder(world):
            return
        await asyncio.sleep(0.002)
    raise AssertionError("nobody leads")


def _carried(name: str, seconds: int) -> corev1.Pod:
    pod = samples.pod(name, node_name="node-1")
    for key in ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"):
        pod.spec.tolerations.add(key=key, operator="Exists", effect="NoExecute", tolerationSeconds=seconds)
    return pod


async def test_pod_leaves_when_its_toleration_ends() -> None:
    """A pod that tolerates the taint for 60 s is deleted after 60 s, not before; another stays its 300 s."""
    async with _world("one") as world:
        await world.client.create(samples.node("node-1"))
        await world.client.create(_carried("patient", 300))
        await world.client.create(_carried("hasty", 60))
        await world.set_ready("node-1", "Unknown")
        await world.pass_by(58)
        assert [pods.is_terminating(pod) for pod in await world.pods()] == [False, False]
        await world.pass_by(4)
        leaving = [pod.metadata.name for pod in await world.pods() if pods.is_terminating(pod)]
        assert leaving == ["hasty"]


async def test_pod_stays_if_its_node_comes_back_in_time() -> None:
    """A node that is ready again before the toleration ends keeps its pods."""
    async with _world("one") as world:
        await world.client.create(samples.node("node-1"))
        await world.client.create(_carried("hasty", 60))
        await world.set_ready("node-1", "Unknown")
        await world.pass_by(30)
        await world.set_ready("node-1", "True")
        await world.pass_by(60)
        assert [pods.is_terminating(pod) for pod in await world.pods()] == [False]


def _lease(name: str) -> coordinationv1.Lease:
    lease = coordinationv1.Lease()
    lease.metadata.name, lease.metadata.namespace = name, "kube-node-lease"
    lease.spec.holderIdentity, lease.spec.leaseDurationSeconds = "control-1", 40
    lease.spec.renewTime.CopyFrom(times.from_seconds_micro(0))
    return lease


async def test_node_whose_lease_nobody_renews_is_unknown_after_40_s() -> None:
    """A node with a renewed lease stays ready; one whose lease stands still is declared unknown after 40 s."""
    async with _world("one") as world:
        for name in ("node-1", "node-2"):
            await world.client.create(samples.node(name))
            await world.client.create(_lease(name))
        for _ in range(4):
            await world.pass_by(9)
            lease = objects.copy(await world.client.get(coordinationv1.Lease, "node-2", "kube-node-lease"))
            lease.spec.renewTime.seconds += 10
            await world.client.update(lease)
        assert await world.ready("node-1") == "True"
        await world.pass_by(6)
        assert (await world.ready("node-1"), await world.ready("node-2")) == ("Unknown", "True")


async def test_pods_of_a_deleted_node_go_after_40_s() -> None:
    """A pod whose node is deleted is given up: failed, with the reason as a condition, then removed."""
    async with _world("one") as world:
        await world.client.create(samples.node("node-1"))
        await world.client.create(_carried("orphan", 300))
        await world.pass_by(1)
        await world.client.delete(corev1.Node, "node-1")
        await world.pass_by(38)
        assert len(await world.pods()) == 1
        await world.pass_by(4)
        assert await world.pods() == []


async def test_second_manager_takes_over_within_8_s_of_a_kill() -> None:
    """When the leader is gone without releasing, a standby carries on: a Deployment made meanwhile gets its pods."""
    async with _world("one") as world:
        second = asyncio.create_task(manager.Manager(world.api, "two", clock=world.clock).run())
        await world.pass_by(1)
        assert await _holder(world) == "one"
        first = next(task for task in asyncio.all_tasks() if task.get_name() == "one")
        lease = objects.copy(await world.client.get(coordinationv1.Lease, manager.LEASE_NAME, "kube-system"))
        first.cancel()
        await asyncio.wait((first,))
        # what a kill leaves behind: the lease still in the name of the dead
        fresh = objects.copy(await world.client.get(coordinationv1.Lease, manager.LEASE_NAME, "kube-system"))
        fresh.spec.CopyFrom(lease.spec)
        await world.client.update(fresh)
        await world.client.create(clusters.deployment("web"))

        await world.pass_by(5)
        assert await world.pods() == []
        await world.pass_by(3)
        assert await _holder(world) == "two"
        assert len(await world.pods()) == 3
        assert len((await world.client.list(appsv1.ReplicaSet)).items) == 1
        second.cancel()
        await asyncio.wait((second,))
