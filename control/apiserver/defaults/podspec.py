"""Defaults of a pod's spec: what Kubernetes fills in where a user leaves it out.

Pods, and the templates of the kinds that make pods, pass here. Pure: writes into the message it is given.
"""

from __future__ import annotations

from collections.abc import Iterable, MutableMapping
from typing import Any

from control.apiserver.defaults import sources
from fairlead.api import quantity
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import resource_pb2

GRACE_SECONDS = 30
FILE_MODE = 0o644
TOKEN_SECONDS = 3600


def fill(spec: corev1.PodSpec) -> None:
    """Fill in what a pod and a pod template both get."""
    if not spec.dnsPolicy:
        spec.dnsPolicy = "ClusterFirst"
    if not spec.restartPolicy:
        spec.restartPolicy = "Always"
    if not spec.HasField("securityContext"):
        spec.securityContext.SetInParent()
    if not spec.HasField("terminationGracePeriodSeconds"):
        spec.terminationGracePeriodSeconds = GRACE_SECONDS
    if not spec.schedulerName:
        spec.schedulerName = "default-scheduler"
    if spec.serviceAccountName or spec.serviceAccount:
        spec.serviceAccountName = spec.serviceAccountName or spec.serviceAccount
        spec.serviceAccount = spec.serviceAccountName
    for container in spec.initContainers:
        _container(container, spec.hostNetwork)
    for container in spec.containers:
        _container(container, spec.hostNetwork)
    for ephemeral in spec.ephemeralContainers:
        _container(ephemeral.ephemeralContainerCommon, spec.hostNetwork)
    for volume in spec.volumes:
        _volume(volume.volumeSource)
    if spec.overhead:
        canonical(spec.overhead)


def fill_pod(spec: corev1.PodSpec) -> None:
    """Fill in what a pod gets beyond its template: requests taken from limits, service links."""
    fill(spec)
    if not spec.HasField("enableServiceLinks"):
        spec.enableServiceLinks = True
    for container in (*spec.initContainers, *spec.containers):
        if container.HasField("resources"):
            _requests_from_limits(container.resources)


def _requests_from_limits(resources: corev1.ResourceRequirements) -> None:
    for name, limit in resources.limits.items():
        if name not in resources.requests:
            resources.requests[name].CopyFrom(limit)


def _container(container: Any, host_network: bool) -> None:
    if not container.imagePullPolicy:
        container.imagePullPolicy = "Always" if _is_latest(container.image) else "IfNotPresent"
    if not container.terminationMessagePath:
        container.terminationMessagePath = "/dev/termination-log"
    if not container.terminationMessagePolicy:
        container.terminationMessagePolicy = "File"
    for port in container.ports:
        if not port.protocol:
            port.protocol = "TCP"
        if host_network and not port.hostPort:
            port.hostPort = port.containerPort
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        if container.HasField(name):
            _probe(getattr(container, name))
    if container.HasField("lifecycle"):
        for handler in (container.lifecycle.postStart, container.lifecycle.preStop):
            if handler.HasField("httpGet"):
                _http_get(handler.httpGet)
    for env in container.env:
        if env.valueFrom.HasField("fieldRef") and not env.valueFrom.fieldRef.apiVersion:
            env.valueFrom.fieldRef.apiVersion = "v1"
        if env.valueFrom.HasField("resourceFieldRef"):
            _divisor(env.valueFrom.resourceFieldRef)
    if container.HasField("resources"):
        canonical(container.resources.limits)
        canonical(container.resources.requests)
    if container.HasField("securityContext") and container.securityContext.HasField("procMount"):
        container.securityContext.procMount = container.securityContext.procMount or "Default"


def _is_latest(image: str) -> bool:
    """Say whether an image's name has no tag, or `latest`, and no digest."""
    if "@" in image:
        return False
    tag = image.rpartition("/")[2].partition(":")[2]
    return tag in ("", "latest")


def _probe(probe: corev1.Probe) -> None:
    probe.timeoutSeconds = probe.timeoutSeconds or 1
    probe.periodSeconds = probe.periodSeconds or 10
    probe.successThreshold = probe.successThreshold or 1
    probe.failureThreshold = probe.failureThreshold or 3
    if probe.handler.HasField("httpGet"):
        _http_get(probe.handler.httpGet)
    if probe.handler.HasField("grpc") and not probe.handler.grpc.HasField("service"):
        probe.handler.grpc.service = ""


def _http_get(action: corev1.HTTPGetAction) -> None:
    action.path = action.path or "/"
    action.scheme = action.scheme or "HTTP"


def _divisor(selector: corev1.ResourceFieldSelector) -> None:
    if not selector.divisor.string:
        selector.divisor.string = "0"


def _volume(source: corev1.VolumeSource) -> None:
    if not source.ListFields():
        source.emptyDir.SetInParent()
    elif source.HasField("configMap"):
        _mode(source.configMap)
    elif source.HasField("secret"):
        _mode(source.secret)
    elif source.HasField("downwardAPI"):
        _mode(source.downwardAPI)
        _downward(source.downwardAPI.items)
    elif source.HasField("projected"):
        _mode(source.projected)
        for part in source.projected.sources:
            _downward(part.downwardAPI.items)
            if part.HasField("serviceAccountToken") and not part.serviceAccountToken.HasField("expirationSeconds"):
                part.serviceAccountToken.expirationSeconds = TOKEN_SECONDS
    elif source.HasField("ephemeral"):
        template = source.ephemeral.volumeClaimTemplate
        if source.ephemeral.HasField("volumeClaimTemplate") and not template.spec.HasField("volumeMode"):
            template.spec.volumeMode = "Filesystem"
    else:
        sources.fill(source)


def _mode(source: Any) -> None:
    if not source.HasField("defaultMode"):
        source.defaultMode = FILE_MODE


def _downward(items: Iterable[corev1.DownwardAPIVolumeFile]) -> None:
    for item in items:
        if item.HasField("fieldRef") and not item.fieldRef.apiVersion:
            item.fieldRef.apiVersion = "v1"
        if item.HasField("resourceFieldRef"):
            _divisor(item.resourceFieldRef)


def canonical(resources: MutableMapping[str, resource_pb2.Quantity]) -> None:
    """Write every amount in its canonical form; what is no quantity stays, for validation to name."""
    for amount in resources.values():
        try:
            text = quantity.canonical(amount.string)
        except quantity.QuantityError:
            continue
        if text != amount.string:
            amount.string = text
