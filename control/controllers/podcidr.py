"""The pod CIDR controller: a range of addresses for each node's pods.

Ranges that are taken are known from the nodes themselves, so that nothing has to be recovered. Each is given by
compare-and-swap on its Node and counts as taken from before the write.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from control.controllers import framework
from fairlead.api import errors, objects
from fairlead.api.pb import core_v1_pb2 as corev1

DEFAULT_CLUSTER_CIDR = "10.128.0.0/11"
DEFAULT_MASK_SIZE = 24


@dataclass(frozen=True, slots=True)
class Pool:
    """The cluster's range and the prefix length of a node's."""

    cluster: ipaddress.IPv4Network
    mask_size: int = DEFAULT_MASK_SIZE

    @property
    def size(self) -> int:
        """Return how many ranges there are."""
        return 1 << (self.mask_size - self.cluster.prefixlen)

    def cidr(self, index: int) -> str:
        """Return the range of this index, as text."""
        first = int(self.cluster.network_address) + (index << (32 - self.mask_size))
        return f"{ipaddress.IPv4Address(first)}/{self.mask_size}"

    def indexes(self, cidr: str) -> range:
        """Return the indexes that a range covers; none where it lies outside or cannot be read."""
        try:
            network = ipaddress.ip_network(cidr)
        except ValueError:
            return range(0)
        if not isinstance(network, ipaddress.IPv4Network) or not network.overlaps(self.cluster):
            return range(0)
        shift = 32 - self.mask_size
        base = int(self.cluster.network_address)
        first = max(0, (int(network.network_address) - base) >> shift)
        last = min(self.size - 1, (int(network.broadcast_address) - base) >> shift)
        return range(first, last + 1)


def pool(cluster_cidr: str = DEFAULT_CLUSTER_CIDR, mask_size: int = DEFAULT_MASK_SIZE) -> Pool:
    """Return the pool of a cluster's range; ValueError where it is none."""
    return Pool(ipaddress.IPv4Network(cluster_cidr), mask_size)


def decide(pool: Pool, taken: Collection[int], start: int = 0) -> int | None:
    """Return the first free index from `start` on, around the end; None where every one is taken."""
    for offset in range(pool.size):
        index = (start + offset) % pool.size
        if index not in taken:
            return index
    return None


class PodCidrController(framework.Controller):
    """Gives each node without one a range."""

    name = "pod-cidr-controller"
    workers = 1

    def __init__(self, context: framework.Context, pool: Pool) -> None:
        super().__init__(context)
        self._pool = pool
        self._nodes = context.informers.of(corev1.Node)
        self._taken: dict[int, set[str]] = {}
        self._nodes.add_handler(self._node_changed)

    def keys(self) -> Iterable[str]:
        return [node.metadata.name for node in self._nodes.list() if not node.spec.podCIDR]

    def _node_changed(self, change: str, old: corev1.Node | None, new: corev1.Node | None) -> None:
        before = _cidrs(old) if old is not None else []
        after = _cidrs(new) if new is not None else []
        if before != after:
            for index in (index for cidr in before for index in self._pool.indexes(cidr)):
                self._free(index, old.metadata.name if old is not None else "")
            for index in (index for cidr in after for index in self._pool.indexes(cidr)):
                self._taken.setdefault(index, set()).add(new.metadata.name if new is not None else "")
        if new is not None and not after:
            self.enqueue(new.metadata.name)
        if new is None:
            # a range came free: whoever goes without may have it
            for name in self.keys():
                self.enqueue(name)

    def _free(self, index: int, name: str) -> None:
        owners = self._taken.get(index, set())
        owners.discard(name)
        if not owners:
            self._taken.pop(index, None)

    async def reconcile(self, key: str) -> framework.Result:
        node = self._nodes.get(key)
        if node is None:
            return framework.nothing("gone")
        if node.spec.podCIDR:
            return framework.nothing(f"has {node.spec.podCIDR}")
        index = decide(self._pool, self._taken)
        if index is None:
            self.recorder.normal(node, "CIDRNotAvailable", f"Node {key} status is now: CIDRNotAvailable")
            return framework.nothing(f"all {self._pool.size} ranges are given")
        fresh = objects.copy(node)
        fresh.spec.podCIDR = self._pool.cidr(index)
        fresh.spec.podCIDRs.append(fresh.spec.podCIDR)
        self._taken.setdefault(index, set()).add(key)
        try:
            self.wrote(key, await self.client.update(fresh))
        except (errors.Conflict, errors.NotFound, errors.Invalid):
            # certainly not written; after any other error the range stays reserved
            self._free(index, key)
            raise
        return framework.Result(f"gave {fresh.spec.podCIDR}")


def _cidrs(node: corev1.Node) -> list[str]:
    return list(node.spec.podCIDRs) or ([node.spec.podCIDR] if node.spec.podCIDR else [])
