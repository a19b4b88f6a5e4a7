"""Epochs: a node's sessions in order, as its Lease in kube-node-lease counts them.

`spec.leaseTransitions` is the epoch, `spec.holderIdentity` the control process that holds the session, an annotation
says where its peers reach it. A session takes the next epoch by compare-and-swap; from then on a process that sees
the Lease knows that older sessions are over. Pure: these functions say what to write; the wall clock only stamps.
"""

from __future__ import annotations

from dataclasses import dataclass

from fairlead.api import objects
from fairlead.api.pb import coordination_v1_pb2 as coordinationv1
from fairlead.api.pb import core_v1_pb2 as corev1

NAMESPACE = "kube-node-lease"
ENDPOINT = "fairlead.dev/control-endpoint"

# The leader judges nodes without a holder by this; the same as kubelet's leases have.
DURATION_SECONDS = 40
RENEW_SECONDS = 10.0

_NANOS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Holder:
    """A control process for the length of its life; `endpoint` is host:port of its gRPC listener for peers."""

    identity: str
    endpoint: str = ""


def taken(lease: coordinationv1.Lease | None, node: corev1.Node, holder: Holder, now: float) -> coordinationv1.Lease:
    """Return the Lease that begins a node's next epoch, to be created, or written over the one that was read."""
    fresh = coordinationv1.Lease() if lease is None else objects.copy(lease)
    fresh.metadata.name = node.metadata.name
    fresh.metadata.namespace = NAMESPACE
    fresh.metadata.annotations[ENDPOINT] = holder.endpoint
    if node.metadata.uid:
        del fresh.metadata.ownerReferences[:]
        fresh.metadata.ownerReferences.add(
            apiVersion="v1", kind="Node", name=node.metadata.name, uid=node.metadata.uid
        )
    fresh.spec.holderIdentity = holder.identity
    fresh.spec.leaseDurationSeconds = DURATION_SECONDS
    fresh.spec.leaseTransitions = epoch(lease) + 1
    _stamp(fresh.spec.acquireTime, now)
    _stamp(fresh.spec.renewTime, now)
    return fresh


def renewed(lease: coordinationv1.Lease, now: float) -> coordinationv1.Lease:
    """Return the Lease with a new time of renewal."""
    fresh = objects.copy(lease)
    _stamp(fresh.spec.renewTime, now)
    return fresh


def epoch(lease: coordinationv1.Lease | None) -> int:
    """Return the epoch of a Lease; 0 where there is none."""
    return lease.spec.leaseTransitions if lease is not None else 0


def holds(lease: coordinationv1.Lease | None, holder: Holder, number: int) -> bool:
    """Tell whether this process' session with this epoch is still the node's newest."""
    return lease is not None and epoch(lease) == number and lease.spec.holderIdentity == holder.identity


def endpoint(lease: coordinationv1.Lease) -> str:
    """Return host:port of the process that holds the node's session; empty where the Lease does not say."""
    return lease.metadata.annotations.get(ENDPOINT, "")


def _stamp(time: object, now: float) -> None:
    whole = int(now)
    time.seconds = whole  # type: ignore[attr-defined]
    time.nanos = int((now - whole) * _NANOS) // 1000 * 1000  # type: ignore[attr-defined]
