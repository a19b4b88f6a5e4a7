"""The admission plugins of the API server, in Kubernetes' order."""

from __future__ import annotations

from collections.abc import Callable, Collection

from control.apiserver.admission import (
    certificates,
    classes,
    escalation,
    lifecycle,
    limitranger,
    noderestriction,
    nodetaints,
    paramaccess,
    plugin,
    podpolicies,
    podsecurity,
    policies,
    priority,
    quota,
    runtimeclass,
    serviceaccount,
    storage,
    tolerations,
    webhooks,
)
from control.apiserver.webhooks import caller
from control.store import cache as caches
from control.store import interface


def standard(
    cache: caches.Cache,
    store: interface.Store,
    guard: escalation.Escalation,
    calls: caller.Caller,
    *,
    versions: webhooks.Versions,
    now: Callable[[], float],
    issues_tokens: bool,
    disabled: Collection[str] = (),
    pod_security: podpolicies.Configuration = podpolicies.NOTHING,
) -> plugin.Chain:
    """Return the chain that every write passes, without the plugins that are disabled by name.

    `versions` shows webhooks and policies an object at the version that they want, and defaults what is changed.
    """
    plugins: list[plugin.Plugin] = [
        lifecycle.NamespaceLifecycle(cache),
        limitranger.LimitRanger(cache),
        serviceaccount.ServiceAccount(cache, issues_tokens=issues_tokens),
        noderestriction.NodeRestriction(cache),
        nodetaints.TaintNodesByCondition(),
        podsecurity.PodSecurity(cache, pod_security),
        priority.Priority(cache),
        tolerations.DefaultTolerationSeconds(),
        classes.DefaultStorageClass(cache),
        storage.StorageObjectInUseProtection(),
        storage.PersistentVolumeClaimResize(cache),
        runtimeclass.RuntimeClass(cache),
        certificates.CertificateApproval(guard.judge),
        certificates.CertificateSigning(guard.judge),
        certificates.CertificateSubjectRestriction(),
        classes.DefaultIngressClass(cache),
        guard,
        paramaccess.ParamAccess(cache, guard.judge),
        webhooks.MutatingAdmissionWebhook(cache, calls, guard.judge, versions),
        policies.ValidatingAdmissionPolicy(cache, guard.judge, versions),
        webhooks.ValidatingAdmissionWebhook(cache, calls, guard.judge, versions),
        quota.ResourceQuota(cache, store, now),
    ]
    unknown = sorted(set(disabled) - {one.name for one in plugins})
    if unknown:
        raise plugin.Unknown(f'admission plugin "{unknown[0]}" is unknown')
    return plugin.Chain([one for one in plugins if one.name not in disabled])
