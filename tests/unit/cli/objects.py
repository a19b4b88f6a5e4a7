"""Objects for command lines, made through the API as other parts of the cluster make them."""

from __future__ import annotations

import time

from fairlead.api import objects
from fairlead.api.pb import apps_v1_pb2 as appsv1
from fairlead.api.pb import core_v1_pb2 as corev1
from tests.support import served

STARTED = 1_800_000_000


def node(plane: served.Plane, name: str) -> corev1.Node:
    """Create a ready node."""
    made = corev1.Node()
    made.metadata.name = name
    made.metadata.labels.update({"kubernetes.io/hostname": name, "node-role.kubernetes.io/worker": ""})
    made.spec.podCIDR = "10.128.1.0/24"
    made.spec.podCIDRs.append("10.128.1.0/24")
    for resource, amount in {"cpu": "4", "memory": "8Gi", "pods": "110"}.items():
        made.status.capacity[resource].string = amount
        made.status.allocatable[resource].string = amount
    made.status.addresses.add(type="InternalIP", address="192.168.56.21")
    made.status.addresses.add(type="Hostname", address=name)
    made.status.conditions.add(
        type="Ready", status="True", reason="KubeletReady", message="kubelet is posting ready status"
    )
    info = made.status.nodeInfo
    info.kubeletVersion, info.osImage, info.kernelVersion = "v1.32.0+fairlead", "Debian GNU/Linux 12", "6.1.0"
    info.containerRuntimeVersion, info.architecture, info.operatingSystem = "podman://4.3.1", "amd64", "linux"
    return plane.call(plane.client.create(made))


def pod(plane: served.Plane, name: str, *containers: str, node: str = "node-1", **labels: str) -> corev1.Pod:
    """Create a pod that runs on a node."""
    made = corev1.Pod()
    made.metadata.name, made.metadata.namespace = name, "default"
    made.metadata.labels.update(labels)
    for container in containers or ("web",):
        one = made.spec.containers.add(name=container, image="web:1")
        one.resources.requests["cpu"].string = "100m"
        one.resources.limits["memory"].string = "64Mi"
    plane.call(plane.client.create(made))
    binding = corev1.Binding()
    binding.metadata.name, binding.metadata.namespace = name, "default"
    binding.target.kind, binding.target.name = "Node", node
    plane.call(plane.client.post(corev1.Pod, name, "default", "binding", binding))
    return runs(plane, name)


def runs(plane: served.Plane, name: str) -> corev1.Pod:
    """Report a pod's containers as running."""
    fresh = objects.copy(plane.call(plane.client.get(corev1.Pod, name, "default")))
    fresh.status.phase, fresh.status.podIP, fresh.status.hostIP = "Running", "10.128.1.7", "192.168.56.21"
    fresh.status.podIPs.add(ip="10.128.1.7")
    fresh.status.startTime.seconds = STARTED
    del fresh.status.conditions[:]
    for kind in ("Initialized", "Ready", "ContainersReady", "PodScheduled"):
        fresh.status.conditions.add(type=kind, status="True")
    for container in fresh.spec.containers:
        one = fresh.status.containerStatuses.add(name=container.name, image=container.image, ready=True, started=True)
        one.containerID, one.imageID = f"podman://{container.name}-id", "sha256:cafe"
        one.state.running.startedAt.seconds = STARTED
    return plane.call(plane.client.update(fresh, subresource="status"))


def deployment(plane: served.Plane, name: str, replicas: int) -> appsv1.Deployment:
    """Create a Deployment that no controller has seen."""
    made = appsv1.Deployment()
    made.metadata.name, made.metadata.namespace = name, "default"
    made.spec.replicas = replicas
    made.spec.selector.matchLabels["app"] = name
    made.spec.template.metadata.labels["app"] = name
    made.spec.template.spec.containers.add(name="web", image="web:1")
    return plane.call(plane.client.create(made))


def progress(plane: served.Plane, name: str, replicas: int, updated: int, available: int) -> None:
    """Report how far a Deployment's rollout is, as its controller does."""
    fresh = objects.copy(plane.call(plane.client.get(appsv1.Deployment, name, "default")))
    status = fresh.status
    status.observedGeneration = fresh.metadata.generation
    status.replicas, status.updatedReplicas = replicas, updated
    status.readyReplicas = status.availableReplicas = available
    status.unavailableReplicas = max(fresh.spec.replicas - available, 0)
    plane.call(plane.client.update(fresh, subresource="status"))


def event(plane: served.Plane, about: corev1.Pod, reason: str, message: str) -> None:
    """Record an event about a pod, made 5 s ago and again now."""
    made = corev1.Event(type="Normal", reason=reason, message=message, count=3)
    made.metadata.name, made.metadata.namespace = f"{about.metadata.name}.{reason}".lower(), "default"
    made.involvedObject.kind, made.involvedObject.name = "Pod", about.metadata.name
    made.involvedObject.namespace, made.involvedObject.uid = "default", about.metadata.uid
    made.source.component = "kubelet"
    made.firstTimestamp.seconds = int(time.time() - served.AGE_SECONDS - 3600)
    made.lastTimestamp.seconds = int(time.time() - served.AGE_SECONDS)
    plane.call(plane.client.create(made))
