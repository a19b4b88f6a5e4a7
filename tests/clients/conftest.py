"""A gateway for real clients: the API in memory, its controllers' part done by hand, one node that has logs."""

from __future__ import annotations

import asyncio
import pathlib
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from control.apiserver.server import ApiServer
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import metrics_pb2 as metrics
from fairlead.testing import control, samples
from fairlead.testing import rest as testing
from tests.support import kubectl
from tests.support.containers import MemoryRelay

Run = Callable[..., Awaitable[str]]


@pytest.fixture
async def api() -> AsyncIterator[ApiServer]:
    """An API server with a node and a service account."""
    async with control.memory_api() as made:
        admin = made.as_user(*control.ADMIN)
        account = corev1.ServiceAccount()
        account.metadata.name, account.metadata.namespace = "default", "default"
        await admin.create(account)
        await admin.create(samples.node("n1"))
        yield made


@pytest.fixture
def containers() -> MemoryRelay:
    """What runs on the node: one container with a log, and its figures."""
    node = metrics.NodeMetrics(node="n1", window_seconds=10)
    node.cpu.used_cores, node.memory.working_set = 0.25, 3 * 1024 * 1024
    node.timestamp.seconds = 1_700_000_000
    node.pods.add(namespace="default", name="web").containers.add(name="main", used_cores=0.1, working_set=1 << 20)
    return MemoryRelay(lines={("web", ""): ["one", "two"], ("web", "main"): ["one", "two"]}, nodes=[node])


@pytest.fixture
async def server(api: ApiServer, containers: MemoryRelay) -> AsyncIterator[testing.Server]:
    """The gateway."""
    async with testing.serve(api, containers) as made:
        yield made


@pytest.fixture(params=kubectl.every(), ids=str)
def client(request: pytest.FixtureRequest) -> kubectl.Kubectl:
    """Each kubectl that there is."""
    found: kubectl.Kubectl = request.param
    return found


@pytest.fixture
def kubeconfig(server: testing.Server, tmp_path: pathlib.Path) -> pathlib.Path:
    """The administrator's."""
    path = tmp_path / "kubeconfig"
    path.write_text(server.kubeconfig("admin", "system:masters"))
    return path


@pytest.fixture
def run(client: kubectl.Kubectl, kubeconfig: pathlib.Path) -> Run:
    """Run a command line that must succeed, beside the server."""

    async def ran(*words: str, stdin: str | None = None) -> str:
        return await asyncio.to_thread(client.out, kubeconfig, *words, stdin=stdin)

    return ran


@pytest.fixture
def refused(client: kubectl.Kubectl, kubeconfig: pathlib.Path) -> Run:
    """Run a command line that must fail, and return what it says of that."""

    async def ran(*words: str, stdin: str | None = None) -> str:
        done = await asyncio.to_thread(client.run, kubeconfig, *words, stdin=stdin)
        assert done.returncode != 0, done.stdout
        return done.stderr

    return ran
