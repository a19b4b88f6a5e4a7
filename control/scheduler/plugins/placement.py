"""What the pod says of nodes by name and label: NodeName, NodeUnschedulable, NodeAffinity (with nodeSelector).

Source: Kubernetes' documentation, "Assigning Pods to Nodes".
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from control.scheduler import pods as podinfos
from control.scheduler.framework import Event
from control.scheduler.nodes import Flags, Index, Ints, Nodes
from fairlead.api import selectors, taints
from fairlead.api.pb import core_v1_pb2 as corev1

_CORDON = corev1.Taint(key=taints.UNSCHEDULABLE, effect=taints.NO_SCHEDULE)


class NodeUnschedulable:
    """Keeps pods off cordoned nodes."""

    name = "NodeUnschedulable"
    static = True
    wakes = Event.NODE_ADDED | Event.NODE_TAINTS

    def prepare(self, shape: podinfos.Shape, nodes: Nodes) -> bool | None:
        """Tell whether it applies: a pod may tolerate the cordon."""
        return None if taints.tolerated(_CORDON, shape.tolerations) else True

    def passes(self, prepared: bool, nodes: Nodes, index: Index) -> Flags:
        """Pass nodes that are not cordoned."""
        return ~nodes.unschedulable[index]

    def hopeless(self, prepared: bool, nodes: Nodes, index: Index) -> Flags:
        """Name all that it does not pass: what they carry does not matter."""
        return ~self.passes(prepared, nodes, index)

    def explain(self, prepared: bool, nodes: Nodes, index: Index) -> Iterable[str]:
        """Give the one reason."""
        return ["node(s) were unschedulable"] * len(index)


@dataclass(frozen=True, slots=True)
class _Term:
    """One term of a node selector: labels and fields that must all match."""

    labels: tuple[selectors.Requirement, ...]
    fields: tuple[selectors.Requirement, ...]

    def matches(self, node: corev1.Node) -> bool:
        """Whether a node meets all; a term without conditions is met by none."""
        if not self.labels and not self.fields:
            return False
        name = {"metadata.name": node.metadata.name}
        return all(each.matches(node.metadata.labels) for each in self.labels) and all(
            each.matches(name) for each in self.fields
        )


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What a pod requires: labels, and any of the terms if there are terms."""

    labels: Sequence[tuple[str, str]]
    terms: Sequence[_Term] | None

    def matches(self, node: corev1.Node) -> bool:
        if any(node.metadata.labels.get(key) != value for key, value in self.labels):
            return False
        return self.terms is None or any(term.matches(node) for term in self.terms)


class NodeAffinity:
    """Keeps pods on the nodes that nodeSelector and required node affinity name."""

    name = "NodeAffinity"
    static = True
    wakes = Event.NODE_ADDED | Event.NODE_LABELS

    def prepare(self, shape: podinfos.Shape, nodes: Nodes) -> _Wanted | None:
        """Read the pod's selector and terms."""
        terms = None
        required = "requiredDuringSchedulingIgnoredDuringExecution"
        if shape.affinity is not None and shape.affinity.HasField(required):
            terms = [_term(each) for each in getattr(shape.affinity, required).nodeSelectorTerms]
        if not shape.node_selector and terms is None:
            return None
        return _Wanted(shape.node_selector, terms)

    def passes(self, prepared: _Wanted, nodes: Nodes, index: Index) -> Flags:
        """Pass nodes that match."""
        found = (nodes.objects[position] for position in index)
        return np.fromiter((node is not None and prepared.matches(node) for node in found), np.bool_, len(index))

    def hopeless(self, prepared: _Wanted, nodes: Nodes, index: Index) -> Flags:
        """Name all that it does not pass: what they carry does not matter."""
        return ~self.passes(prepared, nodes, index)

    def explain(self, prepared: _Wanted, nodes: Nodes, index: Index) -> Iterable[str]:
        """Give the one reason."""
        return ["node(s) didn't match Pod's node affinity/selector"] * len(index)


class PreferredAffinity:
    """Prefers the nodes that preferred node affinity names, by weight."""

    name = "NodeAffinity"
    weight = 2
    static = True
    reverse = False
    normalize = True

    def prepare(self, shape: podinfos.Shape, nodes: Nodes) -> list[tuple[int, _Term]] | None:
        """Read the pod's preferences."""
        if shape.affinity is None:
            return None
        preferred = shape.affinity.preferredDuringSchedulingIgnoredDuringExecution
        return [(each.weight, _term(each.preference)) for each in preferred] or None

    def score(self, prepared: list[tuple[int, _Term]], nodes: Nodes, index: Index) -> Ints:
        """Add up the weights of the terms that each node matches."""
        found = (nodes.objects[position] for position in index)
        sums = (
            sum(weight for weight, term in prepared if term.matches(node)) if node is not None else 0
            for node in found
        )
        return np.fromiter(sums, np.int64, len(index))


def _term(term: corev1.NodeSelectorTerm) -> _Term:
    return _Term(
        tuple(selectors.requirement(each.key, each.operator, list(each.values)) for each in term.matchExpressions),
        tuple(selectors.requirement(each.key, each.operator, list(each.values)) for each in term.matchFields),
    )
