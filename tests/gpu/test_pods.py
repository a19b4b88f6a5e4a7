"""Pods that use a GPU: a whole cluster whose one node is this machine, `python -m pytest tests/gpu --gpu` as root.

The control plane is production's on a store in memory; the node has Podman, the kernel's network and NVML. Containers
find programs and the driver's libraries in the host's /usr, because the test's image has none.
"""

from __future__ import annotations

import asyncio
import contextlib
import pathlib
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator, Sequence

import pytest

from control import config as control_configs
from control import pki
from fairlead import clock as clocks
from fairlead.api import quantity
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.client import grpc
from fairlead.testing import cluster as testing
from fairlead.testing import nodes
from node.agent import agent as agents
from node.agent import config as configs
from node.agent import gpus, interface, machine, manager, register
from node.metrics import collector, nvml
from node.network import interface as network
from node.network import netlink
from node.runtime.podman import runtime as podman_runtime
from tests.support import host as hosts
from tests.support import isolation, podman, pods

pytestmark = pytest.mark.gpu

NODE = "gpu-node"
HELD_BYTES = 512 * 2**20
SHARED = {"/usr": "/usr", "/lib": "/usr/lib", "/lib64": "/usr/lib64"}
HOLD_MEMORY = f"""
import ctypes, time
cuda = ctypes.CDLL("libcuda.so.1")
device, context, memory = ctypes.c_int(), ctypes.c_void_p(), ctypes.c_uint64()
assert cuda.cuInit(0) == 0
assert cuda.cuDeviceGet(ctypes.byref(device), 0) == 0
assert cuda.cuDevicePrimaryCtxRetain(ctypes.byref(context), device) == 0
assert cuda.cuCtxSetCurrent(context) == 0
assert cuda.cuMemAlloc_v2(ctypes.byref(memory), ctypes.c_size_t({HELD_BYTES})) == 0
print("held", flush=True)
time.sleep(600)
"""


@pytest.fixture(scope="module")
def host() -> Iterator[podman.Service]:
    """A Podman service on a network of its own."""
    with hosts.alone() as made:
        yield made


@pytest.fixture
async def client(host: podman.Service, tmp_path: pathlib.Path) -> AsyncIterator[grpc.GrpcClient]:
    """A client of a control plane whose only node is this machine."""
    async with testing.serving(testing.Settings(), tmp_path) as cluster, node(host, cluster):
        await nodes.wait_ready(cluster, [NODE])
        async with cluster.connect() as made:
            yield made
            await made.delete_collection(corev1.Pod, "default")
            await pods.wait_until_async(lambda: left(made))


async def left(client: grpc.GrpcClient) -> str:
    """Say which pods are there yet."""
    return ", ".join(pod.metadata.name for pod in (await client.list(corev1.Pod, "default")).items)


@contextlib.asynccontextmanager
async def node(host: podman.Service, cluster: testing.Cluster) -> AsyncIterator[None]:
    """Run an agent on this machine's parts, put together as in production, but for the proxy."""
    control = control_configs.load(cluster.folder / "control.yaml")
    authority = pki.load_authority(control.pki / "ca.crt", control.pki / "ca.key")
    config = configs.Config(NODE, isolation.NODE_ADDRESS, control.grpc_endpoints)
    facts = machine.gather(config, gpus=len(nvml.Nvml().read().gpus))
    agent = agents.Agent(register.node(config, facts), nodes.Link(authority, NODE), config.endpoints)
    clock = clocks.SystemClock()
    containers = podman_runtime.PodmanRuntime(host.socket)
    place = str(host.root / hosts.NAMESPACES)
    links = netlink.NetlinkNetwork(network.NetworkConfig(node_addresses=(config.address,)), place)
    named = interface.NodeInfo(NODE, (config.address,), str(host.root))
    made = manager.PodManager(containers, links, named, agent.reports, clock=clock)
    agent.attach(made, meter=collector.Collector(NODE, clock))
    task = asyncio.create_task(agent.run(), name=NODE)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await containers.close()
        await links.close()


def wanting(name: str, command: Sequence[str], count: int) -> corev1.Pod:
    """Return a pod that runs a program of the host's once, with so many GPUs."""
    pod = corev1.Pod()
    pod.metadata.name, pod.metadata.namespace = name, "default"
    pod.spec.restartPolicy, pod.spec.terminationGracePeriodSeconds = "Never", 0
    container = pod.spec.containers.add(name="main", image=podman.IMAGE, command=command)
    container.env.add(name="LD_LIBRARY_PATH", value=str(library().parent))
    if count:
        container.resources.limits[gpus.RESOURCE].string = str(count)
    for number, (inside, outside) in enumerate(SHARED.items()):
        volume = pod.spec.volumes.add(name=f"host-{number}")
        volume.volumeSource.hostPath.path = outside
        container.volumeMounts.add(name=volume.name, mountPath=inside, readOnly=True)
    return pod


def library() -> pathlib.Path:
    """Return where the host's programs find NVML."""
    listed = subprocess.run(["ldconfig", "-p"], capture_output=True, text=True, check=True).stdout
    found = [line.split("=> ")[1] for line in listed.splitlines() if "libnvidia-ml.so.1 " in line]
    assert found, "the driver's libraries are not in ldconfig's list"
    return pathlib.Path(found[0])


def smi() -> str:
    """Return the path of nvidia-smi; it has to lie under /usr for the containers to see it."""
    found = shutil.which("nvidia-smi")
    assert found is not None
    return found


async def phase(client: grpc.GrpcClient, name: str, wanted: str) -> corev1.Pod:
    """Wait until a pod is in a phase."""

    async def probe() -> str:
        pod = await client.get(corev1.Pod, name, "default")
        return "" if pod.status.phase == wanted else f"{name} is not {wanted}: {pod.status}"

    await pods.wait_until_async(probe)
    return await client.get(corev1.Pod, name, "default")


async def log(client: grpc.GrpcClient, name: str) -> str:
    """Return what a pod has printed."""
    return b"".join([chunk async for chunk in client.logs("default", name, corev1.PodLogOptions())]).decode()


async def test_the_node_offers_its_gpus_and_a_pod_that_asks_gets_one(client: grpc.GrpcClient) -> None:
    """Capacity is what NVML counts, and nvidia-smi in the pod shows the GPU that the node has."""
    installed = nvml.Nvml().read().gpus
    node_ = await client.get(corev1.Node, NODE)
    assert quantity.amounts(node_.status.allocatable)[gpus.RESOURCE].value() == len(installed)

    await client.create(wanting("asks", [smi(), "-L"], 1))
    await phase(client, "asks", "Succeeded")

    listed = (await log(client, "asks")).splitlines()
    assert [line for line in listed if installed[0].uuid in line and installed[0].name in line] == listed


async def test_a_pod_that_does_not_ask_sees_none(client: grpc.GrpcClient) -> None:
    """There is no device in it, and one that it makes itself is not opened."""
    script = "ls /dev | grep nvidia; busybox mknod /tmp/gpu c 195 255 && echo made; cat < /tmp/gpu"
    await client.create(wanting("bare", ["sh", "-c", f"{script}; {smi()} -L"], 0))

    await phase(client, "bare", "Failed")

    said = await log(client, "bare")
    assert "nvidia0" not in said
    assert "GPU-" not in said
    assert "not permitted" in said


async def test_more_gpus_than_there_are_wait_for_one_that_is_given_back(client: grpc.GrpcClient) -> None:
    """The scheduler says what is missing; once the holder is gone, the next one gets its GPU."""
    count = len(nvml.Nvml().read().gpus)
    await client.create(wanting("holder", ["sleep", "600"], count))
    await phase(client, "holder", "Running")
    await client.create(wanting("next", [smi(), "-L"], 1))

    async def refused() -> str:
        pod = await client.get(corev1.Pod, "next", "default")
        said = [one.message for one in pod.status.conditions if one.type == "PodScheduled"]
        return "" if any(f"Insufficient {gpus.RESOURCE}" in one for one in said) else f"not refused: {pod.status}"

    await pods.wait_until_async(refused)
    await client.delete(corev1.Pod, "holder", "default")

    await phase(client, "next", "Succeeded")
    assert "GPU-" in await log(client, "next")


async def test_memory_that_a_pod_holds_is_reported(client: grpc.GrpcClient) -> None:
    """CUDA works in a pod, and the cluster's metrics see the memory that it takes."""
    python = shutil.which("python3", path="/usr/bin")
    assert python is not None
    before = nvml.Nvml().read().gpus[0].memory_used
    await client.create(wanting("cuda", [python, "-c", HOLD_MEMORY], 1))

    async def reported() -> str:
        figures = [gpu for one in (await client.top()).nodes for gpu in one.gpus]
        if figures and figures[0].memory_used - before >= HELD_BYTES:
            return ""
        return f"{before} before, now {figures}; {await log(client, 'cuda')}"

    await phase(client, "cuda", "Running")
    await pods.wait_until_async(reported)

    assert await log(client, "cuda") == "held\n"
