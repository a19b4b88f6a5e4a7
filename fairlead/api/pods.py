"""What can be told from a Pod alone: whether it counts, is ready, is available, which container is meant.

Both programs ask; pure.
"""

from __future__ import annotations

from fairlead.api import conditions, errors, times
from fairlead.api.pb import core_v1_pb2 as corev1

PENDING, RUNNING, SUCCEEDED, FAILED, UNKNOWN = "Pending", "Running", "Succeeded", "Failed", "Unknown"
READY = "Ready"


def is_terminating(pod: corev1.Pod) -> bool:
    """Whether the pod's deletion has begun."""
    return pod.metadata.HasField("deletionTimestamp")


def is_finished(pod: corev1.Pod) -> bool:
    """Whether all its containers have ended for good."""
    return pod.status.phase in (SUCCEEDED, FAILED)


def is_active(pod: corev1.Pod) -> bool:
    """Whether a controller counts the pod: neither finished nor terminating."""
    return not is_finished(pod) and not is_terminating(pod)


def is_ready(pod: corev1.Pod) -> bool:
    """Whether the pod's Ready condition is True."""
    return conditions.is_true(pod.status.conditions, READY)


def ready_since(pod: corev1.Pod) -> float | None:
    """Return since when (Unix time) the pod has been ready, None where it is not; 0.0 where no time is given."""
    condition = conditions.get(pod.status.conditions, READY)
    if condition is None or condition.status != conditions.TRUE:
        return None
    return times.to_seconds(condition.lastTransitionTime)


def available_in(pod: corev1.Pod, min_ready_seconds: float, now: float) -> float | None:
    """Return in how many seconds the pod is available, 0 where it is; None where it is not even ready."""
    since = ready_since(pod)
    if since is None:
        return None
    return max(0.0, since + min_ready_seconds - now) if min_ready_seconds else 0.0


def container_of(pod: corev1.Pod, name: str) -> str:
    """Return the container that a request means; errors.BadRequest, in Kubernetes' words, where it is not clear."""
    spec = pod.spec
    names = [container.name for container in (*spec.initContainers, *spec.containers)]
    names += [container.ephemeralContainerCommon.name for container in spec.ephemeralContainers]
    if not name and len(spec.containers) == 1:
        return spec.containers[0].name
    if name in names:
        return name
    if name:
        raise errors.BadRequest(f"container {name} is not valid for pod {pod.metadata.name}")
    listed = f"choose one of: [{' '.join(names)}]"
    raise errors.BadRequest(f"a container name must be specified for pod {pod.metadata.name}, {listed}")
