"""All nodes as arrays, and what runs on them: the scheduler's cache.

The scheduler adds what informers tell and assumes what it decides itself; plugins read whole columns at once. Every
change of a node is noted in one of two logs (what the node is; what it carries), so that what was computed for all
nodes is mended for those that changed.
"""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from control.scheduler import pods as podinfos
from fairlead.api import objects
from fairlead.api.pb import core_v1_pb2 as corev1

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
# Which nodes to compute for: positions.
Index = npt.NDArray[np.int64]

ZONE = "topology.kubernetes.io/zone"
HOSTNAME = "kubernetes.io/hostname"
FIRST_CAPACITY = 64
BASE_RESOURCES = (podinfos.CPU, podinfos.MEMORY, podinfos.EPHEMERAL, podinfos.PODS)
# Groups of pods are kept as columns while these take no more than so many cells.
COLUMN_CELLS = 1_000_000


class Log:
    """Positions of nodes in the order they changed; readers keep how far they have read."""

    LIMIT = 4096

    def __init__(self) -> None:
        self._entries: list[int] = []
        self._dropped = 0

    @property
    def end(self) -> int:
        """Return the place after the last entry."""
        return self._dropped + len(self._entries)

    def append(self, position: int) -> None:
        """Note that a node changed."""
        self._entries.append(position)
        if len(self._entries) > 2 * self.LIMIT:
            del self._entries[: self.LIMIT]
            self._dropped += self.LIMIT

    def since(self, place: int) -> list[int] | None:
        """Return the distinct nodes that changed after `place`; None where that is forgotten."""
        if place < self._dropped:
            return None
        recent = self._entries[place - self._dropped :]
        return recent if len(recent) < 2 else list(dict.fromkeys(recent))


class Nodes:
    """Columns over nodes; a node keeps its position until it is removed, and positions are used again."""

    def __init__(self) -> None:
        self.capacity = FIRST_CAPACITY
        self.epoch = 0
        self.rows: dict[str, int] = {name: row for row, name in enumerate(BASE_RESOURCES)}
        self.allocatable: Ints = np.zeros((len(self.rows), self.capacity), np.int64)
        self.requested: Ints = np.zeros((len(self.rows), self.capacity), np.int64)
        self.counted: Ints = np.zeros((2, self.capacity), np.int64)
        self.present: Flags = np.zeros(self.capacity, np.bool_)
        self.unschedulable: Flags = np.zeros(self.capacity, np.bool_)
        self.taints: Ints = np.zeros(self.capacity, np.int64)
        self.zones: Ints = np.zeros(self.capacity, np.int64)
        self.objects: list[corev1.Node | None] = [None] * self.capacity
        self.positions: dict[str, int] = {}
        self.taint_sets: list[tuple[corev1.Taint, ...]] = [()]
        self.zone_names: list[str] = [""]
        self.static_log = Log()
        self.load_log = Log()
        self.ports: dict[int, collections.Counter[podinfos.HostPort]] = {}
        self._taint_ids: dict[tuple[bytes, ...], int] = {(): 0}
        self._zone_ids: dict[str, int] = {"": 0}
        self._pods: dict[str, tuple[str, podinfos.PodInfo]] = {}
        self._carried: dict[str, dict[str, podinfos.PodInfo]] = {}
        self._groups: dict[str, collections.Counter[int]] = {}
        self._columns: collections.OrderedDict[str, Ints] = collections.OrderedDict()
        self._domains: dict[str, tuple[int, int, Ints]] = {}
        self.repelling: dict[str, podinfos.PodInfo] = {}
        self._priorities: collections.Counter[int] = collections.Counter()

    def __len__(self) -> int:
        return len(self.positions)

    # Nodes

    def put(self, node: corev1.Node) -> None:
        """Add a node, or take in what changed of it."""
        name = node.metadata.name
        position = self.positions.get(name)
        if position is None:
            position = self._place(name)
        self.objects[position] = node
        self.present[position] = True
        self.unschedulable[position] = node.spec.unschedulable
        self.taints[position] = self._taint_id(node)
        self.zones[position] = self._zone_id(node.metadata.labels.get(ZONE, ""))
        self._set_allocatable(position, node.status.allocatable)
        self.static_log.append(position)
        self.load_log.append(position)

    def refresh_node(self, node: corev1.Node) -> None:
        """Look from now on at a node's newest message, in which nothing changed that columns hold.

        The one before would otherwise stay in memory for as long as the node.
        """
        self.objects[self.positions[node.metadata.name]] = node

    def remove(self, name: str) -> None:
        """Remove a node; the pods that it carries are remembered in case it returns."""
        position = self.positions.get(name)
        if position is None:
            return
        for info in self._carried.get(name, {}).values():
            self._count(position, info, -1)
        del self.positions[name]
        self.objects[position] = None
        self.present[position] = False
        self.static_log.append(position)
        self.load_log.append(position)

    def _place(self, name: str) -> int:
        free = np.flatnonzero(~self.present)
        if not len(free):
            self._grow()
            free = np.flatnonzero(~self.present)
        position = int(free[0])
        self.positions[name] = position
        self.present[position] = True
        for info in self._carried.get(name, {}).values():
            self._count(position, info, 1)
        return position

    def _grow(self) -> None:
        more, self.capacity = self.capacity, self.capacity * 2
        self.allocatable = np.pad(self.allocatable, ((0, 0), (0, more)))
        self.requested = np.pad(self.requested, ((0, 0), (0, more)))
        self.counted = np.pad(self.counted, ((0, 0), (0, more)))
        self.present = np.pad(self.present, (0, more))
        self.unschedulable = np.pad(self.unschedulable, (0, more))
        self.taints = np.pad(self.taints, (0, more))
        self.zones = np.pad(self.zones, (0, more))
        self.objects += [None] * more
        self._columns.clear()
        self.epoch += 1

    def _set_allocatable(self, position: int, allocatable: Mapping[str, Any]) -> None:
        self.allocatable[:, position] = 0
        for name in allocatable:
            # the row first: a new one replaces the array
            row = self.row(name)
            self.allocatable[row, position] = podinfos.units(name, allocatable[name].string)

    def row(self, resource: str) -> int:
        """Return the row of a resource, making one for a new name."""
        found = self.rows.get(resource)
        if found is None:
            found = self.rows[resource] = len(self.rows)
            self.allocatable = np.pad(self.allocatable, ((0, 1), (0, 0)))
            self.requested = np.pad(self.requested, ((0, 1), (0, 0)))
        return found

    def _taint_id(self, node: corev1.Node) -> int:
        taints = tuple(node.spec.taints)
        key = tuple(f"{each.key}\0{each.value}\0{each.effect}".encode() for each in taints)
        found = self._taint_ids.get(key)
        if found is None:
            found = self._taint_ids[key] = len(self.taint_sets)
            self.taint_sets.append(tuple(objects.copy(each) for each in taints))
        return found

    def _zone_id(self, zone: str) -> int:
        found = self._zone_ids.get(zone)
        if found is None:
            found = self._zone_ids[zone] = len(self.zone_names)
            self.zone_names.append(zone)
        return found

    # Pods

    def node_of(self, uid: str) -> str:
        """Return the name of the node that carries a pod; empty where none does."""
        found = self._pods.get(uid)
        return found[0] if found is not None else ""

    def carried(self, node_name: str) -> Collection[podinfos.PodInfo]:
        """Return the pods that a node carries."""
        return self._carried.get(node_name, {}).values()

    def carries_below(self, priority: int) -> bool:
        """Say whether any node carries a pod of lower priority."""
        return any(each < priority for each in self._priorities)

    def carry(self, info: podinfos.PodInfo, node_name: str) -> None:
        """Let a node carry a pod, assumed or known; a pod that another node carried moves."""
        known = self._pods.get(info.uid)
        if known is not None:
            self.drop(info.uid)
        self._pods[info.uid] = (node_name, info)
        self._priorities[info.priority] += 1
        if info.repels:
            self.repelling[info.uid] = info
        self._carried.setdefault(node_name, {})[info.uid] = info
        position = self.positions.get(node_name)
        if position is not None:
            self._count(position, info, 1)

    def refresh(self, pod: corev1.Pod) -> None:
        """Look from now on at a carried pod's newest message, which counts as the one before did.

        The one before would otherwise stay in memory for as long as the pod.
        """
        node_name, known = self._pods[pod.metadata.uid]
        info = dataclasses.replace(known, pod=pod)
        self._pods[info.uid] = (node_name, info)
        self._carried[node_name][info.uid] = info
        if info.repels:
            self.repelling[info.uid] = info

    def drop(self, uid: str) -> bool:
        """Let a node carry a pod no more; returns whether one did."""
        known = self._pods.pop(uid, None)
        if known is None:
            return False
        node_name, info = known
        self._priorities[info.priority] -= 1
        if not self._priorities[info.priority]:
            del self._priorities[info.priority]
        self.repelling.pop(uid, None)
        carried = self._carried[node_name]
        del carried[uid]
        if not carried:
            del self._carried[node_name]
        position = self.positions.get(node_name)
        if position is not None:
            self._count(position, info, -1)
        return True

    def matching(self, matches: Callable[[corev1.Pod], bool]) -> Ints:
        """Return how many of the pods that each node carries match."""
        column = np.zeros(self.capacity, np.int64)
        for node_name, info in self._pods.values():
            position = self.positions.get(node_name)
            if position is not None and matches(info.pod):
                column[position] += 1
        return column

    def domains(self, key: str) -> Ints:
        """Return the number of each node's value of a label, -1 for nodes without it."""
        known = self._domains.get(key)
        if known is not None and known[:2] == (self.epoch, self.static_log.end):
            return known[2]
        ids: dict[str, int] = {}
        column = np.full(self.capacity, -1, np.int64)
        for position, node in enumerate(self.objects):
            value = node.metadata.labels.get(key) if node is not None else None
            if value is not None:
                column[position] = ids.setdefault(value, len(ids))
        self._domains[key] = (self.epoch, self.static_log.end, column)
        return column

    def in_domain(self, key: str, counts: Ints) -> Ints:
        """Return for each node the sum of counts over all nodes with its value of a label; 0 without the label."""
        ids = self.domains(key)
        sums = np.bincount(ids + 1, weights=counts, minlength=1).astype(np.int64)
        sums[0] = 0
        return sums[ids + 1]

    def group_column(self, group: str) -> Ints | None:
        """Return how many pods of a group each node carries; None where no node carries any."""
        counts = self._groups.get(group)
        if not counts:
            return None
        column = self._columns.get(group)
        if column is None:
            column = np.zeros(self.capacity, np.int64)
            for position, count in counts.items():
                column[position] = count
            self._columns[group] = column
            if len(self._columns) > max(8, COLUMN_CELLS // self.capacity):
                self._columns.popitem(last=False)
        return column

    def _count(self, position: int, info: podinfos.PodInfo, sign: int) -> None:
        """Add a pod's share to a node's columns, or take it away."""
        shape = info.shape
        for name, amount in shape.requests:
            row = self.row(name)
            self.requested[row, position] += sign * amount
        self.counted[0, position] += sign * shape.counted[0]
        self.counted[1, position] += sign * shape.counted[1]
        for port in shape.host_ports:
            self.ports.setdefault(position, collections.Counter())[port] += sign
        if info.group:
            self._count_group(position, info.group, sign)
        self.load_log.append(position)

    def _count_group(self, position: int, group: str, sign: int) -> None:
        counts = self._groups.setdefault(group, collections.Counter())
        counts[position] += sign
        if not counts[position]:
            del counts[position]
            if not counts:
                del self._groups[group]
        column = self._columns.get(group)
        if column is not None:
            column[position] += sign
