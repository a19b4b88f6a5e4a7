"""The admission plugins of the API server, in Kubernetes' order."""

from __future__ import annotations

from collections.abc import Collection

from control.apiserver.admission import (
    escalation,
    lifecycle,
    noderestriction,
    nodetaints,
    plugin,
    podsecurity,
    priority,
    serviceaccount,
    tolerations,
)
from control.store import cache as caches


def standard(
    cache: caches.Cache, guard: escalation.Escalation, *, issues_tokens: bool, disabled: Collection[str] = ()
) -> plugin.Chain:
    """Return the chain that every write passes, without the plugins that are disabled by name."""
    plugins: list[plugin.Plugin] = [
        lifecycle.NamespaceLifecycle(cache),
        serviceaccount.ServiceAccount(cache, issues_tokens=issues_tokens),
        noderestriction.NodeRestriction(),
        nodetaints.TaintNodesByCondition(),
        podsecurity.PodSecurity(cache),
        priority.Priority(cache),
        tolerations.DefaultTolerationSeconds(),
        guard,
    ]
    return plugin.Chain([one for one in plugins if one.name not in disabled])
