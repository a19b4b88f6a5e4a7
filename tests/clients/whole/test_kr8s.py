"""kr8s, in its blocking and its asynchronous form."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import kr8s
import kr8s.asyncio
import kr8s.asyncio.objects
import kr8s.objects
import pytest

from fairlead.testing import cluster as testing

DEPLOYMENT = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web", "namespace": "default", "labels": {"app": "web"}},
    "spec": {
        "replicas": 1,
        "selector": {"matchLabels": {"app": "web"}},
        "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {"containers": [{"name": "web", "image": "web:1"}]},
        },
    },
}


# It leaves its connections to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    """Nothing is left of the client after its test."""
    yield
    gc.collect()


def test_objects_are_made_changed_and_deleted(cluster: testing.Threaded) -> None:
    """Blocking: create, refresh, patch, label, scale, wait, delete; each as the API then says."""
    api = kr8s.api(kubeconfig=str(cluster.kubeconfig))
    web = kr8s.objects.Deployment(DEPLOYMENT, api=api)

    web.create()
    web.wait("condition=Available", timeout=30)
    web.scale(2)
    web.label({"team": "blue"})
    web.annotate({"note": "two words"})
    web.patch({"spec": {"paused": True}})
    web.refresh()
    pods = list(kr8s.get("pods", namespace="default", label_selector={"app": "web"}, api=api))

    assert (web.replicas, web.spec.paused, web.labels["team"]) == (2, True, "blue")
    assert web.annotations["note"] == "two words"
    assert {each.kind for each in pods} == {"Pod"}
    web.delete(propagation_policy="Foreground")
    web.wait("delete", timeout=30)
    assert not web.exists()
    with pytest.raises(kr8s.NotFoundError):
        kr8s.objects.Deployment.get("web", namespace="default", api=api)


def test_it_knows_the_cluster(cluster: testing.Threaded) -> None:
    """Version, resources and who one is."""
    api = kr8s.api(kubeconfig=str(cluster.kubeconfig))

    kinds = {each["kind"] for each in api.api_resources()}

    assert (api.version()["major"], api.whoami()) == ("1", "kubernetes-admin")
    assert {"Pod", "Deployment", "CronJob", "CustomResourceDefinition"} <= kinds
    assert [each.name for each in api.get("nodes")] == ["node-1", "node-2"]


async def test_asynchronously_it_watches_what_happens(cluster: testing.Threaded) -> None:
    """A watch tells of a pod until it runs; a refusal is ServerError with Kubernetes' Status."""
    api = await kr8s.asyncio.api(kubeconfig=str(cluster.kubeconfig))
    spec = {"containers": [{"name": "main", "image": "web:1"}]}
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": "default"}, "spec": spec}
    pod = await kr8s.asyncio.objects.Pod(body, api=api)

    await pod.create()
    phases = []
    async for event, seen in api.watch("pods", namespace="default", field_selector="metadata.name=web"):
        phases.append((event, seen.status.phase))
        if await seen.ready():
            break
    with pytest.raises(kr8s.ServerError) as caught:
        await pod.create()

    assert phases[-1][1] == "Running"
    assert 'pods "web" already exists' in str(caught.value)
