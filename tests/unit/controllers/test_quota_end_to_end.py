"""Quotas and protection with the controllers running: counted, given back, held and let go."""

from __future__ import annotations

from fairlead.api import errors, quantity
from fairlead.api.pb import core_v1_pb2 as corev1
from tests.unit.apiserver import yamls
from tests.unit.controllers import cluster as clusters


def used(cluster: clusters.Cluster) -> str:
    """Return how many ConfigMaps the quota says are used, "" before it is counted."""
    found = cluster.informers.of(corev1.ResourceQuota).get("few", "shop")
    return found.status.used["configmaps"].string if found is not None and "configmaps" in found.status.used else ""


async def test_deleted_objects_are_given_back() -> None:
    """The quota is counted when it is made, and what is deleted can be made again."""
    async with clusters.cluster(watched=[corev1.ResourceQuota, corev1.ConfigMap]) as cluster:
        client = cluster.client
        namespace = corev1.Namespace()
        namespace.metadata.name = "shop"
        await client.create(namespace)
        first, second = (
            yamls.read(f"metadata: {{name: {name}, namespace: shop}}", corev1.ConfigMap) for name in ("a", "b")
        )
        await client.create(first)
        quota = yamls.read("metadata: {name: few, namespace: shop}", corev1.ResourceQuota)
        quantity.write({"configmaps": quantity.whole(1)}, quota.spec.hard)
        await client.create(quota)
        await clusters.wait_until(lambda: "" if used(cluster) == "1" else f"{used(cluster)} used")
        refused = False
        try:
            await client.create(second)
        except errors.Forbidden:
            refused = True

        await client.delete(corev1.ConfigMap, "a", "shop")
        await clusters.wait_until(lambda: "" if used(cluster) == "0" else f"{used(cluster)} used")
        await client.create(second)

        await clusters.wait_until(lambda: "" if used(cluster) == "1" else f"{used(cluster)} used")
        assert refused


async def test_a_claim_stays_until_its_pod_has_gone() -> None:
    """Deleted while a pod uses it, it waits; the pod's end lets it go."""
    async with clusters.cluster(watched=[corev1.PersistentVolumeClaim]) as cluster:
        client = cluster.client
        await client.create(
            yamls.read(
                "{metadata: {name: data, namespace: default}, spec: {accessModes: [ReadWriteOnce], resources:"
                " {requests: {storage: 1Gi}}}}",
                corev1.PersistentVolumeClaim,
            )
        )
        await client.create(
            yamls.read(
                "{metadata: {name: web, namespace: default}, spec: {containers: [{name: a, image: web}], volumes:"
                " [{name: data, persistentVolumeClaim: {claimName: data}}]}}",
                corev1.Pod,
            )
        )
        await clusters.wait_until(
            lambda: "" if any(each.spec.nodeName for each in cluster.pods()) else "the pod has no node"
        )
        await client.delete(corev1.PersistentVolumeClaim, "data", "default")
        held = await client.get(corev1.PersistentVolumeClaim, "data", "default")
        await client.delete(corev1.Pod, "web", "default")

        await clusters.wait_until(
            lambda: "still there" if cluster.all(corev1.PersistentVolumeClaim, "default") else ""
        )
        assert list(held.metadata.finalizers) == ["kubernetes.io/pvc-protection"]
