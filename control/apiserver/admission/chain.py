"""The admission plugins of the API server, in their order."""

from __future__ import annotations

from control.apiserver.admission import escalation, lifecycle, noderestriction, pods
from control.apiserver.admission.plugin import Chain
from control.store import cache as caches


def standard(cache: caches.Cache, guard: escalation.Escalation) -> Chain:
    """Return the chain that every write passes."""
    return Chain(
        [
            lifecycle.NamespaceLifecycle(cache),
            pods.DefaultServiceAccount(),
            pods.DefaultTolerationSeconds(),
            pods.Priority(),
            noderestriction.NodeRestriction(),
            guard,
        ]
    )
