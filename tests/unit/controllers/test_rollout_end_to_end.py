"""Deployments, ReplicaSets and EndpointSlices together, over the real API on a memory store."""

from __future__ import annotations

from fairlead.api import objects
from fairlead.api.pb import apps_v1_pb2 as appsv1
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import discovery_v1_pb2 as discoveryv1
from tests.unit.controllers import cluster as clusters


def _image(deployment: appsv1.Deployment, image: str) -> None:
    deployment.spec.template.spec.containers[0].image = image


async def test_deployment_runs_and_its_service_has_endpoints() -> None:
    """Three replicas run, and the Service's slice holds their three addresses."""
    async with clusters.cluster(watched=[discoveryv1.EndpointSlice]) as cluster:
        await cluster.client.create(clusters.service("web"))
        await cluster.client.create(clusters.deployment("web"))
        await cluster.rolled_out("web")

        def probe() -> str:
            slices = [
                each for each in cluster.all(discoveryv1.EndpointSlice) if each.metadata.name.startswith("web-")
            ]
            ready = [one for each in slices for one in each.endpoints if one.conditions.ready]
            return "" if len(slices) == 1 and len(ready) == 3 else f"{len(slices)} slices, {len(ready)} ready"

        await clusters.wait_until(probe)
        nodes = {pod.spec.nodeName for pod in cluster.pods()}
        assert nodes == {"node-1", "node-2", "node-3"}


async def test_nodes_get_pod_ranges() -> None:
    """Every node has a range of its own."""
    async with clusters.cluster(watched=[corev1.Node]) as cluster:

        def probe() -> str:
            given = {node.spec.podCIDR for node in cluster.all(corev1.Node)}
            return "" if given == {"10.128.0.0/24", "10.128.1.0/24", "10.128.2.0/24"} else str(given)

        await clusters.wait_until(probe)


async def test_new_template_rolls_out_and_back() -> None:
    """A new image replaces every pod; the old template again revives the old ReplicaSet at a new revision."""
    async with clusters.cluster() as cluster:
        await cluster.client.create(clusters.deployment("web", 4))
        await cluster.rolled_out("web")
        (first,) = cluster.all(appsv1.ReplicaSet)

        await cluster.change(appsv1.Deployment, "web", lambda each: _image(each, "web:2"))
        await cluster.rolled_out("web")
        assert {pod.spec.containers[0].image for pod in cluster.pods()} == {"web:2"}
        assert len(cluster.all(appsv1.ReplicaSet)) == 2

        await cluster.change(appsv1.Deployment, "web", lambda each: _image(each, "web:1"))
        await cluster.rolled_out("web")
        names = {objects.controller_of(pod).name for pod in cluster.pods()}  # type: ignore[union-attr]
        assert names == {first.metadata.name}
        revived = await cluster.client.get(appsv1.ReplicaSet, first.metadata.name, "default")
        assert revived.metadata.annotations["deployment.kubernetes.io/revision"] == "3"
        assert revived.metadata.annotations["deployment.kubernetes.io/revision-history"] == "1"


async def test_the_revision_is_noted_without_another_generation() -> None:
    """Only who asks for something counts the generation up; the controller notes the revision beside the status."""

    def noted(revision: str) -> str:
        found = [each.metadata for each in cluster.all(appsv1.Deployment)]
        seen = [each.annotations.get("deployment.kubernetes.io/revision") for each in found]
        return "" if seen == [revision] else str(seen)

    async with clusters.cluster() as cluster:
        await cluster.client.create(clusters.deployment("web", 1))
        await cluster.rolled_out("web")
        await clusters.wait_until(lambda: noted("1"))
        assert [each.metadata.generation for each in cluster.all(appsv1.Deployment)] == [1]

        await cluster.change(appsv1.Deployment, "web", lambda each: _image(each, "web:2"))
        await cluster.rolled_out("web")
        await clusters.wait_until(lambda: noted("2"))
        assert [each.metadata.generation for each in cluster.all(appsv1.Deployment)] == [2]


async def test_scaling_up_and_down() -> None:
    """The number of pods follows the replicas."""
    async with clusters.cluster() as cluster:
        await cluster.client.create(clusters.deployment("web", 2))
        await cluster.rolled_out("web")
        for replicas in (7, 1, 0):

            def resize(each: appsv1.Deployment, replicas: int = replicas) -> None:
                each.spec.replicas = replicas

            await cluster.change(appsv1.Deployment, "web", resize)
            await cluster.rolled_out("web")
            await clusters.wait_until(
                lambda replicas=replicas: "" if len(cluster.pods()) == replicas else f"{len(cluster.pods())} pods"
            )


async def test_deleted_pod_is_replaced() -> None:
    """A pod that is deleted makes room for one new pod."""
    async with clusters.cluster() as cluster:
        await cluster.client.create(clusters.deployment("web"))
        await cluster.rolled_out("web")
        victim = cluster.pods()[0].metadata.name
        await cluster.client.delete(corev1.Pod, victim, "default")

        def replaced() -> str:
            names = [pod.metadata.name for pod in cluster.pods()]
            return "" if len(names) == 3 and victim not in names else f"{names} with {victim} deleted"

        await clusters.wait_until(replaced)
        await cluster.rolled_out("web")
        assert len(cluster.pods()) == 3


async def test_recreate_never_runs_old_and_new_together() -> None:
    """With Recreate the new pods are created when the last old one is gone."""
    async with clusters.cluster() as cluster:
        mixed = []

        def watch(change: str, old: corev1.Pod | None, new: corev1.Pod | None) -> None:
            images = {pod.spec.containers[0].image for pod in cluster.all(corev1.Pod)}
            if len(images) > 1:
                mixed.append(images)

        fresh = clusters.deployment("web")
        fresh.spec.strategy.type = "Recreate"
        await cluster.client.create(fresh)
        await cluster.rolled_out("web")
        cluster.informers.of(corev1.Pod).add_handler(watch)
        await cluster.change(appsv1.Deployment, "web", lambda each: _image(each, "web:2"))
        await cluster.rolled_out("web")
        assert mixed == []
        assert {pod.spec.containers[0].image for pod in cluster.pods()} == {"web:2"}


async def test_stuck_rollout_keeps_old_pods() -> None:
    """New pods that never become ready leave as many old ones as maxUnavailable wants."""
    async with clusters.cluster() as cluster:
        await cluster.client.create(clusters.deployment("web", 4))
        await cluster.rolled_out("web")
        cluster.kubelets.hold.add("web:bad")
        await cluster.change(appsv1.Deployment, "web", lambda each: _image(each, "web:bad"))

        def probe() -> str:
            images = sorted(pod.spec.containers[0].image for pod in cluster.pods())
            return "" if images == ["web:1"] * 3 + ["web:bad"] * 2 else str(images)

        await clusters.wait_until(probe)
