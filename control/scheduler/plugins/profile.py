"""The default profile: Kubernetes' plugins in Kubernetes' order, with its weights."""

from __future__ import annotations

import random

from control.scheduler import framework
from control.scheduler.plugins import interpod, placement, resources, spreading, tainting


def default(rng: random.Random | None = None) -> framework.Framework:
    """Return the framework of the default scheduler."""
    return framework.Framework(
        filters=(
            placement.NodeUnschedulable(),
            tainting.TaintToleration(),
            placement.NodeAffinity(),
            resources.NodePorts(),
            resources.Fit(),
        ),
        scores=(tainting.PreferUntainted(), placement.PreferredAffinity(), resources.Balance()),
        wholes=(spreading.PodTopologySpread(), interpod.InterPodAffinity()),
        rng=rng,
    )
