"""What is to be said of a pod or of a template for pods: deprecated parts, doubles, amounts in pieces. Pure.

Source: Kubernetes' warnings for pods, release 1.32.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from control.apiserver.advice import labels, volumes
from control.apiserver.field import shown
from fairlead.api import names
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import meta_v1_pb2 as metav1
from fairlead.api.pb import resource_pb2

IN_HOSTNAME = "this is used in the Pod's hostname, which can result in surprising behavior"
IN_NAMES = "this is used in Pod names and hostnames, which can result in surprising behavior"
NO_POD = "a null labelSelector results in matching no pod"
SECCOMP = 'non-functional in v1.27+; use the "seccompProfile" field instead'
APPARMOR = 'deprecated since v1.30; use the "appArmorProfile" field instead'
POD_SECCOMP_KEY = "seccomp.security.alpha.kubernetes.io/pod"
SECCOMP_KEY = "container.seccomp.security.alpha.kubernetes.io/"
APPARMOR_KEY = "container.apparmor.security.beta.kubernetes.io/"
_ANNOTATIONS = {
    "scheduler.alpha.kubernetes.io/critical-pod": (
        'non-functional in v1.16+; use the "priorityClassName" field instead'
    ),
    "security.alpha.kubernetes.io/sysctls": 'non-functional in v1.11+; use the "sysctls" field instead',
    "security.alpha.kubernetes.io/unsafe-sysctls": 'non-functional in v1.11+; use the "sysctls" field instead',
}
_REQUIRED, _PREFERRED = (
    "requiredDuringSchedulingIgnoredDuringExecution",
    "preferredDuringSchedulingIgnoredDuringExecution",
)
_WHOLE_BYTES = ("memory", "ephemeral-storage")


def name(found: str, why: str) -> Iterator[str]:
    """Iterate over what is to be said of the name of something whose pods have it in theirs."""
    wrong = names.dns_label(found)
    if wrong:
        yield f"metadata.name: {why}; a DNS label is recommended: [{' '.join(wrong)}]"


def pod(obj: corev1.Pod) -> Iterator[str]:
    """Iterate over what is to be said of a new pod."""
    yield from name(obj.metadata.name, IN_HOSTNAME)
    yield from _whole(obj.spec, obj.metadata, "")


def template(obj: corev1.PodTemplateSpec, path: str) -> Iterator[str]:
    """Iterate over what is to be said of a template for pods."""
    yield from _whole(obj.spec, obj.metadata, f"{path}.")


def workload(obj: Any, old: Any) -> Iterator[str]:
    """Iterate over what is to be said of a workload: of the name of a new one, and of a template that may be new."""
    if old is None:
        yield from name(obj.metadata.name, IN_NAMES)
    if old is None or obj.metadata.generation != old.metadata.generation:
        yield from template(obj.spec.template, "spec.template")


def _whole(spec: corev1.PodSpec, metadata: metav1.ObjectMeta, at: str) -> Iterator[str]:
    yield from _placement(spec, f"{at}spec")
    for key, text in _ANNOTATIONS.items():
        if key in metadata.annotations:
            yield f"{at}metadata.annotations[{key}]: {text}"
    for index, volume in enumerate(spec.volumes):
        yield from volumes.of_pod(volume, f"{at}spec.volumes[{index}]")
    yield from _token_paths(spec, f"{at}spec")
    yield from _twice((one.ip for one in spec.hostAliases), f"{at}spec.hostAliases", "ip")
    yield from _twice((one.name for one in spec.imagePullSecrets), f"{at}spec.imagePullSecrets", "name")
    for index, secret in enumerate(spec.imagePullSecrets):
        if not secret.name:
            yield f'{at}spec.imagePullSecrets[{index}].name: invalid empty name ""'
    yield from pieces(spec.overhead, f"{at}spec.overhead")
    if POD_SECCOMP_KEY in metadata.annotations and not spec.securityContext.HasField("seccompProfile"):
        yield f"{at}metadata.annotations[{POD_SECCOMP_KEY}]: {SECCOMP}"
    for container, path in _containers(spec, f"{at}spec"):
        yield from _container(spec, container, metadata, at)
        yield from pieces(container.resources.limits, f"{path}.resources.limits")
        yield from pieces(container.resources.requests, f"{path}.resources.requests")
        yield from _hidden(container.env, f"{path}.env")
    yield from _ports(spec, f"{at}spec")
    if spec.HasField("terminationGracePeriodSeconds") and spec.terminationGracePeriodSeconds < 0:
        text = "must be >= 0; negative values are invalid and will be treated as 1"
        yield f"{at}spec.terminationGracePeriodSeconds: {text}"
    yield from _affinity(spec.affinity, f"{at}spec.affinity")


def _containers(spec: corev1.PodSpec, path: str) -> Iterator[tuple[Any, str]]:
    for part in ("initContainers", "containers", "ephemeralContainers"):
        for index, container in enumerate(getattr(spec, part)):
            yield container, f"{path}.{part}[{index}]"


def _placement(spec: corev1.PodSpec, path: str) -> Iterator[str]:
    yield from labels.of_selector(spec.nodeSelector, f"{path}.nodeSelector")
    affinity, at = spec.affinity.nodeAffinity, f"{path}.affinity.nodeAffinity"
    for index, term in enumerate(getattr(affinity, _REQUIRED).nodeSelectorTerms):
        yield from labels.of_term(term, f"{at}.{_REQUIRED}.nodeSelectorTerms[{index}]")
    for index, preferred in enumerate(getattr(affinity, _PREFERRED)):
        yield from labels.of_term(preferred.preference, f"{at}.{_PREFERRED}[{index}].preference")
    for index, spread in enumerate(spec.topologySpreadConstraints):
        at = f"{path}.topologySpreadConstraints[{index}]"
        if spread.topologyKey in labels.DEPRECATED:
            yield f"{at}.topologyKey: {spread.topologyKey} is {labels.DEPRECATED[spread.topologyKey]}"
        if not spread.HasField("labelSelector"):
            yield f"{at}.labelSelector: {NO_POD}"


def _affinity(affinity: corev1.Affinity, path: str) -> Iterator[str]:
    for part in ("podAffinity", "podAntiAffinity"):
        found, at = getattr(affinity, part), f"{path}.{part}"
        for index, term in enumerate(getattr(found, _REQUIRED)):
            if not term.HasField("labelSelector"):
                yield f"{at}.{_REQUIRED}[{index}].labelSelector: {NO_POD}"
        for index, weighted in enumerate(getattr(found, _PREFERRED)):
            if not weighted.podAffinityTerm.HasField("labelSelector"):
                yield f"{at}.{_PREFERRED}[{index}].podAffinityTerm.labelSelector: {NO_POD}"


def _token_paths(spec: corev1.PodSpec, path: str) -> Iterator[str]:
    """Iterate over the files of projected volumes that would lie where a token does."""
    sources = [
        (index, source)
        for index, volume in enumerate(spec.volumes)
        for source in volume.volumeSource.projected.sources
    ]
    tokens = {one.serviceAccountToken.path for _, one in sources if one.HasField("serviceAccountToken")}
    for index, source in sources:
        at = f"{path}.volumes[{index}].projected.sources"
        for part, shown_as in (("configMap", "configMap"), ("secret", "secrets"), ("downwardAPI", "downwardAPI")):
            for place, item in enumerate(getattr(source, part).items):
                if item.path in tokens:
                    yield f"{at}.{shown_as}[{place}]: has duplicated path with ServiceAccountToken {shown(item.path)}"
        if source.HasField("clusterTrustBundle") and source.clusterTrustBundle.path in tokens:
            found = shown(source.clusterTrustBundle.path)
            yield f"{at}.ClusterTrustBundle: has duplicated path with ServiceAccountToken {found}"


def _twice(values: Iterable[str], path: str, part: str) -> Iterator[str]:
    seen: set[str] = set()
    for index, value in enumerate(values):
        if value in seen:
            yield f"{path}[{index}].{part}: duplicate {part} {shown(value)}"
        seen.add(value)


def pieces(amounts: Mapping[str, resource_pb2.Quantity], path: str) -> Iterator[str]:
    """Iterate over the amounts of bytes that are no whole numbers."""
    for resource in _WHOLE_BYTES:
        if resource in amounts:
            yield from volumes.piece(amounts[resource], f"{path}[{resource}]")


def _container(spec: corev1.PodSpec, container: Any, metadata: metav1.ObjectMeta, at: str) -> Iterator[str]:
    context, annotations = container.securityContext, f"{at}metadata.annotations"
    key = SECCOMP_KEY + container.name
    if key in metadata.annotations and not context.HasField("seccompProfile"):
        yield f"{annotations}[{key}]: {SECCOMP}"
    key = APPARMOR_KEY + container.name
    has_profile = context.HasField("appArmorProfile") or spec.securityContext.HasField("appArmorProfile")
    if key in metadata.annotations and not has_profile:
        yield f"{annotations}[{key}]: {APPARMOR}"


def _hidden(variables: Iterable[corev1.EnvVar], path: str) -> Iterator[str]:
    """Iterate over variables whose name was there before, and whose value does not build on that."""
    seen: set[str] = set()
    for index, one in enumerate(variables):
        reference = f"$({one.name})"
        builds_on = not one.HasField("valueFrom") and one.value != reference and reference in one.value
        if one.name in seen and not builds_on:
            text = f"hides previous definition of {shown(one.name)}, which may be dropped when using apply"
            yield f"{path}[{index}]: {text}"
        seen.add(one.name)


def _ports(spec: corev1.PodSpec, path: str) -> Iterator[str]:
    known: dict[tuple[int, str], list[tuple[corev1.ContainerPort, str]]] = {}
    for container, base in _containers(spec, path):
        for index, port in enumerate(container.ports):
            at = f"{base}.ports[{index}]"
            if port.hostIP and not port.hostPort:
                yield f"{at}: hostIP set without hostPort: {_port(port)}"
            others = known.setdefault((port.containerPort, port.protocol), [])
            for other, there in others:
                if (port.hostIP, port.hostPort) == (other.hostIP, other.hostPort):
                    yield f"{at}: duplicate port definition with {there}"
                elif not port.hostPort or not other.hostPort:
                    yield f"{at}: overlapping port definition with {there}"
                elif port.hostPort == other.hostPort and bool(port.hostIP) != bool(other.hostIP):
                    yield f"{at}: dangerously ambiguous port definition with {there}"
            others.append((port, at))


def _port(port: corev1.ContainerPort) -> str:
    """Return a port as Go prints it."""
    host = f"HostPort:{port.hostPort} ContainerPort:{port.containerPort}"
    return f"{{Name:{port.name} {host} Protocol:{port.protocol} HostIP:{port.hostIP}}}"
