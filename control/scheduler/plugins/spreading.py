"""PodTopologySpread: how evenly the pods that belong together lie over nodes, zones and other domains.

A pod's own topologySpreadConstraints count; without any, Kubernetes' soft defaults do: the pods of one owner go to
different nodes and zones where they can. Source: Kubernetes' documentation, "Pod Topology Spread Constraints".
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from control.scheduler import pods as podinfos
from control.scheduler.framework import MAX_SCORE, Event
from control.scheduler.nodes import Flags, Ints, Nodes
from control.scheduler.plugins import placement
from fairlead.api import pods as apipods
from fairlead.api import selectors
from fairlead.api.pb import core_v1_pb2 as corev1

HARD, SOFT = "DoNotSchedule", "ScheduleAnyway"
_AFFINITY = placement.NodeAffinity()


class PodTopologySpread:
    """Refuses nodes that would make hard constraints uneven, and prefers domains with fewer pods."""

    name = "PodTopologySpread"
    weight = 2
    wakes = Event.NODE_ADDED | Event.NODE_LABELS | Event.POD_GONE | Event.POD_BOUND

    def filter(self, info: podinfos.PodInfo, nodes: Nodes) -> Flags | None:
        """Pass nodes whose domain stays within maxSkew of the emptiest; None without hard constraints."""
        hard = [each for each in info.pod.spec.topologySpreadConstraints if each.whenUnsatisfiable != SOFT]
        if not hard:
            return None
        eligible = _eligible(info, nodes)
        for each in hard:
            eligible = eligible & (nodes.domains(each.topologyKey) >= 0)
        passed = eligible
        for each in hard:
            passed = passed & self._within_skew(each, info, nodes, eligible)
        return passed

    def _within_skew(
        self, constraint: corev1.TopologySpreadConstraint, info: podinfos.PodInfo, nodes: Nodes, eligible: Flags
    ) -> Flags:
        counts = np.where(eligible, nodes.matching(_matcher(constraint, info.pod)), 0)
        here = nodes.in_domain(constraint.topologyKey, counts)
        domains = len(np.unique(nodes.domains(constraint.topologyKey)[eligible]))
        fewest = int(here[eligible].min(initial=np.iinfo(np.int64).max)) if domains else 0
        if domains < constraint.minDomains:
            fewest = 0
        own = int(_matcher(constraint, info.pod)(info.pod))
        within: Flags = here + own - fewest <= constraint.maxSkew
        return within

    def score(self, info: podinfos.PodInfo, nodes: Nodes) -> Ints | None:
        """Give 100 to domains without a pod of the kind, 0 to those with most."""
        constraints = info.pod.spec.topologySpreadConstraints
        if constraints:
            counts = np.zeros(nodes.capacity, np.int64)
            for each in constraints:
                if each.whenUnsatisfiable == SOFT:
                    counts = counts + nodes.in_domain(each.topologyKey, nodes.matching(_matcher(each, info.pod)))
            return _fewer_is_better(counts)
        column = nodes.group_column(info.group) if info.group else None
        if column is None:
            return None
        if len(nodes.zone_names) > 2:
            by_zone = np.bincount(nodes.zones, weights=column, minlength=len(nodes.zone_names)).astype(np.int64)
            by_zone[0] = 0
            column = column + by_zone[nodes.zones]
        return _fewer_is_better(column)

    def explain(self) -> str:
        """Return the reason of hard constraints."""
        return "node(s) didn't match pod topology spread constraints"

    def hopeless(self, info: podinfos.PodInfo, nodes: Nodes) -> Flags | None:
        """Name nodes that lack the label of a hard constraint."""
        hard = [each for each in info.pod.spec.topologySpreadConstraints if each.whenUnsatisfiable != SOFT]
        if not hard:
            return None
        lacking = np.zeros(nodes.capacity, np.bool_)
        for each in hard:
            lacking |= nodes.domains(each.topologyKey) < 0
        return lacking


def _fewer_is_better(counts: Ints) -> Ints | None:
    most = int(counts.max())
    if most == 0:
        return None
    scores: Ints = MAX_SCORE - counts * MAX_SCORE // most
    return scores


def _eligible(info: podinfos.PodInfo, nodes: Nodes) -> Flags:
    """Return the nodes that count: those that the pod's selector and affinity allow."""
    wanted = _AFFINITY.prepare(info.shape, nodes)
    if wanted is None:
        return nodes.present
    return nodes.present & _AFFINITY.passes(wanted, nodes, np.arange(nodes.capacity))


def _matcher(constraint: corev1.TopologySpreadConstraint, pod: corev1.Pod) -> Callable[[corev1.Pod], bool]:
    """Return the judgement whether a pod counts for a constraint of another; terminating pods do not."""
    selector = selectors.of_message(constraint.labelSelector if constraint.HasField("labelSelector") else None)
    namespace, labels = pod.metadata.namespace, pod.metadata.labels
    shared = {key: labels[key] for key in constraint.matchLabelKeys if key in labels}

    def matches(other: corev1.Pod) -> bool:
        meta = other.metadata
        return (
            meta.namespace == namespace
            and selector.matches(meta.labels)
            and all(meta.labels.get(key) == value for key, value in shared.items())
            and not apipods.is_terminating(other)
        )

    return matches
