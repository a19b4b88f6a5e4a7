"""The informers of the dispatcher: `Cluster` kept in line with the API, and proof of how fresh it is.

Each change goes into `Cluster`, then to the listener. `caught_up` answers the question that a COMPLETE depends on:
does the state contain everything that was written before I asked?
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from google.protobuf.message import Message

from control.dispatcher import assignments, leases
from fairlead import clock as clocks
from fairlead.api import errors, scheme
from fairlead.api.pb import coordination_v1_pb2 as coordinationv1
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import discovery_v1_pb2 as discoveryv1
from fairlead.api.pb import networking_v1_pb2 as networkingv1
from fairlead.client import informer, interface

KINDS: tuple[type[Message], ...] = (
    corev1.Node,
    corev1.ConfigMap,
    corev1.Secret,
    corev1.Service,
    discoveryv1.EndpointSlice,
    networkingv1.NetworkPolicy,
    corev1.Pod,
)
CAUGHT_UP_SECONDS = 10.0

# Called with an object, whether it is still there, and whom the change concerns.
Listener = Callable[[Any, bool, assignments.Effect], None]


class Feed:
    """The state of the cluster in this process, fed by the API; Leases of nodes go to the listener alone."""

    def __init__(
        self, client: interface.Client, cluster: assignments.Cluster, listener: Listener, clock: clocks.Clock
    ) -> None:
        self.cluster = cluster
        self._client = client
        self._listener = listener
        kinds = [kind for kind in KINDS if _served(kind)]
        self._informers: list[informer.Informer[Any]] = [
            informer.Informer(client, kind, clock=clock) for kind in kinds
        ]
        self._leases = informer.Informer(client, coordinationv1.Lease, namespace=leases.NAMESPACE, clock=clock)
        for followed in self._informers:
            followed.add_handler(self._changed)
        self._leases.add_handler(self._lease_changed)
        self._asked: asyncio.Future[int] | None = None
        self._asking = asyncio.Lock()

    async def run(self) -> None:
        """Follow the API until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._leases.run(), name="dispatcher informer Lease")
            for followed in self._informers:
                tasks.create_task(followed.run(), name=f"dispatcher informer {followed.kind.__name__}")

    def lease(self, node: str) -> coordinationv1.Lease | None:
        """Return a node's Lease as the informer has it."""
        return self._leases.get(node, leases.NAMESPACE)

    def node_leases(self) -> Sequence[coordinationv1.Lease]:
        """Return every node's Lease."""
        return self._leases.list()

    async def caught_up(self) -> int:
        """Wait until `cluster` contains all that was written before the call; returns a revision that it reached.

        Callers that come while others wait share the next answer. errors.ServiceUnavailable after a while.
        """
        if self._asked is None:
            self._asked = asyncio.get_running_loop().create_future()
        asked = self._asked
        async with self._asking:
            if not asked.done():
                self._asked = None  # who comes from now on needs a later answer
                try:
                    asked.set_result(await self._catch_up())
                except errors.ApiError as error:
                    asked.set_exception(error)
        return asked.result()

    async def _catch_up(self) -> int:
        page = await self._client.list(corev1.Node, limit=1)
        revision = int(page.resource_version)
        try:
            async with asyncio.timeout(CAUGHT_UP_SECONDS):
                for followed in self._informers:
                    await followed.synced()
                    await followed.wait_for_revision(revision)
        except TimeoutError:
            raise errors.ServiceUnavailable(f"informers lag behind revision {revision}") from None
        return revision

    def _changed(self, change: informer.Change, old: Message | None, new: Message | None) -> None:
        if new is not None:
            self._listener(new, True, self.cluster.put(new))
        elif old is not None:
            self._listener(old, False, self.cluster.remove(old))

    def _lease_changed(
        self, change: informer.Change, old: coordinationv1.Lease | None, new: coordinationv1.Lease | None
    ) -> None:
        self._listener(new or old, new is not None, assignments.NOBODY)


def _served(kind: type[Message]) -> bool:
    try:
        scheme.DEFAULT.of(kind)
    except scheme.UnknownKind:
        return False
    return True
