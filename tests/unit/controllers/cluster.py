"""A control plane in memory with the controllers running, and a stand-in for the nodes.

The API is the real one over the memory store; `Kubelets` only writes the statuses that agents would.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from control.controllers import manager
from fairlead import clock as clocks
from fairlead.api import conditions, errors, objects, pods, times
from fairlead.api.pb import apps_v1_pb2 as appsv1
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import meta_v1_pb2 as metav1
from fairlead.client import informer, interface
from fairlead.testing import control

PATIENCE_SECONDS = 20.0


async def wait_until(probe: Callable[[], str], seconds: float = PATIENCE_SECONDS) -> None:
    """Wait until `probe` gives no reason why not yet; fail with the last reason."""
    deadline = time.monotonic() + seconds
    while why := probe():
        if time.monotonic() > deadline:
            raise AssertionError(f"after {seconds:g} s: {why}")
        await asyncio.sleep(0.005)


@dataclass
class Kubelets:
    """Runs what is bound, by writing statuses; nodes in `dead` do nothing, new pods bind to nodes in turn."""

    client: interface.Client
    nodes: Sequence[str] = ("node-1", "node-2", "node-3")
    dead: set[str] = field(default_factory=set)
    hold: set[str] = field(default_factory=set)
    binds: bool = True
    queue: asyncio.Queue[corev1.Pod] = field(default_factory=asyncio.Queue)
    _bound: int = 0
    _started: int = 0

    def changed(self, change: str, old: corev1.Pod | None, new: corev1.Pod | None) -> None:
        if new is not None:
            self.queue.put_nowait(new)

    async def run(self) -> None:
        while True:
            pod = await self.queue.get()
            # Forbidden: nothing is bound in a namespace that is going away
            with contextlib.suppress(errors.Conflict, errors.Forbidden, errors.NotFound):
                await self._serve(pod)

    async def _serve(self, pod: corev1.Pod) -> None:
        meta = pod.metadata
        if pod.spec.nodeName in self.dead:
            return
        if pods.is_terminating(pod) and pod.spec.nodeName:
            now = metav1.DeleteOptions(gracePeriodSeconds=0)
            await self.client.delete(corev1.Pod, meta.name, meta.namespace, options=now)
        elif not pod.spec.nodeName and self.binds:
            alive = [name for name in self.nodes if name not in self.dead]
            self._bound += 1
            binding = corev1.Binding(target=corev1.ObjectReference(kind="Node", name=alive[self._bound % len(alive)]))
            binding.metadata.name, binding.metadata.namespace = meta.name, meta.namespace
            await self.client.post(corev1.Pod, meta.name, meta.namespace, "binding", binding)
        elif pod.spec.nodeName and not pods.is_ready(pod) and pod.spec.containers[0].image not in self.hold:
            self._started += 1
            await self.client.update(running(pod, f"10.128.0.{self._started % 250}"), subresource="status")


def running(pod: corev1.Pod, address: str) -> corev1.Pod:
    """Return the pod as an agent reports it once its containers run."""
    fresh = objects.copy(pod)
    fresh.status.phase = pods.RUNNING
    fresh.status.podIP = address
    del fresh.status.podIPs[:]
    fresh.status.podIPs.add(ip=address)
    conditions.set_condition(fresh.status.conditions, pods.READY, conditions.TRUE, times.now())
    return fresh


@dataclass
class Cluster:
    """What a test holds: an administrator's client, copies of what is there, the stand-in."""

    api: Any
    client: interface.Client
    informers: informer.Informers
    kubelets: Kubelets

    def all(self, kind: Any, namespace: str = "") -> Sequence[Any]:
        return self.informers.of(kind).list(namespace)

    def pods(self, namespace: str = "default") -> list[corev1.Pod]:
        return [pod for pod in self.all(corev1.Pod, namespace) if pods.is_active(pod)]

    def deployment(self, name: str) -> appsv1.Deployment:
        found = self.informers.of(appsv1.Deployment).get(name, "default")
        assert found is not None
        return found

    async def rolled_out(self, name: str) -> None:
        """Wait until every replica of a Deployment is new and available."""

        def probe() -> str:
            each = self.informers.of(appsv1.Deployment).get(name, "default")
            if each is None:
                return f"no {name}"
            status, wanted = each.status, each.spec.replicas
            counts = (status.replicas, status.updatedReplicas, status.availableReplicas)
            if counts != (wanted,) * 3 or status.observedGeneration != each.metadata.generation:
                return f"{counts} of {wanted}, {[pod.metadata.name for pod in self.pods()]}"
            return ""

        await wait_until(probe)
        shown = self.informers.of(appsv1.Deployment).revision
        await self.informers.of(corev1.Pod).wait_for_revision(shown)
        await self.informers.of(appsv1.ReplicaSet).wait_for_revision(shown)

    async def change(self, kind: Any, name: str, edit: Callable[[Any], None], namespace: str = "default") -> Any:
        """Edit an object, again if someone else was faster."""
        while True:
            fresh = objects.copy(await self.client.get(kind, name, namespace))
            edit(fresh)
            try:
                written = await self.client.update(fresh)
                await self.informers.of(kind).wait_for_revision(written.metadata.resourceVersion)
                return written
            except errors.Conflict:
                continue


@contextlib.asynccontextmanager
async def cluster(*, nodes: int = 3, **options: Any) -> AsyncIterator[Cluster]:
    """Run API, controllers and the stand-in; the controllers act as their own accounts."""
    async with control.memory_api(issuer=options.pop("issuer", None)) as api:
        client = api.as_user(*control.ADMIN)
        for number in range(1, nodes + 1):
            await client.create(node(f"node-{number}"))
        informers = informer.Informers(client)
        kubelets = Kubelets(client, tuple(f"node-{number}" for number in range(1, nodes + 1)))
        informers.of(corev1.Pod).add_handler(kubelets.changed)
        for kind in options.pop("watched", ()):
            informers.of(kind)
        informers.of(appsv1.ReplicaSet)
        informers.of(appsv1.Deployment)
        managed = manager.Manager(api, "manager-1", clock=clocks.SYSTEM, **options)
        running = [
            asyncio.create_task(work, name=name)
            for name, work in {
                "informers": informers.run(), "kubelets": kubelets.run(), "manager": managed.run()
            }.items()
        ]  # fmt: skip
        try:
            await informers.synced()
            yield Cluster(api, client, informers, kubelets)
        finally:
            for task in running:
                task.cancel()
            results = await asyncio.gather(*running, return_exceptions=True)
        failures = [each for each in results if not isinstance(each, asyncio.CancelledError)]
        assert failures == []


def node(name: str, **labels: str) -> corev1.Node:
    """Return a ready node with room."""
    fresh = corev1.Node()
    fresh.metadata.name = name
    fresh.metadata.labels.update({"kubernetes.io/hostname": name, **labels})
    for resource, amount in {"cpu": "4", "memory": "8Gi", "pods": "110"}.items():
        fresh.status.capacity[resource].string = amount
        fresh.status.allocatable[resource].string = amount
    conditions.set_condition(fresh.status.conditions, "Ready", conditions.TRUE, times.now(), reason="KubeletReady")
    return fresh


def deployment(name: str, replicas: int = 3, image: str = "web:1", **labels: str) -> appsv1.Deployment:
    """Return a Deployment of one container."""
    fresh = appsv1.Deployment()
    fresh.metadata.name, fresh.metadata.namespace = name, "default"
    labels = labels or {"app": name}
    fresh.spec.replicas = replicas
    fresh.spec.selector.matchLabels.update(labels)
    fresh.spec.template.metadata.labels.update(labels)
    container = fresh.spec.template.spec.containers.add(name="main", image=image)
    container.ports.add(name="http", containerPort=8080)
    return fresh


def service(name: str, target: str = "http", **selector: str) -> corev1.Service:
    """Return a Service of one port."""
    fresh = corev1.Service()
    fresh.metadata.name, fresh.metadata.namespace = name, "default"
    fresh.spec.selector.update(selector or {"app": name})
    port = fresh.spec.ports.add(port=80)
    port.targetPort.type, port.targetPort.strVal = 1, target
    return fresh
