"""TaintToleration: nodes whose taints a pod does not tolerate are out, or worth less."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from control.scheduler import pods as podinfos
from control.scheduler.framework import Event
from control.scheduler.nodes import Flags, Index, Ints, Nodes
from fairlead.api import taints
from fairlead.api.pb import core_v1_pb2 as corev1

_KEEPING_OUT = (taints.NO_SCHEDULE, taints.NO_EXECUTE)


class TaintToleration:
    """Keeps pods off nodes with taints that they do not tolerate."""

    name = "TaintToleration"
    static = True
    wakes = Event.NODE_ADDED | Event.NODE_TAINTS

    def prepare(self, shape: podinfos.Shape, nodes: Nodes) -> tuple[corev1.Toleration, ...]:
        """Read the pod's tolerations."""
        return shape.tolerations

    def passes(self, prepared: tuple[corev1.Toleration, ...], nodes: Nodes, index: Index) -> Flags:
        """Judge each distinct set of taints once."""
        ids = nodes.taints[index]
        verdicts = np.zeros(len(nodes.taint_sets), np.bool_)
        for each in np.unique(ids):
            verdicts[each] = taints.untolerated(nodes.taint_sets[each], prepared, _KEEPING_OUT) is None
        return verdicts[ids]

    def hopeless(self, prepared: tuple[corev1.Toleration, ...], nodes: Nodes, index: Index) -> Flags:
        """Name all that it does not pass: what they carry does not matter."""
        return ~self.passes(prepared, nodes, index)

    def explain(self, prepared: tuple[corev1.Toleration, ...], nodes: Nodes, index: Index) -> Iterable[str]:
        """Name the first taint of each node that is not tolerated."""
        for position in index:
            taint = taints.untolerated(nodes.taint_sets[nodes.taints[position]], prepared, _KEEPING_OUT)
            assert taint is not None
            yield f"node(s) had untolerated taint {{{taint.key}: {taint.value}}}"


class PreferUntainted:
    """Prefers nodes with fewer PreferNoSchedule taints that the pod does not tolerate."""

    name = "TaintToleration"
    weight = 3
    static = True
    reverse = True
    normalize = True

    def prepare(self, shape: podinfos.Shape, nodes: Nodes) -> tuple[corev1.Toleration, ...]:
        """Read the pod's tolerations."""
        return shape.tolerations

    def score(self, prepared: tuple[corev1.Toleration, ...], nodes: Nodes, index: Index) -> Ints:
        """Count the taints of each distinct set once."""
        ids = nodes.taints[index]
        counts = np.zeros(len(nodes.taint_sets), np.int64)
        for each in np.unique(ids):
            counts[each] = sum(
                taint.effect == taints.PREFER_NO_SCHEDULE and not taints.tolerated(taint, prepared)
                for taint in nodes.taint_sets[each]
            )
        return counts[ids]
