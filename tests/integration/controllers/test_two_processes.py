"""Scheduler and controllers of two control processes on one real etcd."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from control.controllers import manager
from control.scheduler import scheduler
from control.store.etcd import EtcdStore
from fairlead.api import objects, pods
from fairlead.api.pb import apps_v1_pb2 as appsv1
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.client import informer
from fairlead.testing import control
from tests.support import etcd
from tests.unit.controllers import cluster as clusters


@dataclass
class _Process:
    """One control process without its ports: API, watch cache, scheduler, controllers."""

    api: Any
    tasks: list[asyncio.Task[None]]

    async def stop(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


@contextlib.asynccontextmanager
async def _process(running: etcd.Cluster, name: str) -> AsyncIterator[_Process]:
    store = EtcdStore(running.urls)
    try:
        async with control.memory_api(store) as api:
            loops = (manager.Manager(api, name).run(), scheduler.Scheduler(api.as_user(scheduler.USER), name).run())
            process = _Process(api, [asyncio.create_task(loop) for loop in loops])
            try:
                yield process
            finally:
                await process.stop()
    finally:
        await store.close()


def _running(copy: informer.Informer[corev1.Pod]) -> list[corev1.Pod]:
    return [pod for pod in copy.list("default") if pods.is_active(pod) and pods.is_ready(pod)]


async def test_either_process_carries_on_for_the_other() -> None:
    """What is created through one process runs whoever leads; when the leader stops, the other rolls out."""
    with etcd.cluster() as running:
        async with _process(running, "control-1") as first, _process(running, "control-2") as second:
            client = second.api.as_user(*control.ADMIN)
            names = ("node-1", "node-2", "node-3")
            for name in names:
                await client.create(clusters.node(name))
            kubelets = clusters.Kubelets(client, names, binds=False)
            copy = informer.Informer(client, corev1.Pod)
            copy.add_handler(kubelets.changed)
            tasks = [asyncio.create_task(copy.run()), asyncio.create_task(kubelets.run())]

            await first.api.as_user(*control.ADMIN).create(clusters.deployment("web"))
            await clusters.wait_until(lambda: "" if len(_running(copy)) == 3 else f"{len(_running(copy))} run")
            assert {pod.spec.nodeName for pod in _running(copy)} == set(names)

            await first.stop()
            fresh = objects.copy(await client.get(appsv1.Deployment, "web", "default"))
            fresh.spec.template.spec.containers[0].image = "web:2"
            await client.update(fresh)

            def rolled_out() -> str:
                images = sorted(pod.spec.containers[0].image for pod in _running(copy))
                return "" if images == ["web:2"] * 3 else str(images)

            await clusters.wait_until(rolled_out, 30)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
