"""Namespaces empty themselves and owners take their dependents along, over the real API on a memory store."""

from __future__ import annotations

import pytest

from fairlead.api import errors
from fairlead.api.pb import apps_v1_pb2 as appsv1
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import discovery_v1_pb2 as discoveryv1
from fairlead.api.pb import meta_v1_pb2 as metav1
from tests.support import definitions
from tests.unit.controllers import cluster as clusters


async def test_namespace_goes_with_all_that_it_holds() -> None:
    """Deleting a namespace deletes its Deployment, pods, Service and ConfigMap, and then the namespace."""
    async with clusters.cluster(watched=[corev1.Namespace, corev1.ConfigMap]) as cluster:
        namespace = corev1.Namespace()
        namespace.metadata.name = "shop"
        await cluster.client.create(namespace)
        deployment, service, config = clusters.deployment("web"), clusters.service("web"), corev1.ConfigMap()
        config.metadata.name = "settings"
        for obj in (deployment, service, config):
            obj.metadata.namespace = "shop"
            await cluster.client.create(obj)
        await clusters.wait_until(lambda: "" if len(cluster.pods("shop")) == 3 else "not three pods")

        await cluster.client.delete(corev1.Namespace, "shop")

        def gone() -> str:
            left = [each.metadata.name for each in cluster.all(corev1.Namespace) if each.metadata.name == "shop"]
            return f"{left}, {len(cluster.all(corev1.Pod, 'shop'))} pods" if left else ""

        await clusters.wait_until(gone)
        for kind in (corev1.Pod, corev1.Service, corev1.ConfigMap, appsv1.Deployment, appsv1.ReplicaSet):
            assert (await cluster.client.list(kind, "shop")).items == []


async def test_namespaces_have_the_default_account() -> None:
    """A new namespace has the ServiceAccount default, also after someone deleted it."""
    async with clusters.cluster(watched=[corev1.ServiceAccount]) as cluster:
        await clusters.wait_until(lambda: "" if cluster.all(corev1.ServiceAccount, "kube-public") else "no account")
        first = cluster.all(corev1.ServiceAccount, "kube-public")[0].metadata.uid
        await cluster.client.delete(corev1.ServiceAccount, "default", "kube-public")

        def again() -> str:
            found = cluster.all(corev1.ServiceAccount, "kube-public")
            return "" if found and found[0].metadata.uid != first else "not again"

        await clusters.wait_until(again)


async def test_deleted_deployment_takes_replicasets_and_pods_along() -> None:
    """Background deletion removes the Deployment at once, and what it owned after it."""
    async with clusters.cluster() as cluster:
        await cluster.client.create(clusters.deployment("web"))
        await cluster.rolled_out("web")
        await cluster.client.delete(appsv1.Deployment, "web", "default")
        with pytest.raises(errors.NotFound):
            await cluster.client.get(appsv1.Deployment, "web", "default")
        await clusters.wait_until(lambda: f"{len(cluster.all(corev1.Pod))} pods" if cluster.all(corev1.Pod) else "")
        await clusters.wait_until(lambda: "ReplicaSets left" if cluster.all(appsv1.ReplicaSet) else "")


async def test_foreground_deletion_waits_for_the_dependents() -> None:
    """With Foreground the Deployment stays until its pods are gone."""
    async with clusters.cluster() as cluster:
        await cluster.client.create(clusters.deployment("web"))
        await cluster.rolled_out("web")
        order: list[str] = []
        cluster.informers.of(corev1.Pod).add_handler(
            lambda change, old, new: order.append("pod") if change == "DELETED" else None
        )
        cluster.informers.of(appsv1.Deployment).add_handler(
            lambda change, old, new: order.append("deployment") if change == "DELETED" else None
        )
        options = metav1.DeleteOptions(propagationPolicy="Foreground")
        await cluster.client.delete(appsv1.Deployment, "web", "default", options=options)
        await clusters.wait_until(lambda: "" if "deployment" in order else str(order))
        await clusters.wait_until(lambda: "" if order.count("pod") == 3 else str(order))
        kinds = await cluster.client.list(appsv1.ReplicaSet, "default")
        assert kinds.items == []


async def test_an_owner_goes_once_its_last_dependent_has_another() -> None:
    """The dependent stays with the other, and nothing else happens that would make the collector look again."""
    async with clusters.cluster(watched=[corev1.ConfigMap]) as cluster:
        owners = [await cluster.client.create(_config(name)) for name in ("leaves", "stays")]
        dependent = _config("dependent")
        for owner in owners:
            reference = dependent.metadata.ownerReferences.add(apiVersion="v1", kind="ConfigMap")
            reference.name, reference.uid = owner.metadata.name, owner.metadata.uid
            reference.blockOwnerDeletion = True
        await cluster.client.create(dependent)
        options = metav1.DeleteOptions(propagationPolicy="Foreground")
        await cluster.client.delete(corev1.ConfigMap, "leaves", "default", options=options)

        def left() -> set[str]:
            return {each.metadata.name for each in cluster.all(corev1.ConfigMap)} & {"leaves", "stays", "dependent"}

        await clusters.wait_until(lambda: "" if left() == {"stays", "dependent"} else str(left()))
        kept = await cluster.client.get(corev1.ConfigMap, "dependent", "default")
        assert [each.name for each in kept.metadata.ownerReferences] == ["stays"]


def _config(name: str) -> corev1.ConfigMap:
    made = corev1.ConfigMap()
    made.metadata.name, made.metadata.namespace = name, "default"
    return made


async def test_orphaned_pods_stay() -> None:
    """With Orphan the ReplicaSet goes and its pods stay, without an owner."""
    async with clusters.cluster() as cluster:
        await cluster.client.create(clusters.deployment("web"))
        await cluster.rolled_out("web")
        options = metav1.DeleteOptions(propagationPolicy="Orphan")
        await cluster.client.delete(appsv1.Deployment, "web", "default", options=options)
        await clusters.wait_until(lambda: "still there" if cluster.all(appsv1.Deployment) else "")
        (replicaset,) = cluster.all(appsv1.ReplicaSet)
        await cluster.client.delete(appsv1.ReplicaSet, replicaset.metadata.name, "default", options=options)
        await clusters.wait_until(lambda: "still there" if cluster.all(appsv1.ReplicaSet) else "")
        assert len(cluster.pods()) == 3
        assert [list(pod.metadata.ownerReferences) for pod in cluster.pods()] == [[], [], []]


async def test_service_takes_its_slices_along() -> None:
    """A deleted Service's EndpointSlices go."""
    async with clusters.cluster(watched=[discoveryv1.EndpointSlice]) as cluster:

        def slices() -> list[str]:
            every = cluster.all(discoveryv1.EndpointSlice)
            return [each.metadata.name for each in every if each.metadata.name.startswith("web-")]

        await cluster.client.create(clusters.service("web"))
        await clusters.wait_until(lambda: "" if slices() else "no slice")
        await cluster.client.delete(corev1.Service, "web", "default")
        await clusters.wait_until(lambda: str(slices()) if slices() else "")


async def test_a_namespace_goes_with_its_custom_objects() -> None:
    """A kind that was defined after the controllers began is emptied, too."""
    async with clusters.cluster(watched=[corev1.Namespace]) as cluster:
        (widget,) = await definitions.establish(cluster.api, cluster.client)
        namespace = corev1.Namespace()
        namespace.metadata.name = "shop"
        await cluster.client.create(namespace)
        await cluster.client.create(definitions.widget(widget, "a", "shop"))
        await cluster.client.create(definitions.widget(widget, "b", "default"))

        await cluster.client.delete(corev1.Namespace, "shop")

        await clusters.wait_until(
            lambda: "there" if "shop" in [each.metadata.name for each in cluster.all(corev1.Namespace)] else ""
        )
        assert [each.metadata.name for each in (await cluster.client.list(widget)).items] == ["b"]


async def test_a_custom_object_takes_its_dependents_along() -> None:
    """ConfigMaps and custom objects that a deleted custom object owns go; those of another stay."""
    async with clusters.cluster(watched=[corev1.ConfigMap]) as cluster:
        (widget,) = await definitions.establish(cluster.api, cluster.client)
        first = await cluster.client.create(definitions.widget(widget, "first"))
        other = await cluster.client.create(definitions.widget(widget, "other"))
        for name, owner in (("of-first", first), ("of-other", other)):
            config, child = corev1.ConfigMap(), definitions.widget(widget, name)
            for obj in (config, child):
                obj.metadata.name, obj.metadata.namespace = name, "default"
                obj.metadata.ownerReferences.add(
                    apiVersion="example.com/v1", kind="Widget", name=owner.metadata.name, uid=owner.metadata.uid
                )
                await cluster.client.create(obj)

        await cluster.client.delete(widget, "first", "default")

        def left() -> str:
            names = [each.metadata.name for each in cluster.all(corev1.ConfigMap, "default")]
            return "there" if "of-first" in names else ""

        await clusters.wait_until(left)
        await definitions.until_gone(cluster.client, widget, "of-first")
        assert "of-other" in [each.metadata.name for each in cluster.all(corev1.ConfigMap, "default")]
        assert [each.metadata.name for each in (await cluster.client.list(widget)).items] == ["of-other", "other"]
