"""A whole cluster in a test, or on a laptop without root: the real control plane on a store in memory.

    async with cluster.serving(cluster.Settings(nodes=2)) as running:   # in an event loop
        client = await running.connect()

    with cluster.in_thread() as running:                                # anywhere else
        subprocess.run(["kubectl", "--kubeconfig", running.kubeconfig, "get", "nodes"])

Everything is what production runs (REST, gRPC, TLS, admission, authorisation, controllers, scheduler, agents'
sessions) but for two things: the store lives in memory, and the nodes' containers only pretend. The programs are
imported inside the functions: `import fairlead` alone does not need them.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import pathlib
import socket
import tempfile
import threading
import warnings
from collections.abc import AsyncIterator, Coroutine, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from control.apiserver.inprocess import InProcessClient
    from control.apiserver.server import ApiServer
    from control.store.memory import MemoryStore
    from fairlead.client.grpc import GrpcClient

HOST = "127.0.0.1"
START_SECONDS = 60.0
CALL_SECONDS = 60.0
RESET_ROUNDS = 50
# The cluster's own Leases say who leads and which session a node has: a reset leaves them alone.
KEPT_PREFIXES = ("/registry/leases/kube-system/", "/registry/leases/kube-node-lease/")
PODS_PREFIX = "/registry/pods/"
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Settings:
    """What the cluster has. `rest_port` 0: any free port. `config`: fields of the control process' configuration."""

    nodes: int = 0
    scheduler: bool = True
    controllers: bool = True
    rest_port: int = 0
    config: Mapping[str, Any] = field(default_factory=dict)


class Cluster:
    """A cluster that runs. Its coroutines belong to the loop that it runs in."""

    def __init__(self, folder: pathlib.Path, url: str, api: ApiServer, store: MemoryStore) -> None:
        self.folder = folder
        self.url = url
        self.api = api
        self._store = store
        self._first: dict[str, bytes] = {}

    @property
    def kubeconfig(self) -> pathlib.Path:
        """Return the administrator's kubeconfig, for kubectl and every other client."""
        return self.folder / "admin.conf"

    @property
    def authority(self) -> pathlib.Path:
        """Return the certificate of the authority that signed the server's."""
        return self.folder / "pki" / "ca.crt"

    def connect(self) -> GrpcClient:
        """Return a client as administrator; close it, or use it with `async with`."""
        from fairlead.client import grpc, kubeconfig

        return grpc.GrpcClient(kubeconfig.load(str(self.kubeconfig)))

    def client(self) -> InProcessClient:
        """Return a client of this process as administrator, at the cost of function calls; reads are shared."""
        return self.api.as_user("admin", ("system:masters",))

    async def remember(self) -> None:
        """Take what is stored now for what `reset` goes back to."""
        self._first = {item.key: item.value for item in (await self._store.list("/")).items}

    async def reset(self) -> None:
        """Take everything back to the beginning: objects that were made go, those that were changed are as before.

        Controllers, sessions and connections go on; watchers see the objects go. TimeoutError where something makes
        objects faster than they are removed.
        """
        for _ in range(RESET_ROUNDS):
            if not await self._take_back():
                await self.api.cache.fresh()
                return
            await self.api.cache.fresh()
            await asyncio.sleep(0)
        raise TimeoutError("the cluster does not come to rest: objects are still being made")

    async def _take_back(self) -> int:
        """Undo what differs from the beginning; returns how much that was."""
        from control.store.interface import Put, Remove

        stored = (await self._store.list("/")).items
        now = {item.key: item for item in stored if not item.key.startswith(KEPT_PREFIXES)}
        # owners first: who has lost his pods would make new ones
        made = sorted((key for key in now if key not in self._first), key=lambda key: key.startswith(PODS_PREFIX))
        for key in made:
            await self._store.commit(Remove(key, now[key].revision))
        changed = [key for key, value in self._first.items() if _differs(now.get(key), value, key)]
        for key in changed:
            known = now.get(key)
            await self._store.commit(Put(key, self._first[key], known.revision if known else 0))
        return len(made) + len(changed)


def _differs(found: Any, value: bytes, key: str) -> bool:
    return not key.startswith(KEPT_PREFIXES) and (found is None or found.value != value)


@contextlib.asynccontextmanager
async def serving(settings: Settings = Settings(), folder: pathlib.Path | None = None) -> AsyncIterator[Cluster]:
    """Run a cluster in this loop for the time of the block; its files lie in `folder`, a temporary one if not given.

    Ready when it is yielded: the API answers, and every node is Ready.
    """
    from control import process
    from control.store import memory
    from fairlead.testing import nodes

    with contextlib.ExitStack() as stack:
        place = folder or pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fairlead-")))
        config = _configured(place, settings)
        store, stop = memory.MemoryStore(), asyncio.Event()
        ready: asyncio.Future[ApiServer] = asyncio.get_running_loop().create_future()
        rooms = {name for name in process.OPTIONAL_ROOMS if getattr(settings, name)}
        tasks = [
            asyncio.create_task(
                process.serve(config, store, 1, stop, rooms=rooms, serving=ready.set_result), name="control"
            )
        ]
        try:
            either: list[asyncio.Future[Any]] = [ready, tasks[0]]
            await asyncio.wait(either, timeout=START_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            if not ready.done():
                tasks[0].result()
                raise TimeoutError(f"the control plane does not answer after {START_SECONDS:.0f} s")
            running = Cluster(place, f"https://{HOST}:{config.restPort}", ready.result(), store)
            names = [f"node-{number}" for number in range(1, settings.nodes + 1)]
            tasks += nodes.start(config, names)
            async with asyncio.timeout(START_SECONDS):
                await nodes.wait_ready(running, names)
            await running.remember()
            yield running
        finally:
            stop.set()
            for task in tasks[1:]:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
        if isinstance(ended[0], Exception):
            raise ended[0]  # the control plane failed under the test's hands


def _configured(folder: pathlib.Path, settings: Settings) -> Any:
    """Make keys, certificates and configuration as `fairlead-control init` does, on ports that are free."""
    from control import config as configs
    from control import init

    ports = free_ports(4)
    config = configs.Config(
        **{
            "name": "control-1",
            "advertiseAddress": HOST,
            "controlPlaneAddresses": [HOST],
            "etcdEndpoints": [f"https://{HOST}:{configs.ETCD_PORT}"],
            "pkiDir": str(folder / "pki"),
            "restPort": settings.rest_port or ports[0],
            "grpcPort": ports[1],
            "joinPort": ports[2],
            "metricsPort": ports[3],
            "logLevel": "WARNING",
            **settings.config,
        }
    )
    init.initialise(config, init.Paths(folder / "control.yaml", folder / "admin.conf"))
    return config


class Threaded:
    """A cluster that runs in a thread of its own, for code that has no event loop."""

    def __init__(self, running: Cluster, loop: asyncio.AbstractEventLoop) -> None:
        self.running = running
        self._loop = loop

    @property
    def kubeconfig(self) -> pathlib.Path:
        """Return the administrator's kubeconfig."""
        return self.running.kubeconfig

    @property
    def url(self) -> str:
        """Return where REST is served."""
        return self.running.url

    @property
    def authority(self) -> pathlib.Path:
        """Return the certificate of the authority that signed the server's."""
        return self.running.authority

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the cluster's loop and return what it returns."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(CALL_SECONDS)

    def reset(self) -> None:
        """Take everything back to the beginning."""
        self.call(self.running.reset())


@contextlib.contextmanager
def in_thread(settings: Settings = Settings(), folder: pathlib.Path | None = None) -> Iterator[Threaded]:
    """Run a cluster in a thread for the time of the block."""
    started: list[Threaded] = []
    failed: list[BaseException] = []
    ready, over = threading.Event(), threading.Event()

    async def serve() -> None:
        async with serving(settings, folder) as running:
            started.append(Threaded(running, asyncio.get_running_loop()))
            ready.set()
            await asyncio.to_thread(over.wait)

    def run() -> None:
        try:
            asyncio.run(serve())
        except BaseException as error:
            failed.append(error)
        finally:
            ready.set()

    thread = threading.Thread(target=run, name="fairlead cluster", daemon=True)
    thread.start()
    try:
        ready.wait()
        if started:
            yield started[0]
    finally:
        over.set()
        thread.join(CALL_SECONDS)
        _collect_connections()
    if failed:
        raise failed[0]


def _collect_connections() -> None:
    """Close what clients that never hang up have left open, on both sides, without a ResourceWarning."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def free_ports(count: int) -> list[int]:
    """Return ports of the loopback address that nobody listens on."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server((HOST, 0))) for _ in range(count)]
        return [each.getsockname()[1] for each in sockets]
