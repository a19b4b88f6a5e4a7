"""What a cluster costs: memory with 1,000 nodes and 5,000 pods, and CPU when nothing happens.

    python -m tests.bench.cluster [--nodes 1000] [--pods 5000]

One control process with every room, one etcd member and hollow agents in processes of their own, on the same cores,
all speaking the real protocols under mutual TLS. The agent that is measured (tests/bench/agent.py) has every part
imported and measures its machine; only its pods are hollow, so Podman's share is not in it.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import dataclasses
import json
import pathlib
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Sequence
from typing import TypeVar

import psutil
import uvloop
import yaml

from control import config as configs
from control import init, pki, process
from control.store.etcd import EtcdStore
from fairlead import garbage, logs
from fairlead.api import errors
from fairlead.api.pb import apps_v1_pb2 as appsv1
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.client import grpc as clients
from fairlead.client import kubeconfig
from fairlead.client.interface import Selection
from fairlead.testing import cluster as testing
from fairlead.testing import nodes as testing_nodes
from node.agent import hollow
from tests.bench import lag as lags
from tests.bench import report
from tests.support import etcd

SETTLE_SECONDS = 15.0  # the first metrics and Leases
STARTING = 50
REPLICAS = 100
LIMIT_SECONDS = 600.0
SMALL = 3
MB = 1e6
HERE = "tests.bench.cluster"

T = TypeVar("T")


def prepare(folder: pathlib.Path) -> configs.Config:
    """Make keys and configuration."""
    grpc_port, join_port, rest_port = testing.free_ports(3)
    config = configs.Config(
        name="control-1",
        advertiseAddress="127.0.0.1",
        controlPlaneAddresses=["127.0.0.1"],
        etcdEndpoints=["https://127.0.0.1:2379"],
        pkiDir=str(folder / "pki"),
        grpcPort=grpc_port,
        joinPort=join_port,
        restPort=rest_port,
        logLevel="WARNING",
    )
    init.initialise(config, init.Paths(folder / "control.yaml", folder / "admin.conf"))
    return config


def join(config: configs.Config, folder: pathlib.Path) -> pathlib.Path:
    """Make the first node's certificate and configuration, as joining does; returns the configuration."""
    authority = pki.load_authority(config.pki / "ca.crt", config.pki / "ca.key")
    subject = pki.Subject("system:node:node-1", ("system:nodes",), client=True)
    pki.ensure_leaf(authority, folder / "node" / "node", subject)
    (folder / "node" / "ca.crt").write_bytes(authority.pem)
    document = {
        "nodeName": "node-1",
        "address": "127.0.0.1",
        "endpoints": list(config.grpc_endpoints),
        "pkiDir": str(folder / "node"),
    }
    path = folder / "node.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


# What the processes that are started here do.


async def control(folder: pathlib.Path, url: str) -> None:
    """Be the control process."""
    garbage.collect_rarely()
    config = configs.load(folder / "control.yaml")
    logs.configure(config.logLevel, journal=False)
    telling = asyncio.create_task(_tell_lags())
    await process.serve(config, EtcdStore([url]), 1, asyncio.Event(), serving=lambda api: garbage.settle())
    telling.cancel()


async def _tell_lags() -> None:
    """Print the loop's worst lag between a line of input and the next; between pairs of lines nothing is measured."""
    asked = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(asked), sys.stdin)
    while await asked.readline():
        async with lags.gauge() as lag:
            await asked.readline()
            print(json.dumps(dataclasses.asdict(lag.reset())), flush=True)


async def agents(folder: pathlib.Path, first: int, count: int) -> None:
    """Be hollow agents; print a line when all are synced."""
    config = configs.load(folder / "control.yaml")
    authority = pki.load_authority(config.pki / "ca.crt", config.pki / "ca.key")
    endpoint = config.grpc_endpoints[0]
    slots = asyncio.Semaphore(STARTING)
    running = []

    async def start(number: int) -> None:
        name = f"node-{number}"
        async with slots:
            made = hollow.make(name, testing_nodes.Link(authority, name), [endpoint])
            running.append(asyncio.create_task(made.run()))
            await made.session.synced.wait()

    await asyncio.gather(*(start(number) for number in range(first, first + count)))
    print("synced", flush=True)
    await asyncio.gather(*running)


# The one that measures.


@contextlib.asynccontextmanager
async def child(*words: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a module in a process of its own."""
    pipe = asyncio.subprocess.PIPE
    running = await asyncio.create_subprocess_exec(sys.executable, "-m", *words, stdin=pipe, stdout=pipe)
    try:
        yield running
    finally:
        with contextlib.suppress(ProcessLookupError):
            running.kill()
        await running.wait()


async def lag_of(server: asyncio.subprocess.Process, work: Awaitable[T]) -> tuple[T, lags.Worst]:
    """Wait for something; returns what it gave, and the worst lag of the control process' loop meanwhile."""
    assert server.stdin is not None
    assert server.stdout is not None
    server.stdin.write(b"begin\n")
    result = await work
    server.stdin.write(b"end\n")
    return result, lags.Worst(**json.loads(await server.stdout.readline()))


async def idle(processes: Sequence[psutil.Process], seconds: float) -> list[float]:
    """Return how much of a core each process used while nothing happened, in percent."""
    before = [sum(each.cpu_times()[:2]) for each in processes]
    await asyncio.sleep(seconds)
    after = [sum(each.cpu_times()[:2]) for each in processes]
    return [(end - start) / seconds * 100 for start, end in zip(before, after, strict=True)]


async def answering(client: clients.GrpcClient, server: asyncio.subprocess.Process) -> None:
    """Wait until the control process serves."""
    while server.returncode is None:
        with contextlib.suppress(errors.ApiError):
            await client.get(corev1.Namespace, "default")
            return
        await asyncio.sleep(0.1)
    raise RuntimeError("the control process ended")


async def deploy(client: clients.GrpcClient, pods: int) -> float:
    """Create Deployments of so many pods together; returns the seconds until all are available."""
    began = time.perf_counter()
    wanted = {}
    for number in range(-(-pods // REPLICAS)):
        made = appsv1.Deployment()
        made.metadata.name, made.metadata.namespace = f"web-{number}", "default"
        made.spec.replicas = min(REPLICAS, pods - number * REPLICAS)
        made.spec.selector.matchLabels["app"] = made.metadata.name
        made.spec.template.metadata.labels["app"] = made.metadata.name
        container = made.spec.template.spec.containers.add(name="web", image="web:1")
        container.resources.requests["cpu"].string = "20m"
        wanted[made.metadata.name] = made.spec.replicas
        await client.create(made)
    while wanted:
        for item in (await client.list(appsv1.Deployment, "default", resource_version="0")).items:
            if item.status.availableReplicas >= wanted.get(item.metadata.name, 1 << 30):
                del wanted[item.metadata.name]
        await asyncio.sleep(0.2)
    return time.perf_counter() - began


async def measure(nodes: int, pods: int, seconds: float) -> list[report.Row]:
    """Measure a small idle cluster, then make it a large one."""
    with etcd.cluster() as members, tempfile.TemporaryDirectory() as path:
        folder = pathlib.Path(path)
        config = prepare(folder)
        async with contextlib.AsyncExitStack() as stack:
            begin = stack.enter_async_context
            server = await begin(child(HERE, "--control", path, members.urls[0]))
            client = await begin(clients.GrpcClient(kubeconfig.load(str(folder / "admin.conf"))))
            async with asyncio.timeout(LIMIT_SECONDS):
                await answering(client, server)
                one = await begin(child("tests.bench.agent", str(join(config, folder))))
                others = await begin(child(HERE, "--agents", path, "2", str(SMALL - 1)))
                await _lines(one, others)
                await asyncio.sleep(SETTLE_SECONDS)
                ours, agent = psutil.Process(server.pid), psutil.Process(one.pid)
                cpu = await idle([ours, agent], seconds)
                weight = agent.memory_info().rss / MB
                many = await begin(child(HERE, "--agents", path, str(SMALL + 1), str(nodes - SMALL)))
                synced, joining = await lag_of(server, _lines(many))
                took, deploying = await lag_of(server, deploy(client, pods))
                await asyncio.sleep(SETTLE_SECONDS)
                running = await client.list(corev1.Pod, select=Selection(fields="status.phase=Running"))
                assert len(running.items) == pods, f"{len(running.items)} of {pods} run"
                (busy,) = await idle([ours], seconds)
                memory = ours.memory_info().rss / MB
    size = f"{nodes:,} nodes and {pods:,} pods"
    theirs = "Kubernetes (API server and scheduler): 900 to 940 MB"
    return [
        report.Row(f"memory of a control process, {size}", memory, "MB", 350, "less", 250, theirs),
        report.Row("memory of an idle agent, pods hollow", weight, "MB", 100, "less", 80, "Docker Swarm: 140 MiB"),
        report.Row(
            f"idle control process, {SMALL} nodes", cpu[0], "% of a core", 3, "less", 1, "Docker Swarm: 0.5 %"
        ),
        report.Row("idle agent, pods hollow", cpu[1], "% of a core", 2, "less", 0.5, "Docker Swarm: 0.5 %"),
        report.Row(f"idle control process, {size}", busy, "% of a core", better="less"),
        report.Row(f"{nodes - SMALL:,} agents joining at once, until synced", synced, "s", better="less"),
        lags.row(joining),
        report.Row(f"{pods:,} pods from Deployments to available", pods / took, "/s"),
        lags.row(deploying),
    ]


async def _lines(*processes: asyncio.subprocess.Process) -> float:
    """Wait for a line of each process; returns the seconds that it took."""
    began = time.perf_counter()
    for each in processes:
        assert each.stdout is not None
        if not await each.stdout.readline():
            raise RuntimeError("a process of the benchmark ended")
    return time.perf_counter() - began


def rows(quick: bool = False) -> list[report.Row]:
    """Measure for the table of all benchmarks."""
    return uvloop.run(measure(200, 1_000, 10.0) if quick else measure(1_000, 5_000, 30.0))


def main() -> None:
    """Take a role, or measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=1000)
    parser.add_argument("--pods", type=int, default=5000)
    parser.add_argument("--control", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--agents", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.control:
        uvloop.run(control(pathlib.Path(options.control[0]), options.control[1]))
    elif options.agents:
        folder, first, count = options.agents
        uvloop.run(agents(pathlib.Path(folder), int(first), int(count)))
    else:
        print(report.text(uvloop.run(measure(options.nodes, options.pods, 30.0))))


if __name__ == "__main__":
    main()
