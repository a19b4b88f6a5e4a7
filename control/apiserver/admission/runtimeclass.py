"""RuntimeClass: what a pod's runtime costs, and on which nodes it is.

Source: Kubernetes' documentation, "Runtime Class" and "Pod Overhead".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from control.apiserver.admission import lookup, plugin
from control.store import cache as caches
from fairlead.api import quantity
from fairlead.api.pb import core_v1_pb2 as corev1
from fairlead.api.pb import node_v1_pb2 as nodev1


class RuntimeClass(plugin.Plugin):
    """Completes new pods by their runtime class, and refuses overhead that is not the class' own."""

    def __init__(self, cache: caches.Cache) -> None:
        self._classes = lookup.Lookup(cache, nodev1.RuntimeClass)

    async def admit(self, request: plugin.Request) -> None:
        """Take overhead, node selector and tolerations over from the class."""
        pod = plugin.created(request, corev1.Pod)
        if pod is None:
            return
        found = await self._class_of(request, pod)
        if found is None:
            return
        if found.HasField("overhead"):
            if pod.spec.overhead:
                _judge_overhead(request, pod, found)
            else:
                quantity.write(quantity.amounts(found.overhead.podFixed), pod.spec.overhead)
        for key, value in found.scheduling.nodeSelector.items():
            own = pod.spec.nodeSelector.get(key, value)
            if own != value:
                raise request.forbidden(
                    f"conflict: runtimeClass.scheduling.nodeSelector[{key}] = {value};"
                    f" pod.spec.nodeSelector[{key}] = {own}"
                )
            pod.spec.nodeSelector[key] = value
        if found.HasField("scheduling"):
            merged = list(_merged([*pod.spec.tolerations, *found.scheduling.tolerations]))
            pod.spec.ClearField("tolerations")
            pod.spec.tolerations.extend(merged)

    async def validate(self, request: plugin.Request) -> None:
        """Refuse overhead that does not come from the class."""
        pod = plugin.created(request, corev1.Pod)
        if pod is None:
            return
        found = await self._class_of(request, pod)
        if found is not None and found.HasField("overhead"):
            _judge_overhead(request, pod, found)
        elif pod.spec.overhead:
            raise request.forbidden(
                "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead"
            )

    async def _class_of(self, request: plugin.Request, pod: corev1.Pod) -> nodev1.RuntimeClass | None:
        name = pod.spec.runtimeClassName
        if not name:
            return None
        found = await self._classes.find(name)
        if found is None:
            raise request.forbidden(f'pod rejected: RuntimeClass "{name}" not found')
        return found


def _judge_overhead(request: plugin.Request, pod: corev1.Pod, found: nodev1.RuntimeClass) -> None:
    if quantity.amounts(pod.spec.overhead) != quantity.amounts(found.overhead.podFixed):
        raise request.forbidden("pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead")


def _merged(tolerations: Sequence[corev1.Toleration]) -> Iterator[corev1.Toleration]:
    """Iterate over tolerations without those that another one covers; of equal ones the first stays."""
    kept: list[corev1.Toleration] = []
    for index, one in enumerate(tolerations):
        if any(_covers(other, one) for other in kept):
            continue
        if any(other != one and _covers(other, one) for other in tolerations[index + 1 :]):
            continue
        kept.append(one)
        yield one


def _covers(wide: corev1.Toleration, one: corev1.Toleration) -> bool:
    """Say whether a toleration tolerates all that another does."""
    if wide == one:
        return True
    if one.key != wide.key and (wide.key or wide.operator != "Exists"):
        return False
    if wide.effect not in ("", one.effect):
        return False
    is_short = wide.effect == "NoExecute" and wide.HasField("tolerationSeconds")
    if is_short and not (one.HasField("tolerationSeconds") and one.tolerationSeconds <= wide.tolerationSeconds):
        return False
    if wide.operator == "Exists":
        return True
    return wide.operator in ("", "Equal") and one.operator == "Equal" and one.value == wide.value
