"""The columns of the kinds that make pods. Pure."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence

from google.protobuf.message import Message

from fairlead.api import objects
from fairlead.api.columns import layout
from fairlead.api.pb import apps_v1_pb2 as appsv1
from fairlead.api.pb import core_v1_pb2 as corev1


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


def _replication_controller(controller: corev1.ReplicationController, now: datetime.datetime) -> Sequence[str]:
    spec, status = controller.spec, controller.status
    return (
        controller.metadata.name,
        str(spec.replicas),
        str(status.replicas),
        str(status.readyReplicas),
        layout.created(controller, now),
        *layout.containers(spec.template),
        layout.labels_text(spec.selector),
    )


def _pod_template(template: corev1.PodTemplate, now: datetime.datetime) -> Sequence[str]:
    labels = layout.labels_text(template.template.metadata.labels)
    return template.metadata.name, *layout.containers(template.template), labels


def _statefulset(statefulset: appsv1.StatefulSet, now: datetime.datetime) -> Sequence[str]:
    return (
        statefulset.metadata.name,
        f"{statefulset.status.readyReplicas}/{statefulset.spec.replicas}",
        layout.created(statefulset, now),
        *layout.containers(statefulset.spec.template),
    )


def _daemonset(daemonset: appsv1.DaemonSet, now: datetime.datetime) -> Sequence[str]:
    spec, status = daemonset.spec, daemonset.status
    return (
        daemonset.metadata.name,
        str(status.desiredNumberScheduled),
        str(status.currentNumberScheduled),
        str(status.numberReady),
        str(status.updatedNumberScheduled),
        str(status.numberAvailable),
        layout.labels_text(spec.template.spec.nodeSelector),
        layout.created(daemonset, now),
        *layout.containers(spec.template),
        layout.selector_text(spec.selector),
    )


def _revision(revision: appsv1.ControllerRevision, now: datetime.datetime) -> Sequence[str]:
    owner = objects.controller_of(revision)
    shown = layout.NONE
    if owner is not None:
        group = owner.apiVersion.rpartition("/")[0]
        shown = f"{owner.kind}.{group}/{owner.name}".lower() if group else f"{owner.kind}/{owner.name}".lower()
    return revision.metadata.name, shown, str(revision.revision), layout.created(revision, now)


LAYOUTS: Mapping[type[Message], layout.Layout] = {
    appsv1.Deployment: layout.layout(f"Name|Ready|Up-to-date|Available|Age|{layout.WORKLOAD}", _deployment),
    appsv1.ReplicaSet: layout.layout(f"Name|Desired|Current|Ready|Age|{layout.WORKLOAD}", _replicaset),
    corev1.ReplicationController: layout.layout(
        f"Name|Desired|Current|Ready|Age|{layout.WORKLOAD}", _replication_controller
    ),
    corev1.PodTemplate: layout.layout("Name|Containers|Images|Pod Labels", _pod_template),
    appsv1.StatefulSet: layout.layout("Name|Ready|Age|+Containers|+Images", _statefulset),
    appsv1.DaemonSet: layout.layout(
        f"Name|Desired|Current|Ready|Up-to-date|Available|Node Selector|Age|{layout.WORKLOAD}", _daemonset
    ),
    appsv1.ControllerRevision: layout.layout("Name|Controller|Revision|Age", _revision),
}
