"""What sessions cost: 1,000 hollow agents on one control process and one etcd member.

    python -m tests.bench.dispatch [--agents 1000] [--pods 1000] [--rate 100]

Control process, agents and etcd share the machine's cores; agents run in a process of their own and speak the real
session under mutual TLS. Times are of the machine's monotonic clock, which both processes read.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import pathlib
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence

import psutil
import uvloop

from control import pki
from control.apiserver import authn, bootstrap, server
from control.apiserver.settings import Settings
from control.dispatcher import edge, leases, service, settings
from control.gateway import listening
from control.store import cache as caches
from control.store.etcd import EtcdStore
from fairlead import garbage
from fairlead.api.pb import agent_pb2 as agent
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.client import interface
from fairlead.testing import nodes as testing_nodes
from node.agent import agent as agents
from node.agent import hollow
from tests.bench import lag as lags
from tests.bench import report
from tests.bench.report import Row
from tests.bench.store import pod
from tests.support import etcd

MASTER = authn.User("bench", (authn.MASTERS, authn.AUTHENTICATED))
STARTING = 50
IDLE_SECONDS = 10.0
SERVICE = "fan-out"


def name_of(number: int) -> str:
    """Return a node's name."""
    return f"hollow-{number:05}"


# The agents' process.


async def agents_main(folder: pathlib.Path, endpoint: str, count: int) -> None:
    """Run agents; print when all have their state, and at the end of the input when what arrived."""
    authority = pki.load_authority(folder / "ca.crt", folder / "ca.key")
    received: dict[str, float] = {}
    services: list[float] = []

    def applied(node: str, change: agent.Change) -> None:
        if change.HasField("pod"):
            received.setdefault(change.pod.metadata.uid, time.monotonic())
        elif change.HasField("service") and change.service.metadata.name == SERVICE:
            services.append(time.monotonic())

    slots = asyncio.Semaphore(STARTING)
    made: list[agents.Agent] = []
    running: list[asyncio.Task[None]] = []

    async def start(number: int) -> None:
        async with slots:
            one = hollow.make(name_of(number), testing_nodes.Link(authority, name_of(number)), [endpoint], applied)
            made.append(one)
            running.append(asyncio.create_task(one.run()))
            await one.session.synced.wait()

    begun = time.monotonic()
    await asyncio.gather(*(start(number) for number in range(count)))
    print(json.dumps({"synced": time.monotonic() - begun}), flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    cpu = time.process_time()
    print(json.dumps({"received": received, "services": services, "cpu": cpu}), flush=True)
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)


# The control process.


@contextlib.asynccontextmanager
async def control(store: EtcdStore, folder: pathlib.Path) -> AsyncIterator[tuple[interface.Client, str]]:
    """Give a client and the endpoint of a control process with a dispatcher."""
    watched = caches.Cache(store)
    api = server.ApiServer(store, watched, settings=Settings())
    running = [asyncio.create_task(watched.run())]
    await watched.ready()
    await bootstrap.ensure(api)
    authority, _ = pki.ensure_authority(folder / "ca.crt", folder / "ca.key", "bench")
    host = pki.Subject(user="system:fairlead-control", hosts=("kubernetes", "127.0.0.1"), server=True)
    certificate, key = authority.issue(host)
    client = api.client(MASTER)
    dispatcher = service.Dispatcher(client, api, settings.Settings(leases.Holder("bench/1"), 1))
    running.append(asyncio.create_task(dispatcher.run()))
    served = await listening.serve(
        "127.0.0.1:0",
        [listening.Service("fairlead.v1.NodeAgent", lambda made: edge.add_to_server(dispatcher, made))],
        listening.credentials(certificate, key, authority.pem, require_client=True),
    )
    try:
        yield client, f"127.0.0.1:{served.port}"
    finally:
        await served.stop(0.1)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def bind(client: interface.Client, count: int, nodes: int, rate: float) -> dict[str, float]:
    """Create pods, then bind them at a rate; returns when each binding was acknowledged, by uid."""
    uids = {}

    async def create(number: int) -> None:
        made = pod(f"web-{number:05}")
        made.metadata.uid = ""
        made.metadata.ClearField("ownerReferences")
        made.spec.containers[0].readinessProbe.handler.httpGet.port.intVal = 8080
        made.ClearField("status")
        uids[number] = (await client.create(made)).metadata.uid

    for start in range(0, count, 32):
        await asyncio.gather(*(create(number) for number in range(start, min(start + 32, count))))
    bound: dict[str, float] = {}

    async def one(number: int) -> None:
        binding = corev1.Binding()
        binding.metadata.name, binding.metadata.namespace = f"web-{number:05}", "default"
        binding.target.kind, binding.target.name = "Node", name_of(number % nodes)
        await client.post(corev1.Pod, binding.metadata.name, "default", "binding", binding)
        bound[uids[number]] = time.monotonic()

    begun = time.monotonic()
    async with asyncio.TaskGroup() as tasks:
        for number in range(count):
            await asyncio.sleep(max(0.0, begun + number / rate - time.monotonic()))
            tasks.create_task(one(number))
    return bound


async def change_service(client: interface.Client) -> float:
    """Create a Service; returns when that was acknowledged."""
    made = corev1.Service()
    made.metadata.name, made.metadata.namespace = SERVICE, "default"
    made.spec.ports.add(port=80, protocol="TCP")
    await client.create(made)
    return time.monotonic()


async def measure(options: argparse.Namespace, url: str, folder: pathlib.Path) -> Sequence[Row]:
    """Return the rows of the table."""
    store = EtcdStore([url])
    here = psutil.Process()
    async with lags.gauge() as lag, control(store, folder) as (client, endpoint):
        lag.reset()
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.bench.dispatch", "--child", str(folder), endpoint),
            *("--agents", str(options.agents)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=1 << 26,
        )
        assert child.stdin is not None
        assert child.stdout is not None
        synced = json.loads(await child.stdout.readline())["synced"]
        joining = lag.reset()
        await asyncio.sleep(3.0)  # the first statuses
        before, revision = sum(here.cpu_times()[:2]), await store.revision()
        await asyncio.sleep(IDLE_SECONDS)
        idle = (sum(here.cpu_times()[:2]) - before) / IDLE_SECONDS * 100
        written = (await store.revision() - revision) / IDLE_SECONDS
        memory = here.memory_info().rss / 1e6
        bound = await bind(client, options.pods, options.agents, options.rate)
        await asyncio.sleep(2.0)
        changed = await change_service(client)
        await asyncio.sleep(2.0)
        serving = lag.reset()
        child.stdin.write(b"end\n")
        answer = json.loads(await child.stdout.readline())
        await child.wait()
    await store.close()
    took = [(answer["received"][uid] - at) * 1000 for uid, at in bound.items() if uid in answer["received"]]
    assert len(took) == len(bound), f"{len(bound) - len(took)} pods never arrived"
    fanned = sorted((at - changed) * 1000 for at in answer["services"])
    spread = statistics.quantiles(took, n=100)
    return [
        Row(f"bind to assignment received, {options.agents} sessions, p99", spread[98], "ms", 200, "less", 100),
        Row(f"  p50, at {options.rate:.0f} bindings/s", spread[49], "ms", 200, "less"),
        Row(f"a new Service at {len(fanned)} of {options.agents} agents, last", fanned[-1], "ms", 500, "less"),
        lags.row(serving),
        Row("all sessions begun and synced after", synced, "s", 60, "less"),
        lags.row(joining),
        Row("control process with idle sessions, of a core", idle, "%", 100, "less"),
        Row("  writes to etcd (a Lease every 10 s a node)", written, "/s", options.agents / 10 * 1.1, "less"),
        Row("  memory", memory, "MB", 350, "less"),
    ]


def run(options: argparse.Namespace) -> Sequence[Row]:
    """Measure on an etcd of its own."""
    garbage.collect_rarely()
    with etcd.cluster() as members, tempfile.TemporaryDirectory() as folder:
        return uvloop.run(measure(options, members.urls[0], pathlib.Path(folder)))


def rows(quick: bool = False) -> Sequence[Row]:
    """Measure for the table of all benchmarks."""
    count = 200 if quick else 1000
    return run(argparse.Namespace(agents=count, pods=count, rate=100.0))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--agents", type=int, default=1000)
    parser.add_argument("--pods", type=int, default=1000)
    parser.add_argument("--rate", type=float, default=100.0)
    parser.add_argument("--child", nargs=2, metavar=("FOLDER", "ENDPOINT"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        asyncio.run(agents_main(pathlib.Path(options.child[0]), options.child[1], options.agents))
        return
    print(report.text(run(options)))


if __name__ == "__main__":
    main()
