"""What objects count against a ResourceQuota, and which quota counts which object.

Admission charges by these rules and the quota controller counts anew by them. Source: Kubernetes' documentation,
"Resource Quotas". Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from fairlead.api import objects, quantity, requests
from fairlead.api.pb import core_v1_pb2 as corev1

ONE = quantity.whole(1)
# Kinds of the core group that quotas also know by their bare names.
PLAIN = frozenset(
    {
        "configmaps",
        "persistentvolumeclaims",
        "pods",
        "replicationcontrollers",
        "resourcequotas",
        "secrets",
        "services",
    }
)
COMPUTE = ("cpu", "memory", "ephemeral-storage")
# Where a quota has one of these, each container must say how much it wants.
REQUIRED = frozenset({"cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory"})
CLASS_SUFFIX = ".storageclass.storage.k8s.io/"
OVER = frozenset({"Succeeded", "Failed"})


def usage(obj: Any, now: float) -> quantity.Amounts:
    """Return what an object uses at a time (seconds since the epoch), by the names that quotas have for it."""
    kind = objects.kind_of(obj)
    used: quantity.Amounts = {f"count/{kind.group_resource}": ONE}
    if isinstance(obj, corev1.Pod):
        if not is_over(obj, now):
            used |= _of_pod(obj.spec)
    elif not kind.group and kind.resource in PLAIN:
        used[kind.resource] = ONE
    if isinstance(obj, corev1.Service):
        used |= _of_service(obj.spec)
    elif isinstance(obj, corev1.PersistentVolumeClaim):
        used |= _of_claim(obj)
    return used


def is_over(pod: corev1.Pod, now: float) -> bool:
    """Whether a pod uses nothing any more: it has finished, or should have gone by now."""
    meta = pod.metadata
    if pod.status.phase in OVER:
        return True
    if not meta.HasField("deletionTimestamp") or not meta.HasField("deletionGracePeriodSeconds"):
        return False
    # the time of deletion already has the grace in it
    return now > meta.deletionTimestamp.seconds


def _of_pod(spec: corev1.PodSpec) -> quantity.Amounts:
    used = {"pods": ONE}
    for name, amount in requests.requests(spec).items():
        if name in COMPUTE or name.startswith("hugepages-"):
            used[name] = amount
        if name in COMPUTE or name.startswith("hugepages-") or "/" in name:
            used[f"requests.{name}"] = amount
    for name, amount in requests.limits(spec).items():
        if name in COMPUTE:
            used[f"limits.{name}"] = amount
    return used


def _of_service(spec: corev1.ServiceSpec) -> quantity.Amounts:
    used: quantity.Amounts = {}
    ports = len(spec.ports)
    if spec.type == "LoadBalancer":
        used["services.loadbalancers"] = ONE
        if spec.HasField("allocateLoadBalancerNodePorts") and not spec.allocateLoadBalancerNodePorts:
            ports = sum(1 for port in spec.ports if port.nodePort)
    if spec.type in ("LoadBalancer", "NodePort"):
        used["services.nodeports"] = quantity.whole(ports)
    return used


def _of_claim(claim: corev1.PersistentVolumeClaim) -> quantity.Amounts:
    used: quantity.Amounts = {}
    storage = quantity.of(claim.spec.resources.requests["storage"]) if _asks_storage(claim) else quantity.ZERO
    if storage:
        used["requests.storage"] = storage
    name = claim.spec.storageClassName
    if name:
        used[f"{name}{CLASS_SUFFIX}persistentvolumeclaims"] = ONE
        if storage:
            used[f"{name}{CLASS_SUFFIX}requests.storage"] = storage
    return used


def _asks_storage(claim: corev1.PersistentVolumeClaim) -> bool:
    return "storage" in claim.spec.resources.requests


def counts(spec: corev1.ResourceQuotaSpec, obj: Any) -> bool:
    """Whether a quota's scopes let it count an object; only pods have scopes."""
    if not spec.scopes and not spec.scopeSelector.matchExpressions:
        return True
    if not isinstance(obj, corev1.Pod):
        return False
    if not all(_in_scope(scope, "Exists", (), obj) for scope in spec.scopes):
        return False
    return all(_in_scope(one.scopeName, one.operator, one.values, obj) for one in spec.scopeSelector.matchExpressions)


def _in_scope(scope: str, operator: str, values: Iterable[str], pod: corev1.Pod) -> bool:
    spec = pod.spec
    match scope:
        case "Terminating" | "NotTerminating":
            return spec.HasField("activeDeadlineSeconds") == (scope == "Terminating")
        case "BestEffort" | "NotBestEffort":
            return _is_best_effort(spec) == (scope == "BestEffort")
        case "CrossNamespacePodAffinity":
            return _reaches_out(spec)
        case "PriorityClass":
            name = spec.priorityClassName
            match operator:
                case "In":
                    return name in values
                case "NotIn":
                    return name not in values
                case "DoesNotExist":
                    return not name
            return bool(name)
    return False


def _is_best_effort(spec: corev1.PodSpec) -> bool:
    """Whether no container asks for or limits CPU or memory."""
    for container in (*spec.containers, *spec.initContainers):
        for amounts in (container.resources.requests, container.resources.limits):
            if any(name in amounts and quantity.of(amounts[name]) for name in ("cpu", "memory")):
                return False
    return True


def _reaches_out(spec: corev1.PodSpec) -> bool:
    """Whether the pod's affinity looks into other namespaces."""
    for affinity in (spec.affinity.podAffinity, spec.affinity.podAntiAffinity):
        preferred = [one.podAffinityTerm for one in affinity.preferredDuringSchedulingIgnoredDuringExecution]
        for term in (*affinity.requiredDuringSchedulingIgnoredDuringExecution, *preferred):
            if term.namespaces or term.HasField("namespaceSelector"):
                return True
    return False


def unspecified(hard: Iterable[str], pod: corev1.Pod) -> str:
    """Return `limits.cpu for: a,b; memory for: a`: what a quota requires and containers do not say, or ""."""
    told = []
    for name in sorted(REQUIRED.intersection(hard)):
        silent = sorted(
            one.name for one in (*pod.spec.containers, *pod.spec.initContainers) if not _says(one.resources, name)
        )
        if silent:
            told.append(f"{name} for: {','.join(silent)}")
    return "; ".join(told)


def _says(resources: corev1.ResourceRequirements, name: str) -> bool:
    if name.startswith("limits."):
        return name.removeprefix("limits.") in resources.limits
    return name.removeprefix("requests.") in resources.requests


def exceeded(used: Mapping[str, quantity.Quantity], hard: Mapping[str, quantity.Quantity]) -> list[str]:
    """Return the names of which more is used than is allowed, sorted; what is not limited is never exceeded."""
    return sorted(name for name, amount in used.items() if name in hard and amount > hard[name])


def shown(amounts: Mapping[str, quantity.Quantity], names: Iterable[str]) -> str:
    """Return `pods=1,requests.cpu=100m` for some names."""
    return ",".join(f"{name}={amounts.get(name, quantity.ZERO)}" for name in sorted(names))
