"""PodSecurity: the Pod Security Standard that a namespace's labels ask of its pods.

`enforce` refuses pods; `warn` warns of pods and of what makes pods, and `audit` has the audit log tell of them. Each
label has a level and, beside it, the version of Kubernetes whose standard is meant. Source: Kubernetes'
documentation, "Pod Security Admission".
"""

from __future__ import annotations

from typing import Any

from control.apiserver import field, warnings
from control.apiserver.admission import lookup, plugin, podpolicies, securitychecks
from control.apiserver.audit import event as audit
from control.store import cache as caches
from fairlead.api import errors
from fairlead.api.pb import apps_v1_pb2 as appsv1
from fairlead.api.pb import batch_v1_pb2 as batchv1
from fairlead.api.pb import core_v1_pb2 as corev1

PREFIX = podpolicies.PREFIX
LEVELS = podpolicies.LEVELS
MOST_PODS = 3000  # so many pods of a namespace are judged when its level becomes stricter


class PodSecurity(plugin.Plugin):
    """Judges pods, what makes pods, and the labels of namespaces."""

    def __init__(self, cache: caches.Cache, configuration: podpolicies.Configuration = podpolicies.NOTHING) -> None:
        self._namespaces = lookup.Lookup(cache, corev1.Namespace)
        self._pods = lookup.Lookup(cache, corev1.Pod)
        self._configuration = configuration

    async def validate(self, request: plugin.Request) -> None:
        """Refuse or warn by the labels of the namespace."""
        if request.operation not in ("CREATE", "UPDATE"):
            return
        obj = request.obj
        if isinstance(obj, corev1.Namespace):
            self._judge_namespace(request, obj)
        elif isinstance(obj, corev1.Pod):
            if request.subresource in ("", "ephemeralcontainers", "resize"):
                self._judge(request, obj, is_pod=True)
        elif not request.subresource:
            template = template_of(obj)
            if template is not None:
                self._judge(request, template, is_pod=False)

    def _judge(self, request: plugin.Request, subject: Any, *, is_pod: bool) -> None:
        if why := self._exempt(request):
            _note("exempt", why)
            return
        namespace = self._namespaces.get(request.namespace)
        if namespace is None:
            return
        asked, faults = podpolicies.of_labels(namespace.metadata.labels, self._configuration.defaults)
        if not faults and asked.is_free:
            if is_pod:
                _note("enforce-policy", str(podpolicies.Level()))
            return
        if is_pod and not _matters(subject, request.old):
            return
        if not is_pod and not faults and asked.warn.is_free and asked.audit.is_free:
            return
        if subject.spec.runtimeClassName in self._configuration.runtime_classes:
            _note("exempt", "runtimeClass")
            return
        self._weigh(request, subject, asked, faults, enforce=is_pod)

    def _exempt(self, request: plugin.Request) -> str:
        """Return why nothing is asked of a request; empty where something may be."""
        if request.namespace in self._configuration.namespaces:
            return "namespace"
        return "user" if request.user.name in self._configuration.usernames else ""

    def _weigh(
        self,
        request: plugin.Request,
        subject: Any,
        asked: podpolicies.Policy,
        faults: field.Faults,
        *,
        enforce: bool,
    ) -> None:
        """Refuse, warn and tell the audit log of what a pod or a template does."""
        if faults:
            _note("error", f"Failed to parse policy: {_joined(faults)}")
        broken = asked.enforce.judge(subject.metadata, subject.spec) if enforce else []
        if enforce:
            _note("enforce-policy", str(asked.enforce))
        if found := asked.audit.judge(subject.metadata, subject.spec):
            _note("audit-violations", f'would violate PodSecurity "{asked.audit}": {_told(found)}')
        if broken:
            raise request.forbidden(f'violates PodSecurity "{asked.enforce}": {_told(broken)}')
        if found := asked.warn.judge(subject.metadata, subject.spec):
            warnings.add(f'would violate PodSecurity "{asked.warn}": {_told(found)}')

    def _judge_namespace(self, request: plugin.Request, namespace: corev1.Namespace) -> None:
        """Judge new labels, and warn of pods that a stricter level would not let in any more."""
        if request.subresource:
            return
        defaults, labels, name = self._configuration.defaults, namespace.metadata.labels, namespace.metadata.name
        asked, faults = podpolicies.of_labels(labels, defaults)
        if request.old is None:
            before, known = None, list[errors.Cause]()
        else:
            before, known = podpolicies.of_labels(request.old.metadata.labels, defaults)
        if faults and faults != known:
            raise errors.invalid("", "Namespace", name, faults)
        if before is not None and not _is_stricter(asked.enforce, before.enforce):
            return
        if name in self._configuration.namespaces:
            if not asked.is_free and asked != defaults:
                ignored = f"the policy ({podpolicies.told(asked, labels)}) will be ignored"
                warnings.add(f'namespace "{name}" is exempt from Pod Security, and {ignored}')
        elif before is not None:
            for text in self._existing(name, asked.enforce):
                warnings.add(text)

    def _existing(self, namespace: str, level: podpolicies.Level) -> list[str]:
        """Return warnings of the pods that are there and break a level."""
        if level.is_free:
            return []
        exempt = self._configuration.runtime_classes
        pods = [pod for pod in self._pods.all(namespace) if pod.spec.runtimeClassName not in exempt]
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


def _is_stricter(level: podpolicies.Level, before: podpolicies.Level) -> bool:
    """Whether a level may refuse what another let pass."""
    if level == before or level.is_free:
        return False
    return level.version != before.version or LEVELS.index(level.level) > LEVELS.index(before.level)


def _note(key: str, value: str) -> None:
    audit.annotate(PREFIX + key, value)


def _joined(faults: field.Faults) -> str:
    texts = [f"{one.field}: {one.message}" for one in faults]
    return texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"


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
