"""The API as the lab's tests ask it: quickly, without starting a program, and through the control process they name.

A test is plain code with deadlines while the client is asynchronous, so the client lives in a thread of its own. A
control process that was killed keeps nobody waiting: every request has a short time, then the next process is asked.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import dataclasses
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from types import TracebackType
from typing import Any, TypeVar

from google.protobuf.message import Message

from fairlead.api import errors
from fairlead.api.pb import coordination_v1_pb2 as coordinationv1
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import discovery_v1_pb2 as discoveryv1
from fairlead.client import grpc, kubeconfig
from fairlead.client.interface import Selection

REQUEST_SECONDS = 2.5  # long enough for two busy cores, short enough to learn of a dead host
PATIENCE_SECONDS = 20.0
PAUSE_SECONDS = 0.1
LEADER_LEASE = "kube-controller-manager"

T = TypeVar("T")
K = TypeVar("K", bound=Message)
Work = Callable[[grpc.GrpcClient], Awaitable[T]]


class Loop:
    """An event loop in a thread."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="clients", daemon=True)
        self._thread.start()

    def start(self, work: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
        """Begin some work."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def close(self) -> None:
        """End the thread."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class Api:
    """The cluster's API, as administrator unless other credentials are given."""

    def __init__(self, connection: kubeconfig.Connection) -> None:
        self.connection = connection
        self.loop = Loop()
        self._clients = self.loop.start(self._connect()).result(PATIENCE_SECONDS)
        self._favourite = next(iter(self._clients))

    async def _connect(self) -> dict[str, grpc.GrpcClient]:
        one = {e: dataclasses.replace(self.connection, endpoints=[e]) for e in self.connection.endpoints}
        return {_host(endpoint): grpc.GrpcClient(connection) for endpoint, connection in one.items()}

    def __enter__(self) -> Api:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for client in self._clients.values():
            self.loop.start(client.close()).result(PATIENCE_SECONDS)
        self.loop.close()

    @property
    def addresses(self) -> Sequence[str]:
        """The control processes, by their hosts' addresses."""
        return list(self._clients)

    def client(self, address: str) -> grpc.GrpcClient:
        """The client that knows only one control process; use it in this object's loop."""
        return self._clients[address]

    def ask(self, work: Work[T], *, through: str = "", seconds: float = PATIENCE_SECONDS) -> T:
        """Do something with a client, through one control process or through whichever answers.

        What a dead process may have done is done again through the next: give only what can be repeated.
        """
        return self.loop.start(self.patiently(work, through=through, seconds=seconds)).result()

    async def patiently(self, work: Work[T], *, through: str = "", seconds: float = PATIENCE_SECONDS) -> T:
        """Do the same within the loop."""
        deadline = time.monotonic() + seconds
        while True:
            address = through or self._favourite
            try:
                async with asyncio.timeout(REQUEST_SECONDS):
                    return await work(self._clients[address])
            except (TimeoutError, errors.ServiceUnavailable, errors.Timeout):
                if time.monotonic() > deadline:
                    raise
            others = [other for other in self._clients if other != address]
            self._favourite = others[0] if others and not through else self._favourite
            await asyncio.sleep(PAUSE_SECONDS)

    def get(self, kind: type[K], name: str, namespace: str = "", *, through: str = "") -> K:
        """One object."""
        return self.ask(lambda client: client.get(kind, name, namespace), through=through)

    def find(self, kind: type[K], name: str, namespace: str = "") -> K | None:
        """One object, or None if there is none."""
        try:
            return self.get(kind, name, namespace)
        except errors.NotFound:
            return None

    def list(self, kind: type[K], namespace: str = "", *, labels: str = "", through: str = "") -> Sequence[K]:
        """A collection."""
        select = Selection(labels=labels)
        return self.ask(lambda client: client.list(kind, namespace, select=select), through=through).items

    def create(self, obj: K, *, through: str = "") -> K:
        """Make an object; one that is there already, of an earlier try, is returned."""

        async def work(client: grpc.GrpcClient) -> K:
            try:
                return await client.create(obj)
            except errors.AlreadyExists:
                meta = obj.metadata  # type: ignore[attr-defined]
                return await client.get(type(obj), meta.name, meta.namespace)

        return self.ask(work, through=through)

    def delete(self, kind: type[Message], name: str, namespace: str = "") -> None:
        """Delete an object if it is there."""

        async def work(client: grpc.GrpcClient) -> None:
            try:
                await client.delete(kind, name, namespace)
            except errors.NotFound:
                return

        self.ask(work)

    # What tests of the cluster ask again and again.

    def readiness(self) -> Mapping[str, str]:
        """The status of every node's Ready condition, by the node's name."""
        return {node.metadata.name: ready(node) for node in self.list(corev1.Node)}

    def pods(self, app: str, namespace: str = "default") -> Sequence[corev1.Pod]:
        """The pods with a label `app`, those on their way out included."""
        return self.list(corev1.Pod, namespace, labels=f"app={app}")

    def living(self, app: str, namespace: str = "default") -> Sequence[corev1.Pod]:
        """The pods with a label `app` that nobody has asked to end."""
        return [pod for pod in self.pods(app, namespace) if not pod.metadata.HasField("deletionTimestamp")]

    def endpoints(self, service: str, namespace: str = "default") -> set[str]:
        """The addresses behind a Service that are ready."""
        slices = self.list(discoveryv1.EndpointSlice, namespace, labels=f"kubernetes.io/service-name={service}")
        every = [endpoint for found in slices for endpoint in found.endpoints]
        return {a for endpoint in every if endpoint.conditions.ready for a in endpoint.addresses}

    def holder(self, node: str, *, through: str = "") -> str:
        """The control process that holds a node's session, by its host's name."""
        lease = self.get(coordinationv1.Lease, node, "kube-node-lease", through=through)
        return lease.spec.holderIdentity.rpartition("-")[0]

    def epoch(self, node: str) -> int:
        """The number of a node's session."""
        return self.get(coordinationv1.Lease, node, "kube-node-lease").spec.leaseTransitions

    def leader(self, *, through: str = "") -> str:
        """The control process that runs the controllers, by the name it gave itself; '' while there is none."""
        return self.get(coordinationv1.Lease, LEADER_LEASE, "kube-system", through=through).spec.holderIdentity


def ready(obj: corev1.Node | corev1.Pod) -> str:
    """The status of an object's Ready condition; '' if it has none."""
    return str(condition(obj, "Ready").status)


def condition(obj: corev1.Node | corev1.Pod, type_: str) -> Any:
    """One condition, empty if it is not there."""
    found = [one for one in obj.status.conditions if one.type == type_]
    return found[0] if found else corev1.NodeCondition()


def _host(endpoint: str) -> str:
    return endpoint.rpartition(":")[0].strip("[]")
