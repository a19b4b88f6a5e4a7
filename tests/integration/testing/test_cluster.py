"""A cluster in a test: it is the real thing, and as new after each test."""

from __future__ import annotations

import asyncio
import base64
import pathlib
import signal
import subprocess
import sys

import pytest
import yaml

from control import config as configs
from fairlead.api import errors
from fairlead.api.pb import apps_v1_pb2 as appsv1
from fairlead.api.pb import coordination_v1_pb2 as coordinationv1
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.testing import cluster, samples
from tests.support import kubectl


def deployment(replicas: int) -> appsv1.Deployment:
    """Return a Deployment of so many pods."""
    made = appsv1.Deployment()
    made.metadata.name, made.metadata.namespace = "web", "default"
    made.spec.replicas = replicas
    made.spec.selector.matchLabels["app"] = "web"
    made.spec.template.metadata.labels["app"] = "web"
    made.spec.template.spec.containers.add(name="web", image="web:1")
    return made


async def available(client: cluster.GrpcClient, count: int) -> None:
    """Wait until the Deployment has so many available replicas."""
    async with asyncio.timeout(20):
        async for batch in client.watch(appsv1.Deployment, "default"):
            if any(event.object.status.availableReplicas == count for event in batch):
                return


async def test_pods_of_a_deployment_run_on_the_nodes() -> None:
    """Controllers, scheduler and hollow nodes carry a Deployment through to available."""
    async with cluster.serving(cluster.Settings(nodes=2)) as running, running.connect() as client:
        await client.create(deployment(4))

        await available(client, 4)

        pods = (await client.list(corev1.Pod, "default")).items
        assert sorted(pod.spec.nodeName for pod in pods) == ["node-1", "node-1", "node-2", "node-2"]


async def test_reset_takes_everything_back() -> None:
    """What was made is gone, what was changed or deleted is as before, and the cluster works again."""
    async with cluster.serving(cluster.Settings(nodes=1)) as running, running.connect() as client:
        before = {item.metadata.name for item in (await client.list(corev1.Namespace)).items}
        await client.create(deployment(3))
        await client.create(corev1.Namespace(metadata={"name": "extra"}))
        await client.create(coordinationv1.Lease(metadata={"name": "mine", "namespace": "default"}))
        await client.delete(corev1.Service, "kubernetes", "default")
        await available(client, 3)

        await running.reset()

        assert {item.metadata.name for item in (await client.list(corev1.Namespace)).items} == before
        assert (await client.list(corev1.Pod)).items == []
        assert (await client.list(coordinationv1.Lease, "default")).items == []
        assert (await client.get(corev1.Service, "kubernetes", "default")).spec.clusterIP == "10.96.0.1"
        await client.create(deployment(2))
        await available(client, 2)


async def test_rooms_can_be_left_out() -> None:
    """Without controllers a Deployment stays an object; pods need no account that only a controller could make."""
    settings = cluster.Settings(scheduler=False, controllers=False)
    async with cluster.serving(settings) as running, running.connect() as client:
        await client.create(deployment(1))
        await client.create(samples.pod("web"))
        refused = deployment(-1)
        refused.metadata.name = "bad"
        with pytest.raises(errors.Invalid, match=r"spec\.replicas"):
            await client.create(refused)

        assert (await client.list(appsv1.ReplicaSet, "default")).items == []


async def test_a_plugin_that_nobody_knows_is_refused_by_its_name() -> None:
    """A slip of the pen would otherwise leave the plugin on, unnoticed."""
    settings = cluster.Settings(config={"disabledAdmissionPlugins": ["PodSecurities"]})

    with pytest.raises(configs.ConfigError, match='disabledAdmissionPlugins: admission plugin "PodSecurities" is un'):
        async with cluster.serving(settings):
            pass


def test_a_thread_has_what_clients_need() -> None:
    """The URL, the authority of its certificate, a kubeconfig."""
    with cluster.in_thread(cluster.Settings(scheduler=False, controllers=False)) as running:
        config = yaml.safe_load(running.kubeconfig.read_text())["clusters"][0]["cluster"]

        assert config["server"] == running.url
        assert base64.b64decode(config["certificate-authority-data"]) == running.authority.read_bytes()


async def test_two_clusters_run_side_by_side() -> None:
    """Nothing of one is seen in the other."""
    settings = cluster.Settings(scheduler=False, controllers=False)
    async with cluster.serving(settings) as one, cluster.serving(settings) as other:
        await one.client().create(corev1.Namespace(metadata={"name": "mine"}))

        found = (await other.client().list(corev1.Namespace)).items

    assert "mine" not in {item.metadata.name for item in found}


def test_dev_prints_a_kubeconfig_that_kubectl_uses(tmp_path: pathlib.Path) -> None:
    """`fairlead dev` runs without root and leaves nothing: its kubeconfig is on stdout, Ctrl-C ends it."""
    command = [sys.executable, "-m", "fairlead.cli", "dev", "--nodes", "1"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, text=True, **pipes) as running:  # type: ignore[call-overload]
        try:
            told = running.stderr.readline()
            kubeconfig = tmp_path / "kubeconfig"
            lines = []
            while line := running.stdout.readline().rstrip("\n"):
                lines.append(line)
            kubeconfig.write_text("\n".join(lines))
            nodes = kubectl.newest().out(kubeconfig, "get", "nodes", "-o", "name")
        finally:
            running.send_signal(signal.SIGINT)
            running.communicate(timeout=20)

    assert "answers after" in told, told
    assert nodes == "node/node-1\n"
    assert yaml.safe_load(kubeconfig.read_text())["current-context"] == "fairlead"
    assert running.returncode == 0
