"""The columns of the kinds that make pods. Pure."""

from __future__ import annotations

import datetime
from collections.abc import Mapping

from google.protobuf.message import Message

from fairlead.api import objects
from fairlead.api.columns import layout
from fairlead.api.pb import apps_v1_pb2 as appsv1
from fairlead.api.pb import core_v1_pb2 as corev1


def _deployment(deployment: appsv1.Deployment, now: datetime.datetime) -> layout.Row:
    names, images = layout.containers(deployment.spec.template)
    status = deployment.status
    return (
        deployment.metadata.name,
        f"{status.readyReplicas}/{deployment.spec.replicas}",
        status.updatedReplicas,
        status.availableReplicas,
        layout.created(deployment, now),
        names,
        images,
        layout.selector_text(deployment.spec.selector, wrong="<invalid>", nothing=""),
    )


def _replicaset(replicaset: appsv1.ReplicaSet, now: datetime.datetime) -> layout.Row:
    names, images = layout.containers(replicaset.spec.template)
    status = replicaset.status
    return (
        replicaset.metadata.name,
        replicaset.spec.replicas,
        status.replicas,
        status.readyReplicas,
        layout.created(replicaset, now),
        names,
        images,
        layout.selector_text(replicaset.spec.selector),
    )


def _replication_controller(controller: corev1.ReplicationController, now: datetime.datetime) -> layout.Row:
    spec, status = controller.spec, controller.status
    return (
        controller.metadata.name,
        spec.replicas,
        status.replicas,
        status.readyReplicas,
        layout.created(controller, now),
        *layout.containers(spec.template),
        layout.labels_text(spec.selector),
    )


def _pod_template(template: corev1.PodTemplate, now: datetime.datetime) -> layout.Row:
    labels = layout.labels_text(template.template.metadata.labels)
    return template.metadata.name, *layout.containers(template.template), labels


def _statefulset(statefulset: appsv1.StatefulSet, now: datetime.datetime) -> layout.Row:
    return (
        statefulset.metadata.name,
        f"{statefulset.status.readyReplicas}/{statefulset.spec.replicas}",
        layout.created(statefulset, now),
        *layout.containers(statefulset.spec.template),
    )


def _daemonset(daemonset: appsv1.DaemonSet, now: datetime.datetime) -> layout.Row:
    spec, status = daemonset.spec, daemonset.status
    return (
        daemonset.metadata.name,
        status.desiredNumberScheduled,
        status.currentNumberScheduled,
        status.numberReady,
        status.updatedNumberScheduled,
        status.numberAvailable,
        layout.labels_text(spec.template.spec.nodeSelector),
        layout.created(daemonset, now),
        *layout.containers(spec.template),
        layout.selector_text(spec.selector),
    )


def _revision(revision: appsv1.ControllerRevision, now: datetime.datetime) -> layout.Row:
    owner = objects.controller_of(revision)
    shown = layout.NONE
    if owner is not None:
        group = owner.apiVersion.rpartition("/")[0]
        shown = f"{owner.kind}.{group}/{owner.name}".lower() if group else f"{owner.kind}/{owner.name}".lower()
    return revision.metadata.name, shown, revision.revision, layout.created(revision, now)


_REPLICATED = f"Name|Desired:integer|Current:integer|Ready:integer|Age|{layout.WORKLOAD}"
LAYOUTS: Mapping[type[Message], layout.Layout] = {
    appsv1.Deployment: layout.layout(f"Name|Ready|Up-to-date|Available|Age|{layout.WORKLOAD}", _deployment),
    appsv1.ReplicaSet: layout.layout(_REPLICATED, _replicaset),
    corev1.ReplicationController: layout.layout(_REPLICATED, _replication_controller),
    corev1.PodTemplate: layout.layout("Name|Containers|Images|Pod Labels", _pod_template),
    appsv1.StatefulSet: layout.layout("Name|Ready|Age|+Containers|+Images", _statefulset),
    appsv1.DaemonSet: layout.layout(
        "Name|Desired:integer|Current:integer|Ready:integer|Up-to-date:integer|Available:integer|Node Selector|Age"
        f"|{layout.WORKLOAD}",
        _daemonset,
    ),
    appsv1.ControllerRevision: layout.layout("Name|Controller|Revision|Age", _revision),
}
