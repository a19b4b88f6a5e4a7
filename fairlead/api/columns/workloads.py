"""The columns of the kinds that make pods. Pure."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence

from google.protobuf.message import Message

from fairlead.api.columns import layout
from fairlead.api.pb import apps_v1_pb2 as appsv1


def _deployment(deployment: appsv1.Deployment, now: datetime.datetime) -> Sequence[str]:
    names, images = layout.containers(deployment.spec.template)
    status = deployment.status
    return (
        deployment.metadata.name,
        f"{status.readyReplicas}/{deployment.spec.replicas}",
        str(status.updatedReplicas),
        str(status.availableReplicas),
        layout.created(deployment, now),
        names,
        images,
        layout.selector_text(deployment.spec.selector),
    )


def _replicaset(replicaset: appsv1.ReplicaSet, now: datetime.datetime) -> Sequence[str]:
    names, images = layout.containers(replicaset.spec.template)
    status = replicaset.status
    return (
        replicaset.metadata.name,
        str(replicaset.spec.replicas),
        str(status.replicas),
        str(status.readyReplicas),
        layout.created(replicaset, now),
        names,
        images,
        layout.selector_text(replicaset.spec.selector),
    )


LAYOUTS: Mapping[type[Message], layout.Layout] = {
    appsv1.Deployment: layout.layout(f"Name|Ready|Up-to-date|Available|Age|{layout.WORKLOAD}", _deployment),
    appsv1.ReplicaSet: layout.layout(f"Name|Desired|Current|Ready|Age|{layout.WORKLOAD}", _replicaset),
}
