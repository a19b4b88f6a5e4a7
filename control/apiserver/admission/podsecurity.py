"""PodSecurity: the Pod Security Standard that a namespace's labels ask of its pods.

`enforce` refuses pods, `warn` warns of pods and of what makes pods; each label has a level and, beside it, the
version of Kubernetes whose standard is meant. Source: Kubernetes' documentation, "Pod Security Admission".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from control.apiserver import field, warnings
from control.apiserver.admission import lookup, plugin, securitychecks
from control.store import cache as caches
from fairlead.api import errors
from fairlead.api.pb import apps_v1_pb2 as appsv1
from fairlead.api.pb import batch_v1_pb2 as batchv1
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import meta_v1_pb2 as metav1

PREFIX = "pod-security.kubernetes.io/"
LEVELS = (securitychecks.PRIVILEGED, securitychecks.BASELINE, securitychecks.RESTRICTED)
MOST_PODS = 3000  # so many pods of a namespace are judged when its level becomes stricter
_VERSION = re.compile(r"v1\.([0-9]|[1-9][0-9]*)")


@dataclass(frozen=True, slots=True)
class Level:
    """A level and the minor version whose standard is meant."""

    level: str = securitychecks.PRIVILEGED
    version: int = securitychecks.LATEST

    def __str__(self) -> str:
        """Return `restricted:latest` or `baseline:v1.29`."""
        version = "latest" if self.version == securitychecks.LATEST else f"v1.{self.version}"
        return f"{self.level}:{version}"

    def judge(self, meta: metav1.ObjectMeta, spec: corev1.PodSpec) -> list[securitychecks.Violation]:
        """Return what a pod does that this level forbids."""
        return securitychecks.violations(self.level, self.version, meta, spec)


@dataclass(frozen=True, slots=True)
class Policy:
    """What a namespace asks for; `audit` is read so that its label is judged."""

    enforce: Level
    audit: Level
    warn: Level


def policy(labels: Mapping[str, str]) -> tuple[Policy, field.Faults]:
    """Return a namespace's policy and what is wrong with its labels; what cannot be read is restricted, or silent."""
    faults: field.Faults = []

    def level(mode: str, unreadable: str) -> Level:
        key, version_key = PREFIX + mode, f"{PREFIX}{mode}-version"
        named, version = labels.get(key, securitychecks.PRIVILEGED), labels.get(version_key, "latest")
        if named not in LEVELS:
            faults.append(field.invalid(_path(key), named, f"must be one of {', '.join(LEVELS)}"))
            named = unreadable
        found = _VERSION.fullmatch(version)
        if found is None and version != "latest":
            faults.append(field.invalid(_path(version_key), version, 'must be "latest" or "v1.x"'))
        return Level(named, int(found[1]) if found else securitychecks.LATEST)

    enforce = level("enforce", securitychecks.RESTRICTED)
    made = Policy(enforce, level("audit", securitychecks.PRIVILEGED), level("warn", securitychecks.PRIVILEGED))
    return made, faults


def _path(label: str) -> str:
    return f"metadata.labels[{label}]"


class PodSecurity(plugin.Plugin):
    """Judges pods, what makes pods, and the labels of namespaces."""

    def __init__(self, cache: caches.Cache) -> None:
        self._namespaces = lookup.Lookup(cache, corev1.Namespace)
        self._pods = lookup.Lookup(cache, corev1.Pod)

    async def validate(self, request: plugin.Request) -> None:
        """Refuse or warn by the labels of the namespace."""
        if request.operation not in ("CREATE", "UPDATE"):
            return
        obj = request.obj
        if isinstance(obj, corev1.Namespace):
            self._judge_namespace(request, obj)
        elif isinstance(obj, corev1.Pod):
            if request.subresource in ("", "ephemeralcontainers", "resize") and _matters(obj, request.old):
                self._judge(request, obj, enforce=True)
        elif not request.subresource:
            template = template_of(obj)
            if template is not None:
                self._judge(request, template, enforce=False)

    def _judge(self, request: plugin.Request, subject: Any, *, enforce: bool) -> None:
        namespace = self._namespaces.get(request.namespace)
        if namespace is None or not any(key.startswith(PREFIX) for key in namespace.metadata.labels):
            return
        asked, _ = policy(namespace.metadata.labels)
        if enforce and (found := asked.enforce.judge(subject.metadata, subject.spec)):
            raise request.forbidden(f'violates PodSecurity "{asked.enforce}": {_told(found)}')
        if found := asked.warn.judge(subject.metadata, subject.spec):
            warnings.add(f'would violate PodSecurity "{asked.warn}": {_told(found)}')

    def _judge_namespace(self, request: plugin.Request, namespace: corev1.Namespace) -> None:
        """Judge new labels, and warn of pods that a stricter level would not let in any more."""
        if request.subresource:
            return
        asked, faults = policy(namespace.metadata.labels)
        before, known = policy(request.old.metadata.labels) if request.old is not None else (None, [])
        if faults and faults != known:
            raise errors.invalid("", "Namespace", namespace.metadata.name, faults)
        if before is None or asked.enforce == before.enforce:
            return
        eased = LEVELS.index(asked.enforce.level) <= LEVELS.index(before.enforce.level)
        if asked.enforce.version == before.enforce.version and eased:
            return
        for text in self._existing(namespace.metadata.name, asked.enforce):
            warnings.add(text)

    def _existing(self, namespace: str, level: Level) -> list[str]:
        """Return warnings of the pods that are there and break a level."""
        if level.level == securitychecks.PRIVILEGED:
            return []
        pods = list(self._pods.all(namespace))
        breaking: dict[str, list[str]] = {}
        for pod in pods[:MOST_PODS]:
            if found := level.judge(pod.metadata, pod.spec):
                breaking.setdefault(", ".join(one.reason for one in found), []).append(pod.metadata.name)
        told = []
        if len(pods) > MOST_PODS:
            text = "new PodSecurity enforce level only checked against the first"
            told.append(f"{text} {MOST_PODS} of {len(pods)} existing pods")
        if breaking:
            text = f'existing pods in namespace "{namespace}" violate the new PodSecurity enforce level "{level}"'
            told.append(text)
        return told + sorted(_broken(names, reasons) for reasons, names in breaking.items())


def _broken(names: list[str], reasons: str) -> str:
    """Return `web-1 (and 2 other pods): privileged`."""
    others = len(names) - 1
    more = f" (and {others} other {securitychecks.plural('pod', 'pods', others)})" if others else ""
    return f"{min(names)}{more}: {reasons}"


def _told(found: list[securitychecks.Violation]) -> str:
    return ", ".join(str(one) for one in found)


def _matters(pod: corev1.Pod, old: corev1.Pod | None) -> bool:
    """Whether a write of a pod changes what the standards look at: its containers and their images."""
    if old is None:
        return True
    if dict(pod.metadata.annotations) != dict(old.metadata.annotations):
        return True
    return _images(pod) != _images(old)


def _images(pod: corev1.Pod) -> list[tuple[str, str]]:
    containers: list[Any] = [*pod.spec.initContainers, *pod.spec.containers]
    containers += [one.ephemeralContainerCommon for one in pod.spec.ephemeralContainers]
    return [(one.name, one.image) for one in containers]


def template_of(obj: Any) -> corev1.PodTemplateSpec | None:
    """Return the template by which an object makes pods, or None."""
    match obj:
        case corev1.PodTemplate():
            return obj.template
        case batchv1.CronJob():
            return obj.spec.jobTemplate.spec.template
        case (
            appsv1.Deployment()
            | appsv1.ReplicaSet()
            | appsv1.StatefulSet()
            | appsv1.DaemonSet()
            | batchv1.Job()
            | corev1.ReplicationController()
        ):
            return obj.spec.template
    return None
