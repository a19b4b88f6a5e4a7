"""A node's object and Lease as a session begins, renews and judges them: the I/O around `leases` and `statuses`.

Each function does its reads, decides by the pure modules, writes by compare-and-swap, and returns what came of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from control.dispatcher import leases, statuses
from fairlead.api import errors
from fairlead.api.pb import coordination_v1_pb2 as coordinationv1
from fairlead.api.pb import core_v1_pb2 as corev1

if TYPE_CHECKING:
    from fairlead.client import interface

CONFLICT_TRIES = 10


async def register(client: interface.Client, wanted: corev1.Node) -> corev1.Node:
    """Create the Node, or bring the labels and annotations of the one that is there in line; returns it as stored."""
    for _ in range(CONFLICT_TRIES):
        try:
            stored = await client.get(corev1.Node, wanted.metadata.name)
            fresh = statuses.metadata(stored, wanted)
            return stored if fresh is None else await client.update(fresh)
        except errors.NotFound:
            pass
        except errors.Conflict:
            continue
        try:
            return await client.create(wanted)
        except errors.AlreadyExists:
            continue
    raise errors.ServiceUnavailable(f"node {wanted.metadata.name} changes too fast to be registered")


async def take(
    client: interface.Client, node: corev1.Node, holder: leases.Holder, now: float
) -> coordinationv1.Lease:
    """Take the node's next epoch; returns the Lease as stored."""
    for _ in range(CONFLICT_TRIES):
        lease = await read(client, node.metadata.name)
        fresh = leases.taken(lease, node, holder, now)
        try:
            return await (client.create(fresh) if lease is None else client.update(fresh))
        except (errors.Conflict, errors.AlreadyExists, errors.NotFound):
            continue
    raise errors.ServiceUnavailable(f"too many sessions contend for node {node.metadata.name}")


async def renew(
    client: interface.Client,
    node: str,
    number: int,
    seen: coordinationv1.Lease | None,
    holder: leases.Holder,
    now: float,
) -> bool:
    """Renew a node's Lease; returns whether it is still at this holder's epoch. `seen` is what an informer shows."""
    current = seen if leases.epoch(seen) >= number else await read(client, node)
    for _ in range(CONFLICT_TRIES):
        if current is None or not leases.holds(current, holder, number):
            return False
        try:
            await client.update(leases.renewed(current, now))
        except (errors.Conflict, errors.NotFound):
            current = await read(client, node)
        else:
            return True
    raise errors.ServiceUnavailable(f"the lease of node {node} changes too fast to be renewed")


async def declare(client: interface.Client, node: str, epoch: int, holder: leases.Holder, now: float) -> str:
    """Write that a node is no longer heard of, if its newest epoch is this one; returns what was done.

    The Node is read before the Lease: a session that begins in between makes the write fail or is seen here. If it
    begins only afterwards, its process puts the Node right again when it sees this write.
    """
    for _ in range(CONFLICT_TRIES):
        try:
            stored = await client.get(corev1.Node, node)
        except errors.NotFound:
            return "the node is deleted"
        if not leases.holds(await read(client, node), holder, epoch):
            return "another session has begun"
        fresh = statuses.unknown(stored, now)
        if fresh is None:
            return "the node is declared already"
        try:
            await client.update(fresh, subresource="status")
        except errors.Conflict:
            continue
        except errors.NotFound:
            return "the node is deleted"
        return "declared the node gone"
    raise errors.ServiceUnavailable(f"node {node} changes too fast to be declared gone")


async def read(client: interface.Client, node: str) -> coordinationv1.Lease | None:
    """Return a node's Lease, linearizably, or None."""
    try:
        return await client.get(coordinationv1.Lease, node, leases.NAMESPACE)
    except errors.NotFound:
        return None
