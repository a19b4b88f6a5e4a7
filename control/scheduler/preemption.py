"""Preemption: which pods of lower priority have to go so that a pod fits onto a node.

Asked where no node can carry a pod. On each node that could help all pods of lower priority are taken away and, the
most important first, given back for as long as the pod still fits: those that stay away are the node's victims. The
node that loses least is chosen. What is tried is undone before anybody else looks. Source: Kubernetes' documentation,
"Pod Priority and Preemption".
"""

from __future__ import annotations

import collections
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from control.scheduler import framework
from control.scheduler import pods as podinfos
from control.scheduler.nodes import Nodes
from fairlead.api import disruption, times
from fairlead.api.pb import policy_v1_pb2 as policyv1

NEVER = "Never"
# Among so many nodes the best is chosen; Kubernetes takes a tenth of the cluster's where that is more.
CANDIDATES = 100
# How often one preemption may ask whether the pod fits, about 50 µs each: the cycle awaits nothing meanwhile.
TRIALS = 500
NOBODY = "No preemption victims found for incoming pod"
USELESS = "Preemption is not helpful for scheduling"
# What is added so that priorities below zero still make a node with more victims lose more.
LOWEST = 2**31


@dataclass(frozen=True, slots=True)
class Choice:
    """A node, and the pods that have to go there; how many of them their disruption budgets would keep."""

    node_name: str
    victims: tuple[podinfos.PodInfo, ...]
    violations: int = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was chosen, if anything, or why nothing was."""

    choice: Choice | None = None
    told: str = ""


class Preemption:
    """Chooses victims for pods that a framework has refused."""

    def __init__(self, plugins: framework.Framework, rng: random.Random | None = None) -> None:
        self._plugins = plugins
        self._rng = rng or random.Random()

    def decide(
        self, info: podinfos.PodInfo, nodes: Nodes, budgets: Sequence[policyv1.PodDisruptionBudget]
    ) -> Outcome:
        """Choose the node that loses least, and its victims; or tell of each node why it is none."""
        if info.pod.spec.preemptionPolicy == NEVER:
            return Outcome(told="not eligible due to preemptionPolicy=Never.")
        helpful = np.flatnonzero(self._plugins.helpful(info, nodes))
        reasons = collections.Counter({USELESS: len(nodes) - len(helpful)})
        if not nodes.carries_below(info.priority):
            reasons[NOBODY] = len(helpful)
            return Outcome(told=framework.listed(+reasons, len(nodes)))
        start = self._rng.randrange(len(helpful)) if len(helpful) else 0
        found: list[Choice] = []
        trials = 0
        for position in np.roll(helpful, -start):
            node = nodes.objects[position]
            assert node is not None
            choice, tried = self._on_node(info, node.metadata.name, nodes, budgets, reasons)
            trials += tried
            if choice is not None:
                found.append(choice)
                if len(found) >= CANDIDATES or trials >= TRIALS:
                    break
        if not found:
            return Outcome(told=framework.listed(+reasons, len(nodes)))
        return Outcome(min(found, key=_loss))

    def _on_node(
        self,
        info: podinfos.PodInfo,
        node_name: str,
        nodes: Nodes,
        budgets: Sequence[policyv1.PodDisruptionBudget],
        reasons: collections.Counter[str],
    ) -> tuple[Choice | None, int]:
        """Return a node's victims, or count why there are none; and how often it was asked whether the pod fits."""
        lower = [each for each in nodes.carried(node_name) if each.priority < info.priority]
        if not lower:
            reasons[NOBODY] += 1
            return None, 0
        for each in lower:
            nodes.drop(each.uid)
        try:
            if not self._plugins.fits(info, nodes, node_name):
                reasons.update(self._plugins.reasons(info, nodes, node_name))
                return None, 1
            kept, others = guarded(sorted(lower, key=_importance), budgets)
            late = self._reprieve(info, node_name, nodes, kept)
            victims = [*late, *self._reprieve(info, node_name, nodes, others)]
            return Choice(node_name, tuple(victims), len(late)), len(lower) + 1
        finally:
            for each in lower:
                if not nodes.node_of(each.uid):
                    nodes.carry(each, node_name)

    def _reprieve(
        self, info: podinfos.PodInfo, node_name: str, nodes: Nodes, some: Iterable[podinfos.PodInfo]
    ) -> list[podinfos.PodInfo]:
        """Give pods back, one by one, and return those beside which there is no room."""
        victims = []
        for each in some:
            nodes.carry(each, node_name)
            if not self._plugins.fits(info, nodes, node_name):
                nodes.drop(each.uid)
                victims.append(each)
        return victims


def guarded(
    some: Sequence[podinfos.PodInfo], budgets: Sequence[policyv1.PodDisruptionBudget]
) -> tuple[list[podinfos.PodInfo], list[podinfos.PodInfo]]:
    """Tell pods that their disruption budgets would keep from others, if they went in this order."""
    allowed = [budget.status.disruptionsAllowed for budget in budgets]
    kept: list[podinfos.PodInfo] = []
    others: list[podinfos.PodInfo] = []
    for each in some:
        violates = False
        for index, budget in enumerate(budgets):
            if _counts_for(each, budget):
                allowed[index] -= 1
                violates = violates or allowed[index] < 0
        (kept if violates else others).append(each)
    return kept, others


def _counts_for(info: podinfos.PodInfo, budget: policyv1.PodDisruptionBudget) -> bool:
    """Say whether a budget guards a pod; one whose disruption is noted already does not count again."""
    meta = info.pod.metadata
    return (
        bool(meta.labels)
        and meta.namespace == budget.metadata.namespace
        and meta.name not in budget.status.disruptedPods
        and disruption.selects(budget, meta.labels)
    )


def _importance(info: podinfos.PodInfo) -> tuple[int, float]:
    """Order the more important first: by priority, then who began earlier."""
    return -info.priority, _began(info)


def _began(info: podinfos.PodInfo) -> float:
    status = info.pod.status
    return times.to_seconds(status.startTime) if status.HasField("startTime") else float("inf")


def _loss(choice: Choice) -> tuple[int, int, int, int, float]:
    """Order what is lost least first, as Kubernetes does.

    Few budgets violated, the most important victim as unimportant as can be, little priority in sum, few victims; of
    the most important ones the first began late.
    """
    priorities = [each.priority for each in choice.victims]
    highest = max(priorities, default=-LOWEST)
    earliest = min((_began(each) for each in choice.victims if each.priority == highest), default=float("inf"))
    return choice.violations, highest, sum(each + LOWEST for each in priorities), len(priorities), -earliest
