"""The strategy of every kind that is served."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from control.apiserver.strategies import (
    configmap,
    csi,
    deployment,
    endpointslice,
    event,
    ingress,
    lease,
    namespace,
    networkpolicy,
    node,
    pod,
    priorityclass,
    rbac,
    replicaset,
    runtimeclass,
    secret,
    service,
    serviceaccount,
    storageclass,
)
from control.apiserver.strategies.strategy import Strategy


def strategies() -> Sequence[Strategy[Any]]:
    """Return one strategy per kind."""
    return (
        namespace.NamespaceStrategy(),
        node.NodeStrategy(),
        pod.PodStrategy(),
        configmap.ConfigMapStrategy(),
        secret.SecretStrategy(),
        service.ServiceStrategy(),
        serviceaccount.ServiceAccountStrategy(),
        event.EventStrategy(),
        deployment.DeploymentStrategy(),
        replicaset.ReplicaSetStrategy(),
        endpointslice.EndpointSliceStrategy(),
        lease.LeaseStrategy(),
        rbac.RoleStrategy(),
        rbac.ClusterRoleStrategy(),
        rbac.RoleBindingStrategy(),
        rbac.ClusterRoleBindingStrategy(),
        ingress.IngressStrategy(),
        ingress.IngressClassStrategy(),
        networkpolicy.NetworkPolicyStrategy(),
        storageclass.StorageClassStrategy(),
        storageclass.VolumeAttachmentStrategy(),
        csi.CSIDriverStrategy(),
        csi.CSINodeStrategy(),
        csi.CSIStorageCapacityStrategy(),
        priorityclass.PriorityClassStrategy(),
        runtimeclass.RuntimeClassStrategy(),
    )
