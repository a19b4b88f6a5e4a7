"""Admission of pods: default tolerations, service account and priority, as Kubernetes' plugins of these names."""

from __future__ import annotations

from collections.abc import Mapping

from control.apiserver.admission import plugin
from fairlead.api import errors
from fairlead.api.pb import core_v1_pb2 as corev1

TOLERATION_SECONDS = 300
NOT_READY = "node.kubernetes.io/not-ready"
UNREACHABLE = "node.kubernetes.io/unreachable"
SYSTEM_CLASSES: Mapping[str, int] = {
    "system-cluster-critical": 2_000_000_000,
    "system-node-critical": 2_000_001_000,
}


def _new_pod(request: plugin.Request) -> corev1.Pod | None:
    if request.operation == "CREATE" and not request.subresource and isinstance(request.obj, corev1.Pod):
        return request.obj
    return None


class DefaultTolerationSeconds(plugin.Plugin):
    """Lets a pod stay five minutes on a node that is not ready or not reachable, unless it says otherwise."""

    async def admit(self, request: plugin.Request) -> None:
        """Add the tolerations that a new pod lacks."""
        pod = _new_pod(request)
        if pod is None:
            return
        for taint in (NOT_READY, UNREACHABLE):
            if not any(_covers(one, taint) for one in pod.spec.tolerations):
                pod.spec.tolerations.add(
                    key=taint, operator="Exists", effect="NoExecute", tolerationSeconds=TOLERATION_SECONDS
                )


def _covers(toleration: corev1.Toleration, taint: str) -> bool:
    return toleration.key in (taint, "") and toleration.effect in ("NoExecute", "")


class DefaultServiceAccount(plugin.Plugin):
    """Runs a pod as the service account `default` of its namespace, unless it names one."""

    async def admit(self, request: plugin.Request) -> None:
        """Name the service account of a new pod."""
        pod = _new_pod(request)
        if pod is not None and not pod.spec.serviceAccountName:
            pod.spec.serviceAccountName = "default"
            pod.spec.serviceAccount = "default"


class Priority(plugin.Plugin):
    """Gives a pod the priority of its class; PriorityClass objects are not served, the two system classes are."""

    async def admit(self, request: plugin.Request) -> None:
        """Set a new pod's priority."""
        pod = _new_pod(request)
        if pod is None:
            return
        name = pod.spec.priorityClassName
        if name and name not in SYSTEM_CLASSES:
            why = f"no PriorityClass with name {name} was found"
            raise errors.forbidden("", "pods", pod.metadata.name, why)
        priority = SYSTEM_CLASSES.get(name, 0)
        if pod.spec.HasField("priority") and pod.spec.priority != priority:
            why = f"the integer value of priority ({pod.spec.priority}) must not be provided in pod spec; priority"
            raise errors.forbidden(
                "",
                "pods",
                pod.metadata.name,
                f"{why} admission controller computed {priority} from the given PriorityClass name",
            )
        pod.spec.priority = priority
        if not pod.spec.HasField("preemptionPolicy"):
            pod.spec.preemptionPolicy = "PreemptLowerPriority"
