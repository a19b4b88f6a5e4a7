"""InterPodAffinity: pods that want, or do not want, to share a node, zone or other domain with certain pods.

Required and preferred terms of the pod count, and required anti-affinity of the pods that run already. Terms with a
namespaceSelector that is not empty select nothing by it. Source: Kubernetes' documentation, "Inter-pod affinity and
anti-affinity".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from control.scheduler import pods as podinfos
from control.scheduler.framework import MAX_SCORE, Event
from control.scheduler.nodes import Flags, Ints, Nodes
from fairlead.api import selectors
from fairlead.api.pb import core_v1_pb2 as corev1


@dataclass(frozen=True, slots=True)
class Term:
    """One term: which pods, in which namespaces (None: all), over which label of nodes."""

    selector: selectors.Selector
    namespaces: frozenset[str] | None
    key: str

    def matches(self, pod: corev1.Pod) -> bool:
        """Whether a pod is one of those that the term speaks of."""
        meta = pod.metadata
        return (self.namespaces is None or meta.namespace in self.namespaces) and self.selector.matches(meta.labels)


def term(message: corev1.PodAffinityTerm, pod: corev1.Pod) -> Term:
    """Return a pod's term; without namespaces it speaks of the pod's own."""
    selector = selectors.of_message(message.labelSelector if message.HasField("labelSelector") else None)
    namespaces: frozenset[str] | None = frozenset(message.namespaces)
    if message.HasField("namespaceSelector"):
        every = message.namespaceSelector
        if not every.matchLabels and not every.matchExpressions:
            namespaces = None
    elif not namespaces:
        namespaces = frozenset({pod.metadata.namespace})
    return Term(selector, namespaces, message.topologyKey)


class InterPodAffinity:
    """Judges nodes by the pods that run in their domains."""

    name = "InterPodAffinity"
    weight = 2
    wakes = Event.NODE_ADDED | Event.NODE_LABELS | Event.POD_GONE | Event.POD_BOUND

    def __init__(self) -> None:
        self._reason = ""

    def filter(self, info: podinfos.PodInfo, nodes: Nodes) -> Flags | None:
        """Pass nodes that fulfil every required term of the pod, and none of whose pods would be disturbed."""
        if not info.pod.spec.HasField("affinity") and not nodes.repelling:
            return None
        affinity = info.pod.spec.affinity
        wanted = [
            term(each, info.pod) for each in affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution
        ]
        unwanted = [
            term(each, info.pod) for each in affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution
        ]
        self._reason, passed = "", nodes.present
        for reason, flags in (
            ("node(s) didn't match pod affinity rules", self._attracted(wanted, info, nodes)),
            ("node(s) didn't match pod anti-affinity rules", self._clear(unwanted, nodes)),
            ("node(s) didn't satisfy existing pods anti-affinity rules", self._undisturbed(info, nodes)),
        ):
            if not self._reason and (passed & ~flags).any():
                self._reason = reason
            passed = passed & flags
        return passed

    def _attracted(self, terms: Sequence[Term], info: podinfos.PodInfo, nodes: Nodes) -> Flags:
        if not terms:
            return nodes.present
        passed = nodes.present
        counts = nodes.matching(lambda pod: all(each.matches(pod) for each in terms))
        # the first of a set that wants to be together may begin anywhere
        begins = not counts.any() and all(each.matches(info.pod) for each in terms)
        for each in terms:
            passed = passed & (nodes.domains(each.key) >= 0)
            if not begins:
                passed = passed & (nodes.in_domain(each.key, counts) > 0)
        return passed

    def _clear(self, terms: Sequence[Term], nodes: Nodes) -> Flags:
        passed = nodes.present
        for each in terms:
            passed = passed & (nodes.in_domain(each.key, nodes.matching(each.matches)) == 0)
        return passed

    def _undisturbed(self, info: podinfos.PodInfo, nodes: Nodes) -> Flags:
        passed = nodes.present
        for other in nodes.repelling.values():
            position = nodes.positions.get(nodes.node_of(other.uid))
            terms = other.pod.spec.affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution
            for each in (term(message, other.pod) for message in terms):
                if position is not None and each.matches(info.pod):
                    ids = nodes.domains(each.key)
                    if ids[position] >= 0:
                        passed = passed & (ids != ids[position])
        return passed

    def score(self, info: podinfos.PodInfo, nodes: Nodes) -> Ints | None:
        """Weigh the pods in each node's domains by the pod's preferred terms."""
        if not info.pod.spec.HasField("affinity"):
            return None
        affinity = info.pod.spec.affinity
        near = affinity.podAffinity.preferredDuringSchedulingIgnoredDuringExecution
        far = affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution
        if not near and not far:
            return None
        sums = np.zeros(nodes.capacity, np.int64)
        for sign, several in ((1, near), (-1, far)):
            for each in several:
                spoken = term(each.podAffinityTerm, info.pod)
                sums = sums + sign * each.weight * nodes.in_domain(spoken.key, nodes.matching(spoken.matches))
        least, most = int(sums.min()), int(sums.max())
        return (sums - least) * MAX_SCORE // (most - least) if most > least else None

    def hopeless(self, info: podinfos.PodInfo, nodes: Nodes) -> Flags | None:
        """Name nodes without the pods that the pod wants to be with: none comes because another goes."""
        required = info.pod.spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution
        if not required:
            return None
        return ~self._attracted([term(each, info.pod) for each in required], info, nodes)

    def explain(self) -> str:
        """Return the first reason of the last refusal; it stands for all of them."""
        return self._reason
