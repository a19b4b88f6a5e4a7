"""ReplicationControllers keep their pods, over the real API."""

from __future__ import annotations

from fairlead.api import objects
from fairlead.api.pb import autoscaling_v1_pb2 as autoscalingv1
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.client import interface
from tests.unit.controllers import cluster as clusters


async def test_a_replication_controller_makes_pods_and_is_scaled() -> None:
    """Its selector comes from its template; deleted as old clients do it, it leaves its pods behind."""
    async with clusters.cluster(watched=[corev1.ReplicationController]) as cluster:
        wanted = corev1.ReplicationController()
        wanted.metadata.name, wanted.metadata.namespace = "web", "default"
        wanted.spec.replicas = 2
        wanted.spec.template.metadata.labels["app"] = "web"
        wanted.spec.template.spec.containers.add(name="main", image="web:1")
        await cluster.client.create(wanted)

        def has(count: int) -> str:
            found = cluster.all(corev1.ReplicationController)
            counts = [(one.status.replicas, one.status.availableReplicas) for one in found]
            return "" if counts == [(count, count)] and len(cluster.pods()) == count else str(counts)

        await clusters.wait_until(lambda: has(2))
        owners = {owner.kind for pod in cluster.pods() if (owner := objects.controller_of(pod)) is not None}
        assert owners == {"ReplicationController"}

        patch = interface.Patch(interface.PatchType.MERGE, b'{"spec": {"replicas": 1}}')
        scale = await cluster.client.patch(corev1.ReplicationController, "web", "default", patch, subresource="scale")
        assert isinstance(scale, autoscalingv1.Scale)
        assert (scale.spec.replicas, scale.status.replicas, scale.status.selector) == (1, 2, "app=web")
        await clusters.wait_until(lambda: has(1))

        await cluster.client.delete(corev1.ReplicationController, "web", "default")

        def orphaned() -> str:
            found = [pod for pod in cluster.pods() if objects.controller_of(pod) is None]
            return "" if not cluster.all(corev1.ReplicationController) and len(found) == 1 else "not yet"

        await clusters.wait_until(orphaned)


async def test_a_namespace_takes_its_controllers_pods_along() -> None:
    """What leaves its pods behind by default does not do so when its namespace goes."""
    async with clusters.cluster(watched=[corev1.ReplicationController]) as cluster:
        lab = corev1.Namespace()
        lab.metadata.name = "lab"
        await cluster.client.create(lab)
        wanted = corev1.ReplicationController()
        wanted.metadata.name, wanted.metadata.namespace = "web", "lab"
        wanted.metadata.finalizers.append("example.com/hold")
        wanted.spec.replicas = 0
        wanted.spec.template.metadata.labels["app"] = "web"
        wanted.spec.template.spec.containers.add(name="main", image="web:1")
        await cluster.client.create(wanted)

        await cluster.client.delete(corev1.Namespace, "lab")

        def going() -> str:
            found = cluster.all(corev1.ReplicationController)
            return "" if found and found[0].metadata.HasField("deletionTimestamp") else str(found)

        await clusters.wait_until(going)
        (left,) = cluster.all(corev1.ReplicationController)
        assert list(left.metadata.finalizers) == ["example.com/hold"]
