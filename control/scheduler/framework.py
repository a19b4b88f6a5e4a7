"""The scheduling framework: plugins that filter and score nodes, and the cycle that asks them.

Kubernetes' extension points over columns: a plugin answers for many nodes at once. What filters and scores say of a
shape is remembered, and mended for nodes that changed; what depends on all nodes together (spreading, normalised
scores) is computed in each cycle. Pure but for that memory.
"""

from __future__ import annotations

import collections
import enum
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from control.scheduler import pods as podinfos
from control.scheduler.nodes import Flags, Index, Ints, Nodes

MAX_SCORE = 100
# Below every score that a node can have.
OUT = np.int64(-(10**9))
# How much is remembered of shapes: nodes times shapes; a cell takes about 20 bytes.
REMEMBERED_CELLS = 1_000_000


class Code(enum.Enum):
    """How scheduling a pod, or a plugin's part in it, ended."""

    SUCCESS = "Success"
    UNSCHEDULABLE = "Unschedulable"
    ERROR = "Error"


@dataclass(frozen=True, slots=True)
class Status:
    """A code, its reason in words, and the plugins that said no."""

    code: Code
    reason: str = ""
    plugins: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Verdict:
    """Where a pod goes, or why nowhere."""

    status: Status
    node_name: str = ""


class Event(enum.Flag):
    """What happened in the cluster that may make an unschedulable pod schedulable."""

    NODE_ADDED = enum.auto()
    NODE_LABELS = enum.auto()
    NODE_TAINTS = enum.auto()
    NODE_ALLOCATABLE = enum.auto()
    POD_GONE = enum.auto()
    POD_BOUND = enum.auto()


class Filter(Protocol):
    """Says which nodes can carry a pod."""

    name: str
    # Whether the answer changes with the node alone (True), or with what it carries.
    static: bool
    # What may turn this plugin's no into a yes.
    wakes: Event

    def prepare(self, shape: podinfos.Shape, nodes: Nodes) -> Any | None:
        """Return what `passes` needs, or None where the plugin has nothing against any node."""
        ...

    def passes(self, prepared: Any, nodes: Nodes, index: Index) -> Flags:
        """Return for each node whether it can carry the pod."""
        ...

    def explain(self, prepared: Any, nodes: Nodes, index: Index) -> Iterable[str]:
        """Yield the reasons of the nodes that cannot, one or more for each."""
        ...

    def hopeless(self, prepared: Any, nodes: Nodes, index: Index) -> Flags | None:
        """Return for each node whether it could not carry the pod even if it were empty; None for no such node."""
        ...


class Score(Protocol):
    """Says how well a node would carry a pod: 0 to 100, or anything where `normalize` is True."""

    name: str
    weight: int
    static: bool
    # Whether 0 is best and the worst node gets 0 of 100 in the end; else 0 is worst and the best gets 100.
    reverse: bool
    normalize: bool

    def prepare(self, shape: podinfos.Shape, nodes: Nodes) -> Any | None:
        """Return what `score` needs, or None where all nodes are alike."""
        ...

    def score(self, prepared: Any, nodes: Nodes, index: Index) -> Ints:
        """Return each node's score."""
        ...


class Whole(Protocol):
    """Judges nodes by all of them together, in every cycle: spreading."""

    name: str
    weight: int
    wakes: Event

    def filter(self, info: podinfos.PodInfo, nodes: Nodes) -> Flags | None:
        """Return for each node whether it can carry the pod; None for no objection."""
        ...

    def score(self, info: podinfos.PodInfo, nodes: Nodes) -> Ints | None:
        """Return each node's score, 0 to 100; None where all are alike."""
        ...

    def explain(self) -> str:
        """Return the reason of a node that the last `filter` refused."""
        ...

    def hopeless(self, info: podinfos.PodInfo, nodes: Nodes) -> Flags | None:
        """Return for each node whether no pod's going could help there; None for no such node."""
        ...


@dataclass(slots=True)
class _Memory:
    """What is known of all nodes for one shape."""

    epoch: int
    static_place: int
    load_place: int
    filters: list[tuple[Filter, Any]]
    scores: list[tuple[Score, Any]]
    relative: list[tuple[Score, Any, Ints]]
    passed: Flags
    total: Ints
    by_filter: dict[str, Flags] = field(default_factory=dict)
    # Whether any node's relative score is not 0: else there is nothing to add.
    differ: dict[str, bool] = field(default_factory=dict)


class Framework:
    """The plugins of one scheduler, and what it remembers."""

    def __init__(
        self,
        filters: Sequence[Filter],
        scores: Sequence[Score],
        wholes: Sequence[Whole] = (),
        *,
        rng: random.Random | None = None,
    ) -> None:
        self._filters = filters
        self._scores = scores
        self._wholes = wholes
        self._rng = rng or random.Random()
        self._memories: collections.OrderedDict[int, tuple[podinfos.Shape, _Memory]] = collections.OrderedDict()
        self._wakes = {plugin.name: plugin.wakes for plugin in filters}
        self._wakes |= {plugin.name: plugin.wakes for plugin in wholes}

    def wakes(self, plugins: Iterable[str]) -> Event:
        """Return the events after which a pod that these plugins refused is worth another look."""
        events = Event(0)
        for name in plugins:
            events |= self._wakes[name]
        return events

    def schedule(self, info: podinfos.PodInfo, nodes: Nodes) -> Verdict:
        """Choose the best node for a pod; of equals one by chance."""
        if not len(nodes):
            why = frozenset(plugin.name for plugin in self._filters)
            return Verdict(Status(Code.UNSCHEDULABLE, "no nodes available to schedule pods", why))
        memory = self._recall(info.shape, nodes)
        total = memory.total
        objections: list[tuple[Whole, Flags]] = []
        for whole in self._wholes:
            scores = whole.score(info, nodes)
            if scores is not None:
                total = total + whole.weight * scores
            passed = whole.filter(info, nodes)
            if passed is not None:
                objections.append((whole, passed))
                total = np.where(passed, total, OUT)
        for plugin, _, raw in memory.relative:
            if memory.differ.get(plugin.name, True):
                total = total + plugin.weight * normalized(raw, memory.passed, reverse=plugin.reverse)
        best = total.max()
        if best < 0:
            reasons, plugins = self._reasons(nodes, memory, objections, nodes.present.copy())
            return Verdict(Status(Code.UNSCHEDULABLE, listed(reasons, len(nodes)), frozenset(plugins)))
        candidates = (total == best).nonzero()[0]
        chosen = candidates[self._rng.randrange(len(candidates))] if len(candidates) > 1 else candidates[0]
        node = nodes.objects[chosen]
        assert node is not None
        return Verdict(Status(Code.SUCCESS), node.metadata.name)

    # One node, for preemption

    def fits(self, info: podinfos.PodInfo, nodes: Nodes, node_name: str) -> bool:
        """Say whether a node can carry a pod."""
        position = nodes.positions.get(node_name)
        if position is None or not self._recall(info.shape, nodes).passed[position]:
            return False
        return all(passed is None or bool(passed[position]) for passed in self._judged(info, nodes))

    def helpful(self, info: podinfos.PodInfo, nodes: Nodes) -> Flags:
        """Return for each node whether it might carry a pod if others went."""
        memory, every = self._recall(info.shape, nodes), np.arange(nodes.capacity)
        left = nodes.present.copy()
        for plugin, state in memory.filters:
            hopeless = plugin.hopeless(state, nodes, every)
            if hopeless is not None:
                left &= ~hopeless
        for whole in self._wholes:
            hopeless = whole.hopeless(info, nodes)
            if hopeless is not None:
                left &= ~hopeless
        return left

    def reasons(self, info: podinfos.PodInfo, nodes: Nodes, node_name: str) -> collections.Counter[str]:
        """Return the reasons for which a node cannot carry a pod."""
        objections = [
            (whole, passed)
            for whole, passed in zip(self._wholes, self._judged(info, nodes), strict=True)
            if passed is not None
        ]
        only = np.zeros(nodes.capacity, np.bool_)
        only[nodes.positions[node_name]] = True
        return self._reasons(nodes, self._recall(info.shape, nodes), objections, only)[0]

    def _judged(self, info: podinfos.PodInfo, nodes: Nodes) -> Iterator[Flags | None]:
        return (whole.filter(info, nodes) for whole in self._wholes)

    # Memory

    def _recall(self, shape: podinfos.Shape, nodes: Nodes) -> _Memory:
        found = self._memories.get(id(shape))
        if found is None or found[1].epoch != nodes.epoch:
            memory = self._compute(shape, nodes)
            self._memories[id(shape)] = (shape, memory)
            if len(self._memories) > max(8, REMEMBERED_CELLS // nodes.capacity):
                self._memories.popitem(last=False)
            return memory
        memory = found[1]
        if memory.static_place != nodes.static_log.end:
            self._mend(memory, nodes, nodes.static_log.since(memory.static_place), static=True)
        if memory.load_place != nodes.load_log.end:
            self._mend(memory, nodes, nodes.load_log.since(memory.load_place), static=False)
        return memory

    def _compute(self, shape: podinfos.Shape, nodes: Nodes) -> _Memory:
        memory = _Memory(
            epoch=nodes.epoch,
            static_place=nodes.static_log.end,
            load_place=nodes.load_log.end,
            filters=[
                (plugin, state) for plugin in self._filters if (state := plugin.prepare(shape, nodes)) is not None
            ],
            scores=[],
            relative=[],
            passed=np.zeros(nodes.capacity, np.bool_),
            total=np.full(nodes.capacity, OUT),
        )
        for score in self._scores:
            prepared = score.prepare(shape, nodes)
            if prepared is None:
                continue
            if score.normalize:
                memory.relative.append((score, prepared, np.zeros(nodes.capacity, np.int64)))
            else:
                memory.scores.append((score, prepared))
        memory.by_filter = {plugin.name: np.zeros(nodes.capacity, np.bool_) for plugin, _ in memory.filters}
        every = np.arange(nodes.capacity)
        self._fill(memory, nodes, every, static=True)
        self._fill(memory, nodes, every, static=False)
        return memory

    def _mend(self, memory: _Memory, nodes: Nodes, changed: list[int] | None, *, static: bool) -> None:
        index = np.arange(nodes.capacity) if changed is None else np.array(changed, np.int64)
        self._fill(memory, nodes, index, static=static)
        if static:
            memory.static_place = nodes.static_log.end
        else:
            memory.load_place = nodes.load_log.end

    def _fill(self, memory: _Memory, nodes: Nodes, index: Index, *, static: bool) -> None:
        """Ask the plugins of one sort about some nodes, and put their answers together."""
        for plugin, state in memory.filters:
            if plugin.static == static:
                memory.by_filter[plugin.name][index] = plugin.passes(state, nodes, index)
        for score, prepared, raw in memory.relative:
            if score.static == static:
                raw[index] = score.score(prepared, nodes, index)
                memory.differ[score.name] = bool(raw.any())
        if len(index) == 1:
            self._settle_one(memory, nodes, index)
            return
        passed = nodes.present[index]
        for flags in memory.by_filter.values():
            passed = passed & flags[index]
        memory.passed[index] = passed
        total = np.zeros(len(index), np.int64)
        for score, prepared in memory.scores:
            total += score.weight * score.score(prepared, nodes, index)
        memory.total[index] = np.where(passed, total, OUT)

    def _settle_one(self, memory: _Memory, nodes: Nodes, index: Index) -> None:
        position = index[0]
        passed = bool(nodes.present[position]) and all(flags[position] for flags in memory.by_filter.values())
        memory.passed[position] = passed
        if passed:
            scores = (score.weight * score.score(prepared, nodes, index)[0] for score, prepared in memory.scores)
            memory.total[position] = sum(scores)
        else:
            memory.total[position] = OUT

    # Words

    def _reasons(
        self, nodes: Nodes, memory: _Memory, objections: Sequence[tuple[Whole, Flags]], left: Flags
    ) -> tuple[collections.Counter[str], set[str]]:
        """Count the reasons of the nodes that are `left`, each by the first plugin that refuses it; name these."""
        reasons: collections.Counter[str] = collections.Counter()
        plugins: set[str] = set()
        for plugin, state in memory.filters:
            refused = np.flatnonzero(left & ~memory.by_filter[plugin.name])
            if len(refused):
                reasons.update(plugin.explain(state, nodes, refused))
                plugins.add(plugin.name)
                left[refused] = False
        for whole, passed in objections:
            refused = np.flatnonzero(left & ~passed)
            if len(refused):
                reasons[whole.explain()] += len(refused)
                plugins.add(whole.name)
                left[refused] = False
        return reasons, plugins


def listed(reasons: Mapping[str, int], count: int) -> str:
    """Word the reasons of so many nodes as Kubernetes does."""
    each = ", ".join(sorted(f"{number} {reason}" for reason, number in reasons.items()))
    return f"0/{count} nodes are available: {each}."


def normalized(raw: Ints, passed: Flags, *, reverse: bool) -> Ints:
    """Scale scores so that the largest of the nodes in question becomes 100, or 0 if less is better."""
    largest = int(raw[passed].max(initial=0))
    if largest == 0:
        return np.full(len(raw), MAX_SCORE if reverse else 0, np.int64)
    scaled = raw * MAX_SCORE // largest
    return MAX_SCORE - scaled if reverse else scaled
