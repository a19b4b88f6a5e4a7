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
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from control import config as configs
from control import pki
from fairlead import clock as clocks
from fairlead.api.pb import metrics_pb2 as metrics
from fairlead.testing import cluster as testing
from fairlead.testing import nodes as testing_nodes
from node.agent import agent as agents
from node.agent import hollow
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
    made = hollow.make(name, testing_nodes.Link(authority, name), [endpoint])
    made.attach(Pods(name, made.reports), meter=collector.Collector(name, clocks.SystemClock()))
    return made


async def run(folder: pathlib.Path, nodes: int) -> None:
    """Run until standard input ends."""
    async with testing.serving(testing.Settings(), folder) as running:
        config = configs.load(folder / "control.yaml")
        authority = pki.load_authority(config.pki / "ca.crt", config.pki / "ca.key")
        endpoint = config.grpc_endpoints[0]
        names = [f"node-{number}" for number in range(1, nodes + 1)]
        agents_ = [asyncio.create_task(agent(authority, name, endpoint).run(), name=name) for name in names]
        async with asyncio.timeout(START_SECONDS):
            await testing_nodes.wait_ready(running, names)
        print(endpoint, flush=True)
        await asyncio.to_thread(sys.stdin.read)
        for task in agents_:
            task.cancel()
        await asyncio.gather(*agents_, return_exceptions=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--nodes", type=int, default=3)
    options = parser.parse_args()
    asyncio.run(run(options.folder, options.nodes))
