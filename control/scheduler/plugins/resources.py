"""NodeResourcesFit, with LeastAllocated and BalancedAllocation, and NodePorts: what a node has left."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from control.scheduler import pods as podinfos
from control.scheduler.framework import MAX_SCORE, Event
from control.scheduler.nodes import Flags, Index, Ints, Nodes

ANY_ADDRESS = "0.0.0.0"


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What a pod asks for: names, their rows, amounts as a column."""

    names: tuple[str, ...]
    rows: Ints
    amounts: Ints


class Fit:
    """Keeps pods off nodes that have too little of a resource left; extended resources and pods count alike."""

    name = "NodeResourcesFit"
    static = False
    wakes = Event.NODE_ADDED | Event.NODE_ALLOCATABLE | Event.POD_GONE

    def prepare(self, shape: podinfos.Shape, nodes: Nodes) -> _Wanted:
        """Look up the rows of what the pod asks for."""
        names = tuple(name for name, _ in shape.requests)
        rows = np.array([nodes.row(name) for name in names], np.int64)
        amounts = np.array([[amount] for _, amount in shape.requests], np.int64)
        return _Wanted(names, rows, amounts)

    def passes(self, prepared: _Wanted, nodes: Nodes, index: Index) -> Flags:
        """Pass nodes that have enough of everything left."""
        cells = np.ix_(prepared.rows, index)
        fits = nodes.requested[cells] + prepared.amounts <= nodes.allocatable[cells]
        passed: Flags = np.logical_and.reduce(fits, axis=0)
        return passed

    def explain(self, prepared: _Wanted, nodes: Nodes, index: Index) -> Iterable[str]:
        """Name every resource that each node lacks."""
        cells = np.ix_(prepared.rows, index)
        lacking = nodes.requested[cells] + prepared.amounts > nodes.allocatable[cells]
        for row, name in enumerate(prepared.names):
            reason = "Too many pods" if name == podinfos.PODS else f"Insufficient {name}"
            yield from [reason] * int(lacking[row].sum())


class Balance:
    """Prefers nodes with more of CPU and memory left (LeastAllocated), in balance (BalancedAllocation)."""

    name = "NodeResourcesFit"
    weight = 1
    static = False
    reverse = False
    normalize = False

    def prepare(self, shape: podinfos.Shape, nodes: Nodes) -> npt.NDArray[np.float64]:
        """Take CPU and memory as they count for comparison."""
        return np.array([[shape.counted[0]], [shape.counted[1]]], np.float64)

    def score(self, prepared: npt.NDArray[np.float64], nodes: Nodes, index: Index) -> Ints:
        """Add the share that stays free and the balance, each 0 to 100."""
        room = nodes.allocatable[:2, index]
        used = np.minimum((nodes.counted[:, index] + prepared) / np.maximum(room, 1), 1.0)
        free = (MAX_SCORE * (1.0 - used)).astype(np.int64)
        least = (free[0] + free[1]) // 2
        balanced = (MAX_SCORE * (1.0 - np.abs(used[0] - used[1]) / 2)).astype(np.int64)
        total: Ints = least + balanced
        return total


class NodePorts:
    """Keeps pods off nodes where a host port that they want is taken."""

    name = "NodePorts"
    static = False
    wakes = Event.NODE_ADDED | Event.POD_GONE

    def prepare(self, shape: podinfos.Shape, nodes: Nodes) -> tuple[podinfos.HostPort, ...] | None:
        """Read the pod's host ports."""
        return shape.host_ports or None

    def passes(self, prepared: tuple[podinfos.HostPort, ...], nodes: Nodes, index: Index) -> Flags:
        """Pass nodes where all are free."""
        return np.fromiter((self._free(prepared, nodes, int(each)) for each in index), np.bool_, len(index))

    def _free(self, wanted: tuple[podinfos.HostPort, ...], nodes: Nodes, position: int) -> bool:
        taken = [port for port, count in nodes.ports.get(position, {}).items() if count > 0]
        return not any(clash(one, other) for one in wanted for other in taken)

    def explain(self, prepared: tuple[podinfos.HostPort, ...], nodes: Nodes, index: Index) -> Iterable[str]:
        """Give the one reason."""
        return ["node(s) didn't have free ports for the requested pod ports"] * len(index)


def clash(one: podinfos.HostPort, other: podinfos.HostPort) -> bool:
    """Whether two host ports cannot be on one node: the same port and protocol, and addresses that overlap."""
    if one[1:] != other[1:]:
        return False
    return one[0] == other[0] or ANY_ADDRESS in (one[0], other[0])
