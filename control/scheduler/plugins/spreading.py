"""PodTopologySpread: the pods of one owner go to different nodes and zones where they can.

The soft default constraints of Kubernetes: by host name and by zone.
"""

from __future__ import annotations

import numpy as np

from control.scheduler import pods as podinfos
from control.scheduler.framework import MAX_SCORE, Event
from control.scheduler.nodes import Flags, Ints, Nodes


class PodTopologySpread:
    """Prefers nodes, and zones if there are several, that carry fewer pods of the pod's owner."""

    name = "PodTopologySpread"
    weight = 2
    wakes = Event.NODE_ADDED | Event.NODE_LABELS | Event.POD_GONE | Event.POD_BOUND

    def filter(self, info: podinfos.PodInfo, nodes: Nodes) -> Flags | None:
        """Object to nothing: the defaults are soft."""
        return None

    def score(self, info: podinfos.PodInfo, nodes: Nodes) -> Ints | None:
        """Give 100 to nodes without a pod of the owner, 0 to those with most."""
        counts = nodes.group_column(info.group) if info.group else None
        if counts is None:
            return None
        if len(nodes.zone_names) > 2:
            by_zone = np.bincount(nodes.zones, weights=counts, minlength=len(nodes.zone_names)).astype(np.int64)
            by_zone[0] = 0
            counts = counts + by_zone[nodes.zones]
        most = int(counts.max())
        scores: Ints = MAX_SCORE - counts * MAX_SCORE // most
        return scores

    def explain(self) -> str:
        """Return the reason of hard constraints."""
        return "node(s) didn't match pod topology spread constraints"
