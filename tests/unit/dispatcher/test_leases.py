"""Epochs on a node's Lease."""

from __future__ import annotations

from control.dispatcher import leases
from tests.unit.dispatcher import objects

HERE = leases.Holder("control-1/a", "10.0.0.1:7443")
THERE = leases.Holder("control-2/b", "10.0.0.2:7443")


def test_each_session_takes_the_next_epoch() -> None:
    """The first session of a node has epoch 1; a takeover counts up and names the new holder."""
    node = objects.node("a")

    first = leases.taken(None, node, HERE, 100.0)
    second = leases.taken(first, node, THERE, 200.5)

    assert (leases.epoch(first), leases.epoch(second)) == (1, 2)
    assert leases.holds(first, HERE, 1)
    assert not leases.holds(second, HERE, 1)
    assert leases.endpoint(second) == "10.0.0.2:7443"
    assert (second.spec.acquireTime.seconds, second.spec.acquireTime.nanos) == (200, 500_000_000)


def test_lease_goes_with_its_node() -> None:
    """It is owned by the Node, so that garbage collection removes it."""
    lease = leases.taken(None, objects.node("a"), HERE, 1.0)

    (owner,) = lease.metadata.ownerReferences
    assert (owner.kind, owner.name, owner.uid) == ("Node", "a", "uid-a")


def test_renewal_changes_the_time_alone() -> None:
    """The epoch stays and the Lease that was read is not touched."""
    lease = leases.taken(None, objects.node("a"), HERE, 1.0)

    renewed = leases.renewed(lease, 11.0)

    assert (renewed.spec.renewTime.seconds, lease.spec.renewTime.seconds) == (11, 1)
    assert leases.holds(renewed, HERE, 1)
