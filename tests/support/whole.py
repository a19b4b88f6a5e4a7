"""A whole cluster in one process for clients under test: every room of the control plane, and hollow nodes.

    python -m tests.support.whole FOLDER --nodes 3

The store is in memory; agents are real but for their pods, which only pretend. Metrics are psutil's and NVML's of
this machine. Prints the gRPC endpoint once nodes and API answer; FOLDER then holds pki/ and admin.conf. Ends with
its standard input.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import pathlib
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import grpc

from control import config as configs
from control import init, pki, process
from control.store import memory
from fairlead import clock as clocks
from fairlead.api import errors
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import metrics_pb2 as metrics
from fairlead.client import grpc as clients
from fairlead.client import kubeconfig
from node.agent import agent as agents
from node.agent import hollow, link
from node.metrics import collector

ROOT = pathlib.Path(__file__).parents[2]
START_SECONDS = 60.0
PRETENDED_CORES, PRETENDED_BYTES = 0.012, 9 << 20


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster that runs in a process of its own."""

    endpoint: str
    folder: pathlib.Path

    @property
    def pki(self) -> pathlib.Path:
        """Return the folder of keys and certificates."""
        return self.folder / "pki"

    @property
    def kubeconfig(self) -> pathlib.Path:
        """Return the administrator's kubeconfig."""
        return self.folder / "admin.conf"


@contextlib.contextmanager
def cluster(folder: pathlib.Path, nodes: int, environment: Mapping[str, str]) -> Iterator[Cluster]:
    """Run a cluster for the time of the block."""
    arguments = [sys.executable, "-m", "tests.support.whole", str(folder), "--nodes", str(nodes)]
    with (folder / "log").open("wb") as log:
        running = subprocess.Popen(
            arguments, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
        )
    assert running.stdout is not None
    try:
        endpoint = running.stdout.readline().strip()
        assert endpoint, (folder / "log").read_text()
        yield Cluster(endpoint, folder)
    finally:
        with contextlib.suppress(subprocess.TimeoutExpired):
            running.communicate(timeout=START_SECONDS)
        running.kill()


class Link:
    """Dials as one node, with a certificate of its own."""

    def __init__(self, authority: pki.Authority, node: str) -> None:
        subject = pki.Subject(user=f"system:node:{node}", groups=("system:nodes",), client=True)
        certificate, key = authority.issue(subject)
        self._credentials = grpc.ssl_channel_credentials(authority.pem, key, certificate)

    def channel(self, endpoint: str) -> grpc.aio.Channel:
        """Return a new channel."""
        return grpc.aio.secure_channel(endpoint, self._credentials, options=link.OPTIONS)


class Pods(hollow.HollowPods):
    """Hollow pods that also pretend to use something."""

    async def stats(self) -> Sequence[metrics.PodMetrics]:
        """Return the same little for each container."""
        found = []
        for uid, pod in self.pods.items():
            one = metrics.PodMetrics(namespace=pod.metadata.namespace, name=pod.metadata.name, uid=uid)
            for container in pod.spec.containers:
                one.containers.add(name=container.name, used_cores=PRETENDED_CORES, working_set=PRETENDED_BYTES)
            found.append(one)
        return found


def agent(authority: pki.Authority, name: str, endpoint: str) -> agents.Agent:
    """Return a hollow node's agent that measures this machine."""
    made = hollow.make(name, Link(authority, name), [endpoint])
    made.attach(Pods(name, made.reports), meter=collector.Collector(name, clocks.SystemClock()))
    return made


def free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [each.getsockname()[1] for each in sockets]


async def run(folder: pathlib.Path, nodes: int) -> None:
    """Run until standard input ends."""
    grpc_port, join_port = free_ports(2)
    config = configs.Config(
        name="control-1",
        advertiseAddress="127.0.0.1",
        controlPlaneAddresses=["127.0.0.1"],
        etcdEndpoints=["https://127.0.0.1:2379"],
        pkiDir=str(folder / "pki"),
        grpcPort=grpc_port,
        joinPort=join_port,
    )
    init.initialise(config, init.Paths(folder / "control.yaml", folder / "admin.conf"))
    authority = pki.load_authority(config.pki / "ca.crt", config.pki / "ca.key")
    endpoint = config.grpc_endpoints[0]
    stop = asyncio.Event()
    running = [asyncio.create_task(process.serve(config, memory.MemoryStore(), 1, stop), name="control")]
    await _until_answers(folder / "admin.conf", 0, running)
    names = [f"node-{number}" for number in range(1, nodes + 1)]
    running += [asyncio.create_task(agent(authority, name, endpoint).run(), name=name) for name in names]
    await _until_answers(folder / "admin.conf", nodes, running)
    print(endpoint, flush=True)
    await asyncio.to_thread(sys.stdin.read)
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)


async def _until_answers(path: pathlib.Path, nodes: int, running: Sequence[asyncio.Task[None]]) -> None:
    """Wait until the API answers and so many nodes are ready; raises what ended meanwhile."""
    deadline = time.monotonic() + START_SECONDS
    async with clients.GrpcClient(kubeconfig.load(str(path))) as client:
        while time.monotonic() < deadline:
            for task in running:
                if task.done():
                    task.result()
            with contextlib.suppress(errors.ApiError):
                found = (await client.list(corev1.Node)).items
                ready = [
                    c for each in found for c in each.status.conditions if (c.type, c.status) == ("Ready", "True")
                ]
                if len(ready) >= nodes:
                    return
            await asyncio.sleep(0.05)
    raise TimeoutError("the cluster does not answer")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--nodes", type=int, default=3)
    options = parser.parse_args()
    asyncio.run(run(options.folder, options.nodes))
