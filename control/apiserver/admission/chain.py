"""The admission plugins of the API server, in Kubernetes' order."""

from __future__ import annotations

from collections.abc import Callable, Collection

from control.apiserver.admission import (
    classes,
    escalation,
    lifecycle,
    limitranger,
    noderestriction,
    nodetaints,
    plugin,
    podsecurity,
    priority,
    quota,
    runtimeclass,
    serviceaccount,
    storage,
    tolerations,
)
from control.store import cache as caches
from control.store import interface


def standard(
    cache: caches.Cache,
    store: interface.Store,
    guard: escalation.Escalation,
    *,
    now: Callable[[], float],
    issues_tokens: bool,
    disabled: Collection[str] = (),
) -> plugin.Chain:
    """Return the chain that every write passes, without the plugins that are disabled by name."""
    plugins: list[plugin.Plugin] = [
        lifecycle.NamespaceLifecycle(cache),
        limitranger.LimitRanger(cache),
        serviceaccount.ServiceAccount(cache, issues_tokens=issues_tokens),
        noderestriction.NodeRestriction(),
        nodetaints.TaintNodesByCondition(),
        podsecurity.PodSecurity(cache),
        priority.Priority(cache),
        tolerations.DefaultTolerationSeconds(),
        classes.DefaultStorageClass(cache),
        storage.StorageObjectInUseProtection(),
        storage.PersistentVolumeClaimResize(cache),
        runtimeclass.RuntimeClass(cache),
        classes.DefaultIngressClass(cache),
        guard,
        quota.ResourceQuota(cache, store, now),
    ]
    return plugin.Chain([one for one in plugins if one.name not in disabled])
