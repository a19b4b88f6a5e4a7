"""NodeResourcesFit, with LeastAllocated and BalancedAllocation, and NodePorts: what a node has left."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

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

    def lacking(self, nodes: Nodes, index: Index) -> Flags:
        """Return for each resource and node whether there is too little of it left."""
        if len(index) == 1:
            # what one node carries changed: by far the most frequent question
            rows, position = self.rows, index[0]
            left = nodes.allocatable[rows, position] - nodes.requested[rows, position]
        else:
            left = nodes.allocatable[self.rows][:, index] - nodes.requested[self.rows][:, index]
        short: Flags = self.amounts.reshape(-1, 1) > left.reshape(len(self.rows), -1)
        return short


class Fit:
    """Keeps pods off nodes that have too little of a resource left; extended resources and pods count alike."""

    name = "NodeResourcesFit"
    static = False
    wakes = Event.NODE_ADDED | Event.NODE_ALLOCATABLE | Event.POD_GONE

    def prepare(self, shape: podinfos.Shape, nodes: Nodes) -> _Wanted:
        """Look up the rows of what the pod asks for."""
        names = tuple(name for name, _ in shape.requests)
        rows = np.array([nodes.row(name) for name in names], np.int64)
        amounts = np.array([amount for _, amount in shape.requests], np.int64)
        return _Wanted(names, rows, amounts)

    def passes(self, prepared: _Wanted, nodes: Nodes, index: Index) -> Flags:
        """Pass nodes that have enough of everything left."""
        passed: Flags = np.logical_not(prepared.lacking(nodes, index).any(axis=0))
        return passed

    def explain(self, prepared: _Wanted, nodes: Nodes, index: Index) -> Iterable[str]:
        """Name every resource that each node lacks."""
        lacking = prepared.lacking(nodes, index)
        for row, name in enumerate(prepared.names):
            reason = "Too many pods" if name == podinfos.PODS else f"Insufficient {name}"
            yield from [reason] * int(lacking[row].sum())

    def hopeless(self, prepared: _Wanted, nodes: Nodes, index: Index) -> Flags:
        """Name nodes that are too small even when they are empty."""
        lacking: Flags = prepared.amounts.reshape(-1, 1) > nodes.allocatable[prepared.rows][:, index]
        small: Flags = np.logical_or.reduce(lacking, axis=0)
        return small


class Balance:
    """Prefers nodes with more of CPU and memory left (LeastAllocated), in balance (BalancedAllocation)."""

    name = "NodeResourcesFit"
    weight = 1
    static = False
    reverse = False
    normalize = False

    def prepare(self, shape: podinfos.Shape, nodes: Nodes) -> tuple[int, int]:
        """Take CPU and memory as they count for comparison."""
        return shape.counted

    def score(self, prepared: tuple[int, int], nodes: Nodes, index: Index) -> Ints:
        """Add the share that stays free and the balance, each 0 to 100."""
        if len(index) == 1:
            return np.array([self._score_one(prepared, nodes, int(index[0]))])
        wanted = np.array(prepared).reshape(2, 1)
        room = np.maximum(nodes.allocatable[:2, index], 1)
        used = np.minimum((nodes.counted[:, index] + wanted) / room, 1.0)
        free = (MAX_SCORE * (1.0 - used)).astype(np.int64)
        balanced = (MAX_SCORE * (1.0 - np.abs(used[0] - used[1]) / 2)).astype(np.int64)
        total: Ints = (free[0] + free[1]) // 2 + balanced
        return total

    def _score_one(self, prepared: tuple[int, int], nodes: Nodes, position: int) -> int:
        """Do the same for one node without arrays, which cost more than the arithmetic."""
        cpu, memory = nodes.counted[:, position].tolist()
        cpu_room, memory_room = nodes.allocatable[:2, position].tolist()
        cpu_used = min((cpu + prepared[0]) / max(cpu_room, 1), 1.0)
        memory_used = min((memory + prepared[1]) / max(memory_room, 1), 1.0)
        free = int(MAX_SCORE * (1.0 - cpu_used)) + int(MAX_SCORE * (1.0 - memory_used))
        return free // 2 + int(MAX_SCORE * (1.0 - abs(cpu_used - memory_used) / 2))


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

    def hopeless(self, prepared: tuple[podinfos.HostPort, ...], nodes: Nodes, index: Index) -> None:
        """Name none: whoever has a port may go."""


def clash(one: podinfos.HostPort, other: podinfos.HostPort) -> bool:
    """Whether two host ports cannot be on one node: the same port and protocol, and addresses that overlap."""
    if one[1:] != other[1:]:
        return False
    return one[0] == other[0] or ANY_ADDRESS in (one[0], other[0])
